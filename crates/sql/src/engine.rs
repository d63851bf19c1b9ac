//! Storage on the rooms of the server: heap tables, the catalog, transactions, the log.
//!
//! One process has one session, so its transaction lives here. Under read committed each statement
//! takes one snapshot when it first reads, under the locks that it has taken by then, and drops it
//! at its end. Under repeatable read the session says when the transaction's only snapshot is taken
//! ([`Storage::keep_snapshot`]), and each statement has that one, renewed, so that it sees what
//! earlier statements of its own transaction did.
//!
//! What if the process dies: its slot tells what it held; its transaction aborts.

mod check;
mod conflict;
mod entries;
mod full;
mod index_only;
mod locks;
mod rooms;
mod sequences;
mod settings;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use access::sequence::State;
use access::{Heap, Outcome, Shape, Stored};
use catalog::{Catalog, IndexDef, NewIndex, SequenceDef, TableDef, TableKind};
use config::Settings;
use shmem::proc;
use sys::mutant::{self, Mutant};
use sys::process::Signal;
use txn::{AdvisoryKey, LockMode, LockTag, RowLockMode, Snapshot, Transaction};
use types::{Datum, Diagnostic, Lsn, Oid, Row, TupleId, Xid};

use crate::bind::TableName;
use crate::error::{Error, Result};
use crate::functions::{AdvisoryLock, LogPosition};
use crate::interrupts;
use crate::maintenance::{self, Work};
use crate::others;
use crate::session::Session;
use crate::statistics::{Statistics, TableStatistics};
use crate::storage::{
    Blocking, Changed, Flow, IndexScan, Job, Needy, RowLocked, Storage, Usage, Version,
};
use crate::views::rows::rows_of;
use crate::views::{columns, indexes, sequences as view_of_sequences, tables};
pub use rooms::{Checkpoints, Host, Rooms, RunningCheckpoint};

/// Storage of one session on the rooms.
struct Engine {
    rooms: Rooms,
    transaction: RefCell<Option<Transaction>>,
    /// Whether the current command has written.
    wrote: Cell<bool>,
    /// `maintenance_work_mem`, in bytes.
    memory: Cell<u64>,
    /// The numbers it has taken from sequences.
    sequences: RefCell<sequences::Sequences>,
    /// What is known of tables.
    statistics: Statistics,
    /// From which weight on messages are logged; none: as the server has it.
    log_level: Cell<Option<config::MessageLevel>>,
    /// The snapshot of the current command, once it has read.
    snapshot: RefCell<Option<Rc<Snapshot>>>,
    /// The snapshot of the whole transaction, under repeatable read.
    kept: RefCell<Option<Snapshot>>,
    /// What the last index scan read its rows into; its memory is used again.
    scratch: Cell<entries::Scratch>,
}

impl Session {
    /// A session on the rooms of the server.
    pub fn new(rooms: Rooms, settings: &Settings) -> Session {
        let engine = Engine {
            rooms,
            transaction: RefCell::new(None),
            wrote: Cell::new(false),
            memory: Cell::new(settings.maintenance_work_mem),
            log_level: Cell::new(None),
            snapshot: RefCell::new(None),
            sequences: RefCell::default(),
            statistics: Statistics::default(),
            kept: RefCell::new(None),
            scratch: Cell::default(),
        };
        Session::over(Rc::new(engine), settings.clone())
    }
}

/// An error of a room, as the client is told it.
pub(crate) fn told<E: Diagnostic>(error: E) -> Error {
    Error::from_diagnostic(&error)
}

impl Engine {
    /// Works with the transaction, which there must be.
    fn with_transaction<T>(&self, work: impl FnOnce(&mut Transaction) -> Result<T>) -> Result<T> {
        match self.transaction.borrow_mut().as_mut() {
            Some(transaction) => work(transaction),
            None => Err(Error::internal("statement outside of a transaction")),
        }
    }

    fn heap<'a>(&'a self, table: &'a TableDef) -> Heap<'a> {
        let (indexed, keys) = (&table.indexed, &table.keys);
        let shape = Shape { indexed, keys, fill_factor: table.fill_factor() };
        Heap::new(&self.rooms.access, table.relfile, &table.types)
            .of(table.oid)
            .with(shape)
            .with_missing(&table.missing)
    }

    /// The snapshot of the command.
    fn snapshot(&self) -> Result<Rc<Snapshot>> {
        if let Some(snapshot) = self.snapshot.borrow().as_ref() {
            return Ok(Rc::clone(snapshot));
        }
        let kept = self.kept.borrow();
        let taken = self.with_transaction(|tx| {
            Ok(Rc::new(match &*kept {
                Some(kept) => kept.renewed(tx),
                None => self.rooms.txn.snapshot(tx),
            }))
        })?;
        *self.snapshot.borrow_mut() = Some(Rc::clone(&taken));
        Ok(taken)
    }

    /// Before an abort lets locks go, and files that the transaction has made. What cannot be noted
    /// is found by a later scan.
    fn note_freed_space(&self) {
        if let Err(error) = self.rooms.access.end_statement() {
            tracing::debug!("could not note freed space: {error}");
        }
    }

    fn drop_snapshot(&self) {
        self.snapshot.borrow_mut().take();
    }

    fn drop_all_snapshots(&self) {
        self.drop_snapshot();
        self.kept.borrow_mut().take();
    }

    fn changed(&self, heap: &Heap<'_>, outcome: Outcome) -> Result<Changed> {
        Ok(match outcome {
            Outcome::Done(stored) => Changed::Done(stored.place),
            Outcome::Gone => Changed::Gone,
            Outcome::Changed(newest) => {
                let mut row = Row::new();
                heap.decode(newest.place, &newest.tuple, None, &mut row).map_err(told)?;
                Changed::Replaced(newest.place, row)
            }
        })
    }
}

impl Storage for Engine {
    fn begin(&self) {
        *self.transaction.borrow_mut() = Some(self.rooms.txn.begin());
        self.wrote.set(false);
    }

    fn keep_snapshot(&self) -> Result<()> {
        if mutant::on(Mutant::OneSnapshotForgotten) {
            return Ok(());
        }
        self.with_transaction(|tx| {
            tx.keep_snapshot();
            *self.kept.borrow_mut() = Some(self.rooms.txn.snapshot(tx));
            Ok(())
        })
    }

    fn commit(&self, synchronous: bool) -> Result<()> {
        self.drop_all_snapshots();
        self.with_transaction(|tx| self.rooms.txn.commit(tx, synchronous).map_err(told))?;
        self.transaction.borrow_mut().take();
        Ok(())
    }

    fn abort(&self) {
        self.drop_all_snapshots();
        self.statistics.forget();
        self.note_freed_space();
        if let Some(mut transaction) = self.transaction.borrow_mut().take() {
            self.rooms.txn.abort(&mut transaction);
        }
    }

    fn end_session(&self) {
        self.rooms.txn.locks().release_session(|_| true);
    }

    fn end_command(&self) -> Result<()> {
        self.drop_snapshot();
        if self.wrote.replace(false) {
            self.rooms.access.end_statement().map_err(told)?;
            self.with_transaction(|tx| tx.next_command().map_err(told))?;
        }
        Ok(())
    }

    fn transaction_id(&self) -> Result<u64> {
        self.with_transaction(|tx| Ok(self.rooms.txn.assign_top_xid(tx).map_err(told)?.0))
    }

    fn writing_id(&self) -> Result<u64> {
        self.with_transaction(|tx| Ok(self.rooms.txn.assign_xid(tx).map_err(told)?.0))
    }

    fn set_savepoint(&self) -> Result<()> {
        self.with_transaction(|tx| {
            self.rooms.txn.begin_subtransaction(tx);
            Ok(())
        })
    }

    fn release_savepoint(&self, depth: usize) -> Result<()> {
        self.with_transaction(|tx| {
            self.rooms.txn.release_subtransaction(tx, depth);
            Ok(())
        })
    }

    fn rollback_to_savepoint(&self, depth: usize) {
        self.drop_snapshot();
        self.wrote.set(false);
        self.statistics.forget();
        self.note_freed_space();
        self.rooms.catalog.forget_own_changes();
        if let Some(transaction) = self.transaction.borrow_mut().as_mut() {
            self.rooms.txn.rollback_subtransaction(transaction, depth);
        }
    }

    fn open(&self, name: &TableName, mode: LockMode) -> Result<Option<Rc<TableDef>>> {
        self.with_transaction(|tx| {
            let schema = name.schema.as_deref();
            self.rooms.catalog.open(tx, schema, &name.name, mode).map_err(told)
        })
    }

    fn lock_table(&self, name: &TableName, mode: LockMode, nowait: bool) -> Result<Option<bool>> {
        self.lock_named(name, mode, nowait)
    }

    fn lock_view(&self, view: &TableDef, mode: LockMode, nowait: bool) -> Result<bool> {
        self.lock_relation(view.oid, mode, nowait)
    }

    fn lock_advisory(&self, lock: AdvisoryLock, wait: bool) -> Result<bool> {
        self.take_advisory(lock, wait)
    }

    fn unlock_advisory(&self, key: AdvisoryKey, mode: LockMode) -> bool {
        self.rooms.txn.locks().release_for_session(LockTag::Advisory(key), mode)
    }

    fn unlock_all_advisory(&self) {
        self.rooms.txn.locks().release_session(|tag| matches!(tag, LockTag::Advisory(_)));
    }

    fn blocking_pids(&self, pid: i32) -> Vec<i32> {
        self.rooms.txn.locks().blocking_pids(pid)
    }

    fn signal_backend(&self, pid: i32, signal: Signal) -> Result<bool> {
        let sent = others::signal(self.rooms.procs, pid, signal)?;
        // It may have been this session itself.
        self.check_interrupts()?;
        Ok(sent)
    }

    fn await_end_of_backend(&self, pid: i32, at_most: Duration) -> Result<bool> {
        others::await_end(self.rooms.procs, pid, at_most)
    }

    fn with_catalog(
        &self,
        work: &mut dyn FnMut(&Catalog, &mut Transaction) -> Result<()>,
    ) -> Result<()> {
        let changed = self.with_transaction(|tx| {
            let before = tx.command();
            work(&self.rooms.catalog, tx)?;
            Ok(tx.command() != before)
        })?;
        if changed {
            // What the statement reads from here on, it reads with the change.
            self.drop_snapshot();
        }
        Ok(())
    }

    fn read_newest(&self) -> Result<()> {
        let taken = self.with_transaction(|tx| Ok(Rc::new(self.rooms.txn.snapshot(tx))))?;
        *self.snapshot.borrow_mut() = Some(taken);
        Ok(())
    }

    fn create_index(&self, table: &TableDef, new: NewIndex) -> Result<Rc<TableDef>> {
        self.make_index(table, new)
    }

    fn reindex(&self, table: &TableDef, index: &IndexDef) -> Result<Rc<TableDef>> {
        self.remake_index(table, index)
    }

    fn truncate(&self, table: &TableDef) -> Result<()> {
        self.wrote.set(true);
        self.with_transaction(|tx| {
            let table = self.rooms.catalog.truncate_table(tx, table).map_err(told)?;
            self.make_trees(tx, &table.indexes)
        })
    }

    fn scan(
        &self,
        table: &TableDef,
        wanted: &[bool],
        visit: &mut dyn FnMut(Version<'_>) -> Result<Flow>,
    ) -> Result<()> {
        if matches!(table.kind, TableKind::Sequence(_)) {
            return self.scan_sequence(table, visit);
        }
        let heap = self.heap(table);
        let snapshot = self.snapshot()?;
        let all = wanted.iter().all(|wanted| *wanted);
        let wanted = (!all).then_some(wanted);
        let mut row = Row::new();
        let mut scan = heap.scan(&snapshot).map_err(told)?;
        while let Some((place, bytes)) = scan.next().map_err(told)? {
            heap.decode(place, bytes, wanted, &mut row).map_err(told)?;
            let header = access::tuple::Header::read(bytes)
                .map_err(|_| Error::internal("row version without a header"))?;
            let (xmin, xmax) = (header.xmin.0, header.xmax.0);
            if visit(Version { place, xmin, xmax, row: &mut row })? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    fn index_scan(
        &self,
        table: &TableDef,
        scan: &IndexScan<'_>,
        wanted: &[bool],
        visit: &mut dyn FnMut(Version<'_>) -> Result<Flow>,
    ) -> Result<u64> {
        match scan.only {
            true => self.visit_index_only(table, scan, wanted, visit),
            false => self.visit_index(table, scan, wanted, visit),
        }
    }

    fn insert(&self, table: &TableDef, row: &[Datum]) -> Result<TupleId> {
        self.wrote.set(true);
        let heap = self.heap(table);
        self.with_transaction(|tx| {
            let place = heap.insert(tx, row).map_err(told)?;
            self.add_entries(tx, table, (row, false), place)?;
            Ok(place)
        })
    }

    fn find_conflict(&self, table: &TableDef, arbiters: &[Oid], row: &[Datum]) -> Result<Blocking> {
        self.blocking(table, arbiters, row)
    }

    fn insert_unless(
        &self,
        table: &TableDef,
        arbiters: &[Oid],
        row: &[Datum],
    ) -> Result<Option<TupleId>> {
        self.add_unless(table, arbiters, row)
    }

    fn insert_many(
        &self,
        table: &TableDef,
        next: &mut dyn FnMut(&mut Row) -> Result<bool>,
    ) -> Result<u64> {
        self.wrote.set(true);
        let mut row = Row::new();
        let mut count = 0;
        if !table.indexes.is_empty() {
            while next(&mut row)? {
                self.insert(table, &row)?;
                count += 1;
            }
            return Ok(count);
        }
        let heap = self.heap(table);
        let mut bulk = heap.bulk_insert();
        while next(&mut row)? {
            self.with_transaction(|tx| bulk.push(tx, &row).map_err(told))?;
            count += 1;
        }
        self.with_transaction(|tx| bulk.finish(tx).map_err(told))?;
        Ok(count)
    }

    fn update(&self, table: &TableDef, place: TupleId, row: &[Datum]) -> Result<Changed> {
        self.wrote.set(true);
        let heap = self.heap(table);
        let outcome = self.with_transaction(|tx| {
            let outcome = heap.update(tx, place, row).map_err(told)?;
            if let Outcome::Done(Stored { place, heap_only: false }) = outcome {
                self.add_entries(tx, table, (row, true), place)?;
            }
            Ok(outcome)
        })?;
        self.changed(&heap, outcome)
    }

    fn lock_row(
        &self,
        table: &TableDef,
        place: TupleId,
        mode: RowLockMode,
        wait: bool,
    ) -> Result<RowLocked> {
        self.lock_version(table, place, mode, wait)
    }

    fn own_version(&self, table: &TableDef, place: TupleId, row: &mut Row) -> Result<bool> {
        let heap = self.heap(table);
        let mut bytes = Vec::new();
        let read = |tx: &mut Transaction| heap.own_version(tx, place, &mut bytes).map_err(told);
        let Some(alive) = self.with_transaction(read)? else {
            return Err(Error::internal("row version that this statement has changed is gone"));
        };
        heap.decode(place, &bytes, None, row).map_err(told)?;
        Ok(alive)
    }

    fn keeps_in_sight(&self, maker: u64) -> Result<bool> {
        let kept = self.kept.borrow();
        let Some(kept) = &*kept else { return Ok(true) };
        self.with_transaction(|tx| {
            let maker = Xid(maker);
            Ok(tx.own().has(maker) || self.rooms.txn.visible(kept, maker).map_err(told)?)
        })
    }

    fn delete(&self, table: &TableDef, place: TupleId) -> Result<Changed> {
        self.wrote.set(true);
        let heap = self.heap(table);
        let outcome = self.with_transaction(|tx| heap.delete(tx, place).map_err(told))?;
        self.changed(&heap, outcome)
    }

    fn next_value(&self, table: &TableDef, sequence: &SequenceDef) -> Result<Option<i64>> {
        self.next_of(table, sequence)
    }

    fn current_value(&self, sequence: Oid) -> Option<i64> {
        self.current_of(sequence)
    }

    fn last_used_sequence(&self) -> Option<Oid> {
        self.last_used()
    }

    fn set_value(&self, table: &TableDef, value: i64, called: bool) -> Result<()> {
        self.set_sequence(table, value, called)
    }

    fn sequence_state(&self, table: &TableDef) -> Result<State> {
        self.state_of(table)
    }

    fn tables(&self) -> Result<Vec<TableName>> {
        let relations =
            self.with_transaction(|tx| self.rooms.catalog.relations(tx).map_err(told))?;
        let tables = relations.into_iter().filter(|relation| relation.kind == "r");
        Ok(tables
            .map(|table| TableName { schema: Some(table.schema), name: table.name, at: 0 })
            .collect())
    }

    fn try_lock(&self, relation: Oid, mode: LockMode) -> Result<bool> {
        self.lock_relation(relation, mode, true)
    }

    fn needy(&self) -> Result<Vec<Needy>> {
        let relations =
            self.with_transaction(|tx| self.rooms.catalog.relations(tx).map_err(told))?;
        let tables = relations.into_iter().filter(|relation| relation.kind == "r");
        let statistics = self.rooms.txn.statistics();
        let next = self.rooms.txn.next_xid();
        Ok(tables
            .map(|table| Needy {
                relation: table.oid,
                schema: table.schema,
                table: table.name,
                rows: table.rows,
                age: next.0.saturating_sub(table.horizon.0),
                counts: statistics.of(table.relfile),
            })
            .collect())
    }

    fn vacuum(&self, table: &TableDef, job: &mut Job<'_>) -> Result<()> {
        self.wrote.set(true);
        let mut work = Work::new(job, &self.rooms.pool);
        self.with_transaction(|tx| maintenance::vacuum(&self.rooms, tx, table, &mut work))
    }

    fn trim_status(&self) -> Result<()> {
        let rooms = &self.rooms;
        let needed = self.with_transaction(|tx| rooms.catalog.least_horizon(tx).map_err(told))?;
        rooms.txn.trim_status(needed).map(drop).map_err(told)
    }

    fn vacuum_full(&self, table: &TableDef, job: &mut Job<'_>) -> Result<()> {
        self.write_anew(table, job)
    }

    fn analyze(&self, table: &TableDef, columns: &[usize], job: &mut Job<'_>) -> Result<()> {
        self.wrote.set(true);
        let mut work = Work::new(job, &self.rooms.pool);
        self.statistics.forget();
        self.with_transaction(|tx| maintenance::analyze(&self.rooms, tx, table, columns, &mut work))
    }

    fn statistics(&self, table: &TableDef) -> Result<Rc<TableStatistics>> {
        self.with_transaction(|tx| self.statistics.of(&self.rooms.catalog, tx, table))
    }

    fn view(&self, name: &str) -> Result<Option<Vec<Row>>> {
        let of_tables = self.with_transaction(|tx| match name {
            "pg_stats" => columns::rows(&self.rooms, tx).map(Some),
            "pg_indexes" => indexes::rows_of(&self.rooms, tx).map(Some),
            "pg_sequences" => view_of_sequences::rows_of(&self.rooms, tx).map(Some),
            name => tables::rows_of(&self.rooms, tx, name),
        })?;
        Ok(of_tables.or_else(|| rows_of(&self.rooms, name)))
    }

    fn checkpoint(&self) -> Result<()> {
        self.rooms.host.checkpoint().map_err(|error| Error::from_diagnostic(error.as_ref()))
    }

    fn pages(&self, table: &TableDef) -> Result<u32> {
        self.heap(table).nblocks().map_err(told)
    }

    fn check_index(&self, table: &TableDef, index: &IndexDef) -> Result<()> {
        self.compare_with_table(table, index)
    }

    fn check_table(&self, table: &TableDef) -> Result<()> {
        self.check_pages(table)
    }

    fn sees_index(&self, index: &IndexDef) -> Result<bool> {
        match &*self.kept.borrow() {
            Some(kept) => self.rooms.txn.visible(kept, index.made_by).map_err(told),
            None => Ok(true),
        }
    }

    fn index_pages(&self, index: &IndexDef) -> Result<u32> {
        self.tree(index).nblocks().map_err(told)
    }

    fn log_position(&self, position: LogPosition) -> Lsn {
        match position {
            LogPosition::Insert => self.rooms.wal.insert_lsn(),
            LogPosition::Write => self.rooms.wal.write_lsn(),
            LogPosition::Flush => self.rooms.wal.flush_lsn(),
        }
    }

    fn usage(&self) -> Usage {
        let (hits, reads) = self.rooms.pool.own_hits_and_reads();
        let wal = self.rooms.wal.own_insertions();
        Usage { hits, reads, records: wal.records, images: wal.images, bytes: wal.bytes }
    }

    fn apply(&self, settings: &Settings) {
        self.take_settings(settings);
    }

    fn check_interrupts(&self) -> Result<()> {
        interrupts::check()
    }

    fn sleep(&self, seconds: f64) -> Result<()> {
        self.pause(seconds)
    }

    fn user(&self) -> String {
        proc::me().user()
    }

    fn clock(&self) -> i64 {
        sys::clock::wall_micros_since_2000()
    }

    fn pid(&self) -> i32 {
        sys::process::pid()
    }
}
