//! Runs a server on a recording file system, cuts the power, and builds the data directories that
//! a disk may hold after that.
//!
//! ```text
//!   powercut run                                         powercut image
//!   ------------                                         --------------
//!   run: mount, start the command, cut                   image: read up to the cut, write the tree out
//!    |                                                     |
//!   fuse: every change of the files ---> journal ---> model: what is durable, what is pending
//!    |                                   (a file)          |
//!   tree: what the processes see                         tree: what the disk holds, drawn by a seed
//! ```
//!
//! Invariants:
//! - the journal holds every change in the one order in which the processes saw it, so any number of
//!   images, for any moment of the run, can be built from it alone;
//! - the same journal, cut and seed give the same bytes;
//! - what a completed fsync covers is in every image.
//!
//! Nothing here knows the server. `README.md` has the options, and how to judge a server with them.

pub mod draw;
mod error;
pub mod fault;
mod fuse;
pub mod image;
pub mod journal;
pub mod model;
mod processes;
pub mod run;
pub mod tree;

pub use error::Error;
