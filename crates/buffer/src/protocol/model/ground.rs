//! The model's ground: a pool of very few buffers, whose words and locks the scheduler watches, and
//! a log and a disk that know what they must never hold. What the model knows and the code does not
//! stands in [`Facts`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};

use shuttle::sync::atomic::{AtomicU32, AtomicU64};
use shuttle::sync::{Condvar, Mutex, RwLock};
use shuttle::thread;

use super::pin::Pin;
use crate::protocol::{self, Buffer};
use crate::state::{IO, PINS, State, TAG_VALID, Word};

impl Word for AtomicU32 {
    fn get(&self) -> u32 {
        self.load(Ordering::SeqCst)
    }

    fn exchange(&self, from: u32, to: u32) -> bool {
        self.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn raise(&self, flags: u32) -> u32 {
        self.fetch_or(flags, Ordering::SeqCst)
    }

    fn lower(&self, flags: u32) -> u32 {
        self.fetch_and(!flags, Ordering::SeqCst)
    }

    fn subtract(&self, number: u32) {
        assert_ne!(self.fetch_sub(number, Ordering::SeqCst) & PINS, 0, "there was a pin");
    }
}

/// A page, in a buffer, in its file or on disk: what was done to it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Page {
    pub changes: u64,
    pub lsn: u64,
    /// In a buffer it stands beside the page: it is set under the shared lock.
    pub hint: u64,
}

/// What the model knows and the code does not: plain facts, not scheduled.
#[derive(Default)]
pub(super) struct Facts {
    /// How often each page was changed.
    pub changes: BTreeMap<usize, u64>,
    /// What stands in the files, and what of it is durable.
    files: BTreeMap<usize, Page>,
    disk: BTreeMap<usize, Page>,
    /// Files that were written and not synced since.
    pub sync_queue: BTreeSet<usize>,
    /// Pages that nobody needs any more; those that nobody may write any more.
    doomed: BTreeSet<usize>,
    dropped: BTreeSet<usize>,
    /// The end of each record, and its page.
    pub log: Vec<(u64, usize)>,
    pub flushed: u64,
    pub hints: u64,
    /// The redo position of the last checkpoint that is complete.
    redo: u64,
}

#[derive(Default)]
pub(super) struct Slot {
    pub state: State<AtomicU32>,
    /// Not scheduled, so that it may be looked at while the facts are.
    pub tag: AtomicUsize,
    pub page: RwLock<Page>,
    pub hint: AtomicU64,
    pub io_ends: Mutex<u64>,
    pub io_ended: Condvar,
}

pub(super) struct Pool {
    pub slots: Vec<Slot>,
    pub table: Mutex<BTreeMap<usize, usize>>,
    hand: AtomicUsize,
    /// The redo position as it is published.
    pub redo: AtomicU64,
    /// Touched where the code touches plain memory or files, so that others can run there.
    step: AtomicU64,
    facts: std::sync::Mutex<Facts>,
}

impl Facts {
    pub fn log_end(&self) -> u64 {
        self.log.last().map_or(0, |record| record.0)
    }

    pub fn page(&self, tag: usize) -> Page {
        self.files.get(&tag).copied().unwrap_or_default()
    }

    pub fn store(&mut self, tag: usize, copy: Page) {
        let old = self.page(tag);
        assert!(copy.lsn <= self.flushed, "page {tag} is written before its log");
        assert!(copy.changes >= old.changes, "page {tag}: {copy:?} is written over {old:?}");
        assert!(!self.dropped.contains(&tag), "page {tag} is written after it was dropped");
        assert!(copy == old || copy.lsn > self.redo, "page {tag} could be torn without an image");
        self.files.insert(tag, copy);
    }

    /// A checkpoint is complete: recovery begins at its redo position from now on.
    fn complete_checkpoint(&mut self, redo: u64) {
        for &(end, tag) in self.log.iter().filter(|record| record.0 <= redo) {
            let (file, disk) = (self.page(tag), self.disk.get(&tag).copied().unwrap_or_default());
            let lost = disk.lsn < end && !self.doomed.contains(&tag);
            assert!(!lost, "the change of page {tag} at {end} is lost: {disk:?}, redo {redo}");
            assert!(file == disk || file.lsn > redo, "page {tag} could be torn without an image");
        }
        self.redo = redo;
    }
}

impl Pool {
    pub fn new(buffers: usize) -> Arc<Pool> {
        Arc::new(Pool {
            slots: (0..buffers).map(|_| Slot::default()).collect(),
            table: Mutex::default(),
            hand: AtomicUsize::new(0),
            redo: AtomicU64::new(0),
            step: AtomicU64::new(0),
            facts: std::sync::Mutex::default(),
        })
    }

    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("no panics while it is held")
    }

    pub fn step(&self) {
        self.step.load(Ordering::SeqCst);
    }

    fn pin_id(
        self: &Arc<Self>,
        id: usize,
        use_it: bool,
        wanted: impl Fn(u32) -> bool,
    ) -> Option<Pin> {
        let pinned = self.slots[id].state.pin(use_it, wanted);
        pinned.then(|| Pin { pool: Arc::clone(self), id })
    }

    /// Pins the buffer of a page, giving it one if it has none.
    pub fn fetch(self: &Arc<Self>, tag: usize) -> Pin {
        let pin = self.find(tag).unwrap_or_else(|| self.bring_in(tag));
        let Ok(()) = protocol::make_valid(&pin, || pin.fill());
        assert_eq!(pin.tag(), tag, "a pinned buffer keeps its page");
        pin
    }

    fn find(self: &Arc<Self>, tag: usize) -> Option<Pin> {
        let table = self.table.lock().expect("no panics");
        table.get(&tag).and_then(|&id| self.pin_id(id, true, |_| true))
    }

    fn bring_in(self: &Arc<Self>, tag: usize) -> Pin {
        let victim = self.victim();
        victim.slot().tag.store(tag, Ordering::Relaxed);
        let mut table = self.table.lock().expect("no panics");
        if let Some(&id) = table.get(&tag) {
            // Somebody was faster. The victim is free again.
            return self.pin_id(id, true, |_| true).expect("there are few pins");
        }
        victim.state().take_page();
        table.insert(tag, victim.id);
        drop(table);
        victim
    }

    fn victim(self: &Arc<Self>) -> Pin {
        loop {
            let id = self.hand.fetch_add(1, Ordering::Relaxed) % self.slots.len();
            let idle = |state: u32| state & (PINS | IO) == 0;
            if self.slots[id].state.pass()
                && let Some(pin) = self.pin_id(id, false, idle)
            {
                let Ok(evicted) = protocol::evict(&pin);
                if evicted {
                    return pin;
                }
            }
            thread::yield_now();
        }
    }

    /// What the bgwriter does, without its regard for pages that are in use.
    pub fn clean(self: &Arc<Self>) {
        for id in 0..self.slots.len() {
            if let Some(pin) = self.pin_id(id, false, |state| state & TAG_VALID != 0) {
                let Ok(_) = protocol::write(&pin, false);
            }
        }
    }

    pub fn checkpoint(self: &Arc<Self>) {
        let redo = self.facts().log_end();
        self.redo.store(redo, Ordering::SeqCst);
        let ids = 0..self.slots.len();
        let due: Vec<_> = ids.filter(|&id| self.slots[id].state.mark_for_checkpoint()).collect();
        for id in due {
            let Ok(_) = protocol::write_due(|due| Ok(self.pin_id(id, false, due)));
        }
        self.step();
        let mut facts = self.facts();
        for tag in std::mem::take(&mut facts.sync_queue) {
            let written = facts.page(tag);
            facts.disk.insert(tag, written);
        }
        facts.complete_checkpoint(redo);
    }

    /// Forgets a page that nobody uses any more.
    pub fn drop_page(self: &Arc<Self>, tag: usize) {
        self.facts().doomed.insert(tag);
        for (id, slot) in self.slots.iter().enumerate() {
            let held = |state: u32| state & TAG_VALID != 0;
            while held(slot.state.get()) && slot.tag.load(Ordering::Relaxed) == tag {
                let Some(pin) = self.pin_id(id, false, held) else { break };
                let Ok(gone) = protocol::discard(&pin);
                drop(pin);
                if !gone {
                    thread::yield_now();
                }
            }
        }
        assert!(!self.table.lock().expect("no panics").contains_key(&tag));
        self.facts().dropped.insert(tag);
    }

    /// When all is over: nobody pins anything, and whatever was changed is there.
    pub fn settle(self: &Arc<Self>) {
        assert!(self.slots.iter().all(|slot| !slot.state.has(PINS | IO)));
        self.checkpoint();
        let facts = self.facts();
        for (tag, &changes) in &facts.changes {
            let disk = facts.disk.get(tag).map_or(0, |page| page.changes);
            assert!(disk == changes || facts.doomed.contains(tag), "page {tag} lost a change");
        }
    }
}
