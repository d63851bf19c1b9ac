//! The buffer's descriptor: which page it holds, who uses it, what state it is in.
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
//! lock of the tag; "I/O in progress" by whoever swapped it in; the tag itself only by the one who
//! holds the only pin while "tag valid" is clear. A pin is shown in the process's slot before it
//! is taken and until after it is given up.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use shmem::LwLock;
use types::{BufferTag, Fork, RelFileNumber};
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

/// A buffer's descriptor in shared memory.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub struct BufferDescriptor {
    pub(crate) state: AtomicU32,
    /// The next buffer of the hash chain plus one; 0: none. Protected by the partition's lock.
    pub(crate) next: AtomicU32,
    rel: AtomicU64,
    fork_and_block: AtomicU64,
    /// Counts ends of I/O; who waits for one sleeps on it.
    pub(crate) io_ends: AtomicU32,
    pub(crate) io_waiters: AtomicU32,
    /// Guards the page's bytes.
    pub(crate) content: LwLock,
}

/// A buffer as `pg_buffercache` shows it; read without locks, so only nearly consistent.
#[derive(Clone, Copy, Debug)]
pub struct BufferInfo {
    /// The buffer's number, from 0.
    pub id: usize,
    /// The page it holds, if any.
    pub tag: Option<BufferTag>,
    /// Whether the page differs from disk.
    pub dirty: bool,
    /// Whether it holds the page, or is still being read.
    pub valid: bool,
    /// Whether it is being read or written.
    pub io_in_progress: bool,
    /// 0 to 5: how many laps of the clock hand it survives.
    pub usage_count: u8,
    /// How many pins there are.
    pub pins: u16,
}

impl BufferDescriptor {
    pub(crate) fn load(&self) -> u32 {
        self.state.load(Ordering::SeqCst)
    }

    pub(crate) fn swap(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Adds flags; returns the state before.
    pub(crate) fn add(&self, flags: u32) -> u32 {
        self.state.fetch_or(flags, Ordering::SeqCst)
    }

    /// Takes flags away; returns the state before.
    pub(crate) fn clear(&self, flags: u32) -> u32 {
        self.state.fetch_and(!flags, Ordering::SeqCst)
    }

    /// The tag as it stands there; stable while one holds a pin and "tag valid" is set.
    pub(crate) fn tag(&self) -> BufferTag {
        let place = self.fork_and_block.load(Ordering::Relaxed);
        let fork = Fork::from_number((place >> 32) as u8).unwrap_or(Fork::Main);
        BufferTag {
            rel: RelFileNumber(self.rel.load(Ordering::Relaxed)),
            fork,
            block: place as u32,
        }
    }

    pub(crate) fn set_tag(&self, tag: BufferTag) {
        self.rel.store(tag.rel.0, Ordering::Relaxed);
        let place = (tag.fork as u64) << 32 | u64::from(tag.block);
        self.fork_and_block.store(place, Ordering::Relaxed);
    }

    pub(crate) fn info(&self, id: usize) -> BufferInfo {
        let state = self.load();
        BufferInfo {
            id,
            tag: (state & TAG_VALID != 0).then(|| self.tag()),
            dirty: state & DIRTY != 0,
            valid: state & VALID != 0,
            io_in_progress: state & IO != 0,
            usage_count: ((state & USAGE) / USAGE_ONE) as u8,
            pins: (state & PINS) as u16,
        }
    }
}
