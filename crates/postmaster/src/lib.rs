//! The daemon: creates shared memory, forks every other process, and starts over when one crashes.
//!
//! ```text
//! main ── cli ── start ── datadir, limits, listen, pidfile ── processes::Server ── serve
//!                                                                                    │
//!                      events (signals, connections, time) ──► states ──► actions ◄──┘
//!                                                                          │
//!                                       launch (fork), refuse, notify ◄────┘
//! ```
//!
//! It is the only process with an event loop. It takes no lock in shared memory, so that it can
//! always clean up, whatever happens to the others; and it does nothing that could block.
//! What each state means and how one leads to the next is `states`; how a child is made, and the
//! law about it, is `launch`.
//!
//! If it is killed itself, the kernel kills its children (they asked for that), and the next start
//! recovers.

use std::process::ExitCode;

use clap::Parser;
use types::Diagnostic;

mod cli;
mod datadir;
mod error;
mod events;
mod launch;
mod limits;
mod listen;
mod logging;
mod notify;
mod pidfile;
mod refuse;
mod reload;
mod serve;
mod start;
mod states;

/// Runs the daemon with the process's arguments, to its end: its exit status.
pub fn main() -> ExitCode {
    sys::process::init_title();
    let level = logging::start();
    #[cfg(feature = "faults")]
    if let Err(why) = sys::fs::plan::from_environment() {
        tracing::error!("{why}");
        return ExitCode::FAILURE;
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!("PANIC: {panic}")));
    let arguments = cli::Arguments::parse();
    match start::run(arguments, level) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            tracing::error!("{error}");
            if let Some(detail) = error.detail() {
                tracing::error!("detail: {detail}");
            }
            if let Some(hint) = error.hint() {
                tracing::error!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}
