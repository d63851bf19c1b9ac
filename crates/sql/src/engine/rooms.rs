//! The rooms of the server that a session works with, and what it asks of the processes room.

use std::rc::Rc;

use access::Access;
use buffer::BufferPool;
use catalog::Catalog;
use shmem::{ProcSlot, RegionInfo};
use txn::Txn;
use types::Diagnostic;
use wal::Wal;

/// What only the processes room can do or tell.
pub trait Host {
    /// Makes a checkpoint and waits for it.
    fn checkpoint(&self) -> std::result::Result<(), Box<dyn Diagnostic>>;
    /// Changes from which weight on messages of this process are logged.
    fn set_log_level(&self, least: config::MessageLevel);
    /// What checkpoints have done.
    fn checkpoints(&self) -> Checkpoints;
}

/// Counters of checkpoints, for the views.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints {
    /// Begun because of `checkpoint_timeout`.
    pub timed: u64,
    /// Begun for another reason.
    pub requested: u64,
    /// Completed.
    pub done: u64,
    /// Failed.
    pub failed: u64,
    /// Microseconds spent writing.
    pub write_us: u64,
    /// Microseconds spent syncing.
    pub sync_us: u64,
    /// Buffers written.
    pub buffers_written: u64,
    /// The one that runs.
    pub running: Option<RunningCheckpoint>,
}

/// A checkpoint that is being made.
#[derive(Clone, Debug)]
pub struct RunningCheckpoint {
    /// The process that makes it.
    pub pid: i32,
    /// Where it is.
    pub phase: &'static str,
    /// Buffers it has gone through.
    pub buffers_done: u64,
    /// Buffers that were dirty when it began.
    pub buffers_total: u64,
    /// When it began, in microseconds since 2000.
    pub started: i64,
}

/// The rooms that a session works with.
pub struct Rooms {
    /// The log.
    pub wal: Rc<Wal>,
    /// The buffers.
    pub pool: Rc<BufferPool>,
    /// Transactions, snapshots, locks.
    pub txn: Rc<Txn>,
    /// Tables.
    pub access: Rc<Access>,
    /// The system tables.
    pub catalog: Rc<Catalog>,
    /// The process slots.
    pub procs: &'static [ProcSlot],
    /// The regions of shared memory.
    pub regions: Vec<RegionInfo>,
    /// The processes room.
    pub host: Rc<dyn Host>,
}
