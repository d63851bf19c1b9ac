//! SQL: from the text of a request to its rows.
//!
//! ```text
//!            session: transactions, settings, prepared statements, kept plans
//!               │
//!   text ──► parse ──► bind ──► planned ──► exec ──► output
//!                       │                    │ │
//!                  functions, expr, values ──┘ │
//!                                              ▼
//!                                           storage ◄── engine: heap, catalog, txn, wal
//! ```
//!
//! [`Session`] is what a backend works with; [`Output`] is what it gives. One process serves one
//! session, so nothing here is shared between threads; what is shared between processes is behind
//! the rooms that [`Rooms`] names.
//!
//! Rules:
//! - What is not supported is refused by name with `0A000`, never ignored.
//! - Nothing from a client may panic, loop for ever, or take memory or stack without a bound.
//! - Errors carry PostgreSQL's SQLSTATE and words.

mod bind;
mod copy;
mod engine;
mod error;
mod exec;
mod expr;
mod functions;
mod interrupts;
mod key;
mod maintenance;
mod others;
mod output;
mod parse;
mod plan;
mod planned;
mod session;
mod statistics;
mod storage;
mod values;
mod views;

pub use engine::{Checkpoints, Host, Rooms, RunningCheckpoint};
pub use error::{Error, Report, Result};
pub use output::{CopyFormat, CopyLine, ErrorReport, Output, OutputColumn, Stop, TextRow};
pub use session::{Chore, Ended, Session, TxStatus};
pub use views::view_names;
