//! Processes in tests: children that share a segment with the test.
//!
//! The test runs in a second thread, so a child does only what needs no lock of another thread, and
//! leaves by `exit_now`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use sys::process::{self, Ended, Forked};

use crate::{Layout, ProcArray, ProcKind, Segment, proc};

/// A segment that a test may fork around: process slots and whatever else the layout has.
pub struct Shared {
    pub segment: Segment,
    pub procs: ProcArray,
    _directory: tempfile::TempDir,
}

impl Shared {
    /// A segment of this layout and 16 process slots.
    pub fn new(mut layout: Layout) -> Shared {
        let directory = tempfile::tempdir().expect("a directory");
        let slots = ProcArray::reserve(&mut layout, 16);
        let segment = Segment::create(layout, directory.path()).expect("room in /dev/shm");
        let procs = ProcArray::new(&segment, slots);
        Shared { segment, procs, _directory: directory }
    }

    /// Runs `work` in a child with a slot of its own; its pid.
    pub fn spawn(&self, work: impl FnOnce() -> i32) -> i32 {
        let index = self.procs.claim(ProcKind::Backend, 0).expect("a free slot");
        spawn(|| {
            proc::attach(self.procs.slots(), index);
            work()
        })
    }
}

/// Runs `work` in a child, which ends with the test at the latest; its pid.
pub fn spawn(work: impl FnOnce() -> i32) -> i32 {
    let test = process::pid();
    match process::fork().expect("fork") {
        Forked::Parent(pid) => pid,
        Forked::Child => {
            process::die_with_parent(test);
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            process::exit_now(code)
        }
    }
}

/// Waits for all of these children, which must end well.
pub fn end_well(children: &[i32]) {
    for &pid in children {
        assert_eq!(process::wait_for(pid), Some(Ended::Exited(0)));
    }
}

/// Waits until something is so; false after ten seconds.
pub fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
