//! Indexes as a session works with them: entries for new rows, reading, making and dropping.
//!
//! ```text
//! INSERT   row into the heap ── place ──> an entry into each index, a unique one looks first
//! UPDATE   new version ── heap-only? ──> nothing, else an entry into each index
//! DELETE   nothing: the entries go when the versions go
//! SELECT   range of entries ── place ──> version that the snapshot sees; an entry that leads to
//!                                        nothing for anybody is marked
//! ```
//!
//! What if the process dies between a row and its entries: the transaction aborts, so nobody misses
//! them.

use std::rc::Rc;

use access::btree::Key;
use access::btree::{Cursor, Direction, RowFate, Rows};
use access::heap::{BuildRow, Duplicate, Fetched};
use access::{BTree, Heap};
use catalog::{IndexDef, NewIndex, TableDef};
use smallvec::SmallVec;
use txn::{Snapshot, Transaction, Txn};
use types::{Datum, Row, SqlState, TupleId, Xid};

use super::{Engine, told};
use crate::error::{Error, Result};
use crate::key;
use crate::maintenance::{Builder, Building};
use crate::plan::conditions::key_columns;
use crate::storage::{Flow, IndexScan, Storage, Version};

/// What a scan reads rows into. A row is bounded by a page.
#[derive(Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    row: Row,
}

/// Interrupts are looked for once in so many rows.
pub(super) const INTERRUPT_EVERY: u64 = 256;

/// The rows of a table, as a unique index asks for them.
pub(super) struct RowsOf<'a> {
    pub heap: Heap<'a>,
    pub tx: &'a Transaction,
    pub txn: &'a Txn,
}

impl Rows for RowsOf<'_> {
    fn fate(&mut self, place: TupleId) -> std::result::Result<RowFate, access::Error> {
        Ok(match self.heap.liveness_of(self.tx, place)? {
            Duplicate::Live(_) => RowFate::Live,
            Duplicate::InProgress(xid) => RowFate::InProgress(xid),
            Duplicate::Gone { dead: true } => RowFate::Dead,
            Duplicate::Gone { dead: false } => RowFate::Ended,
        })
    }

    fn dead(&mut self, places: &[TupleId]) -> std::result::Result<Vec<TupleId>, access::Error> {
        self.heap.dead_among(places)
    }

    fn wait(&mut self, xid: Xid) -> std::result::Result<(), access::Error> {
        Ok(self.txn.wait_for(xid)?)
    }
}

/// The values of the columns of an index.
fn values_of(index: &IndexDef, row: &[Datum]) -> SmallVec<[Datum; 4]> {
    index.columns.iter().map(|column| row[column.column].clone()).collect()
}

/// The key of a row in an index.
pub(super) fn key_of(index: &IndexDef, row: &[Datum]) -> Result<Key> {
    let columns = key_columns(index);
    match index.columns.as_slice() {
        [only] => Key::encode(&columns, std::slice::from_ref(&row[only.column])).map_err(told),
        _ => Key::encode(&columns, &values_of(index, row)).map_err(told),
    }
}

/// The columns and values of a key, as messages show them: `(a, b)=(1, x)`.
pub(super) fn describe(table: &TableDef, index: &IndexDef, row: &[Datum]) -> String {
    described(table, index, &values_of(index, row))
}

fn described(table: &TableDef, index: &IndexDef, values: &[Datum]) -> String {
    key::describe(table, index.columns.iter().map(|column| column.column), values)
}

/// `23505`
pub(super) fn duplicate(table: &TableDef, index: &IndexDef, row: &[Datum]) -> Error {
    let message = format!("duplicate key value violates unique constraint \"{}\"", index.name);
    Error::new(SqlState::UNIQUE_VIOLATION, message)
        .detail(format!("Key {} already exists.", describe(table, index, row)))
}

/// `23505` for a unique index that cannot be made.
fn duplicated(table: &TableDef, index: &IndexDef, key: &Key) -> Result<Error> {
    let values = key.decode(&key_columns(index));
    let values = values.map_err(|_| Error::internal("key that was just made cannot be read"))?;
    let message = format!("could not create unique index \"{}\"", index.name);
    Ok(Error::new(SqlState::UNIQUE_VIOLATION, message)
        .detail(format!("Key {} is duplicated.", described(table, index, &values))))
}

/// The version that an entry leads to, if the snapshot sees one; else the entry may be marked.
pub(super) fn fetch(
    heap: &Heap<'_>,
    snapshot: &Snapshot,
    cursor: &mut Cursor<'_>,
    root: TupleId,
    bytes: &mut Vec<u8>,
) -> Result<Option<TupleId>> {
    Ok(match heap.fetch(snapshot, root, bytes).map_err(told)? {
        Fetched::Row(place) => Some(place),
        Fetched::Nothing { dead } => {
            if dead {
                cursor.kill(root);
            }
            None
        }
    })
}

impl Engine {
    pub(super) fn tree<'a>(&'a self, index: &'a IndexDef) -> BTree<'a> {
        BTree::new(&self.rooms.access, index.relfile, &index.name)
    }

    /// Makes the entries of a row, or of a version of it that the entries so far do not lead to.
    pub(super) fn add_entries(
        &self,
        tx: &Transaction,
        table: &TableDef,
        (row, replaces): (&[Datum], bool),
        place: TupleId,
    ) -> Result<()> {
        match self.try_add_entries(tx, table, (row, replaces), place)? {
            None => Ok(()),
            Some(index) => Err(duplicate(table, index, row)),
        }
    }

    /// The same; answers the unique index in which another row has the key. `replaces`: there are
    /// older versions of the row, whose entries may be of no use any more.
    pub(super) fn try_add_entries<'t>(
        &self,
        tx: &Transaction,
        table: &'t TableDef,
        (row, replaces): (&[Datum], bool),
        place: TupleId,
    ) -> Result<Option<&'t IndexDef>> {
        let xid = tx.xid().ok_or_else(|| Error::internal("row of a transaction without an id"))?;
        for index in &table.indexes {
            let key = key_of(index, row)?;
            let mut rows = RowsOf { heap: self.heap(table), tx, txn: &self.rooms.txn };
            let tree = self.tree(index);
            let done = if replaces {
                tree.insert_version(xid, &key, place, index.unique, &mut rows)
            } else {
                let unique = index.unique.then_some(&mut rows as &mut dyn Rows);
                tree.insert(xid, &key, place, unique)
            };
            if done.map_err(told)?.is_err() {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Visits what entries of an index lead to; answers how many rows were looked for.
    pub(super) fn visit_index(
        &self,
        table: &TableDef,
        scan: &IndexScan<'_>,
        wanted: &[bool],
        visit: &mut dyn FnMut(Version<'_>) -> Result<Flow>,
    ) -> Result<u64> {
        let mut scratch = self.scratch.take();
        let visited = self.visit_with(&mut scratch, table, scan, wanted, visit);
        scratch.row.clear();
        self.scratch.set(scratch);
        visited
    }

    fn visit_with(
        &self,
        Scratch { bytes, row }: &mut Scratch,
        table: &TableDef,
        scan: &IndexScan<'_>,
        wanted: &[bool],
        visit: &mut dyn FnMut(Version<'_>) -> Result<Flow>,
    ) -> Result<u64> {
        let heap = self.heap(table);
        let snapshot = self.snapshot()?;
        let all = wanted.iter().all(|wanted| *wanted);
        let wanted = (!all).then_some(wanted);
        let direction = if scan.backward { Direction::Backward } else { Direction::Forward };
        let mut fetched = 0_u64;
        for range in scan.ranges {
            let mut cursor = self.tree(scan.index).scan(range.clone(), direction);
            while let Some((root, _)) = cursor.next().map_err(told)? {
                if fetched.is_multiple_of(INTERRUPT_EVERY) {
                    self.check_interrupts()?;
                }
                fetched += 1;
                let found = fetch(&heap, &snapshot, &mut cursor, root, bytes)?;
                let Some(place) = found else { continue };
                heap.decode(place, bytes, wanted, row).map_err(told)?;
                let header = access::tuple::Header::read(bytes)
                    .map_err(|_| Error::internal("row version without a header"))?;
                let (xmin, xmax) = (header.xmin.0, header.xmax.0);
                if visit(Version { place, xmin, xmax, row: &mut *row })? == Flow::Stop {
                    return Ok(fetched);
                }
            }
        }
        Ok(fetched)
    }

    /// Makes an index and fills it.
    pub(super) fn make_index(&self, table: &TableDef, new: NewIndex) -> Result<Rc<TableDef>> {
        self.wrote.set(true);
        let (table, index) = self
            .with_transaction(|tx| self.rooms.catalog.create_index(tx, table, new).map_err(told))?;
        self.fill_index(&table, &index, Some(Builder::CreateIndex))?;
        Ok(table)
    }

    /// Gives an index a new file and fills that.
    pub(super) fn remake_index(&self, table: &TableDef, index: &IndexDef) -> Result<Rc<TableDef>> {
        self.wrote.set(true);
        let (table, index) = self.with_transaction(|tx| {
            self.rooms.catalog.renew_index(tx, table, index).map_err(told)
        })?;
        self.fill_index(&table, &index, Some(Builder::Reindex))?;
        Ok(table)
    }

    /// Makes the trees of indexes in files that are new.
    pub(super) fn make_trees(&self, tx: &Transaction, indexes: &[Rc<IndexDef>]) -> Result<()> {
        let xid = tx.xid().ok_or_else(|| Error::internal("index without a transaction"))?;
        indexes.iter().try_for_each(|index| self.tree(index).create(xid).map_err(told))
    }

    /// Makes the entries of an index in a new file for all rows of its table. `by`: who is to show how far
    /// it is; none: the caller shows it.
    pub(super) fn fill_index(
        &self,
        table: &TableDef,
        index: &IndexDef,
        by: Option<Builder>,
    ) -> Result<()> {
        let heap = self.heap(table);
        let building = by.map(|by| Building::begin(by, table.oid, index.oid));
        let scanned = |pages| building.iter().for_each(|building| building.scanned(pages));
        let mut build = self.tree(index).begin_build(self.memory.get());
        let columns: Vec<usize> = index.columns.iter().map(|column| column.column).collect();
        let wanted: Vec<bool> = (0..table.columns.len()).map(|at| columns.contains(&at)).collect();
        let (ordered, mut key) = (key_columns(index), Key::default());
        self.with_transaction(|_| {
            let mut scan = heap.build_scan(&columns).map_err(told)?;
            let mut row = Row::new();
            let mut count = 0_u64;
            while let Some(BuildRow { root, alive, bytes }) = scan.next().map_err(told)? {
                heap.decode(root, bytes, Some(&wanted), &mut row).map_err(told)?;
                key.set_to(&ordered, columns.iter().map(|column| &row[*column])).map_err(told)?;
                build.push(&key, root, alive).map_err(told)?;
                if count.is_multiple_of(INTERRUPT_EVERY) {
                    scanned(scan.progress());
                    self.check_interrupts()?;
                }
                count += 1;
            }
            scanned(scan.progress());
            Ok(())
        })?;
        let mut progress = |at| {
            building.iter().for_each(|building| building.built(at));
            self.check_interrupts().map_err(Stopped::from)
        };
        match build.finish(index.unique, &mut progress) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(twice)) => Err(duplicated(table, index, &twice.key)?),
            Err(Stopped(error)) => Err(error),
        }
    }
}

/// Why a build has stopped.
struct Stopped(Error);

impl From<access::Error> for Stopped {
    fn from(error: access::Error) -> Self {
        Stopped(told(error))
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped(error)
    }
}
