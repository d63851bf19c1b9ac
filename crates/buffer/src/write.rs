//! The one function that writes relation pages to disk, and who calls it.
//!
//! The steps of a write, and why they have that order, stand in `protocol`; this is what the
//! protocol does them with. Callers are the checkpointer, the bgwriter, and whoever needs the buffer
//! of a dirty page.

use shmem::{ProcKind, WaitEvent};
use sys::mutant::{self, Mutant};
use types::{BufferTag, Fork};

use crate::checksum;
use crate::error::Error;
use crate::files::SegmentId;
use crate::page::{PageAccess, PageBytes};
use crate::pool::BufferPool;
use crate::protocol;
use crate::state::{DIRTY, IO, PINS, TAG_VALID, USAGE};

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
            if descriptor.state.mark_for_checkpoint() {
                pages.push(DirtyPage { tag: descriptor.tag(), id });
            }
        }
        pages.sort_unstable();
        pages
    }

    /// Writes a page of the checkpoint's list, unless somebody has written it since. Returns
    /// whether it was written here.
    pub fn write_for_checkpoint(&self, page: DirtyPage) -> Result<bool, Error> {
        protocol::write_due(|due| self.pin_id(page.id, false, due))
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

    /// Writes the dirty pages among those chosen, which nobody changes meanwhile. The next
    /// checkpoint makes them durable.
    pub fn write_out(&self, which: impl Fn(BufferTag) -> bool) -> Result<(), Error> {
        let dirty = |state: u32| state & TAG_VALID != 0 && state & DIRTY != 0;
        for (id, descriptor) in self.descriptors.iter().enumerate() {
            if !dirty(descriptor.state.get()) || !which(descriptor.tag()) {
                continue;
            }
            let Some(pin) = self.pin_id(id, false, dirty)? else { continue };
            if which(pin.tag()) {
                protocol::write(&pin, true)?;
            }
        }
        Ok(())
    }

    /// Where the clock hand stands: buffers passed and buffers allocated since the start.
    pub fn clock_hand(&self) -> (u64, u64) {
        (self.clock.passed(), self.stats.allocated.get())
    }

    /// The bgwriter's look at a buffer: writes it if it is dirty, idle, and its log is flushed.
    pub fn clean(&self, id: usize) -> Result<Cleaned, Error> {
        let idle = |state: u32| state & (PINS | USAGE | IO) == 0;
        let state = self.descriptors[id].state.get();
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
        match protocol::write(&pin, false)? {
            Some(true) => Ok(Cleaned::Written),
            Some(false) => Ok(Cleaned::Reusable),
            None => Ok(Cleaned::InUse),
        }
    }

    /// Makes the log durable up to the page's LSN.
    pub(crate) fn flush_log_for(&self, tag: BufferTag, page: &PageBytes) -> Result<(), Error> {
        if tag.fork == Fork::Fsm {
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

    /// Writes a copy of a page to its file.
    pub(crate) fn store(&self, tag: BufferTag, page: &mut PageBytes) -> Result<(), Error> {
        checksum::set_checksum(tag, page);
        let _wait = shmem::proc::me().waiting(WaitEvent::DataFileWrite);
        self.files.write(tag, page)?;
        self.count_write();
        Ok(())
    }

    /// Sees to it that the next checkpoint syncs the file, or syncs it.
    pub(crate) fn request_sync(&self, segment: SegmentId) -> Result<(), Error> {
        if self.sync_queue.request(segment) {
            return Ok(());
        }
        self.stats.buffers_backend_fsync.add(1);
        if let Err(error) = self.files.sync(segment) {
            wal::panic_exit("could not sync a relation file", &error);
        }
        Ok(())
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
    use crate::{BlockFlags, BufferRegions, Change, Pin, Touched};

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
        let state = &pool.descriptors[pin.id()].state;
        assert!(protocol::begin_io(&pin) && state.begin_copy());
        change(&pool, &pin);
        pool.wal().move_redo();
        let due = pool.begin_checkpoint();
        state.end_copy();
        protocol::end_io(&pin, 0);
        assert_eq!(due.len(), 1);
        assert!(pool.write_for_checkpoint(due[0]).expect("write"), "written by the checkpoint");
        assert!(!pool.infos().any(|info| info.dirty));
    }
}
