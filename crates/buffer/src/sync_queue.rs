//! Files that the next checkpoint must sync.
//!
//! Whoever writes a page asks for the sync of its file before the buffer counts as clean. The
//! requests stand in the segment until the sync is done, so that no process's death loses one.
//! Protected by `lock`: the table, an open-addressed hash table without deletion; forgetting
//! rebuilds it. When it is full, the writer syncs the file itself.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use shmem::{Layout, LwLock, Rank, RegionId, Segment};
use types::{Fork, RelFileNumber};
use zerocopy::FromZeros;

use crate::files::SegmentId;

/// Entries of the table.
const ENTRIES: usize = 4096;
/// The table counts as full here, so that probing stays short.
const ENTRIES_USED_MAX: u32 = 3072;

#[derive(FromZeros)]
#[repr(C, align(128))]
struct QueueHead {
    lock: LwLock,
    used: AtomicU32,
}

#[derive(FromZeros)]
#[repr(C)]
struct Entry {
    rel: AtomicU64,
    /// Fork and segment, plus one; 0: the entry is free.
    place: AtomicU64,
    /// How often the sync was asked for.
    requests: AtomicU64,
}

#[derive(Clone, Copy)]
pub(crate) struct SyncQueueRegions {
    head: RegionId<QueueHead>,
    entries: RegionId<Entry>,
}

impl SyncQueueRegions {
    pub fn reserve(layout: &mut Layout) -> Self {
        SyncQueueRegions {
            head: layout.region("Fsync Queue", 1),
            entries: layout.region("Fsync Requests", ENTRIES),
        }
    }
}

/// The pending requests.
pub(crate) struct SyncQueue {
    head: &'static QueueHead,
    entries: &'static [Entry],
}

/// A request as the checkpointer saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pending {
    pub segment: SegmentId,
    requests: u64,
}

impl SyncQueue {
    pub fn new(segment: &Segment, regions: SyncQueueRegions) -> Self {
        SyncQueue { head: segment.one(regions.head), entries: segment.slice(regions.entries) }
    }

    /// Asks for a sync. `false`: the table is full.
    #[must_use]
    pub fn request(&self, segment: SegmentId) -> bool {
        let _lock = self.head.lock.exclusive(Rank::FsyncQueue);
        self.add(segment, 1)
    }

    /// Everything asked for so far.
    pub fn pending(&self) -> Vec<Pending> {
        let _lock = self.head.lock.shared(Rank::FsyncQueue);
        self.all()
    }

    /// These have been synced; those asked for again meanwhile stay.
    pub fn done(&self, synced: &[Pending]) {
        self.rebuild(|pending| !synced.contains(pending));
    }

    /// The relation is gone, and nobody needs its files synced.
    pub fn forget(&self, rel: RelFileNumber) {
        self.rebuild(|pending| pending.segment.rel != rel);
    }

    fn rebuild(&self, keep: impl Fn(&Pending) -> bool) {
        let _lock = self.head.lock.exclusive(Rank::FsyncQueue);
        let all = self.all();
        if all.iter().all(&keep) {
            return;
        }
        self.entries.iter().for_each(|entry| entry.place.store(0, Ordering::Relaxed));
        self.head.used.store(0, Ordering::Relaxed);
        for pending in all.iter().filter(|pending| keep(pending)) {
            let added = self.add(pending.segment, pending.requests);
            debug_assert!(added, "fewer entries than before fit");
        }
    }

    fn all(&self) -> Vec<Pending> {
        self.entries.iter().filter_map(Entry::load).collect()
    }

    fn add(&self, segment: SegmentId, requests: u64) -> bool {
        let place = ((segment.fork as u64) << 32 | u64::from(segment.segment)) + 1;
        let mixed = (segment.rel.0 ^ place << 20).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let first = (mixed >> 40) as usize;
        for step in 0..ENTRIES {
            let entry = &self.entries[(first + step) % ENTRIES];
            let found = entry.place.load(Ordering::Relaxed);
            if found == 0 {
                if self.head.used.load(Ordering::Relaxed) >= ENTRIES_USED_MAX {
                    return false;
                }
                self.head.used.fetch_add(1, Ordering::Relaxed);
                entry.rel.store(segment.rel.0, Ordering::Relaxed);
                entry.requests.store(requests, Ordering::Relaxed);
                entry.place.store(place, Ordering::Relaxed);
                return true;
            }
            if found == place && entry.rel.load(Ordering::Relaxed) == segment.rel.0 {
                entry.requests.fetch_add(requests, Ordering::Relaxed);
                return true;
            }
        }
        false
    }
}

impl Entry {
    fn load(&self) -> Option<Pending> {
        let place = self.place.load(Ordering::Relaxed).checked_sub(1)?;
        let segment = SegmentId {
            rel: RelFileNumber(self.rel.load(Ordering::Relaxed)),
            fork: Fork::from_number((place >> 32) as u8)?,
            segment: place as u32,
        };
        Some(Pending { segment, requests: self.requests.load(Ordering::Relaxed) })
    }
}
