//! What the binder makes and the executor runs. A plan holds no state of an execution: it can be
//! kept and run again.

mod definitions;
mod locking;

use std::rc::Rc;

use catalog::TableDef;
use types::{ColumnType, Oid};

use crate::expr::Expr;
use crate::expr::aggregate::AggregateCall;
use crate::output::OutputColumn;
use crate::plan::path::Path;
pub(crate) use definitions::{
    ColumnSequence, Create, CreateIndex, ForeignKey, IndexedColumn, Key, Reindex, Truncate,
};
pub(crate) use locking::{Locking, RowWait};

/// A statement that is ready to run.
#[derive(Debug)]
pub(crate) enum Plan {
    /// SELECT, VALUES, TABLE
    Query(Box<Query>),
    /// INSERT
    Insert(Box<Insert>),
    /// UPDATE
    Update(Box<Update>),
    /// DELETE
    Delete(Box<Delete>),
    /// CREATE TABLE
    Create(Box<Create>),
    /// TRUNCATE
    Truncate(Truncate),
    /// CREATE INDEX
    CreateIndex(Box<CreateIndex>),
    /// REINDEX
    Reindex(Reindex),
}

/// A query. Rows go through the parts in this order:
/// source, filter, grouping, targets, distinct, sort, locking, offset and limit.
#[derive(Debug)]
pub(crate) struct Query {
    /// Where the rows come from.
    pub source: RowSource,
    /// What EXPLAIN writes before names of columns above the scan: the source's name, if it is not
    /// the only one in the statement.
    pub qualifier: Option<String>,
    /// The names of the columns of the source, for EXPLAIN.
    pub names: Vec<String>,
    /// WHERE
    pub filter: Option<Expr>,
    /// GROUP BY, HAVING and aggregates.
    pub grouping: Option<Grouping>,
    /// What is computed of each row, or of each group: first what is shown, then what only ORDER
    /// BY wants.
    pub targets: Vec<Expr>,
    /// The columns shown.
    pub columns: Vec<OutputColumn>,
    /// DISTINCT
    pub distinct: Distinct,
    /// ORDER BY
    pub sort: Vec<SortKey>,
    /// LIMIT; NULL is none.
    pub limit: Option<Expr>,
    /// OFFSET
    pub offset: Option<Expr>,
    /// How many rows of the source the groups need.
    pub first: First,
    /// FOR UPDATE and its like: the rows that are shown, or left out by OFFSET, are locked.
    pub locking: Option<Locking>,
}

impl Derived {
    /// A query that another one reads under that name.
    pub(crate) fn new(mut query: Query, alias: String) -> Derived {
        if let (None, RowSource::Table(table)) = (&query.qualifier, &query.source) {
            query.qualifier = Some(table.known_as().to_owned());
        }
        Derived { query, alias }
    }
}

impl TableSource {
    /// The name by which the statement knows the table.
    pub(crate) fn known_as(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.table.name)
    }
}

impl Query {
    /// How its rows are locked, or those of a query that it reads.
    pub(crate) fn any_locking(&self) -> Option<Locking> {
        match &self.source {
            RowSource::Query(derived) => self.locking.or_else(|| derived.query.any_locking()),
            _ => self.locking,
        }
    }
}

/// How many rows of its source a query's groups need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// All of them.
    All,
    /// The first one has the least or greatest value that is asked for.
    Row,
}

/// Where rows come from.
#[derive(Debug)]
pub(crate) enum RowSource {
    /// One row without columns.
    One,
    /// The rows of a table.
    Table(TableSource),
    /// VALUES
    Values(Vec<Vec<Expr>>),
    /// `generate_series` of bigint or integer.
    Series { start: Expr, stop: Expr, step: Expr, ty: ColumnType },
    /// The rows of another query: of a view, or of one in FROM.
    Query(Box<Derived>),
}

/// A query whose rows another one reads.
#[derive(Debug)]
pub(crate) struct Derived {
    /// It.
    pub query: Query,
    /// What it is called.
    pub alias: String,
}

/// A table to be read.
#[derive(Debug, Clone)]
pub(crate) struct TableSource {
    /// The table.
    pub table: Rc<TableDef>,
    /// Its alias, for EXPLAIN.
    pub alias: Option<String>,
    /// Which columns are used.
    pub wanted: Vec<bool>,
    /// Whether the system columns are used.
    pub system: bool,
    /// How the rows are found.
    pub path: Path,
}

/// Groups. The row of a group holds the values of the keys, then the results of the aggregates.
#[derive(Debug)]
pub(crate) struct Grouping {
    /// What equal values of make a group. None: all rows are one group, also if there are none.
    pub keys: Vec<Expr>,
    /// Whether there was a GROUP BY.
    pub grouped: bool,
    /// The aggregates.
    pub aggregates: Vec<AggregateCall>,
    /// HAVING
    pub having: Option<Expr>,
}

/// Which rows are shown once only.
#[derive(Debug, PartialEq)]
pub(crate) enum Distinct {
    /// None.
    No,
    /// Those whose shown columns are all equal.
    All,
    /// Those that are equal in these targets: the first of them.
    On(Vec<usize>),
}

/// One key of ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SortKey {
    /// The target.
    pub target: usize,
    /// Whether larger values come first.
    pub descending: bool,
    /// Whether NULLs come first.
    pub nulls_first: bool,
}

/// RETURNING
#[derive(Debug)]
pub(crate) struct Returning {
    /// What is computed of each row.
    pub targets: Vec<Expr>,
    /// The columns shown.
    pub columns: Vec<OutputColumn>,
    /// Whether the system columns are used.
    pub system: bool,
}

/// INSERT
#[derive(Debug)]
pub(crate) struct Insert {
    /// The table.
    pub table: Rc<TableDef>,
    /// Where each column's value comes from.
    pub columns: Vec<ColumnSource>,
    /// The rows.
    pub source: InsertSource,
    /// The CHECKs of the table.
    pub checks: Vec<Check>,
    /// ON CONFLICT
    pub on_conflict: Option<OnConflict>,
    /// RETURNING
    pub returning: Option<Returning>,
}

/// A CHECK: no new row may make it false.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// The constraint's name.
    pub name: String,
    /// What it says.
    pub expr: Expr,
}

/// ON CONFLICT
#[derive(Debug)]
pub(crate) struct OnConflict {
    /// The unique indexes that decide whether there is a conflict.
    pub arbiters: Vec<Oid>,
    /// What is to be done then.
    pub action: ConflictAction,
}

/// What is to be done with a row whose key is there already.
#[derive(Debug)]
pub(crate) enum ConflictAction {
    /// DO NOTHING
    Nothing,
    /// DO UPDATE: over the row that is there, its system columns, and the row to be inserted.
    Update {
        /// Which columns get which values.
        assignments: Vec<(usize, Expr)>,
        /// WHERE
        filter: Option<Expr>,
        /// The names of the values, for EXPLAIN.
        names: Vec<String>,
    },
}

/// Where the value of a column of a new row comes from.
#[derive(Debug, Clone)]
pub(crate) enum ColumnSource {
    /// The value at that place of what is given.
    Given(usize),
    /// The column's default.
    Default(Expr),
}

/// Where new rows come from.
#[derive(Debug)]
pub(crate) enum InsertSource {
    /// Expressions, for each row.
    Values(Vec<Vec<Expr>>),
    /// A query, and what is made of the values of its rows.
    Query(Box<Query>, Vec<Expr>),
}

/// UPDATE
#[derive(Debug)]
pub(crate) struct Update {
    /// The table, all columns of which are read.
    pub source: TableSource,
    /// The names of its columns, for EXPLAIN.
    pub names: Vec<String>,
    /// WHERE
    pub filter: Option<Expr>,
    /// Which columns get which values.
    pub assignments: Vec<(usize, Expr)>,
    /// The CHECKs of the table.
    pub checks: Vec<Check>,
    /// RETURNING
    pub returning: Option<Returning>,
}

/// DELETE
#[derive(Debug)]
pub(crate) struct Delete {
    /// The table.
    pub source: TableSource,
    /// The names of its columns, for EXPLAIN.
    pub names: Vec<String>,
    /// WHERE
    pub filter: Option<Expr>,
    /// RETURNING
    pub returning: Option<Returning>,
}
