//! The buffer's descriptor: which page it holds, who uses it, what state it is in.
//!
//! What the state word holds, and who may change what of it, stands in `state`. A pin is shown in
//! the process's slot before it is taken and until after it is given up.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use shmem::{Event, LwLock};
use types::{BufferTag, Fork, RelFileNumber};
use zerocopy::FromZeros;

use crate::state::{DIRTY, IO, PINS, State, TAG_VALID, USAGE, USAGE_ONE, VALID};

/// A buffer's descriptor in shared memory.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub struct BufferDescriptor {
    pub(crate) state: State,
    /// The next buffer of the hash chain plus one; 0: none. Protected by the partition's lock.
    pub(crate) next: AtomicU32,
    rel: AtomicU64,
    fork_and_block: AtomicU64,
    /// The buffer's I/O has ended.
    pub(crate) io_end: Event,
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
        let state = self.state.get();
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
