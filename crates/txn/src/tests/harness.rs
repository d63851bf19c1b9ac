//! A small world for tests: a segment, a data directory, and forked processes with slots.
//!
//! The state of a process (its slot, its handlers) is the process's own, so a test that needs a
//! slot runs in a child. A child reports by its exit code; what it says on panic goes to stderr.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use buffer::{BufferPool, BufferRegions};
use config::Settings;
use shmem::{Layout, ProcArray, ProcKind, ProcSlot, Segment, proc};
use sys::process::{Ended, Forked};
use tempfile::TempDir;
use types::{Lsn, Oid, RelFileNumber, SystemId, TimelineId, Xid};
use wal::{Wal, WalOptions, WalRegions, WalStart};

use crate::lock::LockManager;
use crate::shared::TxnRegions;
use crate::txn::Txn;

/// Process slots of a world.
pub const SLOTS: usize = 6;
const PATIENCE: Duration = Duration::from_secs(30);

/// Shared memory and a data directory.
pub struct World {
    // Dropped before the directory: its name comes from the directory's inode, which another test
    // may get as soon as it is free.
    segment: Segment,
    dir: TempDir,
    pub procs: &'static [ProcSlot],
    /// Words for the test's own use.
    pub words: &'static [AtomicU64],
    wal: WalRegions,
    pool: BufferRegions,
    regions: TxnRegions,
}

impl World {
    pub fn new() -> Self {
        World::with_locks(64)
    }

    /// A world whose lock table has room for so many locks for each slot.
    pub fn with_locks(max_locks_per_transaction: u32) -> Self {
        let settings = Settings { max_locks_per_transaction, ..Settings::default() };
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in ["base", "pg_wal"] {
            std::fs::create_dir(dir.path().join(name)).expect("a directory in it");
        }
        let mut layout = Layout::new();
        let procs = ProcArray::reserve(&mut layout, SLOTS);
        let words = layout.region("test", 64);
        let wal = WalRegions::reserve(&mut layout, 64);
        let pool = BufferRegions::reserve(&mut layout, 64);
        let regions = TxnRegions::reserve(&mut layout, &settings, SLOTS);
        let segment = Segment::create(layout, dir.path()).expect("a segment");
        let procs = ProcArray::new(&segment, procs).slots();
        procs.iter().for_each(|slot| slot.set_kind(ProcKind::Backend));
        let words = segment.slice(words);
        World { dir, segment, procs, words, wal, pool, regions }
    }

    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn locks(&self, deadlock_timeout: Duration) -> LockManager {
        LockManager::new(&self.segment, self.regions.locks, self.procs, deadlock_timeout)
    }

    /// This process's objects, without touching what is shared.
    pub fn txn(&self) -> Txn {
        let options = WalOptions { fsync: false, ..WalOptions::default() };
        let wal = Rc::new(Wal::new(&self.segment, self.wal, self.procs, self.data_dir(), options));
        let pool = BufferPool::new(&self.segment, self.pool, self.data_dir(), Rc::clone(&wal));
        let settings =
            Settings { deadlock_timeout: Duration::from_millis(50), ..Settings::default() };
        Txn::new(&self.segment, self.regions, self.procs, wal, Rc::new(pool), &settings)
    }

    /// As [`World::txn`], in a new database.
    pub fn new_database(&self) -> Txn {
        let txn = self.txn();
        let start = wal::position::segment_start(wal::position::FIRST_SEGMENT);
        txn.wal.start_at(WalStart {
            system: SYSTEM,
            timeline: TimelineId(1),
            end: start,
            redo: start,
            prepared: wal::position::FIRST_SEGMENT - 1,
        });
        txn.init_shared(Xid::FIRST_NORMAL, FIRST_OID, FIRST_RELFILE);
        txn
    }

    /// What a crash leaves: the files, and nothing in memory. The numbers are the first ones.
    pub fn crash(&self, end: Lsn) -> Txn {
        self.segment.reset();
        let txn = self.txn();
        let segment = wal::position::segment_of(end);
        txn.wal.start_at(WalStart {
            system: SYSTEM,
            timeline: TimelineId(1),
            end,
            redo: wal::position::segment_start(wal::position::FIRST_SEGMENT),
            prepared: segment,
        });
        txn.init_shared(Xid::FIRST_NORMAL, FIRST_OID, FIRST_RELFILE);
        txn
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
                    proc::attach(self.procs, slot);
                    body();
                }));
                if done.is_err() {
                    let _nobody_there = sys::process::kill(parent, sys::process::Signal::SIGKILL);
                }
                sys::process::exit_now(if done.is_ok() { 0 } else { 1 });
            }
        }
    }

    /// Waits until a word of the test has the value.
    pub fn await_word(&self, word: usize, value: u64) {
        await_that(&format!("word {word} is {value}"), || {
            self.words[word].load(Ordering::SeqCst) == value
        });
    }

    pub fn set_word(&self, word: usize, value: u64) {
        self.words[word].store(value, Ordering::SeqCst);
    }

    pub fn word(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::SeqCst)
    }
}

pub const SYSTEM: SystemId = SystemId(0x1234_5678_9ABC_DEF0);
pub const FIRST_OID: Oid = Oid(16384);
pub const FIRST_RELFILE: RelFileNumber = RelFileNumber(16384);

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
}

/// Waits, not for ever, until something is so.
pub fn await_that(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs a test in a child that has slot 0, with a world of its own.
pub fn in_process(world: World, body: impl FnOnce(&World)) {
    world.spawn(0, || body(&world)).join();
}
