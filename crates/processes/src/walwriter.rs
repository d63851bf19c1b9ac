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

use shmem::{WaitEvent, proc};
use sys::signal::Pending;

use crate::checkpointer;
use crate::server::Server;

/// Runs until TERM; answers the exit code.
pub fn main(server: &Server) -> i32 {
    let wal = server.wal();
    wal.set_walwriter(Some(proc::my_index()));
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
        checkpointer::request_for_log(server);
        let delay = server.settings().wal_writer_delay;
        let _wait = proc::me().waiting(WaitEvent::WalwriterMain);
        proc::me().latch.wait(Some(delay));
    }
    wal.set_walwriter(None);
    0
}
