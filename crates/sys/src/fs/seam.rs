//! The point that every file operation passes.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::error::with_path;

/// What is being done to a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Open, perhaps create.
    Open,
    /// Ask for the length or the kind.
    Stat,
    /// Read.
    Read,
    /// Write.
    Write,
    /// Give a file blocks on disk.
    Allocate,
    /// Make the data durable, and what of the metadata is needed to read it.
    SyncData,
    /// Make data and metadata durable.
    SyncAll,
    /// Set the length.
    Truncate,
    /// Rename.
    Rename,
    /// Remove a file.
    Remove,
    /// Make the names in a directory durable.
    SyncDir,
    /// Create a directory.
    CreateDir,
    /// List a directory.
    ReadDir,
    /// Remove a directory.
    RemoveDir,
}

impl Op {
    /// The operation as it stands in "could not … \"path\"".
    pub(super) fn verb(self) -> &'static str {
        match self {
            Op::Open => "open file",
            Op::Stat => "stat file",
            Op::Read => "read file",
            Op::Write => "write file",
            Op::Allocate => "extend file",
            Op::SyncData | Op::SyncAll => "fsync file",
            Op::Truncate => "truncate file",
            Op::Rename => "rename file",
            Op::Remove => "remove file",
            Op::SyncDir => "fsync directory",
            Op::CreateDir => "create directory",
            Op::ReadDir => "read directory",
            Op::RemoveDir => "remove directory",
        }
    }
}

/// Makes one system call on behalf of `op`: retried when a signal interrupts it, its error told
/// with the path.
pub(super) fn seam<T>(
    op: Op,
    path: &Path,
    mut call: impl FnMut() -> Result<T, Errno>,
) -> io::Result<T> {
    loop {
        let result = match planned_fault(op, path) {
            Some(Fault::Errno(errno)) => Err(Errno::from_raw_os_error(errno)),
            Some(Fault::Short) | None => call(),
        };
        match result {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(with_path(op, path, errno)),
            Ok(value) => return Ok(value),
        }
    }
}

/// As [`seam`], for a write of `len` bytes: `call` is told how many of them to hand over.
pub(super) fn seam_write(
    op: Op,
    path: &Path,
    len: usize,
    mut call: impl FnMut(usize) -> Result<usize, Errno>,
) -> io::Result<usize> {
    loop {
        let result = match planned_fault(op, path) {
            Some(Fault::Errno(errno)) => Err(Errno::from_raw_os_error(errno)),
            Some(Fault::Short) => call(len.div_ceil(2)),
            None => call(len),
        };
        match result {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(with_path(op, path, errno)),
            // A write that takes nothing would be repeated for ever.
            Ok(0) => return Err(with_path(op, path, Errno::IO)),
            Ok(written) => return Ok(written),
        }
    }
}

/// How an operation is to go wrong.
#[cfg_attr(not(feature = "faults"), allow(dead_code, reason = "only a plan makes one"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It fails with this error number, and does nothing.
    Errno(i32),
    /// A write takes the first half of what it is given; anything else is done as always.
    Short,
}

#[cfg(not(feature = "faults"))]
fn planned_fault(_: Op, _: &Path) -> Option<Fault> {
    None
}

#[cfg(feature = "faults")]
fn planned_fault(op: Op, path: &Path) -> Option<Fault> {
    PLAN.get().and_then(|plan| plan(op, path))
}

/// Says how an operation is to go wrong, if it is.
#[cfg(feature = "faults")]
pub type FaultPlan = fn(Op, &Path) -> Option<Fault>;

#[cfg(feature = "faults")]
static PLAN: std::sync::OnceLock<FaultPlan> = std::sync::OnceLock::new();

/// Sets the plan of faults, once in the life of the process; says whether this was the first time.
#[cfg(feature = "faults")]
pub fn set_fault_plan(plan: FaultPlan) -> bool {
    PLAN.set(plan).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interruptions_are_retried_and_nothing_else_is() {
        let mut calls = 0;
        let result = seam(Op::Read, Path::new("f"), || {
            calls += 1;
            if calls < 4 { Err(Errno::INTR) } else { Ok(calls) }
        });
        assert_eq!(result.ok(), Some(4));
        let mut calls = 0;
        let result: io::Result<()> = seam(Op::SyncData, Path::new("f"), || {
            calls += 1;
            Err(Errno::IO)
        });
        assert_eq!(calls, 1);
        let text = result.expect_err("failed").to_string();
        assert_eq!(text, "could not fsync file \"f\": Input/output error");
    }

    #[cfg(feature = "faults")]
    #[test]
    fn a_plan_makes_an_operation_fail() {
        let plan: FaultPlan = |op, path| match op {
            Op::Rename if path.ends_with("doomed") => {
                Some(Fault::Errno(Errno::NOSPC.raw_os_error()))
            }
            Op::Write if path.ends_with("short") => Some(Fault::Short),
            _ => None,
        };
        assert!(set_fault_plan(plan) && !set_fault_plan(plan));
        let error = crate::fs::rename(Path::new("doomed"), Path::new("x")).expect_err("planned");
        assert_eq!(crate::fs::os_error(&error), Some(Errno::NOSPC.raw_os_error()));
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("short");
        let file = crate::fs::File::open(&path, crate::fs::OpenHow::CREATE).expect("new");
        file.write_all_at(b"written in many pieces", 0).expect("short counts are gone on from");
        assert_eq!(std::fs::read(&path).expect("there"), b"written in many pieces");
    }
}
