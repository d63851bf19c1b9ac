//! The one function that writes relation pages to disk, and who calls it.
//!
//! A write goes: own the buffer's I/O, copy the page under its *exclusive* lock, let go of the
//! lock, flush the log up to the copy's LSN, put the checksum in, write, ask for the file's sync,
//! and only then call the buffer clean, unless it was changed meanwhile ("just dirtied").
//!
//! Why exclusive for a mere copy: setters of hints hold the lock shared, and between their look at
//! the redo position and their store no copy may be taken (see `hint.rs`). The lock is held for
//! the copy only, not for the flush or the write, so nobody waits for the disk.

use shmem::{ProcKind, WaitEvent};
use sys::mutant::{self, Mutant};
use types::{BufferTag, Fork};

use crate::checksum;
use crate::descriptor::{CHECKPOINT, DIRTY, IO, JUST_DIRTIED, PINS, TAG_VALID, USAGE};
use crate::error::Error;
use crate::files::SegmentId;
use crate::page::{PageAccess, PageBytes};
use crate::pool::{BufferPool, Pin};

/// A buffer that was dirty when a checkpoint began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DirtyPage {
    /// The page, by which the list is sorted: file, then block.
    pub tag: BufferTag,
    /// Its buffer.
    pub id: usize,
}

/// What the bgwriter found in a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cleaned {
    /// Someone needs it: pinned, used lately, or its log is not flushed yet.
    InUse,
    /// It could be taken as it is.
    Reusable,
    /// It was dirty, and is now written and reusable.
    Written,
}

impl BufferPool {
    /// Marks every dirty buffer as one that the checkpoint must write; the list is sorted by file
    /// and block. To be called after the redo position has moved.
    pub fn begin_checkpoint(&self) -> Vec<DirtyPage> {
        let mut pages = Vec::new();
        for (id, descriptor) in self.descriptors.iter().enumerate() {
            let state = descriptor.load();
            if state & DIRTY != 0 && state & TAG_VALID != 0 {
                descriptor.add(CHECKPOINT);
                pages.push(DirtyPage { tag: descriptor.tag(), id });
            }
        }
        pages.sort_unstable();
        pages
    }

    /// Writes a page of the checkpoint's list, unless somebody has written it since. Returns
    /// whether it was written here.
    pub fn write_for_checkpoint(&self, page: DirtyPage) -> Result<bool, Error> {
        let due = |state: u32| state & CHECKPOINT != 0 && state & TAG_VALID != 0;
        while let Some(pin) = self.pin_id(page.id, false, due)? {
            if let Some(written) = self.write_buffer(&pin, true)? {
                return Ok(written);
            }
        }
        Ok(false)
    }

    /// Makes everything durable that was written before, except what is written meanwhile. A
    /// failed sync ends the process: the kernel may have dropped the pages, and a second sync
    /// would lie. Returns how many files were synced.
    pub fn sync_pending(&self) -> Result<usize, Error> {
        let pending = self.sync_queue.pending();
        let _wait = shmem::proc::me().waiting(WaitEvent::DataFileSync);
        let lost = usize::from(mutant::on(Mutant::SyncRequestLost));
        for request in pending.iter().skip(lost) {
            if let Err(error) = self.files.sync(request.segment) {
                wal::panic_exit("could not sync a relation file", &error);
            }
        }
        if let Err(error) = self.files.sync_directory() {
            wal::panic_exit("could not sync the directory of relation files", &error);
        }
        self.sync_queue.done(&pending);
        self.stats.files_synced.add(pending.len() as u64);
        Ok(pending.len())
    }

    /// Where the clock hand stands: buffers passed and buffers allocated since the start.
    pub fn clock_hand(&self) -> (u64, u64) {
        (self.clock.passed(), self.stats.allocated.get())
    }

    /// The bgwriter's look at a buffer: writes it if it is dirty, idle, and its log is flushed.
    pub fn clean(&self, id: usize) -> Result<Cleaned, Error> {
        let idle = |state: u32| state & (PINS | USAGE | IO) == 0;
        let state = self.descriptors[id].load();
        if !idle(state) {
            return Ok(Cleaned::InUse);
        }
        if state & DIRTY == 0 {
            return Ok(Cleaned::Reusable);
        }
        let Some(pin) = self.pin_id(id, false, |state| idle(state) && state & DIRTY != 0)? else {
            return Ok(Cleaned::InUse);
        };
        let lsn = pin.shared().lsn();
        if lsn > self.wal.flush_lsn() {
            self.wal.request_flush(lsn);
            return Ok(Cleaned::InUse);
        }
        match self.write_buffer(&pin, false)? {
            Some(true) => Ok(Cleaned::Written),
            Some(false) => Ok(Cleaned::Reusable),
            None => Ok(Cleaned::InUse),
        }
    }

    /// Writes a victim on behalf of whoever needs its buffer. `false`: it is in use.
    pub(crate) fn write_victim(&self, pin: &Pin<'_>) -> Result<bool, Error> {
        Ok(self.write_buffer(pin, false)?.is_some())
    }

    /// Writes the page if it is dirty: `Some(true)`. `Some(false)`: it was clean. `None`: someone
    /// else is at it; with `patient`, only because another's I/O has just ended.
    fn write_buffer(&self, pin: &Pin<'_>, patient: bool) -> Result<Option<bool>, Error> {
        if !self.begin_io(pin.id()) {
            return Ok(None);
        }
        let result = self.write_owned(pin, patient);
        self.end_io(pin.id(), 0);
        result
    }

    fn write_owned(&self, pin: &Pin<'_>, patient: bool) -> Result<Option<bool>, Error> {
        let descriptor = &self.descriptors[pin.id()];
        let mut page = PageBytes::default();
        {
            let Some(lock) = (if patient { Some(pin.exclusive()) } else { pin.try_exclusive() })
            else {
                return Ok(None);
            };
            if descriptor.clear(JUST_DIRTIED) & DIRTY == 0 {
                descriptor.clear(CHECKPOINT);
                return Ok(Some(false));
            }
            page.clone_from(lock.page());
        }
        let tag = pin.tag();
        self.flush_log_for(tag, &page)?;
        checksum::set_checksum(tag, &mut page);
        {
            let _wait = shmem::proc::me().waiting(WaitEvent::DataFileWrite);
            self.files.write(tag, &page)?;
        }
        self.request_sync(SegmentId::of(tag))?;
        self.call_clean(pin.id());
        self.count_write();
        Ok(Some(true))
    }

    fn flush_log_for(&self, tag: BufferTag, page: &PageBytes) -> Result<(), Error> {
        if tag.fork == Fork::Fsm || mutant::on(Mutant::PageBeforeItsWal) {
            return Ok(());
        }
        let lsn = page.lsn();
        if lsn > self.wal.flush_lsn() {
            if kind() == ProcKind::Backend {
                self.stats.backend_wal_waits.add(1);
            }
            self.wal.flush(lsn)?;
        }
        Ok(())
    }

    fn request_sync(&self, segment: SegmentId) -> Result<(), Error> {
        if self.sync_queue.request(segment) {
            return Ok(());
        }
        self.stats.buffers_backend_fsync.add(1);
        if let Err(error) = self.files.sync(segment) {
            wal::panic_exit("could not sync a relation file", &error);
        }
        Ok(())
    }

    fn call_clean(&self, id: usize) {
        let descriptor = &self.descriptors[id];
        loop {
            let state = descriptor.load();
            // What was changed since the copy is still due, for the checkpoint too.
            let done = if state & JUST_DIRTIED == 0 { DIRTY | CHECKPOINT } else { 0 };
            if descriptor.swap(state, state & !done) {
                return;
            }
        }
    }

    fn count_write(&self) {
        let stats = self.stats;
        match kind() {
            ProcKind::Checkpointer | ProcKind::Startup => stats.buffers_checkpoint.add(1),
            ProcKind::Bgwriter => stats.buffers_clean.add(1),
            _ => stats.buffers_backend.add(1),
        }
    }
}

fn kind() -> ProcKind {
    shmem::proc::me().kind()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use shmem::{Layout, ProcArray, Segment};
    use types::{RelFileNumber, SystemId, TimelineId, Xid};
    use wal::{Wal, WalOptions, WalRegions, WalStart, position};

    use super::*;
    use crate::{BlockFlags, BufferRegions, Change, Touched};

    const REL: RelFileNumber = RelFileNumber(9);

    fn pool(dir: &std::path::Path) -> (Segment, BufferPool) {
        for name in ["pg_wal", "base"] {
            std::fs::create_dir(dir.join(name)).expect("directory");
        }
        let (timeline, first) = (TimelineId(1), position::FIRST_SEGMENT);
        wal::segments::create_segment(&dir.join("pg_wal"), timeline, first).expect("segment");
        let mut layout = Layout::new();
        let log = WalRegions::reserve(&mut layout, 8);
        let buffers = BufferRegions::reserve(&mut layout, 16);
        let slots = ProcArray::reserve(&mut layout, 2);
        let segment = Segment::create(layout, dir).expect("segment");
        let procs = ProcArray::new(&segment, slots);
        let wal = Wal::new(&segment, log, procs.slots(), dir, WalOptions::default());
        let start = position::segment_start(first);
        wal.start_at(WalStart {
            system: SystemId(1),
            timeline,
            end: start,
            redo: start,
            prepared: first,
        });
        let pool = BufferPool::new(&segment, buffers, dir, Rc::new(wal));
        pool.files().create(REL, Fork::Main).expect("file");
        (segment, pool)
    }

    fn change(pool: &BufferPool, pin: &Pin<'_>) {
        let change = Change { rmgr: wal::Rmgr::Heap, kind: 0, xid: Xid::INVALID, data: &[] };
        let flags = BlockFlags { will_init: true, ..BlockFlags::default() };
        let mut page = pin.exclusive();
        let touched = &mut [Touched { page: &mut page, flags, data: &[] }];
        pool.change(&change, touched, |pages| pages.page(0).init_raw()).expect("change");
    }

    /// The bgwriter has copied a page and is about to write it. The page is changed again, the
    /// redo position moves behind that change, and the checkpoint notes the page as due. When the
    /// bgwriter is done, its write holds the older content: the checkpoint must still write the
    /// page, or a crash after it would lose the change.
    #[test]
    fn a_page_changed_during_its_write_is_still_due_for_the_checkpoint() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (_segment, pool) = pool(dir.path());
        let pin = pool.extend(REL, Fork::Main).expect("page");
        change(&pool, &pin);
        assert!(pool.begin_io(pin.id()));
        pool.descriptors[pin.id()].clear(JUST_DIRTIED);
        change(&pool, &pin);
        pool.wal().move_redo();
        let due = pool.begin_checkpoint();
        pool.call_clean(pin.id());
        pool.end_io(pin.id(), 0);
        assert_eq!(due.len(), 1);
        assert!(pool.write_for_checkpoint(due[0]).expect("write"), "written by the checkpoint");
        assert!(!pool.infos().any(|info| info.dirty));
    }
}
