//! What the tests of the real binaries stand on.
//!
//! ```text
//!   tests/tests/server/, damage/   one module a promise       tests/tests/crash.rs    src/bin/crash.rs
//!            \                                                    \                    /
//!             \                                                crash: load, history, oracle, rounds
//!              \___________________________  ________________________/
//!                                          \/
//!      server, setup (start, stop, kill) - client, reply (line protocol) - processes (/proc)
//!                    |
//!      binary, scratch, log, dataset, skip, clock, draw
//! ```
//!
//! Rules of the house:
//! - every server runs in a directory of its own, on a port that the kernel chose, so that all
//!   tests run in parallel;
//! - nothing waits without a deadline, and a server never outlives the test that started it;
//! - a server's log may hold no warning or error that the test did not announce;
//! - what cannot be tested on this machine is written down by [`skip::skip`], never passed over.

pub mod amcheck;
pub mod bank;
pub mod binary;
pub mod client;
pub mod clock;
pub mod crash;
pub mod dataset;
pub mod draw;
pub mod faults;
pub mod isolation;
pub mod log;
pub mod postgres;
pub mod powercut;
pub mod processes;
pub mod reply;
pub mod scratch;
pub mod scripts;
pub mod server;
pub mod setup;
pub mod skip;
pub mod talk;
