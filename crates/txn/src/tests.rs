//! Tests of the room as a whole: one process with a log and a pool of its own, and real processes.

mod crash;
pub(crate) mod harness;
mod processes;
mod status_end;
mod subtransactions;
mod transactions;
