//! Access to tables: row versions in pages, where there is room, and the files that hold them.
//!
//! - [`mod@tuple`] draws a row version byte by byte.
//! - [`heap`] is the table: insert, delete, update, scan, prune, and their redo.
//! - [`btree`] is the index; it does not know the heap, nor the heap it.
//! - [`mod@sequence`] hands out numbers.
//! - [`fsm`] is the free space map, [`vm`] the visibility map.
//! - [`temp`] files are what a sort spills.
//! - [`storage`] makes and drops relation files with their transactions.
//!
//! Each part has its own log records and its own redo, and redo of a block needs that block and
//! the record alone.
//!
//! Everything that others share is in the rooms above; [`Access`] itself is private to a process.

mod access;
pub mod btree;
mod codec;
mod error;
pub mod fsm;
pub mod heap;
mod problem;
pub mod sequence;
pub mod storage;
pub mod temp;
pub mod tuple;
pub mod vm;

pub use access::Access;
pub use btree::BTree;
pub use error::Error;
pub use fsm::FreeSpaceMap;
pub use heap::vacuum;
pub use heap::{
    BuildRow, BuildScan, BulkInsert, Draw, Duplicate, Fetched, Heap, Locked, NewVersion, Outcome,
    Sample, Sampled, Scan, Shape, Stored,
};
pub use problem::Problem;
pub use sequence::{Given, Numbering, Sequence};
pub use vm::VisibilityMap;
