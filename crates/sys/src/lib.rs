//! Every system call that the rest of the server must not make itself.
//!
//! | module | what it is |
//! |---|---|
//! | [`fs`] | the one seam under all file I/O: durable create, write, rename and remove |
//! | [`futex`] | sleeping on a word of shared memory, across processes |
//! | [`process`] | fork, reap, `_exit`, the title in `ps` |
//! | [`interrupt`] | why to stop: signals, deadlines, a client that is gone |
//! | [`signal`] | handlers that do only what a handler may do |
//! | [`net`] | plain blocking socket calls, and who is at the other end |
//! | [`lock`] | one server per data directory |
//! | [`clock`] | what time it is |
//! | [`mutant`] | bugs that a test build can switch on |
//!
//! This room and `shmem` are where `unsafe` lives; each block says why it is sound. Nothing here
//! knows what a page, a record or a session is.

pub mod clock;
pub mod fs;
pub mod futex;
pub mod interrupt;
pub mod lock;
pub mod mutant;
pub mod net;
pub mod process;
pub mod signal;
mod title;

#[cfg(test)]
mod testing;
