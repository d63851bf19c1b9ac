//! Writing out and flushing: one at a time, for everyone.
//!
//! Who waits for whom, and in which order the positions advance, stands in `protocol`; this is what
//! the protocol does it with: the segments' files, the choice of when to wait for company, and the
//! walwriter's rounds.
//!
//! A failed write or sync ends the process as PANIC: the kernel may have dropped the pages, and a
//! second try would lie.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shmem::WaitEvent;
use sys::fs::File;
use sys::mutant::{self, Mutant};
use types::Lsn;

use crate::control::Wal;
use crate::error::{Error, panic_exit};
use crate::position::{self, PAGE, SEGMENT_SIZE};
use crate::protocol;

/// Which part of `writer_flush_after` is enough for who is in a hurry.
const HURRY: u64 = 8;
/// How often a leader yields the processor to gather company before it syncs.
const GATHER_YIELDS: u32 = 8;

impl Wal {
    /// Returns when the log is durable up to `upto`.
    pub fn flush(&self, upto: Lsn) -> Result<(), Error> {
        if self.flush_lsn() < upto {
            self.check_request(upto)?;
            protocol::flush(self, upto);
        }
        Ok(())
    }

    fn check_request(&self, upto: Lsn) -> Result<(), Error> {
        let end = self.insert_lsn();
        if upto > end { Err(Error::FlushPastEnd { asked: upto, end }) } else { Ok(()) }
    }

    /// Lets other processes that are about to commit get there first: no fixed delay, just the
    /// processor for those who are ready to run. A lone client is never delayed.
    pub(crate) fn gather_company(&self, upto: Lsn) {
        let options = self.options.get();
        let company = || self.transactions_running(options.commit_siblings.max(1) as usize);
        if options.commit_delay_us > 0 && company() {
            std::thread::sleep(Duration::from_micros(options.commit_delay_us));
            return;
        }
        let mut end = self.insert_lsn().max(upto);
        for _ in 0..GATHER_YIELDS {
            if !self.transactions_running(1) {
                return;
            }
            std::thread::yield_now();
            let now = self.insert_lsn();
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

    /// Hands a stretch of the ring to the operating system.
    pub(crate) fn write_stretch(&self, from: u64, to: u64) {
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
        self.with_segment(position::segment_of(Lsn(from)), |file| {
            self.write_file(file, &scratch, from % SEGMENT_SIZE);
        });
    }

    fn write_file(&self, file: &File, bytes: &[u8], at: u64) {
        let begun = Instant::now();
        let _wait = shmem::proc::me().waiting(WaitEvent::WalWrite);
        if let Err(error) = file.write_all_at(bytes, at) {
            panic_exit("could not write to the write-ahead log", &error);
        }
        self.ctl.stats.writes.add(1);
        self.ctl.stats.write_us.add(begun.elapsed().as_micros() as u64);
    }

    /// Makes what was written durable, which ends at `upto`.
    pub(crate) fn sync_written(&self, upto: u64) {
        if self.options.get().fsync {
            // The last written byte decides the segment: earlier ones were synced on crossing.
            let segment = position::segment_of(Lsn(upto - 1));
            self.with_segment(segment, |file| self.sync_file(file));
        }
        if upto.is_multiple_of(SEGMENT_SIZE) {
            self.open.replace(None);
        }
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
        protocol::wait_for_insertions(self, lsn);
        self.ctl.visible_async.0.fetch_max(lsn.0, Ordering::SeqCst);
    }

    /// Asks the walwriter to make the log durable up to `lsn`: in its next round, which comes at once
    /// if `writer_flush_after` has gathered. What is not durable holds back the horizon of pruning.
    pub fn request_flush(&self, lsn: Lsn) {
        self.ctl.wanted.0.fetch_max(lsn.0, Ordering::SeqCst);
        self.flush_soon(lsn.0, self.options.get().writer_flush_after);
    }

    /// What was asked for is wanted sooner, though nobody waits: it need not gather as long.
    pub fn hurry_flush(&self) {
        let wanted = self.ctl.wanted.0.load(Ordering::SeqCst);
        self.flush_soon(wanted, self.options.get().writer_flush_after / HURRY);
    }

    fn flush_soon(&self, wanted: u64, gathered: u64) {
        if wanted.saturating_sub(self.flush_lsn().0) > gathered {
            self.wake_walwriter();
        }
    }

    /// One round of the walwriter: writes what is complete, syncs if someone
    /// asked for it or `writer_flush_after` has gathered. Returns whether there was work.
    pub fn background_flush(&self) -> Result<bool, Error> {
        let wanted = Lsn(self.ctl.wanted.0.load(Ordering::SeqCst)).min(self.insert_lsn());
        if wanted > self.flush_lsn() {
            self.flush(wanted)?;
            return Ok(true);
        }
        Ok(protocol::write_behind(self, self.options.get().writer_flush_after))
    }

    /// The slot that [`Wal::wake_walwriter`] wakes; `None` when the walwriter ends.
    pub fn set_walwriter(&self, slot: Option<usize>) {
        let word = slot.map_or(0, |index| index as u32 + 1);
        self.ctl.walwriter.store(word, Ordering::SeqCst);
    }

    /// Wakes the walwriter out of its sleep, if nobody has.
    pub fn wake_walwriter(&self) {
        if let Some(index) = self.ctl.walwriter.load(Ordering::SeqCst).checked_sub(1) {
            let latch = &self.procs[index as usize].latch;
            if !latch.is_set() {
                latch.set();
            }
        }
    }
}
