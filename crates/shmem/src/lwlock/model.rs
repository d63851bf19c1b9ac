//! Model checks of the algorithm: the scheduler decides who runs next at every step of it.
//!
//! A lost wake-up shows as a deadlock, which the checker reports with a schedule to replay.
//!
//! Fails when, in `core`:
//! - a reader enters in spite of EXCLUSIVE, a writer in spite of readers or of another writer;
//! - a sleeper does not announce itself, or a leaver takes a bit away and wakes nobody;
//! - a wake-up that reached nobody is not followed by `open`, or `open` opens a lock that is held;
//! - an observer sleeps on, because the last reader or a writer forgot the observers.

mod deaths;

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::AtomicU32;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

use super::core::{self, Class, Word};

const RANDOM_RUNS: usize = 10_000;
const PCT_RUNS: usize = 5_000;

fn check(scenario: fn()) {
    shuttle::check_random(scenario, RANDOM_RUNS);
    shuttle::check_pct(scenario, PCT_RUNS, 3);
}

/// A word and a futex on it, as the kernel does it: comparing and queueing are one step.
#[derive(Default)]
struct ModelWord {
    word: AtomicU32,
    queue: Mutex<Vec<(Class, Arc<AtomicI32>)>>,
    awakened: Condvar,
}

impl Word for ModelWord {
    fn load(&self) -> u32 {
        self.word.load(Ordering::SeqCst)
    }

    fn swap_if(&self, old: u32, new: u32) -> Result<(), u32> {
        self.word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).map(|_| ())
    }

    fn sleep(&self, expected: u32, class: Class) -> bool {
        let interrupted = thread_rng().gen_range(0..8) == 0;
        let mut queue = self.queue.lock().expect("no panics");
        if interrupted || self.word.load(Ordering::SeqCst) != expected {
            return false;
        }
        let awake = Arc::new(AtomicI32::new(0));
        queue.push((class, Arc::clone(&awake)));
        while awake.load(Ordering::Relaxed) == 0 {
            queue = self.awakened.wait(queue).expect("no panics");
        }
        true
    }

    fn wake(&self, class: Class, count: u32) -> usize {
        let mut queue = self.queue.lock().expect("no panics");
        let mut woken = 0;
        queue.retain(|(of, awake)| {
            let chosen = *of == class && woken < count as usize;
            if chosen {
                awake.store(1, Ordering::Relaxed);
                woken += 1;
            }
            !chosen
        });
        self.awakened.notify_all();
        woken
    }
}

/// A lock with what it guards: how many are inside, -1 for a writer.
#[derive(Default)]
struct ModelLock {
    word: ModelWord,
    inside: AtomicI32,
}

impl ModelLock {
    fn read(&self) {
        if !core::try_shared(&self.word) {
            core::wait_shared(&self.word);
        }
        self.be_reader();
    }

    fn be_reader(&self) {
        assert!(self.inside.fetch_add(1, Ordering::Relaxed) >= 0, "a writer is inside");
        thread::yield_now();
        self.inside.fetch_sub(1, Ordering::Relaxed);
        core::release_shared(&self.word);
    }

    fn write(&self) {
        if !core::try_exclusive(&self.word) {
            core::wait_exclusive(&self.word);
        }
        self.be_writer();
    }

    fn be_writer(&self) {
        assert_eq!(self.inside.swap(-1, Ordering::Relaxed), 0, "somebody is inside");
        thread::yield_now();
        self.inside.store(0, Ordering::Relaxed);
        core::release_exclusive(&self.word);
    }
}

type Work = fn(&ModelLock);

/// Runs each piece of work in a thread of its own, all on one lock, and looks at what they leave.
fn run(work: &[Work]) {
    let lock = Arc::new(ModelLock::default());
    let threads: Vec<_> = work
        .iter()
        .map(|&work| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || work(&lock))
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panics");
    }
    assert_eq!(lock.word.load(), 0, "nobody holds it, nobody waits, all bits are gone");
}

#[test]
fn writers_exclude_each_other_and_none_sleeps_for_ever() {
    check(|| {
        run(&[
            |l| (0..3).for_each(|_| l.write()),
            |l| (0..3).for_each(|_| l.write()),
            |l| l.write(),
        ])
    });
}

#[test]
fn readers_and_writers_exclude_each_other_and_none_sleeps_for_ever() {
    let scenario = || {
        let twice_read: Work = |lock| (0..2).for_each(|_| lock.read());
        let twice_write: Work = |lock| (0..2).for_each(|_| lock.write());
        run(&[twice_read, twice_write, twice_read, twice_write]);
    };
    check(scenario);
}

#[test]
fn mixed_work_ends() {
    check(|| {
        let mixed: Work = |lock| {
            for _ in 0..3 {
                if thread_rng().gen_range(0..2) == 0 { lock.read() } else { lock.write() }
            }
        };
        run(&[mixed, mixed, mixed, mixed]);
    });
}

#[test]
fn trying_never_sleeps_and_excludes_too() {
    check(|| {
        let trying: Work = |lock| {
            if core::try_exclusive(&lock.word) {
                lock.be_writer();
            }
            if core::try_shared(&lock.word) {
                lock.be_reader();
            }
        };
        run(&[trying, |lock| lock.write(), trying, |lock| lock.read()]);
    });
}

/// The group commit: everybody wants the position of its own record flushed, one does it for all.
#[test]
fn whoever_waits_for_the_holder_finds_the_work_done_or_does_it() {
    check(|| {
        let lock = Arc::new((ModelLock::default(), AtomicU32::new(0), AtomicU32::new(0)));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let lock = Arc::clone(&lock);
                thread::spawn(move || {
                    let (lock, inserted, flushed) = &*lock;
                    for _ in 0..2 {
                        let mine = inserted.fetch_add(1, Ordering::SeqCst) + 1;
                        while flushed.load(Ordering::SeqCst) < mine {
                            if core::acquire_or_wait(&lock.word) {
                                flushed.store(inserted.load(Ordering::SeqCst), Ordering::SeqCst);
                                lock.be_writer();
                            }
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panics");
        }
        assert_eq!(lock.0.word.load(), 0);
    });
}

#[test]
fn observers_writers_and_readers_together_end() {
    check(|| {
        let observe: Work = |lock| {
            for _ in 0..2 {
                if core::acquire_or_wait(&lock.word) {
                    lock.be_writer();
                }
            }
        };
        run(&[
            observe,
            |l| (0..2).for_each(|_| l.write()),
            observe,
            |l| (0..2).for_each(|_| l.read()),
        ]);
    });
}
