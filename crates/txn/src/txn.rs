//! The room's object, as one process works with it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use buffer::BufferPool;
use config::Settings;
use shmem::{ProcSlot, Segment};
use smallvec::SmallVec;
use types::{Lsn, Oid, RelFileNumber, Xid};
use wal::Wal;

use crate::error::Result;
use crate::lock::LockManager;
use crate::row_lock::{RowLockMode, RowLocks, RowVersion};
use crate::sequence::{Fate, Sequence, Sight, Word};
use crate::shared::{TxnRegions, TxnShared};
use crate::snapshot::Registry;
use crate::statistics::Statistics;
use crate::transaction::Transaction;

/// Transactions, as one process works with them: shared state in the segment, a few private words.
pub struct Txn {
    pub(crate) shared: &'static TxnShared,
    pub(crate) ring: &'static [AtomicU64],
    pub(crate) versions: &'static [AtomicU64],
    pub(crate) procs: &'static [ProcSlot],
    pub(crate) wal: Rc<Wal>,
    pub(crate) pool: Rc<BufferPool>,
    locks: Rc<LockManager>,
    row_locks: RowLocks,
    statistics: Statistics,
    /// The snapshots that this process holds.
    pub(crate) snapshots: Rc<Registry>,
    /// The last answer of a status page: it can never change.
    pub(crate) last_status: Cell<(Xid, bool)>,
}

impl Txn {
    /// The transactions of the segment. `procs` are all process slots.
    pub fn new(
        segment: &Segment,
        regions: TxnRegions,
        procs: &'static [ProcSlot],
        wal: Rc<Wal>,
        pool: Rc<BufferPool>,
        settings: &Settings,
    ) -> Txn {
        let timeout = settings.deadlock_timeout;
        Txn {
            shared: segment.one(regions.shared),
            ring: segment.slice(regions.ring),
            versions: segment.slice(regions.versions),
            procs,
            wal,
            pool,
            row_locks: RowLocks::new(segment, regions.row_locks),
            locks: Rc::new(LockManager::new(segment, regions.locks, procs, timeout)),
            statistics: Statistics::new(segment, regions.statistics),
            snapshots: Rc::default(),
            last_status: Cell::default(),
        }
    }

    /// Says where the numbers go on: from a checkpoint, before its redo. Only while no other
    /// process uses this room; the segment is new, or was reset.
    pub fn init_shared(&self, next_xid: Xid, next_oid: Oid, next_relfile: RelFileNumber) {
        self.sequence().start(next_xid.max(Xid::FIRST_NORMAL));
        self.shared.status_ready.set(0);
        self.shared.status_begins.set(0);
        self.shared.status_wanted.set(0);
        self.last_status.set((Xid::INVALID, false));
        self.start_counters(next_oid, next_relfile);
    }

    /// The lock manager.
    pub fn locks(&self) -> &Rc<LockManager> {
        &self.locks
    }

    /// The statistics of relations.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The locks of a row version besides the one that stands in it, as far as they hold. Only for
    /// versions with that mark, under their page's exclusive lock.
    pub fn lockers_of(&self, version: RowVersion) -> SmallVec<[(Xid, RowLockMode); 4]> {
        self.row_locks.of(version, &|xid| self.is_running(xid))
    }

    /// Notes a lock of a row version that has no room for it, and is to get the mark. Under its
    /// page's exclusive lock, before the critical section. Errors: `53200`, there are too many.
    pub fn add_locker(&self, version: RowVersion, xid: Xid, mode: RowLockMode) -> Result<()> {
        self.row_locks.add(version, (xid, mode), &|xid| self.is_running(xid))
    }

    /// Whether a transaction, or a part of one, has not ended yet. Touches memory only.
    fn is_running(&self, xid: Xid) -> bool {
        match self.sequence().recent(xid) {
            None | Some(Fate::Aborted) => false,
            Some(fate @ Fate::Committed { .. }) => !fate.visible(self.sight()),
            Some(Fate::Running | Fate::PartOf(_)) => true,
        }
    }

    /// Begins a transaction of this process.
    pub fn begin(&self) -> Transaction {
        Transaction::begin()
    }

    pub(crate) fn sequence(&self) -> Sequence<'static, AtomicU64> {
        self.shared.sequence(self.ring)
    }

    /// What the log says now about what is visible: A, then F.
    pub(crate) fn sight(&self) -> Sight {
        let asynchronous = self.wal.visible_async_lsn();
        let flush = self.wal.flush_lsn();
        Sight { asynchronous, flush }
    }

    /// Up to where the log is durable: what bounds hints on commits.
    pub fn flush_lsn(&self) -> Lsn {
        self.wal.flush_lsn()
    }
}
