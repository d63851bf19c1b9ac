//! What the machine is told, and what it answers.

use shmem::ProcKind;
use sys::process::Signal;

/// How gently to shut down: PostgreSQL's TERM, INT and QUIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// Let the sessions end by themselves.
    Smart,
    /// End the sessions, then write a checkpoint.
    Fast,
    /// End everything at once; the next start recovers.
    Immediate,
}

impl Shutdown {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Shutdown::Smart => "smart",
            Shutdown::Fast => "fast",
            Shutdown::Immediate => "immediate",
        }
    }
}

/// What the driver has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send the signal to the process.
    Signal(i32, Signal),
    /// Give the slot back.
    Release(usize),
    /// Sessions can come: say so to whoever waits for the server.
    Ready,
    /// Tell the checkpointer, through shared memory, to write the last checkpoint and exit.
    LastCheckpoint,
    /// Call [`super::Machine::kill_timer`] after [`super::KILL_AFTER`].
    ArmKillTimer,
    /// No child lives: make shared memory new.
    ResetSharedMemory,
    /// End the server with this exit code.
    Exit(i32),
}

/// Whether a connection may become a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It may.
    Welcome,
    /// The server is starting up.
    StartingUp,
    /// The server is shutting down.
    ShuttingDown,
    /// A process has crashed and recovery has not begun yet.
    Recovering,
    /// As many sessions as `max_connections` allows are there.
    Full,
}

/// A living child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Child {
    /// What it is.
    pub kind: ProcKind,
    /// Its process slot.
    pub slot: usize,
}
