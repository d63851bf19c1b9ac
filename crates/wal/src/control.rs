//! `XLogCtl`: what all processes share about the log, and the object that a process works with.
//!
//! ```text
//!      written and synced   written        copied in by all     reserved
//!            flush           write          (slots tell)         insert
//!  ------------+---------------+------------------+----------------+----------> LSN
//!              |<----------- the ring of wal_buffers pages ------->|
//! ```
//!
//! Invariants: `flush <= write <= every unfinished reservation <= insert`; a page of the ring is
//! reused only when `write` has passed its old content; `redo <= insert`.
//!
//! Who guards what: `insert` is one word, changed by compare-and-swap alone. `write` and `flush`
//! are advanced under `write_lock` and read without it. `prepared` is changed under
//! `segment_lock`. Everything else is a counter.
//!
//! What if the process dies: between reserving and finishing, its slot's `wal_inserting` names the
//! hole; nothing is flushed past it, and the postmaster resets shared memory.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use shmem::{Counter, Event, Layout, LwLock, ProcSlot, RegionId, Segment, SharedPage};
use sys::fs::File;
use types::{Lsn, SystemId, TimelineId};
use zerocopy::FromZeros;

use crate::position;
use crate::protocol;

/// How old row values and images get into the log; what a process may change at a reload.
#[derive(Clone, Copy, Debug)]
pub struct WalOptions {
    /// Log old row values of UPDATE and DELETE too (`wal_level = logical`).
    pub logical: bool,
    /// Log a page's image at its first change after a checkpoint.
    pub full_page_writes: bool,
    /// Compress images.
    pub compress: bool,
    /// Make flushes durable; `false` only for data one can lose.
    pub fsync: bool,
    /// The walwriter writes when so many bytes have gathered.
    pub writer_flush_after: u64,
    /// Do not wait for company with fewer transactions than this in progress.
    pub commit_siblings: u32,
    /// A leader of a group commit waits so many microseconds for company; 0: only yields.
    pub commit_delay_us: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        WalOptions {
            logical: false,
            full_page_writes: true,
            compress: false,
            fsync: true,
            writer_flush_after: 1 << 20,
            commit_siblings: 5,
            commit_delay_us: 0,
        }
    }
}

/// One cache line holding one position.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub(crate) struct Word(pub AtomicU64);

/// The shared state of the log.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub struct XLogCtl {
    /// Generation of the redo position (12 bits) and usable insert position / 8 (52 bits).
    pub(crate) insert: Word,
    /// `LogwrtResult.write`: advanced under `write_lock`.
    pub(crate) write: Word,
    /// `LogwrtResult.flush`: advanced under `write_lock`.
    pub(crate) flush: Word,
    /// Every asynchronous commit up to here is visible.
    pub(crate) visible_async: Word,
    /// Up to where someone wants the walwriter to flush.
    pub(crate) wanted: Word,
    /// The redo position of the generation `redo_generation`. Written by the checkpointer alone.
    pub(crate) redo: AtomicU64,
    pub(crate) redo_generation: AtomicU64,
    /// The last segment that exists on disk ready to be written. Protected by `segment_lock`.
    pub(crate) prepared: AtomicU64,
    pub(crate) system: AtomicU64,
    pub(crate) timeline: AtomicU32,
    /// An insertion has finished, or come so far that it waits for others.
    pub(crate) insertion: Event,
    /// Slot of the walwriter plus one, so that it can be woken; 0: none.
    pub(crate) walwriter: AtomicU32,
    pub(crate) write_lock: LwLock,
    pub(crate) segment_lock: LwLock,
    pub(crate) stats: WalStats,
}

/// Counters for `pg_stat_wal`, since the server started.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub struct WalStats {
    /// Records inserted.
    pub records: Counter,
    /// Images of pages among them.
    pub images: Counter,
    /// Bytes inserted, alignment included.
    pub bytes: Counter,
    /// How often an inserter had to write out the ring itself.
    pub buffers_full: Counter,
    /// Writes to the log's files.
    pub writes: Counter,
    /// Syncs of the log's files.
    pub syncs: Counter,
    /// Microseconds spent writing.
    pub write_us: Counter,
    /// Microseconds spent syncing.
    pub sync_us: Counter,
    /// Segments made anew.
    pub segments_created: Counter,
    /// Segments made of old ones.
    pub segments_recycled: Counter,
}

/// Where the log's regions lie in the segment.
#[derive(Clone, Copy)]
pub struct WalRegions {
    control: RegionId<XLogCtl>,
    ring: RegionId<SharedPage>,
}

impl WalRegions {
    /// Reserves `XLogCtl` and a ring of `pages` pages.
    pub fn reserve(layout: &mut Layout, pages: usize) -> Self {
        WalRegions {
            control: layout.region("XLOG Ctl", 1),
            ring: layout.pages("WAL buffers", pages.max(8)),
        }
    }
}

/// The log, as one process works with it. Shared state is in the segment; files are its own.
pub struct Wal {
    pub(crate) ctl: &'static XLogCtl,
    pub(crate) ring: &'static [SharedPage],
    pub(crate) procs: &'static [ProcSlot],
    pub(crate) dir: PathBuf,
    pub(crate) options: Cell<WalOptions>,
    /// The segment this process writes to.
    pub(crate) open: RefCell<Option<(u64, File)>>,
    /// A private buffer for writing out the ring.
    pub(crate) scratch: RefCell<Vec<u8>>,
    /// What this process has inserted.
    pub(crate) own: Cell<OwnInsertions>,
}

/// What one process has inserted into the log.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct OwnInsertions {
    /// Records.
    pub records: u64,
    /// Images of pages among them.
    pub images: u64,
    /// Bytes, alignment included.
    pub bytes: u64,
}

/// Where the log goes on: the result of recovery or of `init`.
#[derive(Clone, Copy, Debug)]
pub struct WalStart {
    /// The database system.
    pub system: SystemId,
    /// The history that is continued.
    pub timeline: TimelineId,
    /// The end of the log: the next record starts here, or behind the page header that follows.
    pub end: Lsn,
    /// The redo position of the last checkpoint.
    pub redo: Lsn,
    /// The last segment that exists; 0 while the log is replayed.
    pub prepared: u64,
}

impl Wal {
    /// The log of the data directory, in this segment. `procs` are all process slots.
    pub fn new(
        segment: &Segment,
        regions: WalRegions,
        procs: &'static [ProcSlot],
        data_dir: &Path,
        options: WalOptions,
    ) -> Wal {
        Wal {
            ctl: segment.one(regions.control),
            ring: segment.slice(regions.ring),
            procs,
            dir: data_dir.join("pg_wal"),
            options: Cell::new(options),
            open: RefCell::new(None),
            scratch: RefCell::new(Vec::new()),
            own: Cell::default(),
        }
    }

    /// What this process has inserted.
    pub fn own_insertions(&self) -> OwnInsertions {
        self.own.get()
    }

    /// Sets the positions after `init` or recovery. Only while no other process uses the log.
    pub fn start_at(&self, start: WalStart) {
        let ctl = self.ctl;
        ctl.system.store(start.system.0, Ordering::SeqCst);
        ctl.timeline.store(start.timeline.0, Ordering::SeqCst);
        ctl.prepared.store(start.prepared, Ordering::SeqCst);
        let position = position::usable(start.end) / position::ALIGN;
        // The end as `end_lsn` names it, so that positions compare.
        let end = position::end_lsn(position * position::ALIGN).0;
        for word in [&ctl.write, &ctl.flush, &ctl.visible_async, &ctl.wanted] {
            word.0.store(end, Ordering::SeqCst);
        }
        ctl.redo.store(start.redo.0, Ordering::SeqCst);
        ctl.redo_generation.store(0, Ordering::SeqCst);
        ctl.insert.0.store(position, Ordering::SeqCst);
    }

    /// Recovery has come to `end`, which [`Wal::start_at`] has set before: pages with an LSN up to
    /// there may be written. Only while no other process uses the log.
    pub fn replayed_to(&self, end: Lsn) {
        let position = position::usable(end) / position::ALIGN;
        self.ctl.insert.0.store(position, Ordering::Relaxed);
        self.ctl.write.0.store(end.0, Ordering::Relaxed);
        self.ctl.flush.0.store(end.0, Ordering::Relaxed);
    }

    /// Whether recovery still replays the log: then pages may be further than it, up to its end.
    pub fn is_replaying(&self) -> bool {
        self.ctl.prepared.load(Ordering::SeqCst) == 0
    }

    /// Takes over settings that a reload has changed.
    pub fn set_options(&self, options: WalOptions) {
        self.options.set(options);
    }

    /// The settings in force in this process.
    pub fn options(&self) -> WalOptions {
        self.options.get()
    }

    /// The end of what has been reserved.
    pub fn insert_lsn(&self) -> Lsn {
        protocol::reserved_end(self)
    }

    /// Up to where the log has been handed to the operating system.
    pub fn write_lsn(&self) -> Lsn {
        Lsn(self.ctl.write.0.load(Ordering::SeqCst))
    }

    /// Up to where the log is durable.
    pub fn flush_lsn(&self) -> Lsn {
        Lsn(self.ctl.flush.0.load(Ordering::SeqCst))
    }

    /// Where recovery would start: the last redo position taken, its checkpoint done or not.
    pub fn redo_lsn(&self) -> Lsn {
        Lsn(self.ctl.redo.load(Ordering::SeqCst))
    }

    /// Every asynchronous commit up to here is visible, flushed or not.
    pub fn visible_async_lsn(&self) -> Lsn {
        Lsn(self.ctl.visible_async.0.load(Ordering::SeqCst))
    }

    /// The history that is written.
    pub fn timeline(&self) -> TimelineId {
        TimelineId(self.ctl.timeline.load(Ordering::Relaxed))
    }

    /// The database system the log belongs to.
    pub fn system(&self) -> SystemId {
        SystemId(self.ctl.system.load(Ordering::Relaxed))
    }

    /// Counters for `pg_stat_wal`.
    pub fn stats(&self) -> &'static WalStats {
        &self.ctl.stats
    }

    /// The folder with the log's segments.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
