//! Faults of the disk: the n-th operation on a file fails, for every n, and the server is judged.
//!
//! # The server
//! `postmaster-faults` is the daemon built with the feature `faults`: the seam under all its file
//! I/O (`sys::fs`) asks a plan, given in `MAMONT_FAULT`, whether an operation is to go wrong. The
//! operations are counted over all its processes in one order, in a [`counter`] file that they share
//! with the test.
//!
//! # A run
//! [`case`] names it: `sync:wal:EIO:17:once`. It begins with a copy of a [`template`]: a directory
//! whose server was killed at work, at the end of a segment of the log. So recovery is a part of the
//! run. Then one client goes through a [`script`], which has every statement of the crash test's
//! load, CHECKPOINTs, and a switch to the next segment, with 16 buffers. Another kind of run begins
//! with no directory, and fails the initialisation.
//!
//! # The judgement
//! While the fault lasts ([`run`]): each statement succeeds or fails with `53100` for ENOSPC,
//! `58030` for EIO, and with nothing for a short write; a failed sync, and a failed write of the
//! log, is a PANIC (or the end of a startup that says why); nothing else is. Afterwards the server
//! goes on by itself, if it did not have to end; then it is started without faults, and the oracle
//! of the crash test says whether anything is lost, or there in part.
//!
//! What this cannot see: the kernel's memory of the pages whose sync failed is whole, here. A
//! server that believed a second sync would pass but for the PANIC that is demanded of the first.

pub mod case;
pub mod counter;
pub mod performer;
pub mod run;
pub mod script;
pub mod sweep;
pub mod template;
