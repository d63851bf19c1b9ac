//! The processes of the server: one file for each kind, and what they share.
//!
//! | file | process |
//! |---|---|
//! | [`bootstrap`] | makes the first contents of a data directory, once |
//! | [`startup`] | recovers, then exits |
//! | [`checkpointer`] | makes checkpoints ([`checkpoint`]) |
//! | [`bgwriter`] | keeps buffers clean ahead of need |
//! | [`walwriter`] | writes the log ahead of need |
//! | [`autovacuum_launcher`] | has workers started, now and then |
//! | [`autovacuum_worker`] | vacuums and analyzes tables that need it |
//! | [`backend`] | serves one connection |
//!
//! [`server`] builds the rooms, once, in the postmaster; [`child`] is how a forked copy of the
//! postmaster becomes one of these. [`schedule`] and `cleaning` are the arithmetic of when and how
//! much, without clocks or I/O; [`requests`], [`mod@autovacuum`] and [`progress`] are what the processes tell each other
//! through shared memory.
//!
//! Every process here has one thread, works with plain blocking calls, and leaves by `_exit`.

pub mod autovacuum;
pub mod autovacuum_launcher;
pub mod autovacuum_worker;
pub mod backend;
pub mod bgwriter;
pub mod bootstrap;
pub mod checkpoint;
pub mod checkpointer;
pub mod child;
mod cleaning;
mod error;
mod host;
mod kept_statistics;
pub mod progress;
pub mod requests;
pub mod schedule;
pub mod server;
pub mod startup;
pub mod walwriter;

pub use backend::Socket;
pub use child::Role;
pub use error::Error;
pub use server::{ConfigSource, Server};
