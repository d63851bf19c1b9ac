//! Locking the rows that a query shows.
//!
//! As in PostgreSQL rows are locked above the sort and below LIMIT: only those that are shown, or
//! left out by OFFSET. A row that another transaction has replaced meanwhile is locked in its newest
//! version, if that still satisfies the WHERE; the order is not made anew.

use types::{Datum, Row, SqlState, TupleId};

use super::Execution;
use super::scan::push_system;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::expr::eval::EvalContext;
use crate::planned::{Locking, Query, RowSource, RowWait, TableSource};
use crate::storage::RowLocked;

/// Locks rows of a query's table.
pub(super) struct LockRows<'a> {
    execution: &'a Execution<'a>,
    evaluator: EvalContext<'a>,
    source: &'a TableSource,
    filter: Option<&'a Expr>,
    locking: Locking,
}

/// What became of a row that was to be locked.
pub(super) enum Held {
    /// It is as it was found.
    AsFound,
    /// It is another by now.
    Newer(Row),
    /// It is not shown.
    Skipped,
}

impl<'a> LockRows<'a> {
    /// What locks the rows of a query that wants it.
    pub(super) fn of(execution: &'a Execution<'a>, query: &'a Query) -> Option<LockRows<'a>> {
        let RowSource::Table(source) = &query.source else { return None };
        let evaluator = execution.evaluator();
        let filter = query.filter.as_ref();
        query.locking.map(|locking| LockRows { execution, evaluator, source, filter, locking })
    }

    /// Locks the row found at a place.
    pub(super) fn lock(&self, mut place: TupleId) -> Result<Held> {
        let storage = &self.execution.session.storage;
        let table = &self.source.table;
        let Locking { mode, wait } = self.locking;
        let mut newer = None;
        loop {
            match storage.lock_row(table, place, mode, wait == RowWait::Block)? {
                RowLocked::Done => return Ok(newer.map_or(Held::AsFound, Held::Newer)),
                RowLocked::Gone => return Ok(Held::Skipped),
                RowLocked::Busy if wait == RowWait::Skip => return Ok(Held::Skipped),
                RowLocked::Busy => {
                    let name = &table.name;
                    let message = format!("could not obtain lock on row in relation \"{name}\"");
                    return Err(Error::new(SqlState::LOCK_NOT_AVAILABLE, message));
                }
                RowLocked::Replaced(newest, mut row) => {
                    place = newest;
                    if self.source.system {
                        push_system(&mut row, place, 0, 0, table.oid.0);
                    }
                    if !self.satisfies(&row)? {
                        return Ok(Held::Skipped);
                    }
                    newer = Some(row);
                }
            }
        }
    }

    fn satisfies(&self, row: &[Datum]) -> Result<bool> {
        let by_index = self.source.path.index.as_ref().and_then(|path| path.condition.as_ref());
        for condition in self.filter.into_iter().chain(by_index) {
            if !self.evaluator.is_true(condition, row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A place as a value that a sort carries along.
pub(super) fn carried(place: TupleId) -> Datum {
    Datum::Int8((u64::from(place.block) << 16 | u64::from(place.offset)) as i64)
}

/// The place that [`carried`] was given.
pub(super) fn place_of(value: Option<&Datum>) -> Result<TupleId> {
    match value {
        Some(Datum::Int8(word)) => {
            Ok(TupleId { block: (*word as u64 >> 16) as u32, offset: *word as u16 })
        }
        _ => Err(Error::internal("row to be locked without its place")),
    }
}
