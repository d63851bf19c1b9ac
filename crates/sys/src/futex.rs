//! Sleeping until a word of shared memory changes.
//!
//! The words may lie in memory that several processes share, so the process-private form of the
//! futex is never used. The kernel compares the word and queues the sleeper in one step: a waker
//! that changes the word first and then calls [`wake`] cannot slip in between.
//!
//! A futex keeps no state when a process dies: a dead sleeper simply leaves the queue.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec};

/// Why a sleeper came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Somebody woke it (or, rarely, the kernel did without a reason).
    Woken,
    /// The time was up.
    TimedOut,
    /// The word did not have the expected value, so it did not sleep.
    Changed,
    /// A signal handler ran.
    Interrupted,
}

/// Which sleepers on a word are meant: bits of the caller's choosing, not all zero.
pub type Class = NonZeroU32;

/// Sleeps while `word` is `expected`, at most for `timeout`.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Wake {
    let timeout = timeout.map(timespec);
    outcome(futex::wait(word, Flags::empty(), expected, timeout.as_ref()))
}

/// Sleeps while `word` is `expected`, to be woken only by a [`wake_class`] that shares a bit.
pub fn wait_class(word: &AtomicU32, expected: u32, class: Class) -> Wake {
    outcome(futex::wait_bitset(word, Flags::empty(), expected, None, class))
}

/// Wakes at most `count` sleepers on `word`, and says how many there were.
pub fn wake(word: &AtomicU32, count: u32) -> usize {
    futex::wake(word, Flags::empty(), kernel_count(count)).unwrap_or(0)
}

/// Wakes every sleeper on `word`, and says how many there were.
pub fn wake_all(word: &AtomicU32) -> usize {
    wake(word, u32::MAX)
}

/// Wakes at most `count` sleepers of that class on `word`, and says how many there were.
pub fn wake_class(word: &AtomicU32, count: u32, class: Class) -> usize {
    futex::wake_bitset(word, Flags::empty(), kernel_count(count), class).unwrap_or(0)
}

fn outcome(result: Result<(), Errno>) -> Wake {
    match result {
        Ok(()) => Wake::Woken,
        Err(Errno::TIMEDOUT) => Wake::TimedOut,
        Err(Errno::INTR) => Wake::Interrupted,
        // EAGAIN. Nothing else can come of a valid address and time; if it did, the caller looks
        // at the word again, which is right in any case.
        Err(_) => Wake::Changed,
    }
}

/// The kernel takes the number of sleepers as a signed int.
fn kernel_count(count: u32) -> u32 {
    count.min(i32::MAX as u32)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::testing::eventually;

    #[test]
    fn a_sleeper_comes_back_for_each_of_the_reasons() {
        let word = AtomicU32::new(7);
        assert_eq!(wait(&word, 8, None), Wake::Changed);
        let begin = std::time::Instant::now();
        assert_eq!(wait(&word, 7, Some(Duration::from_millis(20))), Wake::TimedOut);
        assert!(begin.elapsed() >= Duration::from_millis(20));
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| wait(&word, 7, None));
            assert!(eventually(|| wake_all(&word) == 1));
            assert_eq!(sleeper.join().expect("no panic"), Wake::Woken);
        });
    }

    #[test]
    fn only_the_class_that_is_meant_is_awakened() {
        let word = AtomicU32::new(0);
        let class = |bits| Class::new(bits).expect("not zero");
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| wait_class(&word, 0, class(2)));
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(wake_class(&word, u32::MAX, class(5)), 0);
            assert!(eventually(|| wake_class(&word, u32::MAX, class(6)) == 1));
            assert_eq!(sleeper.join().expect("no panic"), Wake::Woken);
        });
        assert_eq!(word.load(Ordering::Relaxed), 0);
    }
}
