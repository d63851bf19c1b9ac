//! Changing rows through a view, as PostgreSQL does it: a view that only chooses rows of one table and
//! shows some of its columns can be changed like a table.
//!
//! ```text
//!  v: SELECT a AS x, b + 1 AS y FROM t WHERE a > 1
//!  UPDATE v SET x = y WHERE x < 9      is     UPDATE t SET a = b + 1 WHERE a > 1 AND a < 9
//! ```
//!
//! A statement is bound over the columns of the view, and then carried over to the table
//! ([`Through`]): what its columns are computed of comes into their places. A row that is put in, or
//! changed, need not be one that the view shows.

use std::rc::Rc;

use catalog::{TableDef, TableKind};
use txn::LockMode;
use types::{ColumnType, Datum, SqlState};

use super::BindContext;
use super::changed::{Change, check_changeable};
use super::checks::bind_checks;
use super::defaults::default_of;
use super::sequences::generated_always;
use super::view::bind_view;
use crate::error::{Error, Result};
use crate::expr::{Expr, Node};
use crate::plan::conditions::{all, parts_of};
use crate::plan::flatten::put_in;
use crate::planned::{
    ColumnSource, Delete, Distinct, Query, Returning, RowSource, TableSource, Update,
};

/// A relation whose rows are to be changed.
pub(super) struct Changeable {
    /// The table, or the view; for INSERT with the defaults of the table's columns.
    pub table: Rc<TableDef>,
    /// How a change of the view becomes one of the table.
    pub through: Option<Through>,
}

/// A view that can be changed.
pub(super) struct Through {
    view: String,
    change: Change,
    query: Query,
    source: TableSource,
}

impl Changeable {
    /// A table, or a view, that is locked; an error if its rows cannot be changed.
    pub fn of(
        context: &BindContext<'_>,
        table: Rc<TableDef>,
        change: Change,
    ) -> Result<Changeable> {
        if table.kind != TableKind::View {
            if let (TableKind::Sequence(_), Change::Copy) = (table.kind, change) {
                let message = format!("cannot copy to sequence \"{}\"", table.name);
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
            }
            check_changeable(&table)?;
            return Ok(Changeable { table, through: None });
        }
        if change == Change::Copy {
            let message = format!("cannot copy to view \"{}\"", table.name);
            let hint = "To enable copying to a view, provide an INSTEAD OF INSERT trigger.";
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).hint(hint));
        }
        let inner = BindContext { mode: LockMode::RowExclusive, ..*context };
        let query = bind_view(&inner, &table)?;
        let source = match (why_not_updatable(&query), &query.source) {
            (None, RowSource::Table(source)) => source.clone(),
            (why, _) => {
                let why = why.unwrap_or("that do not select from a single table or view");
                return Err(refuse(&table.name, change, why));
            }
        };
        check_changeable(&source.table)?;
        let view = table.name.clone();
        let through = Through { view, change, query, source };
        // As in PostgreSQL, SET column = DEFAULT means the view's own, of which there is none.
        let table = match change {
            Change::Insert => Rc::new(through.with_defaults(&table)),
            _ => table,
        };
        Ok(Changeable { table, through: Some(through) })
    }
}

/// `42601` for a column that a view shows twice.
fn assigned_twice(column: &str) -> Error {
    Error::syntax(format!("multiple assignments to same column \"{column}\""))
}

/// `55000` for a view that is more than rows of a table.
fn refuse(view: &str, change: Change, why: &str) -> Error {
    let (verb, command, doing) = match change {
        Change::Insert | Change::Copy => ("insert into", "INSERT", "inserting into"),
        Change::Update => ("update", "UPDATE", "updating"),
        Change::Delete => ("delete from", "DELETE", "deleting from"),
    };
    let code = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
    Error::new(code, format!("cannot {verb} view \"{view}\""))
        .detail(format!("Views {why} are not automatically updatable."))
        .hint(format!(
            "To enable {doing} the view, provide an INSTEAD OF {command} trigger \
             or an unconditional ON {command} DO INSTEAD rule."
        ))
}

/// What keeps the rows of a view's query from being those of one table.
fn why_not_updatable(query: &Query) -> Option<&'static str> {
    if query.distinct != Distinct::No {
        return Some("containing DISTINCT");
    }
    match &query.grouping {
        Some(grouping) if grouping.grouped => return Some("containing GROUP BY"),
        Some(grouping) if grouping.having.is_some() => return Some("containing HAVING"),
        Some(_) => return Some("that return aggregate functions"),
        None => {}
    }
    if query.limit.is_some() || query.offset.is_some() {
        return Some("containing LIMIT or OFFSET");
    }
    match &query.source {
        RowSource::Table(source) if source.table.kind != TableKind::Virtual => None,
        _ => Some("that do not select from a single table or view"),
    }
}

impl Through {
    /// The view with what its columns have of the table's.
    fn with_defaults(&self, view: &TableDef) -> TableDef {
        let mut view = view.clone();
        for (index, column) in view.columns.iter_mut().enumerate() {
            if let Some(base) = self.base(index) {
                let base = &self.source.table.columns[base];
                column.default.clone_from(&base.default);
                column.identity = base.identity;
            }
        }
        view
    }

    /// The table's column that a column of the view is.
    fn base(&self, index: usize) -> Option<usize> {
        match self.query.targets.get(index)?.node {
            Node::Column(base) if base < self.source.table.columns.len() => Some(base),
            _ => None,
        }
    }

    /// The same; `0A000` if it is none.
    fn changeable(&self, index: usize) -> Result<usize> {
        self.base(index).ok_or_else(|| {
            let verb = if self.change == Change::Insert { "insert into" } else { "update" };
            let column = self.query.columns.get(index).map_or("", |column| column.name.as_str());
            let message = format!("cannot {verb} column \"{column}\" of view \"{}\"", self.view);
            let detail =
                "View columns that are not columns of their base relation are not updatable.";
            Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).detail(detail)
        })
    }

    /// An expression over the view's columns as one over the table's.
    fn carry(&self, mut expr: Expr) -> Expr {
        put_in(&mut expr, &self.query.targets);
        expr
    }

    /// WHERE, with that of the view.
    fn filter(&self, filter: Option<Expr>) -> Option<Expr> {
        let own = filter.map(|filter| self.carry(filter));
        let parts = parts_of(self.query.filter.as_ref()).into_iter().chain(parts_of(own.as_ref()));
        all(parts.collect())
    }

    fn uses_system<'e>(&self, mut exprs: impl Iterator<Item = &'e Expr>) -> bool {
        let width = self.source.table.columns.len();
        let beyond = |part: &Expr| matches!(part.node, Node::Column(index) if index >= width);
        exprs.any(|expr| expr.any(&mut |part| beyond(part)))
    }

    fn returning(&self, returning: Option<Returning>) -> Option<Returning> {
        returning.map(|Returning { targets, columns, .. }| {
            let targets: Vec<Expr> = targets.into_iter().map(|target| self.carry(target)).collect();
            let system = self.uses_system(targets.iter());
            Returning { targets, columns, system }
        })
    }

    /// The table with all of its columns.
    fn whole(&self, system: bool) -> TableSource {
        let wanted = vec![true; self.source.table.columns.len()];
        TableSource { wanted, system, ..self.source.clone() }
    }

    /// UPDATE of the table.
    pub fn update(&self, context: &BindContext<'_>, update: Update) -> Result<Update> {
        let table = &self.source.table;
        let mut assignments: Vec<(usize, Expr)> = Vec::with_capacity(update.assignments.len());
        for (index, value) in update.assignments {
            let base = self.changeable(index)?;
            if table.columns[base].identity.is_some_and(|identity| identity.always) {
                let name = &table.columns[base].name;
                let message = format!("column \"{name}\" can only be updated to DEFAULT");
                return Err(generated_always(name, message));
            }
            if assignments.iter().any(|(known, _)| *known == base) {
                return Err(assigned_twice(&table.columns[base].name));
            }
            assignments.push((base, self.carry(value)));
        }
        let filter = self.filter(update.filter);
        let values = assignments.iter().map(|(_, value)| value);
        let system = self.uses_system(values.chain(&filter));
        let dropped = (0..table.columns.len()).filter(|index| table.columns[*index].dropped);
        assignments
            .extend(dropped.map(|index| (index, Expr::constant(Datum::Null, ColumnType::Text))));
        Ok(Update {
            source: self.whole(system),
            names: self.query.names.clone(),
            filter,
            assignments,
            checks: bind_checks(context, table)?,
            returning: self.returning(update.returning),
        })
    }

    /// DELETE of rows of the table.
    pub fn delete(&self, delete: Delete) -> Delete {
        let filter = self.filter(delete.filter);
        let returning = self.returning(delete.returning);
        let returned = returning.iter().flat_map(|returning| &returning.targets);
        let system = self.uses_system(returned.chain(&filter));
        Delete { source: self.whole(system), names: self.query.names.clone(), filter, returning }
    }

    /// INSERT into the table: where the values of its columns come from, if values are given for
    /// these columns of the view.
    pub fn columns(&self, context: &BindContext<'_>, given: &[usize]) -> Result<Vec<ColumnSource>> {
        let table = &self.source.table;
        let given: Result<Vec<usize>> = given.iter().map(|index| self.changeable(*index)).collect();
        let given = given?;
        let twice = (1..given.len()).find(|at| given[..*at].contains(&given[*at]));
        if let Some(at) = twice {
            return Err(assigned_twice(&table.columns[given[at]].name));
        }
        let columns = (0..table.columns.len()).map(|column| {
            Ok(match given.iter().position(|base| *base == column) {
                Some(place) => ColumnSource::Given(place),
                None => ColumnSource::Default(default_of(context, table, column)?),
            })
        });
        columns.collect()
    }

    /// The table, and what is returned of its rows.
    pub fn insert(&self, returning: Option<Returning>) -> (Rc<TableDef>, Option<Returning>) {
        (Rc::clone(&self.source.table), self.returning(returning))
    }
}
