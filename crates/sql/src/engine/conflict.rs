//! INSERT … ON CONFLICT on the rooms: the row in the way, and an insertion that may come second.

use access::heap::Fetched;
use access::tuple::Header;
use catalog::{IndexDef, TableDef};
use txn::{Snapshot, Transaction};
use types::{Datum, Oid, Row, TupleId};

use super::entries::{RowsOf, duplicate, key_of};
use super::{Engine, told};
use crate::error::{Error, Result};
use crate::storage::Blocking;

impl Engine {
    /// The living row in the way of one that is to be inserted.
    ///
    /// The statement's snapshot is taken before the row is looked for: as long as it is held, no place of
    /// a row that lives now becomes another row's.
    pub(super) fn blocking(
        &self,
        table: &TableDef,
        arbiters: &[Oid],
        row: &[Datum],
    ) -> Result<Blocking> {
        let statement = self.snapshot()?;
        self.with_transaction(|tx| {
            for index in table.indexes.iter().filter(|index| arbiters.contains(&index.oid)) {
                while let Some(root) = self.root_of_key(tx, table, index, row)? {
                    if let Some(found) = self.as_it_is(tx, &statement, table, root)? {
                        return Ok(found);
                    }
                }
            }
            Ok(Blocking::Nobody)
        })
    }

    fn root_of_key(
        &self,
        tx: &Transaction,
        table: &TableDef,
        index: &IndexDef,
        row: &[Datum],
    ) -> Result<Option<TupleId>> {
        let key = key_of(index, row)?;
        let mut rows = RowsOf { heap: self.heap(table), tx, txn: &self.rooms.txn };
        self.tree(index).find_conflict(&key, &mut rows).map_err(told)
    }

    /// The row that an entry leads to, as it is at this moment; `None`: it has just gone.
    ///
    /// Errors: `40001`, the transaction has one snapshot, and that does not see the row so.
    fn as_it_is(
        &self,
        tx: &mut Transaction,
        statement: &Snapshot,
        table: &TableDef,
        root: TupleId,
    ) -> Result<Option<Blocking>> {
        let heap = self.heap(table);
        let (mut bytes, mut row) = (Vec::new(), Row::new());
        let now = self.rooms.txn.snapshot(tx);
        if let Fetched::Row(place) = heap.fetch(&now, root, &mut bytes).map_err(told)? {
            let header = Header::read(&bytes)
                .map_err(|_| Error::internal("row version without a header"))?;
            let own = tx.own().has(header.xmin);
            if own || tx.keeps_snapshot() {
                let mut seen = Vec::new();
                let found = heap.fetch(statement, root, &mut seen).map_err(told)?;
                match found == Fetched::Row(place) {
                    true => {}
                    false if own => return Ok(Some(Blocking::Own)),
                    false => return Err(told(access::Error::ConcurrentUpdate)),
                }
            }
            heap.decode(place, &bytes, None, &mut row).map_err(told)?;
            return Ok(Some(Blocking::Row(place, row)));
        }
        drop(now);
        // What the statement has made itself, only the next command sees.
        tx.next_command().map_err(told)?;
        let next = self.rooms.txn.snapshot(tx);
        let own = matches!(heap.fetch(&next, root, &mut bytes).map_err(told)?, Fetched::Row(_));
        Ok(own.then_some(Blocking::Own))
    }

    /// Adds a row, unless another with its key was faster: then what was done of it is undone.
    pub(super) fn add_unless(
        &self,
        table: &TableDef,
        arbiters: &[Oid],
        row: &[Datum],
    ) -> Result<Option<TupleId>> {
        self.wrote.set(true);
        let heap = self.heap(table);
        self.with_transaction(|tx| {
            let place = heap.insert(tx, row).map_err(told)?;
            let Some(taken) = self.try_add_entries(tx, table, (row, false), place)? else {
                return Ok(Some(place));
            };
            if !arbiters.contains(&taken.oid) {
                return Err(duplicate(table, taken, row));
            }
            // A command does not change what it has made itself.
            tx.next_command().map_err(told)?;
            heap.delete(tx, place).map_err(told)?;
            Ok(None)
        })
    }
}
