//! The write-ahead log: an endless stream of records in segments of 16 MB, and the control file
//! that says where its replay starts.
//!
//! ```text
//!  change a page ── Record ──> insert ──> ring of wal_buffers ──> write ──> pg_wal/…  ──> sync
//!                               │ parallel, one atomic step        │ one at a time        │
//!                             insert                             write                  flush
//! ```
//!
//! - [`record`] and [`page`] draw the formats byte by byte; [`position`] does the arithmetic.
//! - `protocol` is how processes reserve, copy in parallel, and share a sync: the order of the
//!   steps, model-checked. [`insert`] and [`mod@write`] are what it does them with, `ground` what
//!   it stands on.
//! - [`segments`] makes, recycles and removes files; [`reader`] and [`end`] are for recovery.
//! - [`control_file`] is `global/pg_control`.
//!
//! The laws that live here: WAL before data (callers ask for [`Wal::flush`] up to a page's LSN),
//! a failed write or sync is a PANIC, what lies behind the end of the log is wiped.

pub mod checkpoint;
mod control;
pub mod control_file;
mod cursor;
mod decode;
pub mod end;
mod error;
mod ground;
pub mod insert;
pub mod page;
pub mod position;
mod protocol;
pub mod reader;
pub mod record;
pub mod segments;
pub mod write;

pub use checkpoint::Checkpoint;
pub use control::{OwnInsertions, Wal, WalOptions, WalRegions, WalStart, WalStats, XLogCtl};
pub use control_file::{ControlFile, OtherSlot, ServerState};
pub use decode::{DecodedBlock, DecodedRecord};
pub use error::{Error, panic_exit};
pub use reader::{EndOfLog, WalReader};
pub use record::{BlockFlags, BlockRef, Record, Rmgr};
