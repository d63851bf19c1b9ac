//! Forking.
//!
//! **Law: the postmaster has one thread until it has forked its last child, and it forks only
//! between two turns of its event loop.** A fork in the middle of one would copy a runtime in the
//! middle of something; a fork beside a second thread could copy a lock that nobody lets go of.
//! Both are checked here, at every fork.
//!
//! The child never comes back from this file: whatever objects of the event loop it has inherited
//! are neither used nor dropped in it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use processes::{Role, Server, Socket, child};
use shmem::ProcKind;
use sys::process::{Ended, Forked};

use crate::listen::Connection;

/// Forks what is to be of that kind, in that slot; answers the pid. `keep` are the descriptors that
/// every child keeps.
pub fn background(
    server: &Rc<Server>,
    kind: ProcKind,
    slot: usize,
    keep: &[RawFd],
) -> io::Result<i32> {
    let role = match kind {
        ProcKind::Startup => Role::Startup,
        ProcKind::Checkpointer => Role::Checkpointer,
        ProcKind::Bgwriter => Role::Bgwriter,
        ProcKind::Walwriter => Role::Walwriter,
        ProcKind::AutovacuumLauncher => Role::AutovacuumLauncher,
        ProcKind::AutovacuumWorker => Role::AutovacuumWorker,
        other => return Err(io::Error::other(format!("no such background process: {other:?}"))),
    };
    let parent = sys::process::pid();
    match fork(server, slot)? {
        Forked::Parent(pid) => Ok(pid),
        Forked::Child => child::run(server, role, slot, parent, keep),
    }
}

/// Forks the process that makes the first contents of the data directory, and waits for its end.
/// Answers whether it has made them.
pub fn bootstrap(server: &Rc<Server>, keep: &[RawFd]) -> io::Result<bool> {
    let no_slot = || io::Error::other("no process slot is free");
    let slot = server.procs().claim(ProcKind::Startup, 0).ok_or_else(no_slot)?;
    let parent = sys::process::pid();
    match fork(server, slot)? {
        Forked::Parent(pid) => Ok(sys::process::wait_for(pid) == Some(Ended::Exited(0))),
        Forked::Child => child::run(server, Role::Bootstrap, slot, parent, keep),
    }
}

/// Forks the backend of a connection; answers the pid.
pub fn backend(
    server: &Rc<Server>,
    connection: &Connection,
    slot: usize,
    keep: &[RawFd],
) -> io::Result<i32> {
    let parent = sys::process::pid();
    match fork(server, slot)? {
        Forked::Parent(pid) => Ok(pid),
        Forked::Child => match duplicate(connection) {
            Ok(socket) => {
                let keep = [keep, &[socket.fd.as_raw_fd()]].concat();
                child::run(server, Role::Backend(socket), slot, parent, &keep)
            }
            // The client has gone already.
            Err(_) => sys::process::exit_now(0),
        },
    }
}

/// The child works with a duplicate, so that the postmaster's object stays whole in both.
fn duplicate(connection: &Connection) -> io::Result<Socket> {
    let fd = connection.as_fd().try_clone_to_owned()?;
    let tcp = match connection {
        Connection::Unix(_) => None,
        Connection::Tcp(stream) => {
            stream.set_nodelay(true)?;
            Some((stream.local_addr()?, stream.peer_addr()?))
        }
    };
    Ok(Socket { fd, tcp })
}

/// Forks. In the child all signals are blocked; in the parent they are as before.
fn fork(server: &Rc<Server>, slot: usize) -> io::Result<Forked> {
    assert_eq!(sys::process::thread_count()?, 1, "a process that forks has one thread");
    let mask = sys::signal::block_all();
    let forked = sys::process::fork();
    if !matches!(forked, Ok(Forked::Child)) {
        sys::signal::restore(mask);
    }
    if let Ok(Forked::Parent(pid)) = forked {
        server.procs().slot(slot).pid.store(pid, Ordering::Relaxed);
    }
    forked
}
