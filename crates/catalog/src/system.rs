//! The system tables themselves: their columns, oids and file numbers are fixed, so that they can
//! be read before anything is known.
//!
//! ```text
//! pg_class      one row for each relation: table, view, sequence, index
//! pg_attribute  one row for each column of each table and index
//! pg_attrdef    one row for each default: an SQL expression as text
//! pg_type       one row for each type
//! pg_namespace  one row for each schema
//! pg_index      one row for each index: what pg_class does not say of it
//! pg_constraint one row for each constraint
//! pg_depend     one row for each thing that cannot be without another
//! pg_sequence   one row for each sequence: how it counts
//! pg_statistic  what ANALYZE found out about a column, in one or more rows
//! pg_rewrite    the query of each view, in one or more rows
//! ```
//!
//! Columns that PostgreSQL keeps as arrays are texts here: column numbers in a row with blanks
//! between them. No column may be null; what PostgreSQL has as NULL is empty or 0.

use types::{ColumnType, Oid, RelFileNumber};

use crate::definition::{ColumnDef, TableDef, TableKind};

/// The version of these tables; a data directory of another version is refused.
pub const CATALOG_VERSION: u32 = 6;
/// The first oid that users' objects get; PostgreSQL's number.
pub const FIRST_NORMAL_OID: Oid = Oid(16384);
/// The first file number that users' tables get. File 1 holds the commit status.
pub const FIRST_NORMAL_RELFILE: RelFileNumber = RelFileNumber(16);

/// The schema of the system tables.
pub const PG_CATALOG: (Oid, &str) = (Oid(11), "pg_catalog");
/// The schema of users' tables.
pub const PUBLIC: (Oid, &str) = (Oid(2200), "public");

/// A column of a system table.
pub struct SystemColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: ColumnType,
}

/// A system table.
pub struct SystemTable {
    /// PostgreSQL's oid of the table.
    pub oid: Oid,
    /// Its name.
    pub name: &'static str,
    /// The file that holds it.
    pub relfile: RelFileNumber,
    /// Its columns; none may be null.
    pub columns: &'static [SystemColumn],
}

const fn column(name: &'static str, ty: ColumnType) -> SystemColumn {
    SystemColumn { name, ty }
}

/// `pg_namespace`
pub static PG_NAMESPACE: SystemTable = SystemTable {
    oid: Oid(2615),
    name: "pg_namespace",
    relfile: RelFileNumber(2),
    columns: &[column("oid", ColumnType::Oid), column("nspname", ColumnType::Text)],
};

/// `pg_type`
pub static PG_TYPE: SystemTable = SystemTable {
    oid: Oid(1247),
    name: "pg_type",
    relfile: RelFileNumber(3),
    columns: &[
        column("oid", ColumnType::Oid),
        column("typname", ColumnType::Text),
        column("typlen", ColumnType::Int2),
    ],
};

/// `pg_class`. `relfrozenxid` is the table's vacuum horizon: no version in it was made by an older
/// transaction. `relpages`, `reltuples` and `relallvisible` are as of the last count; -1
/// rows: never counted.
/// `reloptions` are storage parameters, `fillfactor=70`, with commas between them.
pub static PG_CLASS: SystemTable = SystemTable {
    oid: Oid(1259),
    name: "pg_class",
    relfile: RelFileNumber(4),
    columns: &[
        column("oid", ColumnType::Oid),
        column("relname", ColumnType::Text),
        column("relnamespace", ColumnType::Oid),
        column("relfilenode", ColumnType::Int8),
        column("relkind", ColumnType::Text),
        column("relnatts", ColumnType::Int2),
        column("relfrozenxid", ColumnType::Int8),
        column("relhasindex", ColumnType::Bool),
        column("relpages", ColumnType::Int4),
        column("reltuples", ColumnType::Float4),
        column("reloptions", ColumnType::Text),
        column("relallvisible", ColumnType::Int4),
    ],
};

/// `pg_attribute`. `attmissingval` is what rows have that were stored before the column was added: a
/// row version with that one value, if `atthasmissing` says that there is one. `attidentity` is
/// empty, `a` (always) or `d` (by default).
pub static PG_ATTRIBUTE: SystemTable = SystemTable {
    oid: Oid(1249),
    name: "pg_attribute",
    relfile: RelFileNumber(5),
    columns: &[
        column("attrelid", ColumnType::Oid),
        column("attname", ColumnType::Text),
        column("atttypid", ColumnType::Oid),
        column("atttypmod", ColumnType::Int4),
        column("attnum", ColumnType::Int2),
        column("attnotnull", ColumnType::Bool),
        column("atthasdef", ColumnType::Bool),
        column("attisdropped", ColumnType::Bool),
        column("atthasmissing", ColumnType::Bool),
        column("attmissingval", ColumnType::Bytea),
        column("attidentity", ColumnType::Text),
    ],
};

/// `pg_attrdef`
pub static PG_ATTRDEF: SystemTable = SystemTable {
    oid: Oid(2604),
    name: "pg_attrdef",
    relfile: RelFileNumber(6),
    columns: &[
        column("oid", ColumnType::Oid),
        column("adrelid", ColumnType::Oid),
        column("adnum", ColumnType::Int2),
        column("adbin", ColumnType::Text),
    ],
};

/// `pg_index`. `indkey` holds the numbers of the table's columns; `indoption` a number for each: 1
/// is DESC, 2 is NULLS FIRST, 3 both.
pub static PG_INDEX: SystemTable = SystemTable {
    oid: Oid(2610),
    name: "pg_index",
    relfile: RelFileNumber(7),
    columns: &[
        column("indexrelid", ColumnType::Oid),
        column("indrelid", ColumnType::Oid),
        column("indnatts", ColumnType::Int2),
        column("indisunique", ColumnType::Bool),
        column("indisprimary", ColumnType::Bool),
        column("indkey", ColumnType::Text),
        column("indoption", ColumnType::Text),
    ],
};

/// `pg_constraint`. `contype` is `p`, `u`, `c` or `f`; `conkey` and `confkey` hold the numbers of
/// columns; what a kind of constraint does not have is 0, blank or empty.
pub static PG_CONSTRAINT: SystemTable = SystemTable {
    oid: Oid(2606),
    name: "pg_constraint",
    relfile: RelFileNumber(8),
    columns: &[
        column("oid", ColumnType::Oid),
        column("conname", ColumnType::Text),
        column("connamespace", ColumnType::Oid),
        column("contype", ColumnType::Text),
        column("conrelid", ColumnType::Oid),
        column("conindid", ColumnType::Oid),
        column("confrelid", ColumnType::Oid),
        column("confupdtype", ColumnType::Text),
        column("confdeltype", ColumnType::Text),
        column("confmatchtype", ColumnType::Text),
        column("conkey", ColumnType::Text),
        column("confkey", ColumnType::Text),
        column("confdelsetcols", ColumnType::Text),
        column("conbin", ColumnType::Text),
    ],
};

/// `pg_depend`: the thing of the first three columns cannot be without that of the next three.
pub static PG_DEPEND: SystemTable = SystemTable {
    oid: Oid(2608),
    name: "pg_depend",
    relfile: RelFileNumber(9),
    columns: &[
        column("classid", ColumnType::Oid),
        column("objid", ColumnType::Oid),
        column("objsubid", ColumnType::Int4),
        column("refclassid", ColumnType::Oid),
        column("refobjid", ColumnType::Oid),
        column("refobjsubid", ColumnType::Int4),
        column("deptype", ColumnType::Text),
    ],
};

/// `pg_statistic`. What is known of a column takes one row or, if it is too long for that, several:
/// `stapart` counts them from 0, and `stadata` is put together from them.
pub static PG_STATISTIC: SystemTable = SystemTable {
    oid: Oid(2619),
    name: "pg_statistic",
    relfile: RelFileNumber(12),
    columns: &[
        column("starelid", ColumnType::Oid),
        column("staattnum", ColumnType::Int2),
        column("stapart", ColumnType::Int2),
        column("stadata", ColumnType::Bytea),
    ],
};

/// `pg_rewrite`. The query of a view takes one row or, if it is too long for that, several: `ev_part`
/// counts them from 0, and `ev_action` is put together from them.
pub static PG_REWRITE: SystemTable = SystemTable {
    oid: Oid(2618),
    name: "pg_rewrite",
    relfile: RelFileNumber(14),
    columns: &[
        column("oid", ColumnType::Oid),
        column("rulename", ColumnType::Text),
        column("ev_class", ColumnType::Oid),
        column("ev_type", ColumnType::Text),
        column("ev_part", ColumnType::Int2),
        column("ev_action", ColumnType::Text),
    ],
};

/// `pg_sequence`. How far a sequence has come stands in its own file.
pub static PG_SEQUENCE: SystemTable = SystemTable {
    oid: Oid(2224),
    name: "pg_sequence",
    relfile: RelFileNumber(13),
    columns: &[
        column("seqrelid", ColumnType::Oid),
        column("seqtypid", ColumnType::Oid),
        column("seqstart", ColumnType::Int8),
        column("seqincrement", ColumnType::Int8),
        column("seqmax", ColumnType::Int8),
        column("seqmin", ColumnType::Int8),
        column("seqcache", ColumnType::Int8),
        column("seqcycle", ColumnType::Bool),
    ],
};

/// All system tables.
pub static SYSTEM_TABLES: [&SystemTable; 11] = [
    &PG_NAMESPACE,
    &PG_TYPE,
    &PG_CLASS,
    &PG_ATTRIBUTE,
    &PG_ATTRDEF,
    &PG_INDEX,
    &PG_CONSTRAINT,
    &PG_DEPEND,
    &PG_STATISTIC,
    &PG_REWRITE,
    &PG_SEQUENCE,
];

impl SystemTable {
    /// The types of the columns.
    pub fn types(&self) -> Vec<ColumnType> {
        self.columns.iter().map(|column| column.ty).collect()
    }

    /// The table as the executor sees it.
    pub fn definition(&self) -> TableDef {
        let column = |column: &SystemColumn| ColumnDef {
            not_null: true,
            ..ColumnDef::new(column.name, column.ty)
        };
        let columns = self.columns.iter().map(column).collect();
        let (namespace, schema) = PG_CATALOG;
        TableDef {
            oid: self.oid,
            namespace,
            relfile: self.relfile,
            ..TableDef::new(schema, self.name, TableKind::System, columns)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_numbers_are_distinct_and_below_those_of_users() {
        for (index, table) in SYSTEM_TABLES.iter().enumerate() {
            assert!(table.oid < FIRST_NORMAL_OID);
            assert!(table.relfile < FIRST_NORMAL_RELFILE && table.relfile > RelFileNumber(1));
            for other in &SYSTEM_TABLES[index + 1..] {
                assert!(table.oid != other.oid && table.relfile != other.relfile);
            }
        }
    }
}
