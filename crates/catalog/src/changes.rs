//! Rows of the system tables: read and changed one by one.
//!
//! Every change ends with a new command of the transaction, so that the next one sees it, and can
//! change the same row again.
//!
//! Who may change which rows is told at the head of the crate: locks on names and relations keep two
//! transactions from changing the same row.

use std::ops::ControlFlow;

use access::{Heap, Outcome};
use txn::Transaction;
use types::{Datum, Oid, Row, TupleId};

use crate::catalog::Catalog;
use crate::error::Error;
use crate::system::SystemTable;

/// Which rows are meant.
pub(crate) type Wanted<'w> = &'w dyn Fn(&[Datum]) -> bool;

/// Whether a column of a row holds that oid.
pub(crate) fn is(row: &[Datum], column: usize, oid: Oid) -> bool {
    row.get(column) == Some(&Datum::Oid(oid.0))
}

/// The oid in a column of a row; 0 if there is none.
pub(crate) fn oid(row: &[Datum], column: usize) -> Oid {
    match row.get(column) {
        Some(Datum::Oid(oid)) => Oid(*oid),
        _ => Oid::default(),
    }
}

/// The text in a column of a row; empty if there is none.
pub(crate) fn text(row: &[Datum], column: usize) -> &str {
    match row.get(column) {
        Some(Datum::Text(text)) => text,
        _ => "",
    }
}

/// The whole number in a column of a row; 0 if there is none.
pub(crate) fn number(row: &[Datum], column: usize) -> i64 {
    match row.get(column) {
        Some(Datum::Int2(number)) => i64::from(*number),
        Some(Datum::Int4(number)) => i64::from(*number),
        Some(Datum::Int8(number)) => *number,
        _ => 0,
    }
}

impl Catalog {
    /// The wanted rows of a system table, as the transaction sees them now.
    pub(crate) fn rows(
        &self,
        tx: &Transaction,
        table: &SystemTable,
        wanted: Wanted<'_>,
    ) -> Result<Vec<Row>, Error> {
        Ok(self.places(tx, table, wanted)?.into_iter().map(|(_, row)| row).collect())
    }

    /// The first wanted row of a system table.
    pub(crate) fn row(
        &self,
        tx: &Transaction,
        table: &SystemTable,
        wanted: Wanted<'_>,
    ) -> Result<Option<Row>, Error> {
        Ok(self.rows(tx, table, wanted)?.into_iter().next())
    }

    fn places(
        &self,
        tx: &Transaction,
        table: &SystemTable,
        wanted: Wanted<'_>,
    ) -> Result<Vec<(TupleId, Row)>, Error> {
        let mut rows = Vec::new();
        let snapshot = self.txn().snapshot(tx);
        self.scan(table, &snapshot, &mut |place, row| {
            if wanted(row) {
                rows.push((place, row.to_vec()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Adds a row to a system table.
    pub(crate) fn insert_row(
        &self,
        tx: &mut Transaction,
        table: &SystemTable,
        row: &[Datum],
    ) -> Result<(), Error> {
        Heap::new(&self.access, table.relfile, &table.types()).insert(tx, row)?;
        self.step(tx)
    }

    /// Changes the wanted rows of a system table; answers how many. Somebody else who has changed one
    /// is waited for, and what that has made of it is changed then.
    pub(crate) fn update_rows(
        &self,
        tx: &mut Transaction,
        table: &SystemTable,
        wanted: Wanted<'_>,
        change: &mut dyn FnMut(&mut Row),
    ) -> Result<usize, Error> {
        let types = table.types();
        let heap = Heap::new(&self.access, table.relfile, &types);
        let places = self.places(tx, table, wanted)?;
        let count = places.len();
        for (mut place, mut row) in places {
            loop {
                change(&mut row);
                match heap.update(tx, place, &row)? {
                    Outcome::Done(_) => break,
                    Outcome::Gone => return Err(Error::ConcurrentUpdate),
                    Outcome::Changed(newest) => {
                        place = newest.place;
                        heap.decode(place, &newest.tuple, None, &mut row)?;
                    }
                }
            }
        }
        self.step(tx)?;
        Ok(count)
    }

    /// Deletes the wanted rows of a system table; answers how many.
    pub(crate) fn delete_rows(
        &self,
        tx: &mut Transaction,
        table: &SystemTable,
        wanted: Wanted<'_>,
    ) -> Result<usize, Error> {
        let types = table.types();
        let heap = Heap::new(&self.access, table.relfile, &types);
        let places = self.places(tx, table, wanted)?;
        let count = places.len();
        for (place, _) in places {
            done(heap.delete(tx, place)?)?;
        }
        self.step(tx)?;
        Ok(count)
    }

    /// The next command begins: it sees what was changed so far.
    fn step(&self, tx: &mut Transaction) -> Result<(), Error> {
        self.access.end_statement()?;
        Ok(tx.next_command()?)
    }

    /// Notes for others, and for the rest of this transaction, that what the system tables say of a
    /// relation or schema has changed.
    pub(crate) fn changed(&self, tx: &mut Transaction, oid: Oid) {
        tx.invalidate(oid);
        self.cache.borrow_mut().touch(tx.xid(), oid);
    }
}

fn done(outcome: Outcome) -> Result<(), Error> {
    match outcome {
        Outcome::Done(_) => Ok(()),
        Outcome::Gone | Outcome::Changed(_) => Err(Error::ConcurrentUpdate),
    }
}
