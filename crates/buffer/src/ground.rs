//! The ground under the protocol: a pinned buffer of the pool, with the lock of its bytes, its file
//! and its place in the table.

use std::sync::atomic::{AtomicU32, Ordering};

use shmem::{ExclusiveGuard, Rank, WaitEvent, proc};

use crate::error::Error;
use crate::files::SegmentId;
use crate::frame::PageWrite;
use crate::page::PageBytes;
use crate::pool::Pin;
use crate::protocol::Buffer;
use crate::state::State;

impl Buffer for Pin<'_> {
    type Word = AtomicU32;
    type Locked<'a>
        = PageWrite<'a>
    where
        Self: 'a;
    type Table<'a>
        = ExclusiveGuard
    where
        Self: 'a;
    type Copy = PageBytes;
    type Error = Error;

    fn state(&self) -> &State {
        &self.pool.descriptors[self.id].state
    }

    fn note_io(&self, owned: bool) {
        let noted = if owned { self.id as u32 + 1 } else { 0 };
        proc::me().io_buffer.store(noted, Ordering::SeqCst);
    }

    fn await_io_end(&self, over: impl FnMut() -> Option<()>) {
        let _wait = proc::me().waiting(WaitEvent::BufferIo);
        self.pool.descriptors[self.id].io_end.wait_until(over);
    }

    fn io_has_ended(&self) {
        self.pool.descriptors[self.id].io_end.notify();
    }

    fn lock(&self, patient: bool) -> Option<PageWrite<'_>> {
        if patient { Some(self.exclusive()) } else { self.try_exclusive() }
    }

    fn copy(&self, locked: PageWrite<'_>) -> PageBytes {
        locked.page().clone()
    }

    fn flush_log(&self, copy: &PageBytes) -> Result<(), Error> {
        self.pool.flush_log_for(self.tag(), copy)
    }

    fn store(&self, copy: &mut PageBytes) -> Result<(), Error> {
        self.pool.store(self.tag(), copy)
    }

    fn request_sync(&self) -> Result<(), Error> {
        self.pool.request_sync(SegmentId::of(self.tag()))
    }

    fn lock_table(&self) -> ExclusiveGuard {
        let mapping = &self.pool.mapping;
        mapping.lock(mapping.chain(self.tag())).exclusive(Rank::BufferMapping)
    }

    fn remove(&self, _table: ExclusiveGuard) {
        let mapping = &self.pool.mapping;
        mapping.remove(mapping.chain(self.tag()), self.id);
    }
}
