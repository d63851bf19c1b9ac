//! Model checks of deaths: of a process that waits, at every step of it; of one that has let the
//! lock go and wakes others; of one that holds it; of one that cleans up after another.
//!
//! Fails when, in `core`, `repair` does nothing, or wakes only those whose bit stands, or opens a
//! lock that is held.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::super::core::{self, Class, Word};
use super::{ModelLock, ModelWord, Work, check, run};

/// What a dying process unwinds with.
struct Died;

/// A word through which a process makes `left` more steps and dies before the next one. While it
/// holds the lock it is not mortal: the death of a holder is another story (`docs/locking.md`).
struct Mortal<'a> {
    word: &'a ModelWord,
    left: Cell<u32>,
    holds: Cell<bool>,
}

impl Mortal<'_> {
    fn new(word: &ModelWord, holds: bool) -> Mortal<'_> {
        Mortal { word, left: Cell::new(thread_rng().gen_range(0..10)), holds: Cell::new(holds) }
    }

    fn step(&self) {
        match self.left.get() {
            _ if self.holds.get() => {}
            0 => resume_unwind(Box::new(Died)),
            left => self.left.set(left - 1),
        }
    }
}

impl Word for Mortal<'_> {
    fn load(&self) -> u32 {
        self.step();
        self.word.load()
    }

    fn swap_if(&self, old: u32, new: u32) -> Result<(), u32> {
        self.step();
        self.word.swap_if(old, new)?;
        let held = |state: u32| state & (core::EXCLUSIVE | core::COUNT);
        if held(new) < held(old) {
            self.holds.set(false);
        }
        Ok(())
    }

    fn sleep(&self, expected: u32, class: Class) -> bool {
        self.step();
        let awakened = self.word.sleep(expected, class);
        // Dead after it was awakened, before it could do anything about it.
        self.step();
        awakened
    }

    fn wake(&self, class: Class, count: u32) -> usize {
        self.step();
        self.word.wake(class, count)
    }
}

/// A process dies at a random step of waiting; the one that cleans up after it repairs the lock.
fn die_waiting(lock: &ModelLock, wait: fn(&Mortal<'_>) -> bool, be: fn(&ModelLock)) {
    let mortal = Mortal::new(&lock.word, false);
    match catch_unwind(AssertUnwindSafe(|| wait(&mortal))) {
        Ok(true) => be(lock),
        Ok(false) => {}
        Err(death) => {
            assert!(death.is::<Died>(), "a panic of its own");
            clean_up(lock);
        }
    }
}

/// Repairs the lock after a death. Whoever does so may die of it, too, and another begins anew.
fn clean_up(lock: &ModelLock) {
    let mortal = Mortal::new(&lock.word, false);
    let _done_or_died = catch_unwind(AssertUnwindSafe(|| core::repair(&mortal)));
    core::repair(&lock.word);
}

#[test]
fn the_death_of_a_waiting_writer_leaves_nobody_asleep() {
    check(|| {
        let mortal: Work = |lock| {
            die_waiting(
                lock,
                |word| {
                    core::wait_exclusive(word);
                    true
                },
                ModelLock::be_writer,
            );
        };
        run(&[
            mortal,
            |l| (0..2).for_each(|_| l.write()),
            |l| (0..2).for_each(|_| l.read()),
            |l| l.write(),
        ]);
    });
}

#[test]
fn the_death_of_a_waiting_reader_leaves_nobody_asleep() {
    check(|| {
        let mortal: Work = |lock| {
            die_waiting(
                lock,
                |word| {
                    core::wait_shared(word);
                    true
                },
                ModelLock::be_reader,
            );
        };
        run(&[mortal, mortal, |l| (0..3).for_each(|_| l.write()), |l| l.read()]);
    });
}

#[test]
fn the_death_of_an_observer_leaves_nobody_asleep() {
    check(|| {
        let mortal: Work = |lock| {
            die_waiting(lock, |word| core::acquire_or_wait(word), ModelLock::be_writer);
        };
        run(&[mortal, mortal, |l| (0..2).for_each(|_| l.write()), |l| l.read()]);
    });
}

/// Lets go of the lock and dies at a random step of waking the others.
fn die_leaving(lock: &ModelLock, leave: fn(&Mortal<'_>)) {
    let mortal = Mortal::new(&lock.word, true);
    mortal.left.set(thread_rng().gen_range(0..4));
    if catch_unwind(AssertUnwindSafe(|| leave(&mortal))).is_err() {
        clean_up(lock);
    }
}

#[test]
fn the_death_of_a_writer_that_wakes_others_leaves_nobody_asleep() {
    check(|| {
        let mortal: Work = |lock| {
            if !core::try_exclusive(&lock.word) {
                core::wait_exclusive(&lock.word);
            }
            die_leaving(lock, |word| core::release_exclusive(word));
        };
        run(&[mortal, |l| (0..2).for_each(|_| l.write()), |l| (0..2).for_each(|_| l.read())]);
    });
}

#[test]
fn the_death_of_a_reader_that_wakes_others_leaves_nobody_asleep() {
    check(|| {
        let mortal: Work = |lock| {
            if !core::try_shared(&lock.word) {
                core::wait_shared(&lock.word);
            }
            die_leaving(lock, |word| core::release_shared(word));
        };
        let observe: Work = |lock| {
            if core::acquire_or_wait(&lock.word) {
                lock.be_writer();
            }
        };
        run(&[mortal, mortal, |l| (0..2).for_each(|_| l.write()), observe]);
    });
}

/// A holder dies, and so do some that wait for it. Until the postmaster has ended everybody,
/// nobody gets in whom the dead holder excludes, whatever those who clean up do.
fn nobody_enters_after(take: fn(&ModelWord) -> bool, intrude: fn(&ModelWord) -> bool) {
    let lock = Arc::new(ModelLock::default());
    assert!(take(&lock.word));
    let held = lock.word.load();
    let intruder = Arc::clone(&lock);
    let waiter = Arc::clone(&lock);
    let threads = [
        thread::spawn(move || (0..4).for_each(|_| assert!(!intrude(&intruder.word), "got in"))),
        thread::spawn(move || {
            for steps in [3, 2] {
                let mortal = Mortal::new(&waiter.word, false);
                // At the latest before it sleeps, since nothing would wake it; the second need not
                // announce itself, so it comes to that a step sooner.
                mortal.left.set(thread_rng().gen_range(0..steps));
                assert!(
                    catch_unwind(AssertUnwindSafe(|| core::wait_exclusive(&mortal))).is_err(),
                    "got in"
                );
                clean_up(&waiter);
            }
        }),
    ];
    threads.into_iter().for_each(|thread| thread.join().expect("no panics"));
    let holders = core::EXCLUSIVE | core::COUNT;
    assert_eq!(lock.word.load() & holders, held & holders, "it is held still");
}

#[test]
fn nobody_enters_after_the_death_of_a_writer() {
    check(|| nobody_enters_after(core::try_exclusive, core::try_shared));
    check(|| {
        nobody_enters_after(core::try_exclusive, core::try_exclusive);
    });
}

#[test]
fn no_writer_enters_after_the_death_of_a_reader() {
    check(|| nobody_enters_after(core::try_shared, core::try_exclusive));
}
