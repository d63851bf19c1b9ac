//! What is to be looked at when the statement has changed all its rows.

use std::collections::VecDeque;
use std::rc::Rc;

use catalog::{ConstraintDef, ConstraintKind, TableDef};
use types::{Datum, SqlState, TupleId};

use super::super::Execution;
use super::super::memory::WORK_MEM_MULTIPLE;
use super::key::is_same;
use crate::error::{Error, Result};

/// Which side of a foreign key a row is on, and what happened to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// It refers to another: it is new, or refers to another one than before.
    Child,
    /// It could be referred to, and was deleted.
    Deleted,
    /// It could be referred to, and got another key.
    Updated,
}

/// A row to be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub side: Side,
    /// The constraint, by its number in the table's list for that side.
    pub constraint: u16,
    /// The table, by its number in the queue.
    table: u32,
    /// Where the version stands that was deleted or replaced.
    pub old: TupleId,
    /// Where the new version stands.
    pub new: TupleId,
}

const _: () = assert!(size_of::<Event>() == 24);

/// The events of a statement, in the order in which they are to be looked at.
#[derive(Default)]
pub(crate) struct Events {
    tables: Vec<Rc<TableDef>>,
    queue: VecDeque<Event>,
}

/// A version of a row: where it stands, and its values.
pub(in crate::exec) type At<'a> = (TupleId, &'a [Datum]);

impl Events {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next event, and its table.
    pub(super) fn take(&mut self) -> Option<(Rc<TableDef>, Event)> {
        let event = self.queue.pop_front()?;
        self.tables.get(event.table as usize).map(|table| (Rc::clone(table), event))
    }

    fn number_of(&mut self, table: &Rc<TableDef>) -> usize {
        let known = self.tables.iter().rposition(|known| Rc::ptr_eq(known, table));
        known.unwrap_or_else(|| {
            self.tables.push(Rc::clone(table));
            self.tables.len() - 1
        })
    }
}

fn is_foreign(constraint: &ConstraintDef) -> bool {
    constraint.kind == ConstraintKind::ForeignKey
}

/// Whether there is something to look at in a row that refers to another: not if it has no value
/// where one is needed. MATCH FULL has something to say of NULL beside other values.
fn refers(key: &ConstraintDef, row: &[Datum]) -> bool {
    let mut nulls = key.columns.iter().map(|column| row.get(*column).is_none_or(Datum::is_null));
    if key.match_full { !nulls.all(|null| null) } else { !nulls.any(|null| null) }
}

fn changes(columns: &[usize], old: &[Datum], new: &[Datum]) -> bool {
    columns.iter().any(|column| !is_same(old.get(*column), new.get(*column)))
}

impl Execution<'_> {
    /// Notes a new row.
    pub(in crate::exec) fn note_insert(
        &self,
        table: &Rc<TableDef>,
        (place, row): At<'_>,
    ) -> Result<()> {
        for (number, key) in table.constraints.iter().enumerate() {
            if is_foreign(key) && refers(key, row) {
                self.note(table, Side::Child, number, place, place)?;
            }
        }
        Ok(())
    }

    /// Notes a row that was changed. `made_here`: this statement has made the version that was there
    /// before, so that may not have been looked at yet.
    pub(in crate::exec) fn note_update(
        &self,
        table: &Rc<TableDef>,
        (old_place, old): At<'_>,
        (place, new): At<'_>,
        made_here: bool,
    ) -> Result<()> {
        for (number, key) in table.referenced_by.iter().enumerate() {
            let columns = &key.foreign_columns;
            let complete = columns.iter().all(|c| old.get(*c).is_some_and(|v| !v.is_null()));
            if complete && changes(columns, old, new) {
                self.note(table, Side::Updated, number, old_place, place)?;
            }
        }
        for (number, key) in table.constraints.iter().enumerate() {
            let is_new = |key: &ConstraintDef| made_here || changes(&key.columns, old, new);
            if is_foreign(key) && refers(key, new) && is_new(key) {
                self.note(table, Side::Child, number, old_place, place)?;
            }
        }
        Ok(())
    }

    /// Notes a row that was deleted.
    pub(in crate::exec) fn note_delete(&self, table: &Rc<TableDef>, place: TupleId) -> Result<()> {
        for number in 0..table.referenced_by.len() {
            self.note(table, Side::Deleted, number, place, place)?;
        }
        Ok(())
    }

    fn note(
        &self,
        table: &Rc<TableDef>,
        side: Side,
        constraint: usize,
        old: TupleId,
        new: TupleId,
    ) -> Result<()> {
        let constraint = u16::try_from(constraint)
            .map_err(|_| Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "too many constraints"))?;
        let mut events = self.events.borrow_mut();
        let room = self.session.work_mem().saturating_mul(WORK_MEM_MULTIPLE);
        if (events.queue.len() * size_of::<Event>()) as u64 >= room {
            return Err(too_many(self.session.work_mem()));
        }
        let table = events.number_of(table) as u32;
        events.queue.push_back(Event { side, constraint, table, old, new });
        Ok(())
    }
}

/// `53200`
fn too_many(work_mem: u64) -> Error {
    Error::new(SqlState::OUT_OF_MEMORY, "out of memory")
        .detail(format!(
            "A statement notes the rows that foreign keys are to be looked at for in memory, at most \
             {WORK_MEM_MULTIPLE} times work_mem ({} kB).",
            work_mem / 1024
        ))
        .hint("Increase work_mem, or change the rows in several statements.")
}
