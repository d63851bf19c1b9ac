//! The table of row locks in shared memory.
//!
//! ```text
//!  buckets --> Entry { version, xid, mode } --> Entry --> ...
//! ```
//!
//! Arrays of fixed size; links are indexes plus one, 0 is none. All zeros is an empty table.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use shmem::{Layout, LwLock, Rank, RegionId, Segment};
use smallvec::SmallVec;
use types::{RelFileNumber, TupleId, Xid};
use zerocopy::FromZeros;

use super::RowLockMode;
use crate::error::{Error, Result};
use crate::lock::Pool;

const PARTITIONS: usize = 16;
/// The fewest entries there are.
const ENTRIES_MIN: usize = 16 << 10;

/// A version of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowVersion {
    /// The table's file.
    pub rel: RelFileNumber,
    /// Where it stands.
    pub place: TupleId,
    /// Who made it.
    pub xmin: Xid,
}

impl RowVersion {
    fn words(self) -> [u64; 3] {
        let TupleId { block, offset } = self.place;
        [self.rel.0, u64::from(block) << 16 | u64::from(offset), self.xmin.0]
    }

    fn hash(self) -> u64 {
        self.words().into_iter().fold(0, |hash: u64, word| {
            let mixed = (hash.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed ^ mixed >> 32
        })
    }
}

#[derive(FromZeros)]
#[repr(C, align(128))]
pub(crate) struct Head {
    partitions: [LwLock; PARTITIONS],
    free: Pool,
}

/// A lock of a version. Protected by the partition of the version's bucket.
#[derive(FromZeros)]
#[repr(C)]
pub(crate) struct Entry {
    version: [AtomicU64; 3],
    xid: AtomicU64,
    mode: AtomicU32,
    next: AtomicU32,
}

/// Where the table lies in the segment.
#[derive(Clone, Copy)]
pub(crate) struct RowLockRegions {
    head: RegionId<Head>,
    buckets: RegionId<AtomicU32>,
    entries: RegionId<Entry>,
}

impl RowLockRegions {
    /// Reserves room for as many row locks as there can be others, and for 16384 at least.
    pub fn reserve(layout: &mut Layout, locks: usize) -> RowLockRegions {
        let entries = locks.max(ENTRIES_MIN);
        RowLockRegions {
            head: layout.region("row locks", 1),
            buckets: layout.region("row lock buckets", entries.next_power_of_two()),
            entries: layout.region("row lock entries", entries),
        }
    }
}

/// The row locks that row versions have no room for.
#[derive(Clone, Copy)]
pub struct RowLocks {
    head: &'static Head,
    buckets: &'static [AtomicU32],
    entries: &'static [Entry],
}

/// A lock, as far as it still holds.
pub type Locker = (Xid, RowLockMode);

impl RowLocks {
    pub(crate) fn new(segment: &Segment, regions: RowLockRegions) -> RowLocks {
        RowLocks {
            head: segment.one(regions.head),
            buckets: segment.slice(regions.buckets),
            entries: segment.slice(regions.entries),
        }
    }

    fn bucket(&self, version: RowVersion) -> usize {
        version.hash() as usize % self.buckets.len()
    }

    fn entry(&self, index: u32) -> &'static Entry {
        &self.entries[index as usize]
    }

    /// The locks of a version that hold. `runs` tells whether a transaction has not ended; it
    /// touches memory only.
    pub(crate) fn of(
        &self,
        version: RowVersion,
        runs: &dyn Fn(Xid) -> bool,
    ) -> SmallVec<[Locker; 4]> {
        let bucket = self.bucket(version);
        let _guard = self.head.partitions[bucket % PARTITIONS].shared(Rank::LockPartition);
        let mut found = SmallVec::new();
        let mut link = self.buckets[bucket].load(Ordering::Relaxed);
        while let Some(index) = link.checked_sub(1) {
            let entry = self.entry(index);
            if entry.is_of(version) && runs(entry.xid()) {
                found.push((entry.xid(), entry.mode()));
            }
            link = entry.next.load(Ordering::Relaxed);
        }
        found
    }

    /// Notes a lock; if the transaction has one there, the stronger of both.
    ///
    /// Errors: the table is full (`53200`).
    pub(crate) fn add(
        &self,
        version: RowVersion,
        locker: Locker,
        runs: &dyn Fn(Xid) -> bool,
    ) -> Result<()> {
        if self.strengthen(version, locker) {
            return Ok(());
        }
        let take = || self.head.free.take(self.entries.len(), |i| self.entry(i).next_raw());
        let index = match take() {
            Some(index) => index,
            None => {
                self.sweep(runs);
                take().ok_or(Error::RowLockTableFull)?
            }
        };
        let entry = self.entry(index);
        for (word, value) in entry.version.iter().zip(version.words()) {
            word.store(value, Ordering::Relaxed);
        }
        entry.xid.store(locker.0.0, Ordering::Relaxed);
        entry.mode.store(locker.1 as u32, Ordering::Relaxed);
        let bucket = self.bucket(version);
        let _guard = self.head.partitions[bucket % PARTITIONS].exclusive(Rank::LockPartition);
        self.remove_ended(bucket, runs);
        entry.next.store(self.buckets[bucket].load(Ordering::Relaxed), Ordering::Relaxed);
        self.buckets[bucket].store(index + 1, Ordering::Relaxed);
        Ok(())
    }

    fn strengthen(&self, version: RowVersion, (xid, mode): Locker) -> bool {
        let bucket = self.bucket(version);
        let _guard = self.head.partitions[bucket % PARTITIONS].exclusive(Rank::LockPartition);
        let mut link = self.buckets[bucket].load(Ordering::Relaxed);
        while let Some(index) = link.checked_sub(1) {
            let entry = self.entry(index);
            if entry.is_of(version) && entry.xid() == xid {
                entry.mode.fetch_max(mode as u32, Ordering::Relaxed);
                return true;
            }
            link = entry.next.load(Ordering::Relaxed);
        }
        false
    }

    /// Removes everywhere what has ended. No lock of the table may be held.
    fn sweep(&self, runs: &dyn Fn(Xid) -> bool) {
        for bucket in 0..self.buckets.len() {
            if self.buckets[bucket].load(Ordering::Relaxed) != 0 {
                let partition = &self.head.partitions[bucket % PARTITIONS];
                let _guard = partition.exclusive(Rank::LockPartition);
                self.remove_ended(bucket, runs);
            }
        }
    }

    /// Under the exclusive lock of the bucket's partition.
    fn remove_ended(&self, bucket: usize, runs: &dyn Fn(Xid) -> bool) {
        let mut before = &self.buckets[bucket];
        while let Some(index) = before.load(Ordering::Relaxed).checked_sub(1) {
            let entry = self.entry(index);
            if runs(entry.xid()) {
                before = &entry.next;
            } else {
                before.store(entry.next.load(Ordering::Relaxed), Ordering::Relaxed);
                self.head.free.give_back(index, &entry.next);
            }
        }
    }

    /// How many entries there are, ended ones too.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        let links = |bucket: &AtomicU32| {
            let mut count = 0;
            let mut link = bucket.load(Ordering::Relaxed);
            while let Some(index) = link.checked_sub(1) {
                count += 1;
                link = self.entry(index).next.load(Ordering::Relaxed);
            }
            count
        };
        self.buckets.iter().map(links).sum()
    }
}

impl Entry {
    fn is_of(&self, version: RowVersion) -> bool {
        let words = version.words();
        self.version.iter().zip(words).all(|(word, value)| word.load(Ordering::Relaxed) == value)
    }

    fn xid(&self) -> Xid {
        Xid(self.xid.load(Ordering::Relaxed))
    }

    fn mode(&self) -> RowLockMode {
        RowLockMode::from_bits(self.mode.load(Ordering::Relaxed) as u16)
    }

    fn next_raw(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RowLockMode::{KeyShare, Share};

    fn table(entries: usize, buckets: usize) -> RowLocks {
        let entries: Vec<Entry> = (0..entries).map(|_| Entry::new_zeroed()).collect();
        let buckets: Vec<AtomicU32> = (0..buckets).map(|_| AtomicU32::new(0)).collect();
        RowLocks {
            head: Box::leak(Box::new(Head::new_zeroed())),
            buckets: Vec::leak(buckets),
            entries: Vec::leak(entries),
        }
    }

    fn version(offset: u16) -> RowVersion {
        let place = TupleId { block: 1, offset };
        RowVersion { rel: RelFileNumber(20), place, xmin: Xid(7) }
    }

    const ALL_RUN: &dyn Fn(Xid) -> bool = &|_| true;

    #[test]
    fn a_version_has_its_own_locks_and_no_others() {
        let locks = table(8, 1);
        locks.add(version(1), (Xid(90), KeyShare), ALL_RUN).expect("room");
        locks.add(version(1), (Xid(91), Share), ALL_RUN).expect("room");
        locks.add(version(2), (Xid(90), Share), ALL_RUN).expect("room");
        locks.add(version(1), (Xid(91), KeyShare), ALL_RUN).expect("it stays as strong");
        let mut found = locks.of(version(1), ALL_RUN);
        found.sort();
        assert_eq!(found[..], [(Xid(90), KeyShare), (Xid(91), Share)]);
        let elsewhere = RowVersion { xmin: Xid(8), ..version(1) };
        assert!(locks.of(elsewhere, ALL_RUN).is_empty(), "the place is used again");
        assert_eq!(locks.of(version(1), &|xid| xid != Xid(90))[..], [(Xid(91), Share)]);
    }

    #[test]
    fn what_has_ended_makes_room_and_what_holds_stays() {
        let locks = table(4, 4);
        for offset in 1..=4 {
            let xid = Xid(90 + u64::from(offset));
            locks.add(version(offset), (xid, Share), ALL_RUN).expect("room");
        }
        let full = locks.add(version(5), (Xid(95), Share), ALL_RUN);
        assert!(matches!(full, Err(Error::RowLockTableFull)));
        let runs: &dyn Fn(Xid) -> bool = &|xid| xid != Xid(92);
        locks.add(version(5), (Xid(95), Share), runs).expect("one has ended");
        assert_eq!(locks.count(), 4);
        let held = |offset| locks.of(version(offset), ALL_RUN).len();
        assert_eq!([1, 2, 3, 4, 5].map(held), [1, 0, 1, 1, 1]);
    }
}
