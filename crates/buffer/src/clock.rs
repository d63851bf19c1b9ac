//! Which buffer to take next: the clock, and rings for those who touch much and return never.
//!
//! The hand passes over the buffers; an unpinned one loses a point of usage, and one without
//! points is taken. A scan or load of much data brings a small ring of its own and reuses that.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zerocopy::FromZeros;

use crate::descriptor::BufferDescriptor;
use crate::error::Error;

/// How often to wait for pins to go before giving up, and for how long each time.
const WAITS_MAX: u32 = 5000;
const WAIT: Duration = Duration::from_millis(1);
/// Laps of the hand without an unpinned buffer before each wait. Usage counts end within 6.
const LAPS: usize = 7;

/// The clock's shared state.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub struct ClockSweep {
    /// Buffers passed since the server started.
    hand: AtomicU64,
}

/// How long one search for a victim goes on.
pub(crate) struct Patience {
    steps_left: usize,
    lap: usize,
    waits_left: u32,
}

impl ClockSweep {
    /// Buffers passed since the server started; modulo the pool's size, the next one to look at.
    pub fn passed(&self) -> u64 {
        self.hand.load(Ordering::Relaxed)
    }

    pub(crate) fn patience(&self, buffers: usize) -> Patience {
        Patience { steps_left: LAPS * buffers, lap: LAPS * buffers, waits_left: WAITS_MAX }
    }

    /// The next buffer that nobody pins and nobody used lately. When all are pinned it waits a
    /// little for pins to go, and fails in the end.
    pub(crate) fn next_victim(
        &self,
        descriptors: &[BufferDescriptor],
        patience: &mut Patience,
    ) -> Result<usize, Error> {
        loop {
            let id = self.hand.fetch_add(1, Ordering::Relaxed) as usize % descriptors.len();
            if descriptors[id].state.pass() {
                return Ok(id);
            }
            patience.step()?;
        }
    }
}

impl Patience {
    fn step(&mut self) -> Result<(), Error> {
        self.steps_left = self.steps_left.saturating_sub(1);
        if self.steps_left == 0 {
            self.waits_left = self.waits_left.checked_sub(1).ok_or(Error::NoBuffers)?;
            self.steps_left = self.lap;
            std::thread::sleep(WAIT);
        }
        Ok(())
    }
}

/// A few buffers that one scan or load uses in turn. Private to a process.
pub struct Ring {
    slots: RefCell<Vec<Option<usize>>>,
    at: Cell<usize>,
}

impl Ring {
    /// For reading a large table: 256 kB, or an eighth of a small pool.
    pub fn bulk_read(buffers: usize) -> Ring {
        Ring::new(32.min(buffers / 8))
    }

    /// For writing much, as COPY does: 16 MB, or an eighth of the pool.
    pub fn bulk_write(buffers: usize) -> Ring {
        Ring::new(2048.min(buffers / 8))
    }

    /// For vacuum: 2 MB, or an eighth of a small pool. What it dirties it writes itself when it
    /// comes round, and the log must have been flushed by then: a larger ring than a reader's.
    pub fn vacuum(buffers: usize) -> Ring {
        Ring::new(256.min(buffers / 8))
    }

    fn new(size: usize) -> Ring {
        Ring { slots: RefCell::new(vec![None; size.max(1)]), at: Cell::new(0) }
    }

    pub(crate) fn next(&self) -> Option<usize> {
        self.slots.borrow()[self.at.get()]
    }

    pub(crate) fn took(&self, id: usize) {
        let mut slots = self.slots.borrow_mut();
        slots[self.at.get()] = Some(id);
        self.at.set((self.at.get() + 1) % slots.len());
    }

    pub(crate) fn give_up(&self) {
        self.slots.borrow_mut()[self.at.get()] = None;
    }
}
