//! Forking in tests.
//!
//! The test runs in a second thread, so a child does only what needs no lock of another thread
//! (memory may be allocated: glibc sees to its own locks at a fork), and leaves by `exit_now`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::process::{self, Ended, Forked};

/// Runs `work` in a child; its pid.
pub fn spawn(work: impl FnOnce() -> i32) -> i32 {
    match process::fork().expect("fork") {
        Forked::Parent(pid) => pid,
        Forked::Child => {
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            process::exit_now(code)
        }
    }
}

/// Runs `work` in a child and waits for it.
pub fn in_child(work: impl FnOnce() -> i32) -> Ended {
    process::wait_for(spawn(work)).expect("a child")
}

/// A pair of connected sockets, over which a parent and its child tell each other how far they are.
pub fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a pair of sockets")
}

/// Tells the other side to go on.
pub fn tell(mut socket: &UnixStream) {
    socket.write_all(b"!").expect("the other side lives");
}

/// Waits until the other side tells to go on; false when it is gone.
pub fn hear(mut socket: &UnixStream) -> bool {
    let mut byte = [0];
    loop {
        match socket.read(&mut byte) {
            Ok(n) => return n == 1,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// Waits until something is so; false after ten seconds.
pub fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
