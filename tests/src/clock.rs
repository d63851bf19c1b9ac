//! Time as the tests count it: nanoseconds of `CLOCK_MONOTONIC`, the same clock in every process.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC` now. Comparable between processes, and with the moment that a
/// power-cut recording names.
pub fn now_ns() -> u64 {
    let t = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has a monotonic clock");
    t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64
}

/// A duration in nanoseconds.
pub fn ns(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

/// Asks `done` again and again until it gives something or `limit` has passed.
pub fn wait_for<T>(limit: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(found) = done() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Like [`wait_for`], for a plain condition; panics with `what` when it does not come true.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    if wait_for(limit, || done().then_some(())).is_none() {
        panic!("not within {limit:?}: {what}");
    }
}
