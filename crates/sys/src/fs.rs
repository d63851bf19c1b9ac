//! The one seam under all file I/O of the server.
//!
//! Every operation on a file or directory passes `seam` (hints about read-ahead and write-back,
//! which cannot fail, do not): there interruptions are retried, errors get the path in their
//! message, and a test build (`--features faults`) may make the n-th operation fail. A durable
//! operation is complete when it returns: the data is synced first, the name after it, then the
//! directory, so that a crash leaves the old state or the new one.
//!
//! Nothing here retries an error of `fsync`: after one, nobody knows what is on disk.

mod dir;
mod error;
mod file;
#[cfg(feature = "faults")]
pub mod plan;
mod seam;

pub use dir::{
    create_dir, exists, read_dir_names, read_limited, remove, remove_dir, remove_durable, rename,
    rename_durable, sync_dir, write_durable,
};
pub use error::os_error;
pub use file::{File, OpenHow};
pub use seam::Op;
#[cfg(feature = "faults")]
pub use seam::{Fault, set_fault_plan};
