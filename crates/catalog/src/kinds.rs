//! How column types stand in the system tables: PostgreSQL's type oids and type modifiers.

use types::{ColumnType, Oid};

/// A type as a row of `pg_type`: its oid, name and length (-1: variable).
pub struct TypeRow {
    /// PostgreSQL's oid of the type.
    pub oid: Oid,
    /// Its internal name.
    pub name: &'static str,
    /// Bytes of a value, or -1.
    pub length: i16,
}

const fn row(oid: u32, name: &'static str, length: i16) -> TypeRow {
    TypeRow { oid: Oid(oid), name, length }
}

/// Every type there is, in the order of the oids.
pub const TYPES: [TypeRow; 16] = [
    row(16, "bool", 1),
    row(17, "bytea", -1),
    row(20, "int8", 8),
    row(21, "int2", 2),
    row(23, "int4", 4),
    row(25, "text", -1),
    row(26, "oid", 4),
    row(700, "float4", 4),
    row(701, "float8", 8),
    row(1042, "bpchar", -1),
    row(1043, "varchar", -1),
    row(1082, "date", 4),
    row(1114, "timestamp", 8),
    row(1184, "timestamptz", 8),
    row(1700, "numeric", -1),
    row(3220, "pg_lsn", 8),
];

/// PostgreSQL adds the size of its length word to the length in a type modifier.
const MODIFIER_BASE: i32 = 4;

/// The oid of a type.
pub fn type_oid(ty: ColumnType) -> Oid {
    Oid(match ty {
        ColumnType::Bool => 16,
        ColumnType::Bytea => 17,
        ColumnType::Int8 => 20,
        ColumnType::Int2 => 21,
        ColumnType::Int4 => 23,
        ColumnType::Text | ColumnType::Unknown => 25,
        ColumnType::Oid => 26,
        ColumnType::Float4 => 700,
        ColumnType::Float8 => 701,
        ColumnType::Bpchar(_) => 1042,
        ColumnType::Varchar(_) => 1043,
        ColumnType::Date => 1082,
        ColumnType::Timestamp => 1114,
        ColumnType::Timestamptz => 1184,
        ColumnType::Numeric => 1700,
        ColumnType::PgLsn => 3220,
    })
}

/// The type modifier of a type: what `atttypmod` holds. -1: none.
pub fn type_modifier(ty: ColumnType) -> i32 {
    match ty {
        ColumnType::Varchar(Some(length)) | ColumnType::Bpchar(length) => {
            i32::try_from(length).map_or(i32::MAX, |length| length.saturating_add(MODIFIER_BASE))
        }
        _ => -1,
    }
}

/// The type with that oid and modifier. `None`: there is no such type.
pub fn type_of(oid: Oid, modifier: i32) -> Option<ColumnType> {
    let length = modifier.checked_sub(MODIFIER_BASE).and_then(|length| u32::try_from(length).ok());
    Some(match oid.0 {
        16 => ColumnType::Bool,
        17 => ColumnType::Bytea,
        20 => ColumnType::Int8,
        21 => ColumnType::Int2,
        23 => ColumnType::Int4,
        25 => ColumnType::Text,
        26 => ColumnType::Oid,
        700 => ColumnType::Float4,
        701 => ColumnType::Float8,
        1042 => ColumnType::Bpchar(length?),
        1043 => ColumnType::Varchar(length),
        1082 => ColumnType::Date,
        1114 => ColumnType::Timestamp,
        1184 => ColumnType::Timestamptz,
        1700 => ColumnType::Numeric,
        3220 => ColumnType::PgLsn,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back_from_its_oid_and_modifier() {
        let all = [
            ColumnType::Bool,
            ColumnType::Int2,
            ColumnType::Int4,
            ColumnType::Int8,
            ColumnType::Float4,
            ColumnType::Float8,
            ColumnType::Numeric,
            ColumnType::Text,
            ColumnType::Varchar(None),
            ColumnType::Varchar(Some(1)),
            ColumnType::Varchar(Some(10_485_760)),
            ColumnType::Bpchar(1),
            ColumnType::Bytea,
            ColumnType::Date,
            ColumnType::Timestamp,
            ColumnType::Timestamptz,
            ColumnType::Oid,
            ColumnType::PgLsn,
        ];
        for ty in all {
            assert_eq!(type_of(type_oid(ty), type_modifier(ty)), Some(ty));
            let row = TYPES.iter().find(|row| row.oid == type_oid(ty)).expect("has a row");
            assert_eq!(row.name, ty.internal_name());
        }
        assert_eq!(type_of(Oid(9), -1), None);
        assert_eq!(type_of(Oid(1042), -1), None);
        assert_eq!(type_of(Oid(1042), i32::MIN), None);
    }
}
