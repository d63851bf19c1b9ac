//! The power-cut test: the load of the crash test, on a disk that loses what was not synced.
//!
//! ```text
//!   Base ──► Life: the server under `powercut run`, clients at work, the power goes
//!     ▲        │ journal of every change of the file system, and what each client knows
//!     │        ▼
//!     │      image: `powercut image` draws a state that the disk may be in      (kind, seed)
//!     │        │         │
//!     │        │         └─► second cut: recovery under `powercut run` again, and an image of that
//!     │        ▼
//!     └───── check: the server starts on it; the oracle of the crash test judges what is there
//! ```
//!
//! # What is drawn
//! An image is one of nine kinds ([`kind`]): the cut at the end of the recording, after a random
//! change, or just before a random fsync is complete; and three models of what makes a name durable.
//! From which journal, with which seed of the image's own, follows from the seed of the run; only
//! the interleaving of processes is the kernel's. A failing image is therefore kept as a
//! [`case::Case`], with its journal: from those it comes back bit by bit.
//!
//! # What must hold
//! What [`crate::crash`] demands after a crash, counted from the moment of the image: who was
//! answered before it is there. And every page's checksum holds after recovery.
//!
//! # What is skipped
//! Without root or `/dev/fuse` nothing of this can run; [`unavailable`] says why.

pub mod base;
pub mod beginning;
pub mod case;
pub mod check;
pub mod kind;
pub mod life;
pub mod mutants;
pub mod order;
pub mod runs;
pub mod second;
pub mod tool;

/// Why power cuts cannot be made here, if so.
pub fn unavailable() -> Option<&'static str> {
    if !crate::skip::is_root() {
        return Some("only root can mount a file system");
    }
    if !std::path::Path::new("/dev/fuse").exists() {
        return Some("there is no /dev/fuse");
    }
    if !crate::skip::works(std::process::Command::new("unshare").args(["--mount", "true"])) {
        return Some("unshare --mount is not allowed");
    }
    None
}
