//! Recovery: the log is replayed from the last checkpoint's redo position to its end.
//!
//! ```text
//! control file ──> redo position ──> record ──> saw its xid ──> dispatch by resource manager
//!                                      ▲                          │ Xlog     images, numbers
//!                                      └── until none is valid    │ Xact     txn
//!                                                │                │ Storage  access::storage
//!                                                ▼                │ Heap     access::heap
//!        end of the log: is the gap proven?  is a page missing?
//!        wiped behind, and the log goes on from there
//! ```
//!
//! - [`run()`] is the whole of it; `redo` dispatches one record; `missing` keeps the books on pages
//!   that records name and the disk lacks.
//! - Pages are replayed through the ordinary buffers. Each block needs that page and the record
//!   alone, and repeating a record does no harm: a crash during recovery is just another crash.
//! - Before anything is replayed, the log and the relation files are synced: after a mere crash of
//!   the server the kernel may hold writes that no one will ask it to sync again.
//! - Whoever has no COMMIT in the log has aborted: nothing is undone.
//!
//! What recovery leaves to its caller, in this order: the checkpoint at its end, then removing
//! relation files that no table owns (`access::storage::remove_orphans`).

mod error;
mod missing;
mod redo;
mod run;

pub use error::Error;
pub use run::{Recovered, Recovery, run};
