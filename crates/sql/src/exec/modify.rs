//! INSERT, UPDATE and DELETE.
//!
//! Under read committed a row that another transaction has replaced meanwhile is looked at again
//! in its newest version: if that still satisfies the WHERE, it is changed.

use std::borrow::Cow;

use catalog::TableDef;
use sys::mutant::{self, Mutant};
use types::{Datum, Row, SqlState, TupleId};

use super::scan::{each_version, push_system};
use super::upsert::{Upserted, upsert};
use super::{Execution, Sink, foreign, query};
use crate::error::{Error, Result};
use crate::expr::eval::EvalContext;
use crate::planned::{
    Check, ColumnSource, Delete, Insert, InsertSource, Returning, TableSource, Update,
};
use crate::storage::{Changed, Flow};
use crate::values::{Style, output};

/// Runs an INSERT; answers how many rows were added.
pub(super) fn insert(
    execution: &Execution<'_>,
    insert: &Insert,
    sink: &mut dyn Sink,
) -> Result<u64> {
    let evaluator = execution.evaluator();
    let mut inserter = Inserter { execution, insert, evaluator: &evaluator, count: 0 };
    match &insert.source {
        InsertSource::Values(rows) => {
            for exprs in rows {
                let given: Result<Row> =
                    exprs.iter().map(|expr| evaluator.value(expr, &[])).collect();
                inserter.add(given?, sink)?;
            }
        }
        InsertSource::Query(source, values) => {
            query::run(execution, source, &mut |row: &super::OutRow<'_>| {
                let row: Row = row.iter().map(|value| value.as_ref().clone()).collect();
                let given: Result<Row> =
                    values.iter().map(|expr| evaluator.value(expr, &row)).collect();
                inserter.add(given?, sink)
            })?;
        }
    }
    let count = inserter.count;
    foreign::run(execution)?;
    Ok(count)
}

struct Inserter<'a, 'e> {
    execution: &'a Execution<'e>,
    insert: &'a Insert,
    evaluator: &'a EvalContext<'e>,
    count: u64,
}

impl Inserter<'_, '_> {
    fn add(&mut self, mut given: Row, sink: &mut dyn Sink) -> Result<()> {
        let table = &self.insert.table;
        let mut row = Row::with_capacity(table.columns.len());
        for source in &self.insert.columns {
            row.push(match source {
                ColumnSource::Given(place) => match given.get_mut(*place) {
                    Some(value) => std::mem::replace(value, Datum::Null),
                    None => return Err(Error::internal("row with too few values")),
                },
                ColumnSource::Default(default) => self.evaluator.value(default, &[])?,
            });
        }
        check_not_null(table, &row)?;
        check_row(self.evaluator, table, &self.insert.checks, &row)?;
        let (place, row) = match &self.insert.on_conflict {
            None => {
                let place = self.execution.session.storage.insert(table, &row)?;
                self.execution.note_insert(table, (place, &row))?;
                (place, row)
            }
            Some(on) => match upsert(self.execution, self.evaluator, self.insert, on, row)? {
                Upserted::Stored(place, row) => (place, row),
                Upserted::Nothing => return Ok(()),
            },
        };
        self.count += 1;
        send(
            self.execution,
            self.evaluator,
            table,
            self.insert.returning.as_ref(),
            place,
            row,
            sink,
        )
    }
}

/// `23502`, with the row as the particulars.
pub(super) fn check_not_null(table: &TableDef, row: &[Datum]) -> Result<()> {
    let missing =
        table.columns.iter().zip(row).find(|(column, value)| column.not_null && value.is_null());
    let Some((column, _)) = missing else { return Ok(()) };
    Err(Error::new(
        SqlState::NOT_NULL_VIOLATION,
        format!(
            "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
            column.name, table.name
        ),
    )
    .detail(failing(table, row)))
}

/// `23514`, with the row as the particulars.
pub(super) fn check_row(
    evaluator: &EvalContext<'_>,
    table: &TableDef,
    checks: &[Check],
    row: &[Datum],
) -> Result<()> {
    for check in checks {
        // NULL is no violation.
        if evaluator.value(&check.expr, row)? == Datum::Bool(false) {
            return Err(Error::new(
                SqlState::CHECK_VIOLATION,
                format!(
                    "new row for relation \"{}\" violates check constraint \"{}\"",
                    table.name, check.name
                ),
            )
            .detail(failing(table, row)));
        }
    }
    Ok(())
}

fn failing(table: &TableDef, row: &[Datum]) -> String {
    format!("Failing row contains ({}).", describe(table, row))
}

/// The values of a row as PostgreSQL shows them: each cut to 64 bytes.
fn describe(table: &TableDef, row: &[Datum]) -> String {
    const SHOWN: usize = 64;
    let mut out = String::new();
    for (place, column) in table.live_columns().enumerate() {
        let value = row.get(column).unwrap_or(&Datum::Null);
        if place > 0 {
            out.push_str(", ");
        }
        if value.is_null() {
            out.push_str("null");
            continue;
        }
        let mut text = String::new();
        output(value, Style::default(), &mut text);
        if text.len() <= SHOWN {
            out.push_str(&text);
        } else {
            let end = (0..=SHOWN).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            out.push_str(&text[..end]);
            out.push_str("...");
        }
    }
    out
}

/// Sends what RETURNING wants of a row.
fn send(
    execution: &Execution<'_>,
    evaluator: &EvalContext<'_>,
    table: &TableDef,
    returning: Option<&Returning>,
    place: TupleId,
    mut row: Row,
    sink: &mut dyn Sink,
) -> Result<()> {
    let Some(returning) = returning else { return Ok(()) };
    if returning.system {
        row.truncate(table.columns.len());
        let xid = execution.session.storage.writing_id()?;
        push_system(&mut row, place, xid, 0, table.oid.0);
    }
    send_as_is(evaluator, returning, &row, sink)
}

fn send_as_is(
    evaluator: &EvalContext<'_>,
    returning: &Returning,
    row: &[Datum],
    sink: &mut dyn Sink,
) -> Result<()> {
    let values: Result<Vec<Cow<'_, Datum>>> =
        returning.targets.iter().map(|target| evaluator.eval(target, row)).collect();
    sink.row(&values?).map(|_| ())
}

/// Runs an UPDATE; answers how many rows were changed.
pub(super) fn update(
    execution: &Execution<'_>,
    update: &Update,
    sink: &mut dyn Sink,
) -> Result<u64> {
    let evaluator = execution.evaluator();
    let table = &update.source.table;
    let storage = &execution.session.storage;
    let mut count = 0;
    each_version(execution, &update.source, &mut |place, row| {
        let mut place = place;
        loop {
            if !query::passes_filter(&evaluator, &execution.counts, update.filter.as_ref(), row)? {
                return Ok(Flow::Continue);
            }
            let mut new: Row = row[..table.columns.len()].to_vec();
            for (column, expr) in &update.assignments {
                new[*column] = evaluator.value(expr, row)?;
            }
            check_not_null(table, &new)?;
            check_row(&evaluator, table, &update.checks, &new)?;
            match storage.update(table, place, &new)? {
                Changed::Gone => return Ok(Flow::Continue),
                Changed::Done(new_place) => {
                    count += 1;
                    execution.note_update(table, (place, row), (new_place, &new), false)?;
                    let returning = update.returning.as_ref();
                    send(execution, &evaluator, table, returning, new_place, new, sink)?;
                    return Ok(Flow::Continue);
                }
                Changed::Replaced(newest, _) if mutant::on(Mutant::RowNotLookedAtAgain) => {
                    place = newest;
                }
                Changed::Replaced(newest, values) => {
                    place = newest;
                    if !look_again(&evaluator, row, values, place, &update.source)? {
                        return Ok(Flow::Continue);
                    }
                }
            }
        }
    })?;
    foreign::run(execution)?;
    Ok(count)
}

/// Puts the newest version of a row where the one was that the scan found. Answers whether it
/// satisfies what the index has looked up for the other one; the rest is checked by the caller.
fn look_again(
    evaluator: &EvalContext<'_>,
    row: &mut Row,
    values: Row,
    place: TupleId,
    source: &TableSource,
) -> Result<bool> {
    *row = values;
    if source.system {
        // Who made it is not told again; its place is.
        push_system(row, place, 0, 0, source.table.oid.0);
    }
    match source.path.index.as_ref().and_then(|path| path.condition.as_ref()) {
        Some(condition) => evaluator.is_true(condition, row),
        None => Ok(true),
    }
}

/// Runs a DELETE; answers how many rows were deleted.
pub(super) fn delete(
    execution: &Execution<'_>,
    delete: &Delete,
    sink: &mut dyn Sink,
) -> Result<u64> {
    let evaluator = execution.evaluator();
    let table = &delete.source.table;
    let storage = &execution.session.storage;
    let mut count = 0;
    each_version(execution, &delete.source, &mut |place, row| {
        let mut place = place;
        loop {
            if !query::passes_filter(&evaluator, &execution.counts, delete.filter.as_ref(), row)? {
                return Ok(Flow::Continue);
            }
            match storage.delete(table, place)? {
                Changed::Gone => return Ok(Flow::Continue),
                Changed::Done(_) => {
                    count += 1;
                    execution.note_delete(table, place)?;
                    if let Some(returning) = &delete.returning {
                        send_as_is(&evaluator, returning, row, sink)?;
                    }
                    return Ok(Flow::Continue);
                }
                Changed::Replaced(newest, values) => {
                    place = newest;
                    if !look_again(&evaluator, row, values, place, &delete.source)? {
                        return Ok(Flow::Continue);
                    }
                }
            }
        }
    })?;
    foreign::run(execution)?;
    Ok(count)
}
