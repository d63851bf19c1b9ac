//! The ground under the protocol: what it asks for, and what the server gives it: `XLogCtl`, the
//! slots, the ring and the files.

use std::sync::atomic::{AtomicU64, Ordering};

use shmem::{ExclusiveGuard, Rank, WaitEvent, proc};
use types::Lsn;

use crate::control::Wal;
use crate::page::PageHeader;
use crate::position::{self, PAGE};

/// A shared word, sequentially consistent.
pub(crate) trait Word {
    fn get(&self) -> u64;
    fn set(&self, value: u64);
    fn exchange(&self, from: u64, to: u64) -> bool;
}

/// The words that all processes share; what they mean is told in `control`.
pub(crate) struct Words<'a, W> {
    pub insert: &'a W,
    pub write: &'a W,
    pub flush: &'a W,
    pub redo: &'a W,
    pub redo_generation: &'a W,
}

/// What the protocol runs on, as one process sees it. The tests put a model in its place.
pub(crate) trait Log {
    type Word: Word;
    /// Holds the write lock until it is dropped.
    type Guard;

    fn words(&self) -> Words<'_, Self::Word>;
    /// The lower bound of what this process has reserved and not copied yet; 0: nothing.
    fn own_bound(&self) -> &Self::Word;
    /// The bounds of all processes, this one's too.
    fn bounds(&self) -> impl Iterator<Item = &Self::Word>;

    /// Asks `done` until it answers: at once, and whenever somebody's bound has risen.
    fn await_insertions(&self, done: impl FnMut() -> Option<Lsn>) -> Lsn;
    /// Makes those who wait for insertions look again.
    fn bound_has_risen(&self);

    /// Takes the write lock.
    fn lock(&self) -> Self::Guard;
    /// Takes the write lock if it is free.
    fn try_lock(&self) -> Option<Self::Guard>;
    /// Takes the write lock if it is free, or waits until it has been let go once.
    fn lock_or_wait(&self) -> Option<Self::Guard>;
    /// Gives others who are about to ask for a flush the time to insert before this one begins.
    fn gather(&self, upto: Lsn);

    /// How much of the stream the ring holds.
    fn ring_bytes(&self) -> u64;
    /// Counts an inserter that finds the ring full.
    fn count_ring_full(&self);
    /// Puts bytes into the page of the ring that belongs to this position.
    fn put(&self, at: u64, bytes: &[u8]);
    /// Puts the header of the page that begins there into the ring.
    fn put_header(&self, page_start: u64, remaining: u32);
    /// Hands a stretch of the ring, all of one segment, to the operating system.
    fn write(&self, from: u64, to: u64);
    /// Makes what was written durable; it ends at `upto`.
    fn sync(&self, upto: u64);
}

impl Word for AtomicU64 {
    fn get(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    fn set(&self, value: u64) {
        self.store(value, Ordering::SeqCst);
    }

    fn exchange(&self, from: u64, to: u64) -> bool {
        self.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Wal {
    fn page_of_ring(&self, at: u64) -> &'static shmem::SharedPage {
        &self.ring[(at / PAGE) as usize % self.ring.len()]
    }
}

impl Log for Wal {
    type Word = AtomicU64;
    type Guard = ExclusiveGuard;

    fn words(&self) -> Words<'_, AtomicU64> {
        let ctl = self.ctl;
        Words {
            insert: &ctl.insert.0,
            write: &ctl.write.0,
            flush: &ctl.flush.0,
            redo: &ctl.redo,
            redo_generation: &ctl.redo_generation,
        }
    }

    fn own_bound(&self) -> &AtomicU64 {
        &proc::me().wal_inserting
    }

    fn bounds(&self) -> impl Iterator<Item = &AtomicU64> {
        // A process without a slot in the segment (`init`) has a private one.
        self.procs.iter().chain([proc::me()]).map(|slot| &slot.wal_inserting)
    }

    fn await_insertions(&self, done: impl FnMut() -> Option<Lsn>) -> Lsn {
        let _wait = proc::me().waiting(WaitEvent::WalInsertFinish);
        self.ctl.insertion.wait_until(done)
    }

    fn bound_has_risen(&self) {
        self.ctl.insertion.notify();
    }

    fn lock(&self) -> ExclusiveGuard {
        self.ctl.write_lock.exclusive(Rank::WalWrite)
    }

    fn try_lock(&self) -> Option<ExclusiveGuard> {
        self.ctl.write_lock.try_exclusive(Rank::WalWrite)
    }

    fn lock_or_wait(&self) -> Option<ExclusiveGuard> {
        self.ctl.write_lock.acquire_or_wait(Rank::WalWrite)
    }

    fn gather(&self, upto: Lsn) {
        self.gather_company(upto);
    }

    fn ring_bytes(&self) -> u64 {
        self.ring.len() as u64 * PAGE
    }

    fn count_ring_full(&self) {
        self.ctl.stats.buffers_full.add(1);
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        self.page_of_ring(at).store_at((at % PAGE) as usize, bytes);
    }

    fn put_header(&self, page_start: u64, remaining: u32) {
        let header = PageHeader {
            timeline: self.timeline(),
            address: page_start,
            flushed: self.flush_lsn(),
            remaining,
        };
        let bytes = header.encode(self.system());
        let size = position::header_size(page_start) as usize;
        self.page_of_ring(page_start).store_at(0, &bytes[..size]);
    }

    fn write(&self, from: u64, to: u64) {
        self.write_stretch(from, to);
    }

    fn sync(&self, upto: u64) {
        self.sync_written(upto);
    }
}
