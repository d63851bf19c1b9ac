//! What all processes share about transactions, besides the lock table.

use std::sync::atomic::AtomicU64;

use config::Settings;
use shmem::{Layout, LwLock, RegionId};
use zerocopy::FromZeros;

use crate::lock::LockRegions;
use crate::row_lock::RowLockRegions;
use crate::sequence::Sequence;
use crate::statistics::StatisticsRegions;

/// The fewest entries of the commit sequence ring: so many transactions may begin while the oldest
/// one that anybody still needs is open.
pub(crate) const SEQUENCE_MIN: u64 = 1 << 20;
/// More are made for a larger server: one for each so many bytes of `shared_buffers`.
const BUFFER_BYTES_PER_ENTRY: u64 = 256;
/// Hashed version counters of relations.
pub(crate) const VERSION_COUNTERS: usize = 1024;

/// A word with a pair of cache lines of its own.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub(crate) struct Line(pub AtomicU64);

/// The shared words. Zero is valid; `init_shared` then says where the numbers go on.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub(crate) struct TxnShared {
    /// The next transaction id. Protected by `xid_gen`; read without it.
    pub next_xid: Line,
    /// See `sequence.rs`: raised by anyone with a compare-and-swap.
    pub oldest_xid: Line,
    /// Ids from here on need a look at what is still needed. Protected by `xid_gen`.
    pub xid_limit: AtomicU64,
    /// Every id below it has its place on a status page. Protected by `status_extend`; read
    /// without it.
    pub status_ready: AtomicU64,
    /// Below it nobody needs to look at a status page; 0: not read yet. See `status_end.rs`. Raised
    /// under `status_extend`; read without it.
    pub status_begins: AtomicU64,
    /// Where the status is to begin once the snapshots are gone that are older than this position in
    /// the log; 0: nothing is wanted. Protected by `status_extend`.
    pub status_wanted: AtomicU64,
    pub status_wanted_at: AtomicU64,
    /// The next object identifier, and up to where they are logged. Protected by `counters`.
    pub next_oid: AtomicU64,
    pub oid_limit: AtomicU64,
    /// The same for relation file numbers. Protected by `counters`.
    pub next_relfile: AtomicU64,
    pub relfile_limit: AtomicU64,
    /// Raised by every transaction that changed the system tables.
    pub catalog_version: Line,
    /// Hands out transaction ids.
    pub xid_gen: LwLock,
    /// Makes status pages.
    pub status_extend: LwLock,
    /// Hands out object identifiers and relation file numbers.
    pub counters: LwLock,
}

impl TxnShared {
    pub fn sequence<'a>(&'a self, ring: &'a [AtomicU64]) -> Sequence<'a, AtomicU64> {
        Sequence {
            ring,
            next: &self.next_xid.0,
            oldest: &self.oldest_xid.0,
            limit: &self.xid_limit,
        }
    }
}

/// Where this room's regions lie in the segment.
#[derive(Clone, Copy)]
pub struct TxnRegions {
    pub(crate) shared: RegionId<TxnShared>,
    pub(crate) ring: RegionId<AtomicU64>,
    pub(crate) versions: RegionId<AtomicU64>,
    pub(crate) locks: LockRegions,
    pub(crate) row_locks: RowLockRegions,
    pub(crate) statistics: StatisticsRegions,
}

impl TxnRegions {
    /// Reserves the commit sequence (8 MB or 1/32 of `shared_buffers`), the version counters and a lock table for
    /// `max_locks_per_transaction` locks for each of `processes` process slots.
    pub fn reserve(layout: &mut Layout, settings: &Settings, processes: usize) -> Self {
        let entries = (settings.shared_buffers / BUFFER_BYTES_PER_ENTRY).max(SEQUENCE_MIN);
        let locks = settings.max_locks_per_transaction as usize * processes.max(1);
        TxnRegions {
            shared: layout.region("transactions", 1),
            ring: layout.region("commit sequence", entries.next_power_of_two() as usize),
            versions: layout.region("relation versions", VERSION_COUNTERS),
            locks: LockRegions::reserve(layout, locks, processes),
            row_locks: RowLockRegions::reserve(layout, locks),
            statistics: StatisticsRegions::reserve(layout),
        }
    }
}
