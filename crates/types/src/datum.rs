//! Column types and values.

use bigdecimal::BigDecimal;

/// The type of a column or of an expression.
///
/// The length of `varchar(n)` and `char(n)` counts characters. `Numeric` appears in results only
/// (`sum(bigint)`, `avg`, decimal literals) until columns can be of that type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ColumnType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`
    Numeric,
    /// `text`
    Text,
    /// `varchar` or `varchar(n)`
    Varchar(Option<u32>),
    /// `char(n)`: blanks at the end do not count
    Bpchar(u32),
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    Timestamptz,
    /// `oid`
    Oid,
    /// `pg_lsn`
    PgLsn,
    /// The type of a bare string literal or NULL until something decides it.
    Unknown,
}

impl ColumnType {
    /// PostgreSQL's internal name (`int4`, `bpchar`), as the line protocol's `COLUMNS` shows it.
    pub fn internal_name(self) -> &'static str {
        match self {
            ColumnType::Bool => "bool",
            ColumnType::Int2 => "int2",
            ColumnType::Int4 => "int4",
            ColumnType::Int8 => "int8",
            ColumnType::Float4 => "float4",
            ColumnType::Float8 => "float8",
            ColumnType::Numeric => "numeric",
            ColumnType::Text | ColumnType::Unknown => "text",
            ColumnType::Varchar(_) => "varchar",
            ColumnType::Bpchar(_) => "bpchar",
            ColumnType::Bytea => "bytea",
            ColumnType::Date => "date",
            ColumnType::Timestamp => "timestamp",
            ColumnType::Timestamptz => "timestamptz",
            ColumnType::Oid => "oid",
            ColumnType::PgLsn => "pg_lsn",
        }
    }
}

/// One value.
#[derive(Clone, PartialEq, Debug)]
pub enum Datum {
    /// SQL NULL, of any type.
    Null,
    /// `boolean`
    Bool(bool),
    /// `smallint`
    Int2(i16),
    /// `integer`
    Int4(i32),
    /// `bigint`
    Int8(i64),
    /// `real`
    Float4(f32),
    /// `double precision`
    Float8(f64),
    /// `numeric`
    Numeric(BigDecimal),
    /// `text`, `varchar`, `char(n)` (padded to its length)
    Text(String),
    /// `bytea`
    Bytea(Vec<u8>),
    /// Days since 2000-01-01; `i32::MIN` and `i32::MAX` are -infinity and infinity.
    Date(i32),
    /// Microseconds since 2000-01-01 00:00:00; `i64::MIN` and `i64::MAX` are the infinities.
    Timestamp(i64),
    /// Microseconds since 2000-01-01 00:00:00 UTC; infinities as in `Timestamp`.
    Timestamptz(i64),
    /// `oid`
    Oid(u32),
    /// `pg_lsn`
    PgLsn(u64),
}

impl Datum {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }
}

/// The values of a row, in the order of its columns.
pub type Row = Vec<Datum>;
