//! The SQL names of types, as messages show them.

use types::ColumnType;

/// The type without its length.
pub(crate) fn base(ty: ColumnType) -> ColumnType {
    match ty {
        ColumnType::Varchar(_) => ColumnType::Varchar(None),
        ColumnType::Bpchar(_) => ColumnType::Bpchar(0),
        other => other,
    }
}

/// The SQL name: `integer`, `character varying(5)`. `char` of length 0 is one without a length.
pub(crate) fn type_name(ty: ColumnType) -> String {
    let name = match ty {
        ColumnType::Bool => "boolean",
        ColumnType::Int2 => "smallint",
        ColumnType::Int4 => "integer",
        ColumnType::Int8 => "bigint",
        ColumnType::Float4 => "real",
        ColumnType::Float8 => "double precision",
        ColumnType::Numeric => "numeric",
        ColumnType::Text => "text",
        ColumnType::Varchar(None) => "character varying",
        ColumnType::Varchar(Some(limit)) => return format!("character varying({limit})"),
        ColumnType::Bpchar(0) => "character",
        ColumnType::Bpchar(length) => return format!("character({length})"),
        ColumnType::Bytea => "bytea",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp without time zone",
        ColumnType::Timestamptz => "timestamp with time zone",
        ColumnType::Oid => "oid",
        ColumnType::PgLsn => "pg_lsn",
        ColumnType::Unknown => "unknown",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_lengths_and_bases_do_not() {
        assert_eq!(type_name(ColumnType::Varchar(Some(5))), "character varying(5)");
        assert_eq!(type_name(base(ColumnType::Varchar(Some(5)))), "character varying");
        assert_eq!(type_name(base(ColumnType::Bpchar(3))), "character");
    }
}
