//! The model's ground: words that the scheduler watches, and a ring and a disk that know what they
//! must never hold. What the model knows and the code does not stands in [`Facts`].

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use shuttle::sync::atomic::AtomicU64;
use shuttle::sync::{Condvar, Mutex};
use types::Lsn;

use crate::ground::{Log, Word, Words};
use crate::position::{self, ALIGN, PAGE, SEGMENT_SIZE};

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

/// What the model knows and the code does not: plain facts, not scheduled.
pub(super) struct Facts {
    /// For each 8 bytes of the ring the position that was copied there last.
    ring: Vec<u64>,
    written: u64,
    pub(super) durable: u64,
    /// Start, page and whether it has the image, of each record.
    pub(super) records: Vec<(Lsn, usize, bool)>,
    pub(super) redo_positions: Vec<Lsn>,
}

/// The write lock: whether it is held, and how often it was let go.
#[derive(Default)]
struct Lock {
    state: Mutex<(bool, u64)>,
    released: Condvar,
}

pub(super) struct Shared {
    insert: AtomicU64,
    write: AtomicU64,
    flush: AtomicU64,
    redo: AtomicU64,
    redo_generation: AtomicU64,
    pub(super) bounds: Vec<AtomicU64>,
    /// How often somebody's bound has risen.
    risen: Mutex<u64>,
    bound_rose: Condvar,
    lock: Lock,
    /// Touched where the code touches plain memory or files, so that others can run there.
    step: AtomicU64,
    facts: std::sync::Mutex<Facts>,
}

/// The log as one process sees it.
pub(super) struct Process {
    pub(super) shared: Arc<Shared>,
    pub(super) me: usize,
}

/// Holds the write lock.
pub(super) struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        let lock = &self.0.lock;
        let mut state = lock.state.lock().expect("no panics");
        *state = (false, state.1 + 1);
        lock.released.notify_all();
    }
}

impl Shared {
    /// A log that begins `pages` pages before the end of a segment.
    pub(super) fn new(processes: usize, ring_pages: u64, pages: u64) -> Arc<Shared> {
        let begin = Lsn(2 * SEGMENT_SIZE - pages * PAGE);
        let words = || AtomicU64::new(begin.0);
        Arc::new(Shared {
            insert: AtomicU64::new(position::usable(begin) / ALIGN),
            write: words(),
            flush: words(),
            redo: words(),
            redo_generation: AtomicU64::new(0),
            bounds: (0..processes).map(|_| AtomicU64::new(0)).collect(),
            risen: Mutex::new(0),
            bound_rose: Condvar::new(),
            lock: Lock::default(),
            step: AtomicU64::new(0),
            facts: std::sync::Mutex::new(Facts {
                ring: vec![0; (ring_pages * PAGE / ALIGN) as usize],
                written: begin.0,
                durable: begin.0,
                records: Vec::new(),
                redo_positions: vec![begin],
            }),
        })
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("no panics while it is held")
    }
}

impl Facts {
    /// Copies to 8 bytes of the ring.
    fn put(&mut self, at: u64) {
        let length = self.ring.len() as u64;
        let old = std::mem::replace(&mut self.ring[(at / ALIGN % length) as usize], at);
        assert!(old < self.written || old == 0, "{old} is overwritten, {} written", self.written);
        assert!(old == 0 || old < at, "{at} is copied over {old}");
        assert!(at >= self.written, "{at} is copied after it was written");
    }

    fn write(&mut self, from: u64, to: u64) {
        assert_eq!(from, self.written, "written without a gap, and once");
        assert_eq!(position::segment_of(Lsn(from)), position::segment_of(Lsn(to - 1)));
        for at in (from..to).step_by(ALIGN as usize) {
            let found = self.ring[(at / ALIGN) as usize % self.ring.len()];
            assert_eq!(found, at, "written before it was copied in");
        }
        self.written = to;
    }

    fn sync(&mut self, upto: u64) {
        assert_eq!(upto, self.written);
        let first = position::segment_of(Lsn(self.durable));
        assert_eq!(first, position::segment_of(Lsn(upto - 1)), "one file is synced");
        self.durable = upto;
    }
}

impl Process {
    pub(super) fn step(&self) {
        self.shared.step.load(Ordering::SeqCst);
    }

    /// Takes the write lock, or waits until it has been let go once; not at all, if so asked.
    fn take_or_wait(&self, wait: bool) -> Option<Guard> {
        let lock = &self.shared.lock;
        let mut state = lock.state.lock().expect("no panics");
        let (held, releases) = *state;
        while held && wait && state.1 == releases {
            state = lock.released.wait(state).expect("no panics");
        }
        state.0 |= !held;
        (!held).then(|| Guard(Arc::clone(&self.shared)))
    }
}

impl Log for Process {
    type Word = AtomicU64;
    type Guard = Guard;

    fn words(&self) -> Words<'_, AtomicU64> {
        let Shared { insert, write, flush, redo, redo_generation, .. } = &*self.shared;
        Words { insert, write, flush, redo, redo_generation }
    }

    fn own_bound(&self) -> &AtomicU64 {
        &self.shared.bounds[self.me]
    }

    fn bounds(&self) -> impl Iterator<Item = &AtomicU64> {
        self.shared.bounds.iter()
    }

    fn await_insertions(&self, mut done: impl FnMut() -> Option<Lsn>) -> Lsn {
        loop {
            let seen = *self.shared.risen.lock().expect("no panics");
            if let Some(done) = done() {
                return done;
            }
            let mut risen = self.shared.risen.lock().expect("no panics");
            while *risen == seen {
                risen = self.shared.bound_rose.wait(risen).expect("no panics");
            }
        }
    }

    fn bound_has_risen(&self) {
        *self.shared.risen.lock().expect("no panics") += 1;
        self.shared.bound_rose.notify_all();
    }
    fn lock(&self) -> Guard {
        loop {
            if let Some(guard) = self.take_or_wait(true) {
                return guard;
            }
        }
    }

    fn try_lock(&self) -> Option<Guard> {
        self.take_or_wait(false)
    }

    fn lock_or_wait(&self) -> Option<Guard> {
        self.take_or_wait(true)
    }

    fn gather(&self, _upto: Lsn) {
        self.step();
    }

    fn ring_bytes(&self) -> u64 {
        self.shared.facts().ring.len() as u64 * ALIGN
    }

    fn count_ring_full(&self) {}

    fn put(&self, at: u64, bytes: &[u8]) {
        self.step();
        let mut facts = self.shared.facts();
        (at..at + bytes.len() as u64).step_by(ALIGN as usize).for_each(|at| facts.put(at));
    }

    fn put_header(&self, page_start: u64, _remaining: u32) {
        self.put(page_start, &ZEROS[..position::header_size(page_start) as usize]);
    }

    fn write(&self, from: u64, to: u64) {
        self.step();
        self.shared.facts().write(from, to);
    }

    fn sync(&self, upto: u64) {
        self.step();
        self.shared.facts().sync(upto);
    }
}

pub(super) static ZEROS: [u8; 4 * PAGE as usize] = [0; 4 * PAGE as usize];
