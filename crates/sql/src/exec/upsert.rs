//! INSERT … ON CONFLICT: what becomes of a row whose key is there already.
//!
//! ```text
//!        ┌──> is a living row of that key there?  (one in progress is waited for)
//!        │        │ no                                  │ yes
//!        │   insert, unless another was faster     DO NOTHING, or lock it
//!        │        │ faster               it is gone, or  │  │ it is as it was
//!        │        │                      changed         │  is it wanted? update it
//!        └────────┴──────────────────────────────────────┘
//! ```
//!
//! As in PostgreSQL under read committed the row in the way need not be one that the statement's
//! snapshot sees: it is changed as it is now. Each time round somebody else has committed. Under
//! repeatable read a row in the way that the snapshot does not see is `40001`, for DO NOTHING too. The row
//! is locked before its WHERE is asked, and stays so whatever that says.

use catalog::TableDef;
use txn::RowLockMode;
use types::{Datum, Row, SqlState, TupleId};

use super::Execution;
use super::modify::{check_not_null, check_row};
use super::scan::push_system;
use crate::error::{Error, Result};
use crate::expr::eval::EvalContext;
use crate::planned::{ConflictAction, Insert, OnConflict};
use crate::storage::{Blocking, Changed, RowLocked};

/// What became of a row.
pub(super) enum Upserted {
    /// It stands there now, or another does that was made of it.
    Stored(TupleId, Row),
    /// Nothing was done.
    Nothing,
}

/// Inserts a row, or does what is to be done where one with its key is there.
pub(super) fn upsert(
    execution: &Execution<'_>,
    evaluator: &EvalContext<'_>,
    insert: &Insert,
    on: &OnConflict,
    row: Row,
) -> Result<Upserted> {
    let storage = &execution.session.storage;
    let table = &insert.table;
    loop {
        storage.check_interrupts()?;
        match storage.find_conflict(table, &on.arbiters, &row)? {
            Blocking::Nobody => {
                if let Some(place) = storage.insert_unless(table, &on.arbiters, &row)? {
                    execution.note_insert(table, (place, &row))?;
                    return Ok(Upserted::Stored(place, row));
                }
            }
            Blocking::Row(place, there) => {
                let ConflictAction::Update { assignments, filter, names: _ } = &on.action else {
                    return Ok(Upserted::Nothing);
                };
                let mode = strength(table, assignments.iter().map(|(column, _)| *column));
                if !matches!(storage.lock_row(table, place, mode, true)?, RowLocked::Done) {
                    continue;
                }
                let both = both_rows(place, there, &row, table.oid.0);
                if let Some(filter) = filter
                    && !evaluator.is_true(filter, &both)?
                {
                    return Ok(Upserted::Nothing);
                }
                let mut new: Row = both[..table.columns.len()].to_vec();
                for (column, expr) in assignments {
                    new[*column] = evaluator.value(expr, &both)?;
                }
                check_not_null(table, &new)?;
                check_row(evaluator, table, &insert.checks, &new)?;
                if let Changed::Done(now) = storage.update(table, place, &new)? {
                    execution.note_update(table, (place, &both), (now, &new), false)?;
                    return Ok(Upserted::Stored(now, new));
                }
            }
            Blocking::Own if matches!(on.action, ConflictAction::Nothing) => {
                return Ok(Upserted::Nothing);
            }
            Blocking::Own => return Err(second_time()),
        }
    }
}

/// How strongly an UPDATE of these columns holds a row.
fn strength(table: &TableDef, mut columns: impl Iterator<Item = usize>) -> RowLockMode {
    if columns.any(|column| table.keys.contains(&column)) {
        RowLockMode::Update
    } else {
        RowLockMode::NoKeyUpdate
    }
}

/// The row in the way, its system columns, and the row that was to be inserted.
fn both_rows(place: TupleId, mut there: Row, excluded: &[Datum], table: u32) -> Row {
    push_system(&mut there, place, 0, 0, table);
    there.extend_from_slice(excluded);
    there
}

/// `21000`
fn second_time() -> Error {
    let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
    Error::new(SqlState::CARDINALITY_VIOLATION, message).hint(
        "Ensure that no rows proposed for insertion within the same command have duplicate \
         constrained values.",
    )
}
