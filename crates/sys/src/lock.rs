//! One server per data directory.
//!
//! The lock is a `flock` on the directory itself, so there is no lock file that somebody could
//! remove. It belongs to the open file description, which forked children share: it is held as
//! long as any process of the server keeps the descriptor open, and the kernel lets go of it when
//! the last one is dead. For that, nothing here ever unlocks; a child keeps [`DirLock::fd`] open,
//! and a program that is exec'd does not inherit it.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use types::{Diagnostic, Severity, SqlState};

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another server, or a child that outlived it, has the directory.
    #[error(
        "data directory \"{0}\" is in use by another server or by a process left over from one"
    )]
    Held(String),
    /// The directory could not be opened or locked.
    #[error("could not lock data directory \"{path}\": {reason}")]
    Failed {
        /// The directory.
        path: String,
        /// What the system said.
        reason: std::io::Error,
    },
}

impl Diagnostic for Error {
    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn sqlstate(&self) -> SqlState {
        match self {
            Error::Held(_) => SqlState::OBJECT_IN_USE,
            Error::Failed { .. } => SqlState::IO_ERROR,
        }
    }
}

/// The lock, held until the process ends: dropping this does not release it.
#[derive(Debug)]
pub struct DirLock {
    fd: RawFd,
}

impl DirLock {
    /// Takes the lock of `directory`, without waiting.
    pub fn acquire(directory: &Path) -> Result<DirLock, Error> {
        let name = || directory.display().to_string();
        let failed = |reason: Errno| Error::Failed { path: name(), reason: reason.into() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd: OwnedFd = rustix::fs::open(directory, flags, Mode::empty()).map_err(failed)?;
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(DirLock { fd: fd.into_raw_fd() }),
            Err(Errno::WOULDBLOCK) => Err(Error::Held(name())),
            Err(reason) => Err(failed(reason)),
        }
    }

    /// The descriptor that a child must keep open for as long as it lives.
    pub fn fd(&self) -> RawFd {
        self.fd
    }
}

impl AsRawFd for DirLock {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Signal, kill, wait_for};
    use crate::testing::{hear, pair, spawn, tell};

    #[test]
    fn a_second_server_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let _lock = DirLock::acquire(directory.path()).expect("free");
        let refused = DirLock::acquire(directory.path());
        assert!(matches!(refused, Err(Error::Held(_))), "{refused:?}");
        let missing = DirLock::acquire(&directory.path().join("missing"));
        assert!(matches!(missing, Err(Error::Failed { .. })));
    }

    #[test]
    fn an_orphaned_child_keeps_the_lock() {
        let directory = tempfile::tempdir().expect("a directory");
        let (here, there) = pair();
        let (orphan_here, orphan_there) = pair();
        // A "postmaster" takes the lock, forks a child and dies.
        let postmaster = spawn(|| {
            let lock = DirLock::acquire(directory.path()).expect("free");
            spawn(|| {
                // Whatever becomes of the value, the descriptor stays open.
                let DirLock { fd: _ } = lock;
                tell(&there);
                i32::from(!hear(&orphan_there))
            });
            0
        });
        assert!(hear(&here));
        wait_for(postmaster);
        assert!(matches!(DirLock::acquire(directory.path()), Err(Error::Held(_))));
        // Its child ends, and with it the lock.
        tell(&orphan_here);
        drop((orphan_here, orphan_there));
        let free = || DirLock::acquire(directory.path()).is_ok();
        assert!(crate::testing::eventually(free));
    }

    #[test]
    fn a_killed_server_lets_go_of_the_lock() {
        let directory = tempfile::tempdir().expect("a directory");
        let (here, there) = pair();
        let server = spawn(|| {
            let _lock = DirLock::acquire(directory.path()).expect("free");
            tell(&there);
            std::thread::park();
            0
        });
        assert!(hear(&here));
        kill(server, Signal::SIGKILL).expect("it lives");
        wait_for(server);
        DirLock::acquire(directory.path()).expect("free again");
    }
}
