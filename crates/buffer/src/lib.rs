//! Pages: their format, their checksums, the shared buffers that hold them, the files beneath.
//!
//! - [`page`] draws the page; [`checksum`] guards it on disk; `sorted` keeps rows in order.
//! - [`pool`] finds and pins pages; `mapping` is its hash table, [`clock`] chooses victims.
//! - [`frame`] gives access to a page's bytes under its content lock.
//! - [`change`] is the one recipe that changes pages; [`hint`] the law on hints; [`redo`] repeats.
//! - [`write`](mod@write) is the one function that writes pages; `sync_queue` holds what must be
//!   synced.
//! - `state` is the buffer's state word; `protocol` is the order in which buffers are written,
//!   evicted and changed, model-checked; `ground` is what it stands on.
//! - [`files`] are the relation files.
//!
//! Which lock guards what: a page's bytes its content lock; the hash table's chains the partition
//! locks; growth of a relation its extension lock. The order is in `docs/locking.md`.

pub mod change;
pub mod checksum;
pub mod clock;
mod descriptor;
mod error;
pub mod files;
pub mod frame;
mod ground;
pub mod hint;
mod mapping;
mod mend;
pub mod page;
pub mod pool;
mod protocol;
pub mod redo;
mod sorted;
mod state;
mod stats;
mod sync_queue;
pub mod write;

pub use change::{Change, Pages, Touched};
pub use clock::Ring;
pub use descriptor::BufferInfo;
pub use error::Error;
pub use files::{RelationFiles, SegmentId};
pub use frame::{PageRead, PageWrite};
pub use page::{Item, ItemState, PageAccess, PageBytes};
pub use pool::{BufferPool, BufferRegions, Pin};
pub use redo::Redone;
pub use stats::BufferStats;
pub use wal::BlockFlags;
pub use write::{Cleaned, DirtyPage};
