//! The processes of a server as the kernel shows them in `/proc`.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock::wait_for;

/// A process under a postmaster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its title, as `ps` shows it.
    pub title: String,
}

impl Process {
    /// The word after `mamont:` in the title: `checkpointer`, `backend`…
    pub fn kind(&self) -> &str {
        let rest = self.title.strip_prefix("mamont: ").unwrap_or("");
        rest.split_whitespace().next().unwrap_or("")
    }
}

/// The title of a process, if it lives.
pub fn title(pid: i32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    Some(text.trim_end().to_owned())
}

/// The state letter and the parent of a process, if it is there.
fn state_and_parent(pid: i32) -> Option<(char, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything: what counts comes after the last one.
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

/// Whether the process runs (a zombie does not).
pub fn is_alive(pid: i32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// The living children of a process.
pub fn children(parent: i32) -> Vec<Process> {
    let mut found = Vec::new();
    for pid in child_pids(parent) {
        if is_alive(pid)
            && let Some(title) = title(pid)
        {
            found.push(Process { pid, title });
        }
    }
    found
}

fn child_pids(parent: i32) -> Vec<i32> {
    let listed = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    match listed {
        Ok(text) => text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect(),
        Err(_) => all_pids().into_iter().filter(|&pid| is_child(pid, parent)).collect(),
    }
}

fn is_child(pid: i32, parent: i32) -> bool {
    state_and_parent(pid).is_some_and(|(_, p)| p == parent)
}

fn all_pids() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("there is a /proc");
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// The living children of that kind.
pub fn of_kind(parent: i32, kind: &str) -> Vec<Process> {
    children(parent).into_iter().filter(|p| p.kind() == kind).collect()
}

/// Sends a signal; false if the process is gone.
pub fn signal(pid: i32, signal: Signal) -> bool {
    assert!(pid > 1, "{pid} is no process that a test may signal");
    kill(Pid::from_raw(pid), signal).is_ok()
}

/// Waits until none of them lives; gives back those that still do after `limit`.
pub fn wait_gone(pids: &[i32], limit: Duration) -> Vec<i32> {
    let living = || pids.iter().copied().filter(|&pid| is_alive(pid)).collect::<Vec<_>>();
    wait_for(limit, || living().is_empty().then_some(()));
    living()
}
