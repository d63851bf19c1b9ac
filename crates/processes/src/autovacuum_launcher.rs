//! The autovacuum launcher: has a worker started every `autovacuum_naptime`.
//!
//! It looks at no table itself: the worker does, and ends at once if none needs anything. Another
//! worker is started after each naptime while the first still works, up to
//! `autovacuum_max_workers`.
//!
//! | signal | what it means here |
//! |---|---|
//! | TERM | end |
//! | HUP | read the configuration again; end if autovacuum is turned off |
//! | QUIT | end at once |
//!
//! It waits for nobody and nobody waits for it. If it ends by itself while autovacuum is on, the
//! postmaster starts another; if it crashes, the server recovers.

use std::time::Instant;

use shmem::{WaitEvent, proc};
use sys::process::Signal;
use sys::signal::Pending;

use crate::autovacuum::Autovacuum;
use crate::server::Server;

/// Runs until TERM, or until autovacuum is turned off; answers the exit code.
pub fn main(server: &Server) -> i32 {
    let mut last = Instant::now();
    loop {
        proc::me().latch.reset();
        if Pending::term() {
            return 0;
        }
        if Pending::take_hup() {
            server.reload_in_child();
        }
        if !server.settings().autovacuum {
            return 0;
        }
        let naptime = server.settings().autovacuum_naptime;
        let left = naptime.saturating_sub(last.elapsed());
        if left.is_zero() {
            last = Instant::now();
            launch(server);
            continue;
        }
        let _wait = proc::me().waiting(WaitEvent::AutovacuumMain);
        proc::me().latch.wait(Some(left));
    }
}

fn launch(server: &Server) {
    let most = server.settings().autovacuum_max_workers as usize;
    if Autovacuum::workers(server.procs()) >= most {
        return;
    }
    server.autovacuum().request();
    let postmaster = sys::process::parent_pid();
    if let Err(error) = sys::process::kill(postmaster, Signal::SIGUSR1) {
        tracing::warn!("could not ask for an autovacuum worker: {error}");
    }
}
