//! Transactions: who may see what, who has committed, who waits for whom.
//!
//! ```text
//!  begin ── assign_xid (first write) ── ... ── commit ──────────────────────────────> end
//!             │ status page exists           │ COMMIT record and status page, in one change
//!             │ ring entry = running         │   inside it: ring entry = end of the record
//!             │ slot.xid, next               │ flush (or publish, if asynchronous): now visible
//!                                            │ slot.xid = 0, wake who waits for it
//!                                            │ version counters, dropped files, locks
//! ```
//!
//! - [`Transaction`] is what a session keeps; [`Txn`] is the room's object.
//! - `sequence` tells the design of snapshots and its races; `snapshot` hands them out.
//! - `status` are the status pages, `status_end` gives those back that nobody needs; `xid` and `counters` hand out numbers.
//! - `subtransaction` undoes a part of one; `own` are the ids that it goes by.
//! - `commit` ends transactions; [`record`] draws their log records; `redo` repeats them.
//! - `row_lock` has the strengths of row locks, and keeps those that rows have no room for.
//! - [`lock`] is the lock manager, with waiting for transactions and deadlocks.
//! - [`statistics`] counts what relations go through, for views and autovacuum.
//! - `versions` tells caches that the system tables have changed.
//!
//! The rules: "in progress" is asked of the commit sequence before the status pages are, because a
//! status page says "committed" before the commit is flushed; an abort needs no page, since absent
//! means aborted; the status pages of a COMMIT are pinned and locked before its critical section.
//!
//! The order of LWLocks here: `StatusExtend` (status pages, counters), then `RelationExtend`,
//! `BufferContent` (status pages, in the order of their blocks), and what the log needs; `Deadlock`, then `LockPartition`;
//! `XidGen`, under which nothing else is taken. No caller may hold an LWLock when it asks for an
//! xid or a number, waits, commits or aborts.
//!
//! If a process dies in here, its slot shows its xid, and from the moment when its COMMIT record
//! is in the log, `commit_lsn`. For now shared memory is reset and recovery runs: who has no COMMIT
//! in the log has aborted.

mod commit;
mod counters;
mod error;
pub mod lock;
mod own;
pub mod record;
mod redo;
mod row_lock;
mod sequence;
mod shared;
mod snapshot;
pub mod statistics;
mod status;
mod status_end;
mod subtransaction;
mod transaction;
mod txn;
mod versions;
mod xid;

#[cfg(test)]
mod tests;

pub use error::{Error, Result, check_interrupts};
pub use lock::{
    AdvisoryKey, DATABASE_OID, LockManager, LockMode, LockOwner, LockRow, LockTag, Locked,
};
pub use own::OwnXids;
pub use row_lock::{RowLockMode, RowVersion};
pub use shared::TxnRegions;
pub use snapshot::{Snapshot, XidStatus};
pub use statistics::Statistics;
pub use status::{STATUS_RELATION, is_committed_on, status_block};
pub use status_end::begins_on;
pub use transaction::Transaction;
pub use txn::Txn;
pub use versions::CatalogVersion;
