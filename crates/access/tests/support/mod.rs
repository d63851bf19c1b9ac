//! A small world for tests of tables: a segment, a data directory, and forked processes.
//!
//! Also used by the tests of the rooms above. Each test has a world of its own, so all run in
//! parallel. `crash` leaves what a crash of the server leaves: the files, and nothing in memory.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(missing_docs, reason = "names say it; this is no interface")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub mod indexed;

use access::{Access, Heap};
use buffer::{BufferPool, BufferRegions};
use config::Settings;
use nix::sys::signal::Signal;
use shmem::{Layout, ProcArray, ProcKind, ProcSlot, Segment, proc};
use sys::process::{Ended, Forked};
use txn::{Transaction, Txn, TxnRegions};
use types::{ColumnType, Datum, Lsn, Oid, RelFileNumber, SystemId, TimelineId, TupleId, Xid};
use wal::{
    Checkpoint, ControlFile, Record, Rmgr, ServerState, Wal, WalOptions, WalRegions, WalStart,
};

pub const SYSTEM: SystemId = SystemId(0xFEED_5EED);
pub const TIMELINE: TimelineId = TimelineId(1);
pub const FIRST_OID: Oid = Oid(16384);
pub const FIRST_RELFILE: RelFileNumber = RelFileNumber(16384);
/// The table of most tests: a number and a text.
pub const COLUMNS: [ColumnType; 2] = [ColumnType::Int4, ColumnType::Text];

const SLOTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    // Dropped before the directory: its name comes from the directory's inode, which another test
    // may get as soon as it is free.
    pub segment: Segment,
    dir: tempfile::TempDir,
    pub procs: &'static [ProcSlot],
    pub words: &'static [AtomicU64],
    pub wal: Rc<Wal>,
    pub pool: Rc<BufferPool>,
    pub txn: Rc<Txn>,
    pub access: Rc<Access>,
}

impl World {
    /// A new database with so many buffers.
    pub fn new(buffers: usize) -> World {
        World::with_options(buffers, WalOptions::default())
    }

    pub fn with_options(buffers: usize, options: WalOptions) -> World {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in ["base", "pg_wal", "global"] {
            std::fs::create_dir(dir.path().join(name)).expect("a directory in it");
        }
        let settings =
            Settings { deadlock_timeout: Duration::from_millis(50), ..Settings::default() };
        let mut layout = Layout::new();
        let procs = ProcArray::reserve(&mut layout, SLOTS);
        let words = layout.region("test", 64);
        let log = WalRegions::reserve(&mut layout, 64);
        let buffers = BufferRegions::reserve(&mut layout, buffers);
        let transactions = TxnRegions::reserve(&mut layout, &settings, SLOTS);
        let segment = Segment::create(layout, dir.path()).expect("a segment");
        let procs = ProcArray::new(&segment, procs).slots();
        let options = WalOptions { fsync: false, ..options };
        let wal = Rc::new(Wal::new(&segment, log, procs, dir.path(), options));
        let pool = Rc::new(BufferPool::new(&segment, buffers, dir.path(), Rc::clone(&wal)));
        let (w, p) = (Rc::clone(&wal), Rc::clone(&pool));
        let txn = Rc::new(Txn::new(&segment, transactions, procs, w, p, &settings));
        let access = Access::new(Rc::clone(&wal), Rc::clone(&pool), Rc::clone(&txn));
        let words = segment.slice(words);
        let access = Rc::new(access);
        let world = World { dir, segment, procs, words, wal, pool, txn, access };
        world.init();
        world
    }

    fn init(&self) {
        let first = wal::position::FIRST_SEGMENT;
        wal::segments::create_segment(self.wal.dir(), TIMELINE, first).expect("a segment");
        let start = wal::position::start_lsn(wal::position::first_usable());
        self.wal.start_at(WalStart {
            system: SYSTEM,
            timeline: TIMELINE,
            end: start,
            redo: start,
            prepared: first,
        });
        self.txn.init_shared(Xid::FIRST_NORMAL, FIRST_OID, FIRST_RELFILE);
        control_file(start).create(self.data_dir()).expect("a control file");
        self.checkpoint();
    }

    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn heap<'a>(&'a self, rel: RelFileNumber) -> Heap<'a> {
        Heap::new(&self.access, rel, &COLUMNS)
    }

    /// A new empty table, committed.
    pub fn table(&self) -> RelFileNumber {
        self.write(|tx| access::storage::create(&self.access, tx).expect("a file"))
    }

    /// Runs a transaction that writes and commits.
    pub fn write<R>(&self, work: impl FnOnce(&mut Transaction) -> R) -> R {
        let mut tx = self.txn.begin();
        let result = work(&mut tx);
        self.access.end_statement().expect("the map can be written");
        self.txn.commit(&mut tx, true).expect("commit");
        result
    }

    /// Runs a transaction that writes and aborts.
    pub fn write_and_abort(&self, work: impl FnOnce(&mut Transaction)) {
        let mut tx = self.txn.begin();
        work(&mut tx);
        self.access.end_statement().expect("map");
        self.txn.abort(&mut tx);
    }

    /// What a new transaction sees of a table.
    pub fn rows(&self, rel: RelFileNumber) -> Vec<(TupleId, Vec<Datum>)> {
        let mut tx = self.txn.begin();
        let rows = self.rows_in(&tx, rel);
        self.txn.commit(&mut tx, false).expect("nothing to write");
        rows
    }

    /// What the transaction's current command sees of a table.
    pub fn rows_in(&self, tx: &Transaction, rel: RelFileNumber) -> Vec<(TupleId, Vec<Datum>)> {
        let snapshot = self.txn.snapshot(tx);
        let heap = self.heap(rel);
        let mut scan = heap.scan(&snapshot).expect("scan");
        let mut rows = Vec::new();
        while let Some((place, bytes)) = scan.next().expect("next row") {
            let mut row = Vec::new();
            heap.decode(place, bytes, None, &mut row).expect("valid row");
            rows.push((place, row));
        }
        rows
    }

    /// The numbers in the first column, sorted.
    pub fn numbers(&self, rel: RelFileNumber) -> Vec<i32> {
        let mut numbers: Vec<i32> = self.rows(rel).iter().map(|(_, row)| number(row)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Writes everything and says so in the control file.
    pub fn checkpoint(&self) {
        self.wal.ensure_room().expect("room");
        let redo = self.wal.move_redo();
        for page in self.pool.begin_checkpoint() {
            self.pool.write_for_checkpoint(page).expect("a page can be written");
        }
        self.pool.sync_pending().expect("files can be synced");
        let (next_oid, next_relfile) = self.txn.next_numbers();
        let next_xid = self.txn.next_xid();
        let checkpoint =
            Checkpoint { redo, next_xid, next_oid, next_relfile, ..control_file(redo).checkpoint };
        let data = checkpoint.encode(&[]);
        let kind = wal::checkpoint::kind::CHECKPOINT_ONLINE;
        let start = wal::position::record_start_at(self.wal.insert_lsn());
        let record =
            Record { rmgr: Rmgr::Xlog, kind, xid: Xid::INVALID, blocks: &[], data: &[&data] };
        let end = {
            let _critical = shmem::enter_critical();
            self.wal.insert(&record)
        };
        self.wal.flush(end).expect("flush");
        let mut control = ControlFile::read(self.data_dir()).expect("control file");
        control.checkpoint = checkpoint;
        control.checkpoint_lsn = start;
        control.state = ServerState::InProduction;
        control.update(self.data_dir()).expect("control file");
    }

    /// Everything in memory is gone, and whoever used it.
    pub fn crash(&mut self) {
        self.segment.reset();
        let (wal, pool, txn) = (Rc::clone(&self.wal), Rc::clone(&self.pool), Rc::clone(&self.txn));
        self.access = Rc::new(Access::new(wal, pool, txn));
    }

    /// Forks a process with that slot. If it fails it takes the test with it: nobody waits for what it
    /// would have done.
    pub fn spawn(&self, slot: usize, body: impl FnOnce()) -> Child {
        let parent = sys::process::pid();
        match sys::process::fork().expect("a child") {
            Forked::Parent(pid) => Child { pid },
            Forked::Child => {
                sys::process::die_with_parent(parent);
                let done = catch_unwind(AssertUnwindSafe(|| {
                    sys::signal::install_server_handlers();
                    sys::signal::unblock_all();
                    self.procs[slot].set_kind(ProcKind::Backend);
                    proc::attach(self.procs, slot);
                    body();
                }));
                if done.is_err() {
                    let _nobody_there = sys::process::kill(parent, Signal::SIGKILL);
                }
                sys::process::exit_now(if done.is_ok() { 0 } else { 1 });
            }
        }
    }

    pub fn set_word(&self, word: usize, value: u64) {
        self.words[word].store(value, Ordering::SeqCst);
    }

    pub fn word(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::SeqCst)
    }

    pub fn await_word(&self, word: usize, value: u64) {
        await_that(&format!("word {word} is {value}"), || self.word(word) == value);
    }
}

fn control_file(start: Lsn) -> ControlFile {
    ControlFile {
        sequence: 0,
        system: SYSTEM,
        catalog_version: 1,
        state: ServerState::InProduction,
        wal_level: 0,
        max_connections: 100,
        max_locks_per_transaction: 64,
        checksums: true,
        checkpoint_lsn: start,
        minimum_recovery_point: Lsn::INVALID,
        backup_start: Lsn::INVALID,
        checkpoint: Checkpoint {
            redo: start,
            timeline: TIMELINE,
            next_xid: Xid::FIRST_NORMAL,
            oldest_running_xid: Xid::FIRST_NORMAL,
            next_oid: FIRST_OID,
            next_relfile: FIRST_RELFILE,
            time: 0,
            buffers_written: 0,
            buffers_total: 0,
        },
    }
}

/// A forked process; to be waited for.
#[must_use]
pub struct Child {
    pub pid: i32,
}

impl Child {
    /// Waits for its end; it must be a good one.
    pub fn join(self) {
        assert_eq!(sys::process::wait_for(self.pid), Some(Ended::Exited(0)), "its stderr says why");
    }

    /// Kills it and waits until it is gone.
    pub fn kill(self) {
        sys::process::kill(self.pid, Signal::SIGKILL).expect("it is there");
        sys::process::wait_for(self.pid);
    }
}

/// Whether work goes on beside others. A process that has died would never end it.
pub fn while_others(begun: Instant, go_on: bool) -> bool {
    assert!(begun.elapsed() < PATIENCE, "the others do not come to an end: has one died?");
    go_on
}

pub fn await_that(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn row(number: i32, text: &str) -> Vec<Datum> {
    vec![Datum::Int4(number), Datum::Text(text.to_owned())]
}

pub fn number(row: &[Datum]) -> i32 {
    match row.first() {
        Some(Datum::Int4(number)) => *number,
        other => panic!("no number: {other:?}"),
    }
}
