//! What the executor needs to know of a table.

use types::{ColumnType, Oid, RelFileNumber};

/// What kind of relation it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableKind {
    /// A table that a user created.
    Table,
    /// A system table: users read it, only DDL changes it.
    System,
    /// A relation whose rows are made at the moment of reading, such as `pg_stat_activity`.
    View,
}

/// A relation as one version of the system tables describes it.
#[derive(Clone, PartialEq, Debug)]
pub struct TableDef {
    /// The identity of the table, which also TRUNCATE keeps.
    pub oid: Oid,
    /// The schema it is in.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The file that holds its rows at present.
    pub relfile: RelFileNumber,
    /// What kind of relation it is.
    pub kind: TableKind,
    /// The columns, in their order.
    pub columns: Vec<ColumnDef>,
    /// The types of the columns, as the heap takes them.
    pub types: Vec<ColumnType>,
}

impl TableDef {
    /// The position of the column of that name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// A column.
#[derive(Clone, PartialEq, Debug)]
pub struct ColumnDef {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// Whether it must have a value.
    pub not_null: bool,
    /// The SQL expression of its default, as text.
    pub default: Option<String>,
}
