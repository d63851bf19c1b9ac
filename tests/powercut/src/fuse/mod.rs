//! The recording file system: content in memory, the kernel's FUSE protocol spoken directly.
//!
//! ```text
//!   kernel --/dev/fuse--> serve (two threads) --> volume: requests, names, data, directories
//!                            ^                      |  under one lock
//!                            |                      +--> tree
//!                         completions               +--> journal
//!                         (fsyncs under way)
//! ```
//!
//! Invariants:
//! - one lock is around the tree and the journal, so all processes see one history, and the journal
//!   has it in that order;
//! - no request is answered before its change is in the journal's buffer;
//! - after the cut no request is answered any more: whoever asks hangs until it is killed.
//!
//! When this process dies, the kernel answers every request with an error, and the journal is cut
//! short somewhere: a run that has not printed its line is worth nothing.

mod data;
mod directories;
mod names;
mod serve;
mod volume;
mod wire;

pub(crate) use serve::Server;
pub(crate) use volume::Volume;
