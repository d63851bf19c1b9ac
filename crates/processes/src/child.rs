//! How a forked child becomes one of the server's processes.
//!
//! The child is a copy of the postmaster, in the middle of its loop. Everything that is the
//! postmaster's is put aside before anything else happens, in this order:
//!
//! 1. die with the parent (and end at once if it has died already);
//! 2. leave its session of terminal signals;
//! 3. default handlers, then the server's own; until step 6 all signals stay blocked;
//! 4. close what was inherited, with the bare system call: no object that owns one of these
//!    descriptors (sockets registered with the postmaster's event loop, say) is ever dropped here;
//!    A protection from the kernel's killing for want of memory is for the postmaster alone;
//! 5. attach to the slot that the postmaster has claimed;
//! 6. let signals in, do the work, and leave by `_exit`.
//!
//! A panic outside a critical section is a bug; its state cannot be trusted, so the process aborts,
//! and the server recovers.

use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use shmem::{ProcKind, proc};

use crate::backend::{self, Socket};
use crate::server::Server;
use crate::{
    autovacuum_launcher, autovacuum_worker, bgwriter, bootstrap, checkpointer, startup, walwriter,
};

/// What a child is to be.
#[derive(Debug)]
pub enum Role {
    /// Makes the first contents of a data directory.
    Bootstrap,
    /// Recovers.
    Startup,
    /// Makes checkpoints.
    Checkpointer,
    /// Keeps buffers clean.
    Bgwriter,
    /// Writes the log ahead.
    Walwriter,
    /// Has autovacuum workers started.
    AutovacuumLauncher,
    /// Vacuums and analyzes.
    AutovacuumWorker,
    /// Serves a connection.
    Backend(Socket),
}

impl Role {
    fn kind(&self) -> ProcKind {
        match self {
            Role::Bootstrap | Role::Startup => ProcKind::Startup,
            Role::Checkpointer => ProcKind::Checkpointer,
            Role::Bgwriter => ProcKind::Bgwriter,
            Role::Walwriter => ProcKind::Walwriter,
            Role::AutovacuumLauncher => ProcKind::AutovacuumLauncher,
            Role::AutovacuumWorker => ProcKind::AutovacuumWorker,
            Role::Backend(_) => ProcKind::Backend,
        }
    }
}

/// Becomes the process, in a child just forked with all signals blocked. `parent` is the pid of the
/// postmaster, `slot` the child's, `keep` the descriptors that it needs besides 0, 1 and 2.
pub fn run(server: &Rc<Server>, role: Role, slot: usize, parent: i32, keep: &[RawFd]) -> ! {
    sys::process::die_with_parent(parent);
    // Fails only for a leader of a process group, which a forked child is not.
    let _ = nix::unistd::setsid();
    sys::signal::install_server_handlers();
    server.segment().forget_in_child();
    sys::process::close_fds_except(keep);
    if server.is_oom_protected() {
        // Without the right to change it, the child stays protected.
        let _ = sys::process::set_oom_score_adj(0);
    }
    sys::process::set_title(&format!("mamont: {}", role.kind().name()));
    proc::attach(server.procs().slots(), slot);
    sys::signal::unblock_all();
    let work = AssertUnwindSafe(|| match role {
        Role::Bootstrap => bootstrap::main(server),
        Role::Startup => startup::main(server),
        Role::Checkpointer => checkpointer::main(server),
        Role::Bgwriter => bgwriter::main(server),
        Role::Walwriter => walwriter::main(server),
        Role::AutovacuumLauncher => autovacuum_launcher::main(server),
        Role::AutovacuumWorker => autovacuum_worker::main(server),
        Role::Backend(socket) => backend::main(server, socket),
    });
    match catch_unwind(work) {
        Ok(code) => sys::process::exit_now(code),
        Err(_) => std::process::abort(),
    }
}
