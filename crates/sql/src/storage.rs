//! The seam between the executor and the rooms below it: transactions, tables and rows, as one
//! session uses them.
//!
//! A session has one transaction at a time, so the transaction stands behind this seam and is not
//! handed around. There are two implementations: `engine`, on the rooms, and one in memory for
//! golden tests of the language.

use std::rc::Rc;
use std::time::Duration;

use access::btree::KeyRange;
use access::sequence::State;
use catalog::{Catalog, IndexDef, NewIndex, SequenceDef, TableDef};
use config::Settings;
use sys::process::Signal;
use txn::statistics::Counts;
use txn::{AdvisoryKey, LockMode, RowLockMode, Transaction};
use types::{Datum, Lsn, Oid, Row, TupleId};

use crate::bind::TableName;
use crate::error::{Error, Result};
use crate::functions::{AdvisoryLock, LogPosition};
use crate::maintenance::Costs;
use crate::statistics::TableStatistics;

/// A row version that a scan found.
pub(crate) struct Version<'a> {
    /// Where it stands.
    pub place: TupleId,
    /// The transaction that made it.
    pub xmin: u64,
    /// The transaction that deleted, replaced or locked it, or 0.
    pub xmax: u64,
    /// Its values; room behind them for system columns.
    pub row: &'a mut Row,
}

/// Whether a scan goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// It does.
    Continue,
    /// It has found enough.
    Stop,
}

/// What became of a change of a row.
pub(crate) enum Changed {
    /// It is done. After an update: where the new version stands.
    Done(TupleId),
    /// The row is gone, or this statement has changed it already.
    Gone,
    /// Another transaction replaced it and committed: this is the newest version.
    Replaced(TupleId, Row),
}

/// What became of a row that was to be locked.
pub(crate) enum RowLocked {
    /// It is locked.
    Done,
    /// It is gone, or this statement has changed it already.
    Gone,
    /// Another transaction replaced it and committed: this is the newest version.
    Replaced(TupleId, Row),
    /// Somebody holds it, and waiting was not wanted.
    Busy,
}

/// A VACUUM or ANALYZE of one table.
pub(crate) struct Job<'a> {
    /// What slows it down.
    pub costs: Costs,
    /// `default_statistics_target`
    pub target: usize,
    /// Bytes in which it may remember dead rows.
    pub memory: usize,
    /// Whether empty pages at the end of the table may be given back.
    pub truncate: bool,
    /// Whether autovacuum does it.
    pub auto: bool,
    /// Who wants to be told what is done.
    pub tell: Option<&'a mut dyn FnMut(String) -> Result<()>>,
}

/// What is known of a table that may need a vacuum or an ANALYZE.
pub(crate) struct Needy {
    pub relation: Oid,
    pub schema: String,
    pub table: String,
    /// Its rows as they were counted last; below 0: never.
    pub rows: f64,
    /// How many transactions have begun since the one below which all that it has is settled.
    pub age: u64,
    pub counts: Counts,
}

/// A row in the way of one that is to be inserted.
pub(crate) enum Blocking {
    /// There is none.
    Nobody,
    /// This one, as it is now.
    Row(TupleId, Row),
    /// One that the statement itself has made.
    Own,
}

/// What a statement has done to buffers and log, for EXPLAIN.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Pages found in the pool.
    pub hits: u64,
    /// Pages read from disk.
    pub reads: u64,
    /// Records inserted into the log.
    pub records: u64,
    /// Images of pages among them.
    pub images: u64,
    /// Bytes inserted.
    pub bytes: u64,
}

impl Usage {
    /// What has come since an earlier reading.
    pub(crate) fn since(self, before: Usage) -> Usage {
        Usage {
            hits: self.hits.saturating_sub(before.hits),
            reads: self.reads.saturating_sub(before.reads),
            records: self.records.saturating_sub(before.records),
            images: self.images.saturating_sub(before.images),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}

impl dyn Storage + '_ {
    /// Works with the system tables; what goes wrong there is told as the client is to be told.
    pub(crate) fn define<T>(
        &self,
        work: impl FnOnce(&Catalog, &mut Transaction) -> std::result::Result<T, catalog::Error>,
    ) -> Result<T> {
        let (mut work, mut done) = (Some(work), None);
        self.with_catalog(&mut |catalog, tx| {
            if let Some(work) = work.take() {
                let answer = work(catalog, tx);
                done = Some(answer.map_err(|error| Error::from_diagnostic(&error))?);
            }
            Ok(())
        })?;
        done.ok_or_else(|| Error::internal("work with the system tables was not done"))
    }
}

/// Which entries of an index are read, and how.
pub(crate) struct IndexScan<'a> {
    /// The index.
    pub index: &'a IndexDef,
    /// Ranges of its entries, in the order in which they are read.
    pub ranges: &'a [KeyRange],
    /// Whether each range is read from its end.
    pub backward: bool,
    /// Whether the values are those of the entries: rows are looked for only on pages that not
    /// everybody sees all of. A version's place is then that of its chain, and nobody its maker.
    pub only: bool,
}

/// Storage, as one session uses it. Errors are in the form in which the client is told.
pub(crate) trait Storage {
    /// Begins a transaction.
    fn begin(&self);
    /// Takes the snapshot with which the transaction sees from now on, to its end.
    fn keep_snapshot(&self) -> Result<()>;
    /// Commits it. After an error it is still there, and must be aborted.
    fn commit(&self, synchronous: bool) -> Result<()>;
    /// Rolls it back.
    fn abort(&self);
    /// Lets go of what the session holds beyond its transactions: it ends.
    fn end_session(&self);
    /// Ends a command: what it did is seen by the next one.
    fn end_command(&self) -> Result<()>;
    /// The id of the transaction; assigns one if there is none.
    fn transaction_id(&self) -> Result<u64>;
    /// The id that the transaction's last change goes by: within a savepoint it is another one.
    fn writing_id(&self) -> Result<u64>;
    /// Begins a part of the transaction that can be rolled back by itself, within the last one.
    fn set_savepoint(&self) -> Result<()>;
    /// Joins the part at `depth` (from 0), and those within it, to what is around it.
    fn release_savepoint(&self, depth: usize) -> Result<()>;
    /// Undoes what was done since the part at `depth` began; it stays. Cannot fail.
    fn rollback_to_savepoint(&self, depth: usize);

    /// The table of that name, locked until the end of the transaction.
    fn open(&self, name: &TableName, mode: LockMode) -> Result<Option<Rc<TableDef>>>;
    /// Works with the system tables in the session's transaction.
    fn with_catalog(
        &self,
        work: &mut dyn FnMut(&Catalog, &mut Transaction) -> Result<()>,
    ) -> Result<()>;
    /// Makes an index of a table that is locked `Share` or more, and fills it. Answers the table as
    /// it is now.
    fn create_index(&self, table: &TableDef, new: NewIndex) -> Result<Rc<TableDef>>;
    /// Makes an index of a table that is locked anew. Answers the table as it is now.
    fn reindex(&self, table: &TableDef, index: &IndexDef) -> Result<Rc<TableDef>>;
    /// Empties a table that is locked.
    fn truncate(&self, table: &TableDef) -> Result<()>;
    /// Locks a table or view until the end of the transaction; `None`: there is none of that name.
    /// With `nowait`, `false` instead of waiting.
    fn lock_table(&self, name: &TableName, mode: LockMode, nowait: bool) -> Result<Option<bool>>;
    /// Locks a relation of the server's own making, which cannot go away.
    fn lock_view(&self, view: &TableDef, mode: LockMode, nowait: bool) -> Result<bool>;
    /// Takes an advisory lock; `false`: somebody else has it, and it was not to be waited for.
    fn lock_advisory(&self, lock: AdvisoryLock, wait: bool) -> Result<bool>;
    /// Lets the session's go once; `false`: it does not have it.
    fn unlock_advisory(&self, key: AdvisoryKey, mode: LockMode) -> bool;
    /// Lets all of the session's go.
    fn unlock_all_advisory(&self);
    /// The processes that keep that one waiting.
    fn blocking_pids(&self, pid: i32) -> Vec<i32>;
    /// Sends a signal to the process of a session; `false`: there is none of that pid.
    fn signal_backend(&self, pid: i32, signal: Signal) -> Result<bool>;
    /// Waits until the session of that process has ended; `false`: it has not.
    fn await_end_of_backend(&self, pid: i32, at_most: Duration) -> Result<bool>;

    /// Has the statement see from here on what is committed now, under every isolation level.
    fn read_newest(&self) -> Result<()>;
    /// Visits the rows of a table that the statement sees. No lock is held during a visit.
    fn scan(
        &self,
        table: &TableDef,
        wanted: &[bool],
        visit: &mut dyn FnMut(Version<'_>) -> Result<Flow>,
    ) -> Result<()>;
    /// Visits the rows that entries of an index lead to and that the statement sees, in the order of
    /// the index. Answers how many rows were looked for in the table itself.
    fn index_scan(
        &self,
        table: &TableDef,
        scan: &IndexScan<'_>,
        wanted: &[bool],
        visit: &mut dyn FnMut(Version<'_>) -> Result<Flow>,
    ) -> Result<u64>;
    /// Adds a row.
    fn insert(&self, table: &TableDef, row: &[Datum]) -> Result<TupleId>;
    /// Adds the rows that `next` fills in, until it says `false`; answers how many.
    fn insert_many(
        &self,
        table: &TableDef,
        next: &mut dyn FnMut(&mut Row) -> Result<bool>,
    ) -> Result<u64>;
    /// Looks for a living row that has the key of `row` in one of some unique indexes. Waits for
    /// those in progress.
    fn find_conflict(&self, table: &TableDef, arbiters: &[Oid], row: &[Datum]) -> Result<Blocking>;
    /// Adds a row, unless one with its key in one of some unique indexes was faster.
    fn insert_unless(
        &self,
        table: &TableDef,
        arbiters: &[Oid],
        row: &[Datum],
    ) -> Result<Option<TupleId>>;
    /// Replaces the version at a place.
    fn update(&self, table: &TableDef, place: TupleId, row: &[Datum]) -> Result<Changed>;
    /// Locks the version at a place; `wait`: for whoever holds it.
    fn lock_row(
        &self,
        table: &TableDef,
        place: TupleId,
        mode: RowLockMode,
        wait: bool,
    ) -> Result<RowLocked>;
    /// The version at a place that this transaction has made or ended; says whether it is still there
    /// for it.
    fn own_version(&self, table: &TableDef, place: TupleId, row: &mut Row) -> Result<bool>;
    /// Whether what that transaction did is seen by the snapshot that this one keeps; always, if it
    /// keeps none.
    fn keeps_in_sight(&self, maker: u64) -> Result<bool>;
    /// Deletes the version at a place.
    fn delete(&self, table: &TableDef, place: TupleId) -> Result<Changed>;

    /// The next number of a sequence that is locked; `None`: it has come to its end.
    fn next_value(&self, table: &TableDef, sequence: &SequenceDef) -> Result<Option<i64>>;
    /// The number that the session was given last by a sequence.
    fn current_value(&self, sequence: Oid) -> Option<i64>;
    /// The sequence that the session was last given a number by.
    fn last_used_sequence(&self) -> Option<Oid>;
    /// Has a sequence go on behind a number or, if that does not count as given, with it.
    fn set_value(&self, table: &TableDef, value: i64, called: bool) -> Result<()>;
    /// Where a sequence is.
    fn sequence_state(&self, table: &TableDef) -> Result<State>;

    /// The names of all tables.
    fn tables(&self) -> Result<Vec<TableName>>;
    /// Locks a relation until the end of the transaction if nobody is in the way.
    fn try_lock(&self, relation: Oid, mode: LockMode) -> Result<bool>;
    /// What has been counted of all tables.
    fn needy(&self) -> Result<Vec<Needy>>;
    /// Vacuums a table that is locked.
    fn vacuum(&self, table: &TableDef, job: &mut Job<'_>) -> Result<()>;
    /// Gives back the status of transactions that no table needs any more.
    fn trim_status(&self) -> Result<()>;
    /// Writes a table that is locked `AccessExclusive` anew, without its dead rows.
    fn vacuum_full(&self, table: &TableDef, job: &mut Job<'_>) -> Result<()>;
    /// Analyzes columns of a table that is locked, by their places.
    fn analyze(&self, table: &TableDef, columns: &[usize], job: &mut Job<'_>) -> Result<()>;

    /// What is known of the columns of a table.
    fn statistics(&self, table: &TableDef) -> Result<Rc<TableStatistics>>;

    /// The rows of a view made by the server, if there is one of that name.
    fn view(&self, name: &str) -> Result<Option<Vec<Row>>>;
    /// Makes a checkpoint.
    fn checkpoint(&self) -> Result<()>;
    /// Pages of a table.
    fn pages(&self, table: &TableDef) -> Result<u32>;
    /// Checks an index of a table that is locked `Share`; `XX002` if it is damaged.
    fn check_index(&self, table: &TableDef, index: &IndexDef) -> Result<()>;
    /// Checks the pages of a table that is locked `Share`; `XX001` if one is damaged.
    fn check_table(&self, table: &TableDef) -> Result<()>;
    /// Whether the transaction may read by an index: not if it keeps a snapshot that is older.
    fn sees_index(&self, index: &IndexDef) -> Result<bool>;
    /// Pages of an index.
    fn index_pages(&self, index: &IndexDef) -> Result<u32>;
    /// An end of the log.
    fn log_position(&self, position: LogPosition) -> Lsn;
    /// What this session has done to buffers and log so far.
    fn usage(&self) -> Usage;
    /// Takes over settings of the session that the rooms hold values of.
    fn apply(&self, settings: &Settings);
    /// An error if the session is to end, or the statement was cancelled.
    fn check_interrupts(&self) -> Result<()>;
    /// Sleeps, unless it is interrupted.
    fn sleep(&self, seconds: f64) -> Result<()>;
    /// The name of the session's user.
    fn user(&self) -> String;
    /// The time now, in microseconds since 2000-01-01 UTC.
    fn clock(&self) -> i64;
    /// This process.
    fn pid(&self) -> i32;
}
