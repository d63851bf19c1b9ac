//! Heavyweight locks: on tables, on names, and waits for transactions.
//!
//! - [`mode`](LockMode) and [`tag`](LockTag): how and on what.
//! - `table`: the shared table, whose entries come from a `pool`; `queue`: who may, who waits
//!   where, who is next.
//! - `manager`: asking, sleeping, giving up; `held`: what the process holds, releasing. `xid_wait`: the end of a transaction.
//! - `deadlock`: cycles among all of these. `give_way`: autovacuum does not keep sessions waiting.
//! - `view`: what `pg_locks` shows.
//!
//! The order of LWLocks here: `Deadlock`, then `LockPartition` in the order of their number. None
//! of them is held while a process sleeps for a heavyweight lock.

mod deadlock;
mod give_way;
mod held;
mod manager;
mod mode;
mod pool;
mod queue;
mod table;
mod tag;
mod view;
mod xid_wait;

#[cfg(test)]
mod tests;

pub use held::SESSION_MODES_SHIFT;
pub(crate) use manager::assert_no_lwlock;
pub use manager::{LockManager, LockOwner};
pub use mode::LockMode;
pub(crate) use pool::Pool;
pub use table::LockRegions;
pub use tag::{AdvisoryKey, DATABASE_OID, LockTag};
pub use view::{LockRow, Locked};
