//! Making, watching and ending processes.
//!
//! Server processes are forked, never exec'd, and leave by [`exit_now`]: no destructor that they
//! inherited from the postmaster may run in them.

use std::io;
use std::os::fd::RawFd;

use nix::libc;
use rustix::process::{Pid, PidfdFlags, WaitOptions};

pub use crate::title::{init_title, set_title, set_title_behind};
pub use nix::sys::signal::Signal;

/// Which side of a fork this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forked {
    /// The one that forked; here is the child's pid.
    Parent(i32),
    /// The new one.
    Child,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

/// Makes a child that is a copy of this process.
///
/// The caller sees to it that this process has one thread (see [`thread_count`]) and that all
/// signals are blocked, so that no handler of the parent's runs in the child.
pub fn fork() -> io::Result<Forked> {
    // SAFETY: by the contract above there is no other thread that could hold a lock (of the
    // allocator, say) which the child would then wait for in vain. Where tests break it, the child
    // does nothing that takes such a lock, but for the allocator's, which glibc resets on fork.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Forked::Parent(child.as_raw())),
        nix::unistd::ForkResult::Child => Ok(Forked::Child),
    }
}

/// The pid of this process.
pub fn pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// The pid of the parent; 0 when it is outside the pid namespace.
pub fn parent_pid() -> i32 {
    rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get())
}

/// The effective user id of this process.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Ends the process at once: no destructors, no handlers, nothing flushed.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Asks the kernel to kill this process when the one that forked it dies, and ends at once if that
/// has happened already (`parent_pid` is the pid that the parent had before the fork).
///
/// Precisely, the signal comes when the *thread* dies that forked.
pub fn die_with_parent(parent: i32) {
    let set = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    if set.is_err() || parent_pid() != parent {
        exit_now(1);
    }
}

/// Closes every descriptor but 0, 1, 2 and those in `keep`, with the bare system call: objects that
/// own one of them must not be used or dropped afterwards.
pub fn close_fds_except(keep: &[RawFd]) {
    let mut kept: Vec<u32> = vec![0, 1, 2];
    kept.extend(keep.iter().filter_map(|&fd| u32::try_from(fd).ok()));
    kept.sort_unstable();
    kept.dedup();
    let mut from = 0;
    for fd in kept {
        if from < fd {
            close_range(from, fd - 1);
        }
        from = fd + 1;
    }
    close_range(from, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: no pointers; what happens to the descriptors is the caller's contract.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == 0 {
        return;
    }
    // Before Linux 5.9: one by one.
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&fd| u32::try_from(fd).is_ok_and(|fd| first <= fd && fd <= last))
        .collect();
    for fd in open {
        // SAFETY: as above.
        unsafe { libc::close(fd) };
    }
}

/// A child that has ended, if there is one: which, and how. Never waits.
pub fn reap() -> Option<(i32, Ended)> {
    reap_with(None, WaitOptions::NOHANG)
}

/// Waits until the child `pid` has ended, and says how; `None` when it is no child of this process.
pub fn wait_for(pid: i32) -> Option<Ended> {
    reap_with(Some(Pid::from_raw(pid)?), WaitOptions::empty()).map(|(_, ended)| ended)
}

fn reap_with(pid: Option<Pid>, options: WaitOptions) -> Option<(i32, Ended)> {
    loop {
        // `waitpid(None)` would wait for children of this process group only.
        let waited = match pid {
            Some(_) => rustix::process::waitpid(pid, options),
            None => rustix::process::wait(options),
        };
        match waited {
            Ok(None) => return None,
            Ok(Some((pid, status))) => {
                let pid = pid.as_raw_nonzero().get();
                if let Some(code) = status.exit_status() {
                    return Some((pid, Ended::Exited(code)));
                }
                if let Some(signal) = status.terminating_signal() {
                    return Some((pid, Ended::Signaled(signal)));
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

/// Sends a signal. `pid` must be positive: process groups are not for this server to signal.
pub fn kill(pid: i32, signal: Signal) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal)?)
}

/// Sends a signal to the process that has that pid now, if `is_it` says that it is the one meant:
/// whatever happens meanwhile, no other process gets it. `false`: it is another, or has ended.
pub fn kill_if(pid: i32, signal: Signal, is_it: impl FnOnce() -> bool) -> io::Result<bool> {
    let Some(pid) = Pid::from_raw(pid.max(0)) else { return Ok(false) };
    let Some(signal) = rustix::process::Signal::from_named_raw(signal as i32) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let process = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        Err(errno) => return Err(errno.into()),
    };
    if !is_it() {
        return Ok(false);
    }
    match rustix::process::pidfd_send_signal(&process, signal) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// The parent of a process, if there is such a process.
pub fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name, in parentheses, may hold anything; state and parent follow.
    stat.get(stat.rfind(')')? + 1..)?.split_whitespace().nth(1)?.parse().ok()
}

/// Whether there is a process of that pid (a dead one that nobody has reaped counts).
pub fn is_alive(pid: i32) -> bool {
    if pid <= 0 {
        return false;
    }
    let asked = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
    matches!(asked, Ok(()) | Err(nix::errno::Errno::EPERM))
}

/// How many threads this process has: one entry each in `/proc/self/task`.
pub fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Tells the kernel how gladly to kill this process when memory runs out: from -1000 (never) to
/// 1000. Only a privileged process may lower the number.
pub fn set_oom_score_adj(adjustment: i32) -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", adjustment.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::testing::{eventually, hear, in_child, pair, spawn, tell};

    #[test]
    fn the_end_of_a_child_is_told() {
        assert_eq!(in_child(|| 7), Ended::Exited(7));
        assert_eq!(wait_for(pid()), None, "not a child");
        let (here, there) = pair();
        let child = spawn(|| {
            tell(&there);
            std::thread::park();
            0
        });
        assert!(hear(&here));
        assert_eq!(reap(), None, "nobody has ended");
        assert!(is_alive(child));
        kill(child, Signal::SIGTERM).expect("it lives");
        let mut reaped = None;
        assert!(eventually(|| {
            reaped = reaped.or_else(reap);
            reaped.is_some()
        }));
        assert_eq!(reaped, Some((child, Ended::Signaled(libc::SIGTERM))));
        assert!(!is_alive(child));
        assert!(kill(0, Signal::SIGTERM).is_err() && kill(-1, Signal::SIGTERM).is_err());
    }

    #[test]
    fn a_signal_reaches_the_process_that_was_meant_and_no_other() {
        let (here, there) = pair();
        let child = spawn(|| {
            tell(&there);
            std::thread::park();
            0
        });
        assert!(hear(&here));
        assert_eq!(parent_of(child), Some(pid()));
        let term = |pid, is_it| kill_if(pid, Signal::SIGTERM, || is_it).expect("it may");
        assert!(!term(child, false) && is_alive(child));
        assert!(!term(0, true) && !term(-1, true) && !term(i32::MAX, true));
        assert!(term(child, true));
        assert_eq!(wait_for(child), Some(Ended::Signaled(libc::SIGTERM)));
        assert!(!term(child, true), "there is no such process any more");
        assert_eq!(parent_of(child), None);
    }

    #[test]
    fn a_child_dies_with_its_parent() {
        let (here, there) = pair();
        let parent = spawn(|| {
            let parent = pid();
            spawn(|| {
                die_with_parent(parent);
                tell(&there);
                std::thread::park();
                0
            });
            std::thread::park();
            0
        });
        drop(there);
        assert!(hear(&here));
        kill(parent, Signal::SIGKILL).expect("it lives");
        wait_for(parent);
        assert!(!hear(&here), "the end of file says that the grandchild is gone too");
    }

    #[test]
    fn a_child_whose_parent_is_gone_already_ends() {
        let not_the_parent = pid();
        assert_eq!(
            in_child(|| {
                die_with_parent(not_the_parent - 1);
                0
            }),
            Ended::Exited(1)
        );
    }

    #[test]
    fn only_the_kept_descriptors_stay_open() {
        let (kept, closed) = pair();
        let fds = [kept.as_raw_fd(), closed.as_raw_fd()];
        let open = |fd: RawFd| nix::fcntl::fcntl(borrow(fd), nix::fcntl::FcntlArg::F_GETFD).is_ok();
        let ended = in_child(|| {
            close_fds_except(&[fds[0], -1]);
            i32::from(!(open(fds[0]) && !open(fds[1]) && open(0) && open(2)))
        });
        assert_eq!(ended, Ended::Exited(0));
        assert!(open(fds[0]) && open(fds[1]), "here nothing was closed");
    }

    fn borrow<'a>(fd: RawFd) -> std::os::fd::BorrowedFd<'a> {
        // SAFETY: the descriptor is asked about, not used.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
    }

    #[test]
    fn threads_are_counted() {
        let here = thread_count().expect("proc");
        std::thread::scope(|scope| {
            let (go, wait) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || wait.recv());
            assert_eq!(thread_count().expect("proc"), here + 1);
            drop(go);
        });
        assert_eq!(in_child(|| thread_count().expect("proc") as i32), Ended::Exited(1));
    }
}
