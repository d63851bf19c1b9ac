//! The shared lock table: which locks exist, who holds them, who waits for them.
//!
//! ```text
//!  buckets --> Lock { tag, granted[8] } --> Lock --> ...         (chain of a bucket)
//!                |holders                |first, last waiter
//!                v                       v
//!              Holder <-> Holder       Waiter <-> Waiter <-> ...  (first come, first served)
//!              { process, modes }      { process's own, mode }
//! ```
//!
//! Everything lies in arrays of fixed size in the segment; links are indexes plus one, 0 is none.
//! Locks and holders come from pools (`pool.rs`). A table of zero bytes is an empty one.
//!
//! Invariants, outside of the lock's partition lock:
//! - a lock exists exactly while it has a holder; a holder's modes may be empty only while its
//!   process waits for the lock;
//! - `granted[m]` counts the holders that have mode `m`;
//! - a waiter is in the queue of `lock` exactly while its `lock` is not 0.
//!
//! Protected by the partition lock of the bucket that the tag falls into: everything, except the
//! pools (by compare-and-swap) and [`Waiter::granted`], which the waiter reads without it.
//!
//! If the process dies inside, the partition lock stays held, and shared memory is reset.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use shmem::{Layout, LwLock, RegionId, Segment};
use zerocopy::FromZeros;

use super::mode::{LockMode, Modes};
use super::pool::Pool;
use super::tag::LockTag;

/// Partitions of the table, each with a lock of its own.
pub(crate) const PARTITIONS: usize = 16;

/// The partition locks and the heads of the pools.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub(crate) struct TableHead {
    pub partitions: [LwLock; PARTITIONS],
    /// Serialises the search for deadlocks, so that a cycle has one victim.
    pub deadlock: LwLock,
    /// How many processes wait for transactions; see `xid_wait.rs`.
    pub xid_waiters: AtomicU32,
    pad: [AtomicU32; 3],
    locks: Pool,
    holders: Pool,
}

/// A lock that somebody holds or awaits.
#[derive(FromZeros)]
#[repr(C)]
pub(crate) struct Lock {
    tag: [AtomicU64; 2],
    /// Next in the bucket, or in the pool of free locks.
    next: AtomicU32,
    pub holders: AtomicU32,
    pub first_waiter: AtomicU32,
    pub last_waiter: AtomicU32,
    granted: [AtomicU32; 8],
}

/// A process's share in a lock.
#[derive(FromZeros)]
#[repr(C)]
pub(crate) struct Holder {
    pub lock: AtomicU32,
    pub process: AtomicU32,
    modes: AtomicU32,
    /// Next of the lock, or in the pool of free holders.
    pub next: AtomicU32,
    previous: AtomicU32,
}

/// What a process waits for; one for each process.
#[derive(FromZeros)]
#[repr(C, align(64))]
pub(crate) struct Waiter {
    /// The lock waited for; 0: none.
    pub lock: AtomicU32,
    pub mode: AtomicU32,
    pub next: AtomicU32,
    pub previous: AtomicU32,
    /// Set by whoever grants the lock, before it wakes the waiter.
    pub granted: AtomicU32,
    /// Changes whenever a wait for a transaction begins or ends.
    pub xid_wait: AtomicU32,
    /// When its last wait began, in microseconds since 2000.
    pub since: AtomicI64,
}

/// A word of the table. The partition lock orders the accesses.
pub(crate) trait Field {
    type Value;
    fn get(&self) -> Self::Value;
    fn set(&self, value: Self::Value);
}

impl Field for AtomicU32 {
    type Value = u32;
    fn get(&self) -> u32 {
        self.load(Ordering::Relaxed)
    }
    fn set(&self, value: u32) {
        self.store(value, Ordering::Relaxed);
    }
}

/// Where the lock table lies in the segment.
#[derive(Clone, Copy)]
pub struct LockRegions {
    head: RegionId<TableHead>,
    buckets: RegionId<AtomicU32>,
    locks: RegionId<Lock>,
    holders: RegionId<Holder>,
    waiters: RegionId<Waiter>,
}

impl LockRegions {
    /// Reserves room for `locks` locks, of `processes` processes and one without a slot.
    pub fn reserve(layout: &mut Layout, locks: usize, processes: usize) -> Self {
        LockRegions {
            head: layout.region("lock table", 1),
            buckets: layout.region("lock buckets", locks.next_power_of_two().max(PARTITIONS)),
            locks: layout.region("locks", locks),
            // As in PostgreSQL: on average no more than two processes share a lock.
            holders: layout.region("lock holders", 2 * locks),
            waiters: layout.region("lock waiters", processes + 1),
        }
    }
}

/// The lock table of the segment.
pub(crate) struct Table {
    pub head: &'static TableHead,
    buckets: &'static [AtomicU32],
    locks: &'static [Lock],
    holders: &'static [Holder],
    pub waiters: &'static [Waiter],
}

impl Table {
    pub fn new(segment: &Segment, regions: LockRegions) -> Self {
        Table {
            head: segment.one(regions.head),
            buckets: segment.slice(regions.buckets),
            locks: segment.slice(regions.locks),
            holders: segment.slice(regions.holders),
            waiters: segment.slice(regions.waiters),
        }
    }

    fn bucket(&self, tag: LockTag) -> usize {
        tag.hash() as usize % self.buckets.len()
    }

    /// The lock that guards everything about `tag`.
    pub fn partition(&self, tag: LockTag) -> &'static LwLock {
        &self.head.partitions[self.bucket(tag) % PARTITIONS]
    }

    pub fn lock(&self, index: u32) -> &'static Lock {
        &self.locks[index as usize]
    }

    pub fn holder(&self, index: u32) -> &'static Holder {
        &self.holders[index as usize]
    }

    pub fn waiter(&self, process: u32) -> &'static Waiter {
        &self.waiters[process as usize]
    }

    pub fn find(&self, tag: LockTag) -> Option<u32> {
        let words = tag.words();
        self.chain(self.bucket(tag)).find(|&index| self.lock(index).words() == words)
    }

    fn chain(&self, bucket: usize) -> impl Iterator<Item = u32> + use<'_> {
        links(self.buckets[bucket].get(), |index| self.lock(index).next.get())
    }

    /// Every lock of a partition.
    pub fn locks_of(&self, partition: usize) -> impl Iterator<Item = u32> + use<'_> {
        let buckets = (partition..self.buckets.len()).step_by(PARTITIONS);
        buckets.flat_map(|bucket| self.chain(bucket))
    }

    pub fn holders_of(&self, lock: u32) -> impl Iterator<Item = u32> + use<'_> {
        links(self.lock(lock).holders.get(), |index| self.holder(index).next.get())
    }

    /// The processes that wait for a lock, first come first.
    pub fn waiters_of(&self, lock: u32) -> impl Iterator<Item = u32> + use<'_> {
        links(self.lock(lock).first_waiter.get(), |process| self.waiter(process).next.get())
    }

    pub fn holder_of(&self, lock: u32, process: u32) -> Option<u32> {
        self.holders_of(lock).find(|&index| self.holder(index).process.get() == process)
    }

    /// The process's share in the lock of that tag, both made if need be. `None`: no room.
    pub fn join(&self, tag: LockTag, process: u32) -> Option<(u32, u32)> {
        let found = self.find(tag);
        if let Some(holder) = found.and_then(|lock| self.holder_of(lock, process)) {
            return Some((self.holder(holder).lock.get(), holder));
        }
        let new_holder =
            self.head.holders.take(self.holders.len(), |index| self.holder(index).next.get())?;
        let Some(lock) = found.or_else(|| self.make_lock(tag)) else {
            self.head.holders.give_back(new_holder, &self.holder(new_holder).next);
            return None;
        };
        self.link_holder(lock, new_holder, process);
        Some((lock, new_holder))
    }

    fn make_lock(&self, tag: LockTag) -> Option<u32> {
        let index = self.head.locks.take(self.locks.len(), |index| self.lock(index).next.get())?;
        let (lock, bucket) = (self.lock(index), &self.buckets[self.bucket(tag)]);
        for (word, value) in lock.tag.iter().zip(tag.words()) {
            word.store(value, Ordering::Relaxed);
        }
        lock.next.set(bucket.get());
        bucket.set(index + 1);
        Some(index)
    }

    fn link_holder(&self, lock: u32, index: u32, process: u32) {
        let (head, holder) = (&self.lock(lock).holders, self.holder(index));
        holder.lock.set(lock);
        holder.process.set(process);
        holder.modes.set(0);
        holder.previous.set(0);
        holder.next.set(head.get());
        if let Some(next) = head.get().checked_sub(1) {
            self.holder(next).previous.set(index + 1);
        }
        head.set(index + 1);
    }

    /// Takes a share away if it has no modes.
    pub fn leave_if_empty(&self, index: u32) {
        if self.holder(index).modes().is_empty() {
            self.leave(index);
        }
    }

    /// Takes a share that has no modes away, and the lock with it if it was the last.
    fn leave(&self, index: u32) {
        let holder = self.holder(index);
        debug_assert!(holder.modes().is_empty());
        let lock = holder.lock.get();
        let (next, previous) = (holder.next.get(), holder.previous.get());
        match previous.checked_sub(1) {
            Some(previous) => self.holder(previous).next.set(next),
            None => self.lock(lock).holders.set(next),
        }
        if let Some(next) = next.checked_sub(1) {
            self.holder(next).previous.set(previous);
        }
        self.head.holders.give_back(index, &holder.next);
        if self.lock(lock).holders.get() == 0 {
            self.remove_lock(lock);
        }
    }

    fn remove_lock(&self, index: u32) {
        let lock = self.lock(index);
        debug_assert!(lock.first_waiter.get() == 0, "a waiter has a share");
        let tag = lock.tag().expect("only tags are stored");
        let bucket = self.bucket(tag);
        let before = self.chain(bucket).find(|&other| self.lock(other).next.get() == index + 1);
        match before {
            Some(before) => self.lock(before).next.set(lock.next.get()),
            None => self.buckets[bucket].set(lock.next.get()),
        }
        self.head.locks.give_back(index, &lock.next);
    }

    /// Adds a mode to a share that lacks it.
    pub fn grant(&self, holder: u32, mode: LockMode) {
        let holder = self.holder(holder);
        debug_assert!(!holder.modes().has(mode));
        holder.modes.set(holder.modes().with(mode).0);
        let count = &self.lock(holder.lock.get()).granted[mode.index()];
        count.set(count.get() + 1);
    }

    /// Takes modes that a share has back.
    pub fn revoke(&self, holder: u32, modes: Modes) {
        let holder = self.holder(holder);
        debug_assert!(modes.minus(holder.modes()).is_empty());
        for mode in modes.iter() {
            let count = &self.lock(holder.lock.get()).granted[mode.index()];
            count.set(count.get() - 1);
        }
        holder.modes.set(holder.modes().minus(modes).0);
    }

    /// The modes that processes other than the holder of `own` have been granted.
    pub fn granted_to_others(&self, lock: u32, own: Modes) -> Modes {
        let held = |mode: &LockMode| {
            let count = self.lock(lock).granted[mode.index()].get();
            count > u32::from(own.has(*mode))
        };
        LockMode::ALL.into_iter().filter(held).fold(Modes::default(), Modes::with)
    }
}

fn links(first: u32, next: impl Fn(u32) -> u32) -> impl Iterator<Item = u32> {
    std::iter::successors(first.checked_sub(1), move |&index| next(index).checked_sub(1))
}

impl Lock {
    fn words(&self) -> [u64; 2] {
        [self.tag[0].load(Ordering::Relaxed), self.tag[1].load(Ordering::Relaxed)]
    }

    pub fn tag(&self) -> Option<LockTag> {
        LockTag::from_words(self.words())
    }
}

impl Holder {
    pub fn modes(&self) -> Modes {
        Modes(self.modes.get())
    }
}

impl Waiter {
    /// The mode waited for; `None`: it does not wait for a lock.
    pub fn wanted(&self) -> Option<(u32, LockMode)> {
        let lock = self.lock.get().checked_sub(1)?;
        Some((lock, LockMode::from_number(self.mode.get() as u8)?))
    }
}
