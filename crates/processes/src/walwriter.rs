//! The walwriter: writes the log ahead of need, makes segments ahead of need, and makes
//! asynchronous commits durable in time.
//!
//! It wakes every `wal_writer_delay`, or when somebody needs it. What is complete in the ring is
//! written; it is synced only if somebody waits for that (an asynchronous commit, a dirty buffer
//! whose log is not durable) or `wal_writer_flush_after` has gathered. So an idle server syncs
//! nothing. It also sees how fast the log grows, and asks for the checkpoint that keeps it below
//! `max_wal_size`.
//!
//! | signal | what it means here |
//! |---|---|
//! | TERM | end |
//! | HUP | read the configuration again |
//! | QUIT | end at once |
//!
//! If it ends by itself, the postmaster starts another; a failed write or sync of the log is a
//! PANIC (see `wal::write`).

use std::time::{Duration, Instant};

use shmem::{WaitEvent, proc};
use sys::signal::Pending;

use crate::checkpointer;
use crate::server::Server;

/// How often it is told that no segment can be made.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Runs until TERM; answers the exit code.
pub fn main(server: &Server) -> i32 {
    let wal = server.wal();
    wal.set_walwriter(Some(proc::my_index()));
    let mut told = None;
    loop {
        proc::me().latch.reset();
        if Pending::term() {
            break;
        }
        if Pending::take_hup() {
            server.reload_in_child();
        }
        if let Err(error) = wal.background_flush() {
            tracing::error!("walwriter: {error}");
        }
        prepare_ahead(server, &mut told);
        checkpointer::request_for_log(server);
        let delay = server.settings().wal_writer_delay;
        let _wait = proc::me().waiting(WaitEvent::WalwriterMain);
        proc::me().latch.wait(Some(delay));
    }
    wal.set_walwriter(None);
    0
}

/// Makes segments ahead. While that fails, which on a full disk it may do for long, it is told now
/// and then, and the rest of the walwriter's work goes on.
fn prepare_ahead(server: &Server, told: &mut Option<Instant>) {
    match server.wal().prepare_ahead() {
        Ok(()) => *told = None,
        Err(error) if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) => {
            *told = Some(Instant::now());
            tracing::warn!("no segment of the log can be made ahead of need: {error}");
        }
        Err(_) => {}
    }
}
