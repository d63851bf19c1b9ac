//! The room's object, as one process works with it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use buffer::BufferPool;
use config::Settings;
use shmem::{ProcSlot, Segment};
use types::{Lsn, Oid, RelFileNumber, Xid};
use wal::Wal;

use crate::lock::LockManager;
use crate::sequence::{Sequence, Sight, Word};
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
