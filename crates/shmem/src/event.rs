//! Events: waiting, without a lock, for something that other processes bring about.
//!
//! Who waits looks at shared words of its own choice; who changes those words calls
//! [`Event::notify`] afterwards.
//!
//! ```text
//!  waiter                              notifier
//!  waiters += 1                        make it true
//!  loop { seen := count                if waiters != 0 { count += 1; wake all }
//!         is it true? done
//!         sleep while count == seen }
//!  waiters -= 1
//! ```
//!
//! The naive waiter looks, and then sleeps: what becomes true in between is missed. Here it notes
//! the count *before* it looks, so a notification after the look changes what it would sleep on.
//! And a notifier that sees no waiter made its thing true before that waiter came, and so before
//! that waiter looks. Both need the accesses to be sequentially consistent, those to the words that
//! are waited for too.
//!
//! What if the process dies: a waiter leaves `waiters` too high, which costs later notifiers a
//! system call. A notifier that dies before it notifies has not done what was waited for either,
//! as far as anybody can rely on it: the postmaster resets shared memory.

use std::sync::atomic::{AtomicU32, Ordering};

use sys::futex;
use zerocopy::FromZeros;

/// Something that happens again and again, and that processes wait for. Zero is: nobody waits.
#[derive(FromZeros, Debug, Default)]
#[repr(C)]
pub struct Event {
    waiters: AtomicU32,
    count: AtomicU32,
}

impl Event {
    /// Waits until `ready` answers something: asks it at once, and after each notification.
    pub fn wait_until<T>(&self, ready: impl FnMut() -> Option<T>) -> T {
        wait_until(&self.waiters, &self.count, ready)
    }

    /// Makes those who wait look again. To be called after what they wait for was stored; costs a
    /// system call only when somebody waits.
    pub fn notify(&self) {
        notify(&self.waiters, &self.count);
    }
}

/// What the algorithm runs on: an atomic word and a futex on it.
trait Word {
    fn load(&self) -> u32;
    fn add(&self, number: u32);
    fn subtract(&self, number: u32);
    fn sleep(&self, expected: u32);
    fn wake(&self);
}

impl Word for AtomicU32 {
    fn load(&self) -> u32 {
        AtomicU32::load(self, Ordering::SeqCst)
    }

    fn add(&self, number: u32) {
        self.fetch_add(number, Ordering::SeqCst);
    }

    fn subtract(&self, number: u32) {
        self.fetch_sub(number, Ordering::SeqCst);
    }

    fn sleep(&self, expected: u32) {
        futex::wait(self, expected, None);
    }

    fn wake(&self) {
        futex::wake_all(self);
    }
}

fn wait_until<T>(
    waiters: &impl Word,
    count: &impl Word,
    mut ready: impl FnMut() -> Option<T>,
) -> T {
    waiters.add(1);
    let answer = loop {
        let seen = count.load();
        if let Some(answer) = ready() {
            break answer;
        }
        count.sleep(seen);
    };
    waiters.subtract(1);
    answer
}

fn notify(waiters: &impl Word, count: &impl Word) {
    if waiters.load() != 0 {
        count.add(1);
        count.wake();
    }
}

/// A lost wake-up shows as a deadlock, which the checker reports with a schedule to replay.
///
/// Fails when `wait_until` reads the count after it has asked, when it asks before it has counted
/// itself, and when `notify` wakes without counting.
#[cfg(test)]
mod model {
    use std::sync::Arc;

    use shuttle::rand::{Rng, thread_rng};
    use shuttle::sync::atomic::AtomicU32;
    use shuttle::sync::{Condvar, Mutex};
    use shuttle::thread;

    use super::*;

    /// A word and a futex on it, as the kernel does it: comparing and sleeping are one step.
    #[derive(Default)]
    struct ModelWord {
        word: Mutex<u32>,
        awakened: Condvar,
    }

    impl Word for ModelWord {
        fn load(&self) -> u32 {
            *self.word.lock().expect("no panics")
        }

        fn add(&self, number: u32) {
            *self.word.lock().expect("no panics") += number;
        }

        fn subtract(&self, number: u32) {
            *self.word.lock().expect("no panics") -= number;
        }

        fn sleep(&self, expected: u32) {
            let word = self.word.lock().expect("no panics");
            let interrupted = thread_rng().gen_range(0..8) == 0;
            if *word == expected && !interrupted {
                drop(self.awakened.wait(word).expect("no panics"));
            }
        }

        fn wake(&self) {
            // Taken so that it cannot fall between the sleeper's comparison and its sleep.
            let _word = self.word.lock().expect("no panics");
            self.awakened.notify_all();
        }
    }

    #[derive(Default)]
    struct Model {
        waiters: ModelWord,
        count: ModelWord,
        done: AtomicU32,
    }

    /// Three that each do a piece of work and say so, two that wait until so and so much is done.
    fn scenario() {
        let model = Arc::new(Model::default());
        let mut threads = Vec::new();
        for _ in 0..3 {
            let model = Arc::clone(&model);
            threads.push(thread::spawn(move || {
                model.done.fetch_add(1, Ordering::SeqCst);
                notify(&model.waiters, &model.count);
            }));
        }
        for needed in [2, 3] {
            let model = Arc::clone(&model);
            threads.push(thread::spawn(move || {
                let ready = || {
                    let done = model.done.load(Ordering::SeqCst);
                    (done >= needed).then_some(done)
                };
                assert!(wait_until(&model.waiters, &model.count, ready) >= needed);
            }));
        }
        threads.into_iter().for_each(|thread| thread.join().expect("no panics"));
        assert_eq!(model.waiters.load(), 0);
    }

    #[test]
    fn whoever_waits_sees_what_it_waits_for() {
        shuttle::check_random(scenario, 10_000);
        shuttle::check_pct(scenario, 10_000, 3);
    }
}
