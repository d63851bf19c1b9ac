//! The buffer's state word, and every step that it takes.
//!
//! One atomic word holds everything that must change together:
//!
//! ```text
//! 31     25 24 23 22 21 20 19  18..16    15..0
//! (unused)  |  |  |  |  |  |   usage     pins
//!           |  |  |  |  |  tag valid   stands in the hash table
//!           |  |  |  |  valid          holds the page
//!           |  |  |  dirty             differs from disk
//!           |  |  just dirtied         changed since the last copy for writing was taken
//!           |  I/O in progress         one process reads or writes it
//!           checkpoint                 was dirty when the running checkpoint began
//! ```
//!
//! Who may change what: `pins` and `usage` by compare-and-swap; "tag valid" under the partition
//! lock of the tag; "I/O in progress" by whoever swapped it in; "dirty" and "just dirtied" are set
//! under the page's content lock, and taken away by whoever owns the I/O; the tag itself only by
//! the one who holds the only pin while "tag valid" is clear.

use std::sync::atomic::{AtomicU32, Ordering};

use zerocopy::FromZeros;

pub(crate) const PINS: u32 = 0xFFFF;
pub(crate) const USAGE_ONE: u32 = 1 << 16;
pub(crate) const USAGE: u32 = 7 << 16;
pub(crate) const USAGE_MAX: u32 = 5 << 16;
pub(crate) const TAG_VALID: u32 = 1 << 19;
pub(crate) const VALID: u32 = 1 << 20;
pub(crate) const DIRTY: u32 = 1 << 21;
pub(crate) const JUST_DIRTIED: u32 = 1 << 22;
pub(crate) const IO: u32 = 1 << 23;
pub(crate) const CHECKPOINT: u32 = 1 << 24;

/// A shared word, sequentially consistent. The tests put a model checker's in its place.
pub(crate) trait Word {
    fn get(&self) -> u32;
    fn exchange(&self, from: u32, to: u32) -> bool;
    /// Adds flags; returns the word before.
    fn raise(&self, flags: u32) -> u32;
    /// Takes flags away; returns the word before.
    fn lower(&self, flags: u32) -> u32;
    fn subtract(&self, number: u32);
}

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
        self.fetch_sub(number, Ordering::SeqCst);
    }
}

/// The state of a buffer. Zero is: nothing in it, nobody uses it.
#[derive(FromZeros, Default)]
#[repr(transparent)]
pub(crate) struct State<W = AtomicU32>(W);

impl<W: Word> State<W> {
    pub fn get(&self) -> u32 {
        self.0.get()
    }

    /// Whether it has any of the flags.
    pub fn has(&self, flags: u32) -> bool {
        self.get() & flags != 0
    }

    /// Takes a pin if the state is `wanted`, and has a point of usage added if it is used.
    pub fn pin(&self, use_it: bool, wanted: impl Fn(u32) -> bool) -> bool {
        loop {
            let state = self.get();
            if !wanted(state) || state & PINS == PINS {
                return false;
            }
            let usage = if use_it && state & USAGE < USAGE_MAX { USAGE_ONE } else { 0 };
            if self.0.exchange(state, state + 1 + usage) {
                return true;
            }
        }
    }

    /// Gives a pin up.
    pub fn unpin(&self) {
        self.0.subtract(1);
    }

    /// The clock hand passes: `true` if nobody pins it and nobody used it lately. Otherwise it
    /// loses a point of usage.
    pub fn pass(&self) -> bool {
        let state = self.get();
        if state & (PINS | IO) != 0 {
            return false;
        }
        if state & USAGE != 0 {
            // Whoever changes the state at the same time has used it: leave it.
            self.0.exchange(state, state - USAGE_ONE);
        }
        state & USAGE == 0
    }

    /// The buffer stands in the table from now on. Under the partition lock, with the only pin.
    pub fn take_page(&self) {
        self.0.raise(TAG_VALID | USAGE_ONE);
    }

    /// Makes it forget its page, if that is on disk and the one pin is the caller's. Under the
    /// partition lock, unless it stands in no table.
    pub fn give_up_page(&self) -> bool {
        let state = self.get();
        state & (PINS | DIRTY | IO) == 1 && self.0.exchange(state, 1)
    }

    /// The page differs from disk; says whether it did not before. Under its content lock.
    pub fn mark_dirty(&self) -> bool {
        self.0.raise(DIRTY | JUST_DIRTIED) & DIRTY == 0
    }

    /// Nobody needs what the page holds. For the owner of the I/O.
    pub fn forget_changes(&self) {
        self.0.lower(DIRTY | JUST_DIRTIED);
    }

    /// A copy for writing is about to be taken: `false` if none is needed. For the owner of the
    /// I/O, under the exclusive content lock.
    pub fn begin_copy(&self) -> bool {
        let dirty = self.0.lower(JUST_DIRTIED) & DIRTY != 0;
        if !dirty {
            self.0.lower(CHECKPOINT);
        }
        dirty
    }

    /// The copy is written, and its sync asked for: the page is clean, unless it was changed since
    /// the copy was taken. Then it is still due, for the checkpoint too.
    pub fn end_copy(&self) {
        loop {
            let state = self.get();
            let done = if state & JUST_DIRTIED == 0 { DIRTY | CHECKPOINT } else { 0 };
            if self.0.exchange(state, state & !done) {
                return;
            }
        }
    }

    /// Marks a dirty page as one that the checkpoint must write; says whether it is one.
    pub fn mark_for_checkpoint(&self) -> bool {
        let state = self.get();
        let due = state & DIRTY != 0 && state & TAG_VALID != 0;
        if due {
            self.0.raise(CHECKPOINT);
        }
        due
    }

    /// Becomes the owner of the buffer's I/O, unless there is one.
    pub fn own_io(&self) -> bool {
        self.0.raise(IO) & IO == 0
    }

    /// Gives up the I/O; `outcome` is VALID if it brought the page in.
    pub fn end_io(&self, outcome: u32) {
        self.0.raise(outcome);
        self.0.lower(IO);
    }
}
