//! What the executor needs to know of a table, its indexes and its constraints.

mod constraint;

use std::rc::Rc;

use access::Numbering;
use types::{ColumnType, Datum, Oid, RelFileNumber, Xid};

pub use constraint::{ConstraintDef, ConstraintKind, ReferentialAction};

/// What kind of relation it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableKind {
    /// A table that a user created.
    Table,
    /// A system table: users read it, only DDL changes it.
    System,
    /// A relation whose rows are made at the moment of reading, such as `pg_stat_activity`.
    Virtual,
    /// A view: its rows are those of a query.
    View,
    /// An index of the table of that oid. It shares the tables' names, and is no table.
    Index(Oid),
    /// A sequence, which has one row.
    Sequence(SequenceDef),
}

/// How a sequence counts: its row of `pg_sequence`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceDef {
    /// The type that bounds its numbers.
    pub ty: ColumnType,
    /// The number that it begins with, and begins with again.
    pub start: i64,
    /// The rule by which it goes on.
    pub numbering: Numbering,
}

/// A relation as one version of the system tables describes it.
#[derive(Clone, PartialEq, Debug)]
pub struct TableDef {
    /// The identity of the table, which also TRUNCATE keeps.
    pub oid: Oid,
    /// The schema it is in.
    pub namespace: Oid,
    /// The name of that.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The file that holds its rows at present.
    pub relfile: RelFileNumber,
    /// What kind of relation it is.
    pub kind: TableKind,
    /// The columns, in their order; dropped ones keep their places.
    pub columns: Vec<ColumnDef>,
    /// The types of the columns, as the heap takes them.
    pub types: Vec<ColumnType>,
    /// The values that columns have in rows stored before they were added; empty if none has any.
    pub missing: Vec<Datum>,
    /// Its storage parameters, as `reloptions` has them.
    pub options: String,
    /// Its indexes, the oldest first.
    pub indexes: Vec<Rc<IndexDef>>,
    /// The columns that any of its indexes looks at.
    pub indexed: Vec<usize>,
    /// Those of them that a unique index looks at: what a foreign key may refer to.
    pub keys: Vec<usize>,
    /// Its constraints, the oldest first.
    pub constraints: Vec<ConstraintDef>,
    /// The foreign keys that refer to it, its own among them; the oldest first.
    pub referenced_by: Vec<ConstraintDef>,
    /// Pages and rows when they were counted last.
    pub counted: Counted,
    /// The query of a view, as `pg_rewrite` has it; empty for anything else.
    pub query: String,
}

/// How large a relation was when it was counted last: `relpages`, `reltuples`, `relallvisible`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Counted {
    /// Its pages.
    pub pages: u32,
    /// Its rows; less than 0: never counted.
    pub tuples: f32,
    /// How many of its pages everybody sees all of.
    pub all_visible: u32,
}

impl Counted {
    /// Of a relation that was never counted.
    pub const NEVER: Counted = Counted { pages: 0, tuples: -1.0, all_visible: 0 };
}

/// An index.
#[derive(Clone, PartialEq, Debug)]
pub struct IndexDef {
    /// Its identity.
    pub oid: Oid,
    /// Its name, in the schema of its table.
    pub name: String,
    /// The file that holds it at present.
    pub relfile: RelFileNumber,
    /// Whether two rows cannot have the same values in its columns, NULLs aside.
    pub unique: bool,
    /// Whether it is that of the primary key.
    pub primary: bool,
    /// What it is ordered by.
    pub columns: Vec<IndexColumn>,
    /// The transaction that made it as it is, or made it anew. A snapshot that does not see it must
    /// not use the index: the entries are those of the rows as they were then.
    pub made_by: Xid,
}

/// A column of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexColumn {
    /// The position of the table's column.
    pub column: usize,
    /// Its type.
    pub ty: ColumnType,
    /// Whether larger values come first.
    pub descending: bool,
    /// Whether NULLs come first.
    pub nulls_first: bool,
}

impl TableDef {
    /// A relation with nothing but a name and columns.
    pub fn new(schema: &str, name: &str, kind: TableKind, columns: Vec<ColumnDef>) -> TableDef {
        let has_missing = columns.iter().any(|column| !column.missing.is_null());
        let missing = columns.iter().map(|column| column.missing.clone());
        TableDef {
            oid: Oid::default(),
            namespace: Oid::default(),
            schema: schema.to_owned(),
            name: name.to_owned(),
            relfile: RelFileNumber::default(),
            kind,
            types: columns.iter().map(|column| column.ty).collect(),
            missing: if has_missing { missing.collect() } else { Vec::new() },
            options: String::new(),
            columns,
            indexes: Vec::new(),
            indexed: Vec::new(),
            keys: Vec::new(),
            constraints: Vec::new(),
            referenced_by: Vec::new(),
            counted: Counted::NEVER,
            query: String::new(),
        }
    }

    /// Takes over indexes.
    pub(crate) fn set_indexes(&mut self, indexes: Vec<Rc<IndexDef>>) {
        self.indexed = columns_of(indexes.iter());
        self.keys = columns_of(indexes.iter().filter(|index| index.unique));
        self.indexes = indexes;
    }

    /// Its foreign keys.
    pub fn foreign_keys(&self) -> impl Iterator<Item = &ConstraintDef> {
        self.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::ForeignKey)
    }

    /// The index of that oid.
    pub fn index(&self, oid: Oid) -> Option<&Rc<IndexDef>> {
        self.indexes.iter().find(|index| index.oid == oid)
    }

    /// The constraint that stands on that index.
    pub fn constraint_of(&self, index: Oid) -> Option<&ConstraintDef> {
        self.constraints.iter().find(|constraint| {
            constraint.index == index && constraint.kind != ConstraintKind::ForeignKey
        })
    }

    /// How full, in percent, inserts may make its pages.
    pub fn fill_factor(&self) -> u8 {
        self.option("fillfactor").and_then(|number| number.parse().ok()).unwrap_or(100)
    }

    /// Whether vacuum may give empty pages at its end back.
    pub fn vacuum_truncate(&self) -> bool {
        self.option("vacuum_truncate") != Some("false")
    }

    /// The value of a storage parameter.
    fn option(&self, name: &str) -> Option<&str> {
        let mut options = self.options.split(',').filter_map(|option| option.split_once('='));
        options.find(|(given, _)| *given == name).map(|(_, value)| value)
    }

    /// The CHECK constraints, in the order in which they are looked at: by name.
    pub fn checks(&self) -> Vec<&ConstraintDef> {
        let is_check = |constraint: &&ConstraintDef| constraint.kind == ConstraintKind::Check;
        let mut checks: Vec<&ConstraintDef> = self.constraints.iter().filter(is_check).collect();
        checks.sort_by(|a, b| a.name.cmp(&b.name));
        checks
    }

    /// The position of the column of that name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| !column.dropped && column.name == name)
    }

    /// The positions of the columns that are not dropped.
    pub fn live_columns(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.columns.len()).filter(|index| !self.columns[*index].dropped)
    }
}

/// The columns that any of some indexes looks at.
fn columns_of<'a>(indexes: impl Iterator<Item = &'a Rc<IndexDef>>) -> Vec<usize> {
    let columns = indexes.flat_map(|index| &index.columns).map(|column| column.column);
    let mut columns: Vec<usize> = columns.collect();
    columns.sort_unstable();
    columns.dedup();
    columns
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
    /// Whether it was dropped: it has a place in the rows, and nothing else.
    pub dropped: bool,
    /// Its value in rows that were stored before it was added; NULL if nothing else was said.
    pub missing: Datum,
    /// Whether it is an identity column.
    pub identity: Option<Identity>,
}

/// What an identity column has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Whether users may not give it a value: GENERATED ALWAYS.
    pub always: bool,
    /// The sequence that its values come from; 0 as long as there is none.
    pub sequence: Oid,
}

impl ColumnDef {
    /// A column with nothing but a name and a type.
    pub fn new(name: impl Into<String>, ty: ColumnType) -> ColumnDef {
        ColumnDef {
            name: name.into(),
            ty,
            not_null: false,
            default: None,
            dropped: false,
            missing: Datum::Null,
            identity: None,
        }
    }
}
