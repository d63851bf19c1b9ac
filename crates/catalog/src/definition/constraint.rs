//! Constraints of tables, as rows of `pg_constraint` tell of them.

use types::Oid;

/// What a constraint says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConstraintKind {
    /// PRIMARY KEY
    PrimaryKey,
    /// UNIQUE
    Unique,
    /// CHECK
    Check,
    /// FOREIGN KEY
    ForeignKey,
}

/// What a foreign key does to the rows that refer to one which is deleted, or gets another key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReferentialAction {
    /// NO ACTION: it is an error if there are any at the end of the statement.
    #[default]
    NoAction,
    /// RESTRICT: it is an error if there are any, even if another row has the key by then.
    Restrict,
    /// CASCADE: they are deleted, or get the new key.
    Cascade,
    /// SET NULL
    SetNull,
    /// SET DEFAULT
    SetDefault,
}

/// A constraint of a table, as a row of `pg_constraint`.
#[derive(Clone, PartialEq, Debug)]
pub struct ConstraintDef {
    /// Its identity.
    pub oid: Oid,
    /// Its name.
    pub name: String,
    /// The table that it is a constraint of.
    pub table: Oid,
    /// What it says.
    pub kind: ConstraintKind,
    /// The index that it stands on, or 0; of a foreign key: the one of the other table, by which
    /// the row referred to is found.
    pub index: Oid,
    /// The positions of the columns that it is about.
    pub columns: Vec<usize>,
    /// The table that a foreign key refers to, or 0.
    pub foreign_table: Oid,
    /// The columns of that table.
    pub foreign_columns: Vec<usize>,
    /// What a foreign key does when the row referred to gets another key.
    pub on_update: ReferentialAction,
    /// What it does when that row is deleted.
    pub on_delete: ReferentialAction,
    /// Whether a foreign key allows NULLs only in all of its columns at once (MATCH FULL).
    pub match_full: bool,
    /// The columns that ON DELETE SET NULL or SET DEFAULT sets; none: all.
    pub delete_columns: Vec<usize>,
    /// The SQL expression of a CHECK, as text.
    pub expression: String,
}

impl ConstraintDef {
    /// A constraint with nothing but a kind, a name and a table.
    pub fn new(oid: Oid, kind: ConstraintKind, name: &str, table: Oid) -> ConstraintDef {
        ConstraintDef {
            oid,
            name: name.to_owned(),
            table,
            kind,
            index: Oid(0),
            columns: Vec::new(),
            foreign_table: Oid(0),
            foreign_columns: Vec::new(),
            on_update: ReferentialAction::NoAction,
            on_delete: ReferentialAction::NoAction,
            match_full: false,
            delete_columns: Vec::new(),
            expression: String::new(),
        }
    }
}
