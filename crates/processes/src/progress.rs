//! What checkpoints are doing and have done, for all to see.
//!
//! Written by whoever makes checkpoints (the checkpointer, or startup before there is one); the
//! views read it. Nothing decides by it.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use shmem::Counter;
use zerocopy::FromZeros;

/// Where a checkpoint is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Phase {
    /// None is being made.
    Idle = 0,
    /// It writes buffers.
    Writing,
    /// It syncs files.
    Syncing,
    /// It writes its record, updates the control file and recycles the log.
    Finishing,
}

impl Phase {
    /// In words.
    pub fn name(self) -> &'static str {
        ["idle", "writing", "syncing", "finishing"][self as usize]
    }
}

/// Progress and counters, in the segment.
#[repr(C, align(128))]
#[derive(FromZeros, Debug)]
pub struct CheckpointProgress {
    phase: AtomicU32,
    pad: AtomicU32,
    /// Buffers that the running checkpoint has gone through.
    pub buffers_done: AtomicU64,
    /// Buffers that were dirty when it began.
    pub buffers_total: AtomicU64,
    /// When it began, in microseconds since 2000.
    pub started: AtomicI64,
    /// Where the last record of a checkpoint ended: if nothing stands behind it, nothing has
    /// changed since.
    pub last_end: AtomicU64,
    /// Checkpoints begun because of `checkpoint_timeout`.
    pub timed: Counter,
    /// Checkpoints begun for another reason.
    pub requested: Counter,
    /// Checkpoints completed.
    pub done: Counter,
    /// Checkpoints failed.
    pub failed: Counter,
    /// Microseconds spent writing.
    pub write_us: Counter,
    /// Microseconds spent syncing.
    pub sync_us: Counter,
    /// Buffers written.
    pub buffers_written: Counter,
}

impl CheckpointProgress {
    /// Notes the phase.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u32, Relaxed);
    }

    /// Where the running checkpoint is.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            1 => Phase::Writing,
            2 => Phase::Syncing,
            3 => Phase::Finishing,
            _ => Phase::Idle,
        }
    }
}
