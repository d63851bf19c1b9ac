//! What statements that define tables, sequences and indexes become.

use catalog::{ColumnDef, NewCheck, ReferentialAction};

use crate::bind::TableName;
use crate::parse::SequenceOptions;

/// CREATE TABLE
#[derive(Debug)]
pub(crate) struct Create {
    /// The table's name.
    pub name: TableName,
    /// Its columns.
    pub columns: Vec<ColumnDef>,
    /// Its CHECKs.
    pub checks: Vec<NewCheck>,
    /// The sequences of its columns.
    pub sequences: Vec<ColumnSequence>,
    /// Its storage parameters.
    pub options: String,
    /// Its primary key and unique constraints.
    pub keys: Vec<Key>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Whether it is no error if there is one.
    pub if_not_exists: bool,
}

/// The sequence that a new column is to get its values from.
#[derive(Debug)]
pub(crate) struct ColumnSequence {
    /// The position of the column.
    pub column: usize,
    /// Of an identity column: whether it is GENERATED ALWAYS. None: the column is `serial`.
    pub always: Option<bool>,
    /// What was said of the sequence.
    pub options: SequenceOptions,
}

/// PRIMARY KEY or UNIQUE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Whether it is the primary key.
    pub primary: bool,
    /// The positions of its columns.
    pub columns: Vec<usize>,
}

/// FOREIGN KEY or REFERENCES, by names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// The columns that refer to others.
    pub columns: Vec<String>,
    /// The table that they refer to.
    pub parent: TableName,
    /// The columns of that; none: its primary key.
    pub parent_columns: Vec<String>,
    /// MATCH FULL
    pub match_full: bool,
    /// What is done when the row referred to is deleted.
    pub on_delete: ReferentialAction,
    /// What is done when it gets another key.
    pub on_update: ReferentialAction,
    /// The columns that ON DELETE SET NULL or SET DEFAULT sets; none: all.
    pub delete_columns: Vec<String>,
}

/// TRUNCATE
#[derive(Debug)]
pub(crate) struct Truncate {
    /// The tables.
    pub names: Vec<TableName>,
    /// Whether those that refer to them are emptied, too.
    pub cascade: bool,
    /// RESTART IDENTITY
    pub restart: bool,
}

/// CREATE INDEX
#[derive(Debug)]
pub(crate) struct CreateIndex {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its table.
    pub table: TableName,
    /// UNIQUE
    pub unique: bool,
    /// Its columns.
    pub columns: Vec<IndexedColumn>,
    /// Whether it is no error if there is a relation of that name.
    pub if_not_exists: bool,
}

/// A column of CREATE INDEX.
#[derive(Debug)]
pub(crate) struct IndexedColumn {
    /// The name of the table's column.
    pub name: String,
    /// DESC
    pub descending: bool,
    /// NULLS FIRST
    pub nulls_first: bool,
}

/// REINDEX
#[derive(Debug)]
pub(crate) struct Reindex {
    /// An index or a table.
    pub name: TableName,
    /// Whether it is a table, all indexes of which are made anew.
    pub table: bool,
}
