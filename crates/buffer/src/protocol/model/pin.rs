//! The model's pinned buffer: what a process does with it, and what the protocol asks of it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use shuttle::sync::RwLockWriteGuard;
use shuttle::sync::atomic::AtomicU32;
use types::Lsn;

use super::ground::{Page, Pool, Slot};
use crate::protocol::{self, Buffer, Changing};
use crate::state::State;

/// The length of a record.
const RECORD: u64 = 8;

/// A pinned buffer.
pub(super) struct Pin {
    pub pool: Arc<Pool>,
    pub id: usize,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.state().unpin();
    }
}

impl Pin {
    pub fn slot(&self) -> &Slot {
        &self.pool.slots[self.id]
    }

    pub fn tag(&self) -> usize {
        self.slot().tag.load(Ordering::Relaxed)
    }

    /// Reads the page from its file, which has all that was ever done to it.
    pub fn fill(&self) -> Result<(), Infallible> {
        self.pool.step();
        let facts = self.pool.facts();
        let (tag, page) = (self.tag(), facts.page(self.tag()));
        let changes = facts.changes.get(&tag).copied().unwrap_or(0);
        assert_eq!(page.changes, changes, "page {tag} was evicted with a change");
        drop(facts);
        *self.slot().page.try_write().expect("nobody uses a page before it is valid") = page;
        self.slot().hint.store(page.hint, Ordering::Relaxed);
        Ok(())
    }

    pub fn change(&self) {
        let locked = self.lock(true).expect("waits as long as it takes");
        let (pool, tag) = (&self.pool, self.tag());
        let apply = |pages: &mut [Changed<'_>]| {
            pool.step();
            pages[0].page.changes += 1;
            *pool.facts().changes.entry(tag).or_default() += 1;
            pool.step();
        };
        let log = |_: &[Changed<'_>]| {
            pool.step();
            let mut facts = pool.facts();
            let end = facts.log_end() + RECORD;
            facts.log.push((end, tag));
            Lsn(end)
        };
        protocol::change(&mut [Changed { pin: self, page: locked }][..], apply, log);
        assert_eq!(self.tag(), tag, "a pinned buffer keeps its page");
    }

    pub fn hint(&self) {
        let page = self.slot().page.read().expect("no panics");
        let covered = || page.lsn > self.pool.redo.load(Ordering::SeqCst);
        if protocol::allow_hints(self.state(), covered) {
            let mut facts = self.pool.facts();
            facts.hints += 1;
            let hint = facts.hints;
            drop(facts);
            self.slot().hint.store(hint, Ordering::SeqCst);
        }
    }
}

struct Changed<'a> {
    pin: &'a Pin,
    page: RwLockWriteGuard<'a, Page>,
}

impl Changing for Changed<'_> {
    fn mark_dirty(&self) {
        self.pin.state().mark_dirty();
    }

    fn set_lsn(&mut self, lsn: Lsn) {
        self.pin.pool.step();
        self.page.lsn = lsn.0;
    }
}

impl Buffer for Pin {
    type Word = AtomicU32;
    type Locked<'a> = RwLockWriteGuard<'a, Page>;
    type Table<'a> = shuttle::sync::MutexGuard<'a, BTreeMap<usize, usize>>;
    type Copy = Page;
    type Error = Infallible;

    fn state(&self) -> &State<AtomicU32> {
        &self.slot().state
    }

    fn note_io(&self, _owned: bool) {}

    fn await_io_end(&self, mut over: impl FnMut() -> Option<()>) {
        loop {
            let seen = *self.slot().io_ends.lock().expect("no panics");
            if over().is_some() {
                return;
            }
            let mut ends = self.slot().io_ends.lock().expect("no panics");
            while *ends == seen {
                ends = self.slot().io_ended.wait(ends).expect("no panics");
            }
        }
    }

    fn io_has_ended(&self) {
        *self.slot().io_ends.lock().expect("no panics") += 1;
        self.slot().io_ended.notify_all();
    }

    fn lock(&self, patient: bool) -> Option<RwLockWriteGuard<'_, Page>> {
        let page = &self.slot().page;
        if patient { Some(page.write().expect("no panics")) } else { page.try_write().ok() }
    }

    fn copy(&self, locked: RwLockWriteGuard<'_, Page>) -> Page {
        self.pool.step();
        Page { hint: self.slot().hint.load(Ordering::SeqCst), ..*locked }
    }

    fn flush_log(&self, copy: &Page) -> Result<(), Infallible> {
        self.pool.step();
        let mut facts = self.pool.facts();
        facts.flushed = facts.flushed.max(copy.lsn);
        Ok(())
    }

    fn store(&self, copy: &mut Page) -> Result<(), Infallible> {
        self.pool.step();
        self.pool.facts().store(self.tag(), *copy);
        Ok(())
    }

    fn request_sync(&self) -> Result<(), Infallible> {
        self.pool.step();
        self.pool.facts().sync_queue.insert(self.tag());
        Ok(())
    }

    fn lock_table(&self) -> Self::Table<'_> {
        self.pool.table.lock().expect("no panics")
    }

    fn remove(&self, mut table: Self::Table<'_>) {
        assert_eq!(table.remove(&self.tag()), Some(self.id), "it stood in the table");
    }
}
