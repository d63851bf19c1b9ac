//! Latches: how one process wakes another.
//!
//! A latch belongs to one process, which alone waits on it; anybody may set it. The owner's loop is
//!
//! ```text
//!  loop { latch.reset(); if there is work { do it; continue }  latch.wait(timeout) }
//! ```
//!
//! and a setter first makes the work visible, then sets the latch. The word is
//!
//! ```text
//!  bit 0  SET       somebody wants attention
//!  bit 1  SLEEPING  the owner sleeps, or is about to: a setter must make the system call
//! ```
//!
//! The owner goes to sleep only while the word is exactly SLEEPING, which the kernel checks in the
//! same step: a SET that comes before that is seen, one that comes after wakes. SLEEPING stays
//! until the owner itself takes it away, so when a setter dies between the two, the next setter
//! still makes the call. Signal handlers set the same bit ([`sys::signal::set_wake_word`]).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sys::futex::{self, Wake};
use zerocopy::FromZeros;

const SET: u32 = sys::signal::WAKE_BIT;
const SLEEPING: u32 = 2;

/// What the algorithm runs on: one atomic word and a futex on it.
trait Word {
    /// Sets bits; returns what was there before.
    fn set_bits(&self, bits: u32) -> u32;
    /// Takes bits away; returns what was there before.
    fn clear_bits(&self, bits: u32) -> u32;
    /// Sleeps while the word is `expected`; says whether that ended because the time was up.
    fn sleep(&self, expected: u32, left: Option<Duration>) -> bool;
    fn wake(&self);
}

impl Word for AtomicU32 {
    fn set_bits(&self, bits: u32) -> u32 {
        self.fetch_or(bits, Ordering::SeqCst)
    }

    fn clear_bits(&self, bits: u32) -> u32 {
        self.fetch_and(!bits, Ordering::SeqCst)
    }

    fn sleep(&self, expected: u32, left: Option<Duration>) -> bool {
        let expired = left.is_some_and(|left| left.is_zero());
        expired || futex::wait(self, expected, left) == Wake::TimedOut
    }

    fn wake(&self) {
        futex::wake_all(self);
    }
}

fn set(word: &impl Word) {
    if word.set_bits(SET) & SLEEPING != 0 {
        word.wake();
    }
}

/// Sleeps until the word is SET, or until `left` says that no time is left; says whether it is.
fn wait(word: &impl Word, mut left: impl FnMut() -> Option<Duration>) -> bool {
    loop {
        let set = word.set_bits(SLEEPING) & SET != 0;
        if set || word.sleep(SLEEPING, left()) {
            return word.clear_bits(SLEEPING) & SET != 0;
        }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    /// The latch is set.
    Woken,
    /// The time was up, and it is not.
    TimedOut,
}

/// A flag to wake its owner by. Zero is: not set, nobody sleeping.
#[derive(FromZeros, Debug, Default)]
#[repr(transparent)]
pub struct Latch {
    word: AtomicU32,
}

impl Latch {
    /// The word, to be registered as what signals wake.
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// Sets the latch and wakes its owner. Costs a system call only when the owner sleeps.
    pub fn set(&self) {
        set(&self.word);
    }

    /// Unsets it. For the owner, before it looks for work.
    pub fn reset(&self) {
        self.word.clear_bits(SET);
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.word.load(Ordering::SeqCst) & SET != 0
    }

    /// Sleeps until it is set, at most for `timeout`. Does not unset it. For the owner alone.
    pub fn wait(&self, timeout: Option<Duration>) -> Woken {
        let deadline = timeout.map(|timeout| sys::clock::monotonic().saturating_add(timeout));
        let left = || deadline.map(|at| at.saturating_sub(sys::clock::monotonic()));
        if wait(&self.word, left) { Woken::Woken } else { Woken::TimedOut }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use shuttle::rand::{Rng, thread_rng};
    use shuttle::sync::{Condvar, Mutex};
    use shuttle::{check_pct, check_random, thread};

    use super::*;

    /// A word and a futex on it, as the kernel does it: comparing and sleeping are one step.
    #[derive(Default)]
    struct ModelWord {
        word: Mutex<u32>,
        awakened: Condvar,
    }

    impl Word for ModelWord {
        fn set_bits(&self, bits: u32) -> u32 {
            let mut word = self.word.lock().expect("no panics");
            let before = *word;
            *word = before | bits;
            before
        }

        fn clear_bits(&self, bits: u32) -> u32 {
            let mut word = self.word.lock().expect("no panics");
            let before = *word;
            *word = before & !bits;
            before
        }

        fn sleep(&self, expected: u32, left: Option<Duration>) -> bool {
            let word = self.word.lock().expect("no panics");
            if left.is_some() {
                return true;
            }
            let interrupted = thread_rng().gen_range(0..8) == 0;
            if *word == expected && !interrupted {
                drop(self.awakened.wait(word).expect("no panics"));
            }
            false
        }

        fn wake(&self) {
            // Taken so that it cannot fall between the sleeper's comparison and its sleep.
            let _word = self.word.lock().expect("no panics");
            self.awakened.notify_all();
        }
    }

    /// Setters that each bring one piece of work, the first perhaps dying before it wakes.
    fn owner_gets_all_work(dies: bool) {
        let shared = Arc::new((ModelWord::default(), Mutex::new(0)));
        let setters: Vec<_> = (0..3)
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    *shared.1.lock().expect("no panics") += 1;
                    if dies && number == 0 {
                        // It dies here; afterwards somebody notices, and sets the latch again.
                        shared.0.set_bits(SET);
                        thread::spawn(move || set(&shared.0));
                    } else {
                        set(&shared.0);
                    }
                })
            })
            .collect();
        loop {
            shared.0.clear_bits(SET);
            if *shared.1.lock().expect("no panics") == 3 {
                break;
            }
            let time_is_short = thread_rng().gen_range(0..4) == 0;
            wait(&shared.0, || time_is_short.then_some(Duration::ZERO));
        }
        for setter in setters {
            setter.join().expect("no panics");
        }
    }

    #[test]
    fn no_wake_up_is_lost() {
        check_random(|| owner_gets_all_work(false), 10_000);
        check_pct(|| owner_gets_all_work(false), 10_000, 3);
    }

    #[test]
    fn the_death_of_a_setter_does_not_make_the_next_one_silent() {
        check_random(|| owner_gets_all_work(true), 10_000);
        check_pct(|| owner_gets_all_work(true), 10_000, 3);
    }

    #[test]
    fn a_wait_ends_when_the_time_is_up_and_not_before() {
        let latch = Latch::default();
        let begin = Instant::now();
        assert_eq!(latch.wait(Some(Duration::from_millis(30))), Woken::TimedOut);
        assert!(begin.elapsed() >= Duration::from_millis(30));
        assert_eq!(latch.word.load(Ordering::Relaxed), 0, "it does not say that it sleeps");
        latch.set();
        assert_eq!(latch.wait(None), Woken::Woken);
        assert!(latch.is_set(), "waiting does not unset it");
        latch.reset();
        assert!(!latch.is_set());
    }

    #[test]
    fn a_wake_up_without_a_reason_does_not_end_the_wait() {
        let latch = Latch::default();
        let begin = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while begin.elapsed() < Duration::from_millis(30) {
                    futex::wake_all(&latch.word);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            assert_eq!(latch.wait(Some(Duration::from_millis(60))), Woken::TimedOut);
        });
        assert!(begin.elapsed() >= Duration::from_millis(60));
    }
}
