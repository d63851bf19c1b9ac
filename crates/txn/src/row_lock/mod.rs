//! Row locks: how strong they are, and those that a row version has no room for.
//!
//! ```text
//!  row version   xmax = 90, only locks, KEY SHARE, and others          one lock stands in the row itself
//!                                                  |
//!  shared memory   (rel, place, xmin) -> { 95, KEY SHARE } { 97, KEY SHARE }          the rest here
//! ```
//!
//! The first to lock a row writes its xid into the row version. That is all there is to most locks:
//! they take no memory, and a statement may lock as many rows as there are. Only where a second
//! transaction holds a lock of the same version besides, or an update must put its own xid where a
//! lock stands, does a lock go into a table in shared memory, and the version gets a mark
//! (`MORE_LOCKERS`) that sends everyone there who wants to know.
//!
//! # Why that is enough
//! - Locks end with their transaction, and all transactions end with a crash. So nothing here needs
//!   to survive one: a mark that does finds an empty table, and means nothing. An xmax on disk is
//!   either who deleted or replaced the version, or says that it only locks; never both.
//! - An entry's xid tells whether it still holds: it ends with its transaction, or when the
//!   subtransaction that took it rolls back, without anybody coming to remove it. Entries that have
//!   ended are removed by whoever looks for room.
//! - A version is named by its place and its maker. A place that is used again has another maker, so
//!   what is left of an old version is never taken for a lock of the new one.
//! - The table is read and changed only by who has the version's page locked exclusively: what it
//!   says of a version cannot change between a look at the mark and a look here, but for entries
//!   that end.
//!
//! Protected by: the partition's lock (rank `LockPartition`, taken under a page's content lock).
//! If the process dies under it, shared memory is reset.

mod mode;
mod table;

pub use mode::RowLockMode;
pub(crate) use table::RowLockRegions;
pub use table::{RowLocks, RowVersion};
