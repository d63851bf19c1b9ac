//! The numbers that a session has taken from sequences.
//!
//! With CACHE a session takes several numbers at once and hands them out by itself. What it has
//! taken from a file that the sequence has no longer (ALTER, a roll-back of that) is passed over.
//! `currval` and `lastval` answer what was given last, also after a roll-back.

use std::collections::HashMap;

use access::{Sequence, sequence::State};
use catalog::{SequenceDef, TableDef};
use types::{Datum, Lsn, Oid, RelFileNumber, Row, TupleId};

use super::{Engine, told};
use crate::error::Result;
use crate::storage::{Flow, Version};

/// What a session has taken from one sequence.
struct Taken {
    /// The file it was taken from.
    file: RelFileNumber,
    /// The number given last, if one was.
    current: Option<i64>,
    /// The numbers that are left: the next, and how many.
    next: i64,
    left: u64,
    /// From one to the next.
    increment: i64,
    /// The end of the record that covers them.
    covered: Lsn,
}

/// What a session has taken from all sequences.
#[derive(Default)]
pub(super) struct Sequences {
    taken: HashMap<Oid, Taken>,
    last_used: Option<Oid>,
}

impl Sequences {
    /// The next of the numbers that are left from a file, and what covers it.
    fn take(&mut self, sequence: Oid, file: RelFileNumber) -> Option<(i64, Lsn)> {
        let taken = self.taken.get_mut(&sequence).filter(|t| t.file == file && t.left > 0)?;
        let number = taken.next;
        taken.left -= 1;
        taken.next = number.wrapping_add(taken.increment);
        taken.current = Some(number);
        self.last_used = Some(sequence);
        Some((number, taken.covered))
    }
}

impl Engine {
    pub(super) fn next_of(&self, table: &TableDef, sequence: &SequenceDef) -> Result<Option<i64>> {
        let mut sequences = self.sequences.borrow_mut();
        let taken = sequences.take(table.oid, table.relfile);
        let (number, covered) = match taken {
            Some(taken) => taken,
            None => {
                let numbering = &sequence.numbering;
                let file = Sequence::new(&self.rooms.access, table.relfile);
                let Some(given) = file.next(numbering).map_err(told)? else { return Ok(None) };
                let increment = numbering.increment;
                let span = i128::from(given.last) - i128::from(given.first);
                let left = u64::try_from(span / i128::from(increment)).unwrap_or(0);
                let taken = Taken {
                    file: table.relfile,
                    current: Some(given.first),
                    next: given.first.wrapping_add(increment),
                    left,
                    increment,
                    covered: given.covered,
                };
                sequences.taken.insert(table.oid, taken);
                sequences.last_used = Some(table.oid);
                (given.first, given.covered)
            }
        };
        self.with_transaction(|tx| {
            tx.rely_on(covered);
            Ok(())
        })?;
        Ok(Some(number))
    }

    pub(super) fn current_of(&self, sequence: Oid) -> Option<i64> {
        self.sequences.borrow().taken.get(&sequence).and_then(|taken| taken.current)
    }

    pub(super) fn last_used(&self) -> Option<Oid> {
        self.sequences.borrow().last_used
    }

    pub(super) fn set_sequence(&self, table: &TableDef, value: i64, called: bool) -> Result<()> {
        let file = Sequence::new(&self.rooms.access, table.relfile);
        let covered = file.set(value, called).map_err(told)?;
        let mut sequences = self.sequences.borrow_mut();
        let before = sequences.taken.get(&table.oid).and_then(|taken| taken.current);
        let current = if called { Some(value) } else { before };
        let (file, next, left, increment) = (table.relfile, value, 0, 0);
        let taken = Taken { file, current, next, left, increment, covered };
        sequences.taken.insert(table.oid, taken);
        self.with_transaction(|tx| {
            tx.rely_on(covered);
            Ok(())
        })
    }

    pub(super) fn state_of(&self, table: &TableDef) -> Result<State> {
        Sequence::new(&self.rooms.access, table.relfile).state().map_err(told)
    }

    /// Visits the one row of a sequence.
    pub(super) fn scan_sequence(
        &self,
        table: &TableDef,
        visit: &mut dyn FnMut(Version<'_>) -> Result<Flow>,
    ) -> Result<()> {
        let State { last_value, log_cnt, is_called } = self.state_of(table)?;
        let mut row: Row =
            vec![Datum::Int8(last_value), Datum::Int8(log_cnt), Datum::Bool(is_called)];
        let place = TupleId { block: 0, offset: 1 };
        visit(Version { place, xmin: 0, xmax: 0, row: &mut row }).map(|_| ())
    }
}
