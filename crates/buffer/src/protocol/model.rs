//! Model checks of the protocol and the state word: the scheduler decides who runs next at every
//! access to a shared word, at every lock, and before every copy, write and sync. The steps of
//! writing, evicting, forgetting, filling and changing, and every step of the state word, are the
//! real code; the table, the clock's order, the log and the disk are the model's.
//!
//! What is checked:
//! - a pinned buffer keeps its page, and what is read from the file has every change ever made;
//! - no page is written before its log, over a newer version, or after it was dropped;
//! - when a checkpoint is complete, every change before its redo position is durable;
//! - no page is written that differs from its file and has no image behind the redo position;
//! - everything ends (the checker takes a circle of waits for a deadlock, and says so).
//!
//! Fails when, in `protocol` or `state`:
//! - a page is given up though somebody else has pinned it, or though it is dirty, or outside of
//!   the table's lock, or a pin is not taken in one step with the look at the state;
//! - `end_copy` takes "dirty" or "checkpoint" away in spite of "just dirtied", `begin_copy` leaves
//!   "just dirtied" standing, or a buffer is called clean before its sync is asked for;
//! - a change is logged before its page is marked dirty;
//! - a hint is set without a second look, or one before the page is marked dirty, or without an
//!   image (mutant `hint-without-image`);
//! - the log is not flushed before the page (mutant `page-before-its-wal`);
//! - two processes own a buffer's I/O, a page is filled twice, or the end of I/O is not told.

mod ground;
mod pin;

use std::sync::Arc;

use shuttle::thread;

use self::ground::Pool;

const RANDOM_RUNS: usize = 4_000;
const PCT_RUNS: usize = 4_000;

type Work = fn(&Arc<Pool>);

/// Runs each piece of work in a process of its own, and looks at what they leave.
fn run(buffers: usize, work: &[Work]) {
    let pool = Pool::new(buffers);
    let spawn = |&work: &Work| {
        let pool = Arc::clone(&pool);
        thread::spawn(move || work(&pool))
    };
    let threads: Vec<_> = work.iter().map(spawn).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panics"));
    pool.settle();
}

fn check(scenario: fn()) {
    shuttle::check_random(scenario, RANDOM_RUNS);
    shuttle::check_pct(scenario, PCT_RUNS, 3);
}

#[test]
fn no_page_is_evicted_that_somebody_pins_or_has_just_changed() {
    check(|| {
        let change: Work = |pool| (0..2).for_each(|_| pool.fetch(0).change());
        let pass: Work = |pool| (0..3).for_each(|tag| drop(pool.fetch(tag)));
        run(2, &[change, change, pass]);
    });
}

#[test]
fn pages_that_take_turns_in_one_buffer_keep_every_change() {
    check(|| {
        let upwards: Work = |pool| [0, 1, 0].iter().for_each(|&tag| pool.fetch(tag).change());
        let downwards: Work = |pool| [1, 0].iter().for_each(|&tag| pool.fetch(tag).change());
        run(1, &[upwards, downwards, downwards]);
    });
}

#[test]
fn no_change_is_lost_that_comes_while_its_page_is_written() {
    check(|| {
        let change: Work = |pool| (0..2).for_each(|_| pool.fetch(0).change());
        run(1, &[change, |pool| pool.clean(), |pool| pool.checkpoint()]);
    });
}

#[test]
fn a_checkpoint_has_every_change_before_its_redo_position() {
    check(|| {
        let change: Work = |pool| (0..2).for_each(|tag| pool.fetch(tag).change());
        let checkpoint: Work = |pool| (0..2).for_each(|_| pool.checkpoint());
        run(2, &[change, change, checkpoint, |pool| pool.clean()]);
    });
}

#[test]
fn no_hint_is_written_without_an_image() {
    check(|| {
        let hint: Work = |pool| (0..2).for_each(|_| pool.fetch(0).hint());
        let checkpoint: Work = |pool| (0..2).for_each(|_| pool.checkpoint());
        run(1, &[|pool| pool.fetch(0).change(), hint, checkpoint, |pool| pool.clean()]);
    });
}

#[test]
fn a_page_that_is_dropped_is_never_written_again() {
    check(|| {
        let drops: Work = |pool| {
            pool.fetch(0).change();
            pool.drop_page(0);
        };
        let others: Work = |pool| pool.fetch(1).change();
        run(2, &[drops, others, |pool| pool.clean(), |pool| pool.checkpoint()]);
    });
}
