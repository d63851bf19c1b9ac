//! The vocabulary of the server: positions, identifiers, SQLSTATEs, column types and values.
//!
//! Everything here is plain data: no I/O, no shared memory, no allocation beyond the values
//! themselves. Every other room may use this one; it uses none.

mod datum;
mod ids;
mod report;
mod sqlstate;

pub use datum::{ColumnType, Datum, Row};
pub use ids::{
    BlockNo, BufferTag, Fork, Lsn, Oid, ParseLsnError, RelFileNumber, SystemId, TimelineId,
    TupleId, Xid,
};
pub use report::{Diagnostic, Severity};
pub use sqlstate::SqlState;

/// Bytes in a page of a relation file, and in a page of the log.
pub const PAGE_SIZE: usize = 8192;

/// Blocks in one file (segment) of a relation: 1 GB.
pub const BLOCKS_PER_SEGMENT: u32 = (1 << 30) / PAGE_SIZE as u32;
