//! The processes of the command. This one is their subreaper, so orphans stay below it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Starts a command with no signal blocked, although some are blocked here, and SIGPIPE as usual.
pub(crate) fn start(command: &[CString], environment: &[CString]) -> nix::Result<()> {
    let Some(program) = command.first() else { return Err(Errno::EINVAL) };
    let mut attributes = PosixSpawnAttr::init()?;
    let both = PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF;
    attributes.set_flags(both)?;
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    let actions = PosixSpawnFileActions::init()?;
    posix_spawnp(program, &actions, &attributes, command, environment).map(drop)
}

/// Collects the dead, and tells whether anybody is left.
pub(crate) fn any_left() -> bool {
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return false, // ECHILD
        }
    }
}

/// Sends SIGKILL to all, also to those that are born meanwhile; tells how many there were.
pub(crate) fn kill_all() -> usize {
    let mut told = BTreeSet::new();
    loop {
        any_left();
        let fresh: Vec<i32> = descendants().filter(|pid| !told.contains(pid)).collect();
        if fresh.is_empty() {
            return told.len();
        }
        for pid in fresh {
            // Who has gone in between needs no signal.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            told.insert(pid);
        }
    }
}

/// The live processes below this one.
fn descendants() -> impl Iterator<Item = i32> {
    let parents = parents();
    let me = std::process::id() as i32;
    let below = {
        let parents = parents.clone();
        move |pid: &i32| {
            // A chain of parents is not longer than there are processes, even in a torn reading.
            let chain = std::iter::successors(Some(*pid), |pid| parents.get(pid).copied());
            chain.skip(1).take(parents.len()).any(|parent| parent == me)
        }
    };
    parents.into_keys().filter(below)
}

/// Every live process of the machine with its parent.
fn parents() -> BTreeMap<i32, i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name of the program stands in parentheses, and may hold anything.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        (state != "Z").then_some((pid, parent.parse().ok()?))
    };
    entries.filter_map(process).collect()
}
