//! Writing out and flushing: one at a time, for everyone.
//!
//! Whoever needs the log durable up to a position takes `write_lock`, or waits for the holder and
//! finds, as a rule, that the holder's flush covered it: a group commit with a leader and
//! followers. The leader takes along all that is complete when it begins, so that under load one
//! fdatasync serves many commits.
//!
//! Nobody waits for insertions while holding `write_lock`: an inserter that needs room in the ring
//! takes that lock itself. So wait first, then lock; what was complete once stays complete. The
//! lowest unfinished inserter thus waits for nobody but the holder, who waits for the disk only.
//!
//! Only bytes between `write` and what is complete are written; a byte once written is never
//! written again, so a torn sector can't damage what was durable before.
//!
//! A failed write or sync ends the process as PANIC: the kernel may have dropped the pages, and a
//! second try would lie.
//!
//! What if the process dies holding `write_lock`: what it wrote is written, and `write` and
//! `flush` were advanced only after the fact, so whoever repeats the work does no harm.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shmem::{ExclusiveGuard, Rank, WaitEvent};
use sys::fs::File;
use sys::mutant::{self, Mutant};
use types::Lsn;

use crate::control::Wal;
use crate::error::{Error, panic_exit};
use crate::position::{self, PAGE, SEGMENT_SIZE};

/// The most bytes handed to one write.
const WRITE_MAX: u64 = 1 << 20;
/// How often a leader yields the processor to gather company before it syncs.
const GATHER_YIELDS: u32 = 8;

impl Wal {
    /// Returns when the log is durable up to `upto`.
    pub fn flush(&self, upto: Lsn) -> Result<(), Error> {
        if self.flush_lsn() >= upto {
            return Ok(());
        }
        self.check_request(upto)?;
        let done = self.wait_for_insertions(upto);
        loop {
            let lock = self.ctl.write_lock.acquire_or_wait(Rank::WalWrite);
            if self.flush_lsn() >= upto {
                return Ok(());
            }
            if mutant::on(Mutant::FollowerAnsweredEarly) && lock.is_none() {
                return Ok(());
            }
            if let Some(guard) = lock {
                self.gather(upto);
                self.write_locked(&guard, done.max(self.insertions_done()));
                self.sync_locked(&guard);
                return Ok(());
            }
        }
    }

    /// Hands the log up to at least `upto` to the operating system, to make room in the ring.
    pub(crate) fn write_out(&self, upto: Lsn) {
        let done = self.wait_for_insertions(upto);
        let guard = self.ctl.write_lock.exclusive(Rank::WalWrite);
        if self.write_lsn() < upto {
            self.write_locked(&guard, done.max(self.insertions_done()));
        }
    }

    fn check_request(&self, upto: Lsn) -> Result<(), Error> {
        let end = self.reserved_end();
        if upto > end { Err(Error::FlushPastEnd { asked: upto, end }) } else { Ok(()) }
    }

    /// Lets other processes that are about to commit get there first: no fixed delay, just the
    /// processor for those who are ready to run. A lone client is never delayed.
    fn gather(&self, upto: Lsn) {
        let options = self.options.get();
        let company = || self.transactions_running(options.commit_siblings.max(1) as usize);
        if options.commit_delay_us > 0 && company() {
            std::thread::sleep(Duration::from_micros(options.commit_delay_us));
            return;
        }
        let mut end = self.reserved_end().max(upto);
        for _ in 0..GATHER_YIELDS {
            if !self.transactions_running(1) {
                return;
            }
            std::thread::yield_now();
            let now = self.reserved_end();
            if now == end {
                return;
            }
            end = now;
        }
    }

    /// Whether at least so many other processes have a transaction id but no commit yet.
    fn transactions_running(&self, least: usize) -> bool {
        let running = |slot: &&shmem::ProcSlot| {
            slot.xid.load(Ordering::Relaxed) != 0 && slot.commit_lsn.load(Ordering::Relaxed) == 0
        };
        self.procs.iter().filter(running).take(least).count() >= least
    }

    /// Writes everything up to `upto`, all of it copied in. Crossing into the next segment syncs
    /// the one before, so that `flush` needs to sync one file only.
    fn write_locked(&self, guard: &ExclusiveGuard, upto: Lsn) {
        let mut at = self.write_lsn().0;
        while at < upto.0 {
            let segment = position::segment_of(Lsn(at));
            let end = upto.0.min((segment + 1) * SEGMENT_SIZE).min(at + WRITE_MAX);
            self.with_segment(segment, |file| self.write_stretch(file, at, end));
            at = end;
            self.ctl.write.0.store(at, Ordering::SeqCst);
            if at.is_multiple_of(SEGMENT_SIZE) {
                self.sync_locked(guard);
                self.open.replace(None);
            }
        }
    }

    fn write_stretch(&self, file: &File, from: u64, to: u64) {
        let mut scratch = self.scratch.borrow_mut();
        scratch.resize((to - from) as usize, 0);
        let mut at = from;
        while at < to {
            let stop = to.min(at - at % PAGE + PAGE);
            let page = &self.ring[(at / PAGE) as usize % self.ring.len()];
            page.load_at(
                (at % PAGE) as usize,
                &mut scratch[(at - from) as usize..(stop - from) as usize],
            );
            at = stop;
        }
        let begun = Instant::now();
        let _wait = shmem::proc::me().waiting(WaitEvent::WalWrite);
        if let Err(error) = file.write_all_at(&scratch, from % SEGMENT_SIZE) {
            panic_exit("could not write to the write-ahead log", &error);
        }
        self.ctl.stats.writes.add(1);
        self.ctl.stats.write_us.add(begun.elapsed().as_micros() as u64);
    }

    /// Makes what is written durable and advances `flush`.
    fn sync_locked(&self, _guard: &ExclusiveGuard) {
        let written = self.write_lsn();
        if self.flush_lsn() >= written {
            return;
        }
        if self.options.get().fsync {
            // The last written byte decides the segment: earlier ones were synced on crossing.
            let segment = position::segment_of(Lsn(written.0 - 1));
            self.with_segment(segment, |file| self.sync_file(file));
        }
        self.ctl.flush.0.store(written.0, Ordering::SeqCst);
    }

    fn sync_file(&self, file: &File) {
        let begun = Instant::now();
        let _wait = shmem::proc::me().waiting(WaitEvent::WalSync);
        if mutant::on(Mutant::WalNeverSynced) {
            return;
        }
        if let Err(error) = file.sync_data() {
            panic_exit("could not sync the write-ahead log", &error);
        }
        self.ctl.stats.syncs.add(1);
        self.ctl.stats.sync_us.add(begun.elapsed().as_micros() as u64);
    }

    /// Runs `work` on this process's own descriptor of the segment.
    fn with_segment(&self, segment: u64, work: impl FnOnce(&File)) {
        let mut open = self.open.borrow_mut();
        if !matches!(&*open, Some((number, _)) if *number == segment) {
            let path = self.segment_path(segment);
            match File::open(&path, sys::fs::OpenHow::READ_WRITE) {
                Ok(file) => *open = Some((segment, file)),
                Err(error) => panic_exit("could not open a segment of the log", &error),
            }
        }
        if let Some((_, file)) = &*open {
            work(file);
        }
    }

    /// Makes an asynchronous commit that ends at `lsn` visible: once everything before it is
    /// copied in, so that two snapshots never disagree about the order.
    pub fn publish_async(&self, lsn: Lsn) {
        self.wait_for_insertions(lsn);
        self.ctl.visible_async.0.fetch_max(lsn.0, Ordering::SeqCst);
    }

    /// Asks the walwriter to make the log durable up to `lsn`, soon.
    pub fn request_flush(&self, lsn: Lsn) {
        self.ctl.wanted.0.fetch_max(lsn.0, Ordering::SeqCst);
    }

    /// One round of the walwriter: prepares segments, writes what is complete, syncs if someone
    /// asked for it or `writer_flush_after` has gathered. Returns whether there was work.
    pub fn background_flush(&self) -> Result<bool, Error> {
        self.prepare_ahead()?;
        let wanted = Lsn(self.ctl.wanted.0.load(Ordering::SeqCst)).min(self.reserved_end());
        if wanted > self.flush_lsn() {
            self.flush(wanted)?;
            return Ok(true);
        }
        let done = self.insertions_done();
        if done <= self.write_lsn() {
            return Ok(false);
        }
        if let Some(guard) = self.ctl.write_lock.try_exclusive(Rank::WalWrite) {
            self.write_locked(&guard, done);
            // Somebody may have written and flushed past `done` before the lock was ours.
            if done.0.saturating_sub(self.flush_lsn().0) >= self.options.get().writer_flush_after {
                self.sync_locked(&guard);
            }
        }
        Ok(true)
    }

    /// The slot that [`Wal::wake_walwriter`] wakes; `None` when the walwriter ends.
    pub fn set_walwriter(&self, slot: Option<usize>) {
        let word = slot.map_or(0, |index| index as u32 + 1);
        self.ctl.walwriter.store(word, Ordering::SeqCst);
    }

    /// Wakes the walwriter out of its sleep.
    pub fn wake_walwriter(&self) {
        if let Some(index) = self.ctl.walwriter.load(Ordering::SeqCst).checked_sub(1) {
            self.procs[index as usize].latch.set();
        }
    }
}
