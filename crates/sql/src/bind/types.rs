//! From the name of a type in SQL to the type.

use sqlparser::ast::{CharLengthUnits, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};
use types::{ColumnType, SqlState};

use super::names::object_name;
use crate::error::{Error, Result};

/// PostgreSQL's limit for the length of `char` and `varchar`.
const MAX_LENGTH: u64 = 10_485_760;
/// PostgreSQL's limits for `numeric`.
const MAX_PRECISION: u64 = 1000;
const MAX_SCALE: i64 = 1000;

/// A type as SQL names it: `numeric` may have a precision, which a value's type does not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeSpec {
    /// The type.
    pub ty: ColumnType,
    /// Precision and scale of `numeric`.
    pub precision: Option<(i64, i64)>,
}

impl From<ColumnType> for TypeSpec {
    fn from(ty: ColumnType) -> TypeSpec {
        TypeSpec { ty, precision: None }
    }
}

/// The type that is named.
pub(crate) fn bind_type(data_type: &DataType) -> Result<TypeSpec> {
    use ColumnType as T;
    let simple = match data_type {
        DataType::Boolean | DataType::Bool => T::Bool,
        DataType::SmallInt(None) | DataType::Int2(None) => T::Int2,
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => T::Int4,
        DataType::BigInt(None) | DataType::Int8(None) => T::Int8,
        DataType::Real | DataType::Float4 => T::Float4,
        DataType::DoublePrecision | DataType::Float8 => T::Float8,
        DataType::Double(ExactNumberInfo::None) => return Err(undefined("double")),
        DataType::Float(precision) => float(precision)?,
        DataType::Text => T::Text,
        DataType::Char(length) | DataType::Character(length) => char_of(length.as_ref())?,
        DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Varchar(length) => varchar_of(length.as_ref())?,
        DataType::Bytea => T::Bytea,
        DataType::Date => T::Date,
        DataType::Timestamp(None, zone) => match zone {
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => T::Timestamp,
            TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => T::Timestamptz,
        },
        DataType::Timestamp(Some(_), _) => {
            return Err(Error::unsupported("a precision of timestamp"));
        }
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            return numeric(info);
        }
        DataType::Custom(name, modifiers) => {
            return custom(&object_name(name)?.join("."), modifiers);
        }
        DataType::Array(_) => return Err(Error::unsupported("the type array")),
        other => {
            return Err(Error::unsupported(format!(
                "the type {}",
                other.to_string().to_lowercase()
            )));
        }
    };
    Ok(simple.into())
}

fn undefined(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"))
}

fn invalid(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn float(precision: &ExactNumberInfo) -> Result<ColumnType> {
    match precision {
        ExactNumberInfo::None => Ok(ColumnType::Float8),
        ExactNumberInfo::Precision(0) => {
            Err(invalid("precision for type float must be at least 1 bit".to_owned()))
        }
        ExactNumberInfo::Precision(1..=24) => Ok(ColumnType::Float4),
        ExactNumberInfo::Precision(25..=53) => Ok(ColumnType::Float8),
        ExactNumberInfo::Precision(_) => {
            Err(invalid("precision for type float must be less than 54 bits".to_owned()))
        }
        ExactNumberInfo::PrecisionAndScale(_, _) => {
            Err(Error::syntax("type float takes one modifier at most"))
        }
    }
}

fn length(length: &CharacterLength, name: &str) -> Result<u32> {
    let (length, unit) = match length {
        CharacterLength::IntegerLength { length, unit } => (*length, unit),
        CharacterLength::Max => return Err(Error::unsupported(format!("{name}(max)"))),
    };
    if let Some(CharLengthUnits::Octets) = unit {
        return Err(Error::unsupported("a length in octets"));
    }
    match length {
        0 => Err(invalid(format!("length for type {name} must be at least 1"))),
        1..=MAX_LENGTH => Ok(length as u32),
        _ => Err(invalid(format!("length for type {name} cannot exceed {MAX_LENGTH}"))),
    }
}

fn char_of(given: Option<&CharacterLength>) -> Result<ColumnType> {
    Ok(ColumnType::Bpchar(given.map_or(Ok(1), |given| length(given, "char"))?))
}

fn varchar_of(given: Option<&CharacterLength>) -> Result<ColumnType> {
    Ok(ColumnType::Varchar(given.map(|given| length(given, "varchar")).transpose()?))
}

fn numeric(info: &ExactNumberInfo) -> Result<TypeSpec> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(ColumnType::Numeric.into()),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if !(1..=MAX_PRECISION).contains(&precision) {
        return Err(invalid(format!(
            "NUMERIC precision {precision} must be between 1 and {MAX_PRECISION}"
        )));
    }
    if !(-MAX_SCALE..=MAX_SCALE).contains(&scale) {
        return Err(invalid(format!(
            "NUMERIC scale {scale} must be between -{MAX_SCALE} and {MAX_SCALE}"
        )));
    }
    Ok(TypeSpec { ty: ColumnType::Numeric, precision: Some((precision as i64, scale)) })
}

/// Types of PostgreSQL that sqlparser reads as names, and that are not supported.
const OTHER_TYPES: &[&str] = &[
    "box",
    "cidr",
    "circle",
    "hstore",
    "inet",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "path",
    "pg_snapshot",
    "point",
    "polygon",
    "record",
    "refcursor",
    "regclass",
    "regproc",
    "regtype",
    "serial",
    "serial2",
    "serial4",
    "serial8",
    "bigserial",
    "smallserial",
    "tid",
    "tsquery",
    "tsvector",
    "void",
    "xid",
    "xid8",
    "xml",
];

fn custom(name: &str, modifiers: &[String]) -> Result<TypeSpec> {
    let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
    if OTHER_TYPES.contains(&name) {
        return Err(Error::unsupported(format!("the type {name}")));
    }
    let ty = match type_named(name) {
        Some(ty) => ty,
        None => return Err(undefined(name)),
    };
    match modifiers {
        [] => Ok(ty.into()),
        [one] => {
            let count = CharacterLength::IntegerLength {
                length: one.parse().map_err(|_| Error::syntax("invalid type modifier"))?,
                unit: None,
            };
            match ty {
                ColumnType::Bpchar(_) => char_of(Some(&count)).map(TypeSpec::from),
                ColumnType::Varchar(_) => varchar_of(Some(&count)).map(TypeSpec::from),
                _ => Err(no_modifier(name)),
            }
        }
        _ => Err(no_modifier(name)),
    }
}

fn no_modifier(name: &str) -> Error {
    Error::syntax(format!("type modifier is not allowed for type \"{name}\""))
}

/// The type with that internal name.
pub(crate) fn type_named(name: &str) -> Option<ColumnType> {
    use ColumnType as T;
    Some(match name {
        "bool" => T::Bool,
        "int2" => T::Int2,
        "int4" => T::Int4,
        "int8" => T::Int8,
        "float4" => T::Float4,
        "float8" => T::Float8,
        "numeric" => T::Numeric,
        "text" => T::Text,
        "varchar" => T::Varchar(None),
        "bpchar" => T::Bpchar(0),
        "bytea" => T::Bytea,
        "date" => T::Date,
        "timestamp" => T::Timestamp,
        "timestamptz" => T::Timestamptz,
        "oid" => T::Oid,
        "pg_lsn" => T::PgLsn,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse_expression;
    use sqlparser::ast::Expr;

    fn bound(name: &str) -> Result<TypeSpec> {
        match parse_expression(&format!("x::{name}")).expect(name) {
            Expr::Cast { data_type, .. } => bind_type(&data_type),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_of_types() {
        for (name, ty) in [
            ("integer", ColumnType::Int4),
            ("INT8", ColumnType::Int8),
            ("double precision", ColumnType::Float8),
            ("float(24)", ColumnType::Float4),
            ("character varying(7)", ColumnType::Varchar(Some(7))),
            ("char", ColumnType::Bpchar(1)),
            ("bpchar", ColumnType::Bpchar(0)),
            ("timestamp with time zone", ColumnType::Timestamptz),
            ("timestamptz", ColumnType::Timestamptz),
            ("pg_catalog.int4", ColumnType::Int4),
            ("pg_lsn", ColumnType::PgLsn),
        ] {
            assert_eq!(bound(name).expect(name).ty, ty, "{name}");
        }
        assert_eq!(bound("numeric(5,2)").expect("fits").precision, Some((5, 2)));
    }

    #[test]
    fn what_is_no_type_here_is_refused() {
        for (name, code) in [
            ("nope", "42704"),
            ("char(0)", "22023"),
            ("varchar(10485761)", "22023"),
            ("interval", "0A000"),
            ("uuid", "0A000"),
            ("int[]", "0A000"),
            ("regclass", "0A000"),
            ("numeric(0)", "22023"),
        ] {
            let error = bound(name).expect_err(name);
            assert_eq!(error.sqlstate().expect("report").as_str(), code, "{name}");
        }
    }
}
