//! What a session does to another one: cancel it, end it, wait for its end.
//!
//! A pid is told by the slots. It is a session's until the postmaster has reaped the process and
//! then cleared its slot; from the reaping on the system may give the pid to anybody. So the signal
//! goes through a descriptor of the process, which no other process can inherit; before it goes, the
//! process is asked for its parent, and the slot once more for its pid:
//!
//! | what the descriptor is of | what stops the signal |
//! |---|---|
//! | the session | nothing |
//! | a process of somebody else, which got the pid meanwhile | its parent is not the postmaster |
//! | a later session with that pid | nothing: it is the session of that pid |
//! | another child of the postmaster with that pid | the slot was cleared before it was forked |
//!
//! If the process dies in here nothing is left behind but a signal that was sent or not.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shmem::{ProcKind, ProcSlot, WaitEvent, proc};
use sys::process::{self, Signal};
use types::SqlState;

use crate::error::{Error, Result};
use crate::interrupts;

/// How often it is looked whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn is_session(procs: &[ProcSlot], pid: i32) -> bool {
    let session = |slot: &ProcSlot| slot.kind() == ProcKind::Backend;
    pid > 0 && procs.iter().any(|s| session(s) && s.pid.load(Ordering::Acquire) == pid)
}

/// Sends a signal to the process of a session; `false`: there is none of that pid.
pub(crate) fn signal(procs: &[ProcSlot], pid: i32, signal: Signal) -> Result<bool> {
    if !is_session(procs, pid) {
        return Ok(false);
    }
    let postmaster = process::parent_pid();
    let is_it = || process::parent_of(pid) == Some(postmaster) && is_session(procs, pid);
    process::kill_if(pid, signal, is_it).map_err(|error| {
        let message = format!("could not send signal to process {pid}: {error}");
        Error::new(SqlState::INTERNAL_ERROR, message)
    })
}

/// Waits until the session of that process has ended; `false`: it has not.
pub(crate) fn await_end(procs: &[ProcSlot], pid: i32, at_most: Duration) -> Result<bool> {
    let _wait = proc::me().waiting(WaitEvent::BackendTermination);
    let begin = Instant::now();
    while is_session(procs, pid) {
        proc::me().latch.reset();
        interrupts::check()?;
        let left = at_most.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        proc::me().latch.wait(Some(left.min(LOOK_EVERY)));
    }
    Ok(true)
}
