//! Row locks of several processes: who excludes whom, and what is left of locks when rows change.

mod support;

use access::{Locked, Outcome};
use support::{Child, World, row};
use txn::{RowLockMode, Transaction};
use types::{RelFileNumber, TupleId};

use RowLockMode::{KeyShare, NoKeyUpdate, Share, Update};

/// What a process does in one go.
type Step<'a> = Box<dyn FnOnce(&World, &mut Transaction) + 'a>;

/// Where the processes tell that they are done.
const DONE: usize = 20;

/// A process that does its steps in one transaction, each when it is told to.
fn actor<'a>(world: &'a World, slot: usize, steps: Vec<Step<'a>>) -> Child {
    world.spawn(slot, move || {
        let mut tx = world.txn.begin();
        for (number, step) in (1..).zip(steps) {
            world.await_word(slot, number);
            step(world, &mut tx);
            let _over = tx.next_command();
            world.set_word(slot + DONE, number);
        }
    })
}

/// Has the process do its next step, and waits for it.
fn go(world: &World, slot: usize) {
    let number = world.word(slot) + 1;
    world.set_word(slot, number);
    world.await_word(slot + DONE, number);
}

fn commit<'a>() -> Step<'a> {
    Box::new(|world, tx| {
        world.txn.commit(tx, true).expect("commit");
    })
}

fn abort<'a>() -> Step<'a> {
    Box::new(|world, tx| world.txn.abort(tx))
}

/// A lock that is to be had at once.
fn lock<'a>(rel: RelFileNumber, place: TupleId, mode: RowLockMode) -> Step<'a> {
    Box::new(move |world, tx| {
        let _snapshot = world.txn.snapshot(tx);
        let done = world.heap(rel).lock(tx, place, mode, false).expect("a lock");
        assert!(matches!(done, Locked::Done), "{mode:?}: {done:?}");
    })
}

fn update<'a>(rel: RelFileNumber, place: TupleId) -> Step<'a> {
    Box::new(move |world, tx| {
        let _snapshot = world.txn.snapshot(tx);
        let done = world.heap(rel).update(tx, place, &row(1, "updated")).expect("update");
        assert!(matches!(done, Outcome::Done(_)), "{done:?}");
    })
}

/// Which modes another transaction gets at once on the row there is now.
fn free_modes(world: &World, slot: usize, rel: RelFileNumber) -> Vec<RowLockMode> {
    let free = |mode: RowLockMode| {
        let tried = world.spawn(slot, || {
            let mut tx = world.txn.begin();
            let (place, _) = world.rows_in(&tx, rel).pop().expect("one row");
            let _snapshot = world.txn.snapshot(&tx);
            let done = world.heap(rel).lock(&mut tx, place, mode, false).expect("an answer");
            world.set_word(39, u64::from(matches!(done, Locked::Done)));
            world.txn.abort(&mut tx);
        });
        tried.join();
        world.word(39) == 1
    };
    RowLockMode::ALL.into_iter().filter(|mode| free(*mode)).collect()
}

fn one_row(world: &World) -> (RelFileNumber, TupleId) {
    let rel = world.table();
    (rel, world.write(|tx| world.heap(rel).insert(tx, &row(0, "first")).expect("insert")))
}

#[test]
fn modes_exclude_each_other_as_the_manual_says() {
    let world = World::new(64);
    let (rel, place) = one_row(&world);
    for mode in RowLockMode::ALL {
        world.set_word(0, 0);
        world.set_word(DONE, 0);
        let holder = actor(&world, 0, vec![lock(rel, place, mode), commit()]);
        go(&world, 0);
        let expected: Vec<RowLockMode> =
            RowLockMode::ALL.into_iter().filter(|other| !mode.conflicts_with(*other)).collect();
        assert_eq!(free_modes(&world, 1, rel), expected, "{mode:?} is held");
        go(&world, 0);
        holder.join();
        assert_eq!(free_modes(&world, 1, rel), RowLockMode::ALL, "{mode:?} was held");
    }
}

#[test]
fn each_of_several_lockers_counts_until_its_end() {
    let world = World::new(64);
    let (rel, place) = one_row(&world);
    let actors = [
        actor(&world, 0, vec![lock(rel, place, KeyShare), commit()]),
        actor(&world, 1, vec![lock(rel, place, Share), commit()]),
        actor(&world, 2, vec![lock(rel, place, KeyShare), abort()]),
    ];
    (0..3).for_each(|slot| go(&world, slot));
    assert_eq!(free_modes(&world, 3, rel), [KeyShare, Share]);
    go(&world, 1);
    assert_eq!(free_modes(&world, 3, rel), [KeyShare, Share, NoKeyUpdate]);
    go(&world, 0);
    assert_eq!(free_modes(&world, 3, rel), [KeyShare, Share, NoKeyUpdate], "one is left");
    go(&world, 2);
    assert_eq!(free_modes(&world, 3, rel), RowLockMode::ALL);
    actors.into_iter().for_each(Child::join);
}

#[test]
fn a_key_share_lock_outlives_an_update_whichever_way_it_ends() {
    for update_ends in [commit as fn() -> Step<'static>, abort] {
        let world = World::new(64);
        let (rel, place) = one_row(&world);
        let locker = actor(&world, 0, vec![lock(rel, place, KeyShare), commit()]);
        let updater = actor(&world, 1, vec![update(rel, place), update_ends()]);
        go(&world, 0);
        go(&world, 1);
        assert_eq!(free_modes(&world, 2, rel), [KeyShare]);
        go(&world, 1);
        let beside_key_share = [KeyShare, Share, NoKeyUpdate];
        assert_eq!(free_modes(&world, 2, rel), beside_key_share);
        go(&world, 0);
        assert_eq!(free_modes(&world, 2, rel), RowLockMode::ALL);
        locker.join();
        updater.join();
    }
}

#[test]
fn a_key_share_lock_taken_during_an_update_holds_what_comes_of_it() {
    for update_ends in [commit as fn() -> Step<'static>, abort] {
        let world = World::new(64);
        let (rel, place) = one_row(&world);
        let updater = actor(&world, 1, vec![update(rel, place), update_ends()]);
        let locker = actor(&world, 0, vec![lock(rel, place, KeyShare), commit()]);
        go(&world, 1);
        go(&world, 0);
        go(&world, 1);
        assert_eq!(free_modes(&world, 2, rel), [KeyShare, Share, NoKeyUpdate]);
        go(&world, 0);
        assert_eq!(free_modes(&world, 2, rel), RowLockMode::ALL);
        locker.join();
        updater.join();
    }
}

#[test]
fn a_lock_from_before_a_savepoint_outlives_what_is_undone() {
    let world = World::new(64);
    let (rel, place) = one_row(&world);
    let savepoint: Step<'_> = Box::new(|world, tx| world.txn.begin_subtransaction(tx));
    let undo: Step<'_> = Box::new(|world, tx| world.txn.rollback_subtransaction(tx, 0));
    let steps = vec![lock(rel, place, Update), savepoint, update(rel, place), undo, commit()];
    let holder = actor(&world, 0, steps);
    for _ in 0..4 {
        go(&world, 0);
        assert_eq!(free_modes(&world, 1, rel), []);
    }
    go(&world, 0);
    assert_eq!(free_modes(&world, 1, rel), RowLockMode::ALL);
    holder.join();
}

#[test]
fn a_lock_taken_after_a_savepoint_goes_with_it() {
    let world = World::new(64);
    let (rel, place) = one_row(&world);
    let savepoint: Step<'_> = Box::new(|world, tx| world.txn.begin_subtransaction(tx));
    let undo: Step<'_> = Box::new(|world, tx| world.txn.rollback_subtransaction(tx, 0));
    let before = lock(rel, place, KeyShare);
    let steps = vec![before, savepoint, lock(rel, place, Update), undo, commit()];
    let holder = actor(&world, 0, steps);
    (0..3).for_each(|_| go(&world, 0));
    assert_eq!(free_modes(&world, 1, rel), []);
    go(&world, 0);
    assert_eq!(free_modes(&world, 1, rel), [KeyShare, Share, NoKeyUpdate]);
    go(&world, 0);
    holder.join();
}

#[test]
fn who_waits_for_a_lock_goes_on_with_the_newest_version() {
    let world = World::new(64);
    let (rel, place) = one_row(&world);
    let updater = actor(&world, 0, vec![update(rel, place), commit()]);
    go(&world, 0);
    let waiter = world.spawn(1, || {
        let mut tx = world.txn.begin();
        let _snapshot = world.txn.snapshot(&tx);
        let heap = world.heap(rel);
        let Locked::Changed(newest) = heap.lock(&mut tx, place, Update, true).expect("in the end")
        else {
            panic!("it was replaced");
        };
        let again = heap.lock(&mut tx, newest.place, Update, true).expect("free");
        assert!(matches!(again, Locked::Done));
        world.txn.commit(&mut tx, true).expect("commit");
    });
    support::await_that("a waiter", || {
        world.procs[1].waiting_xid.load(std::sync::atomic::Ordering::SeqCst) != 0
    });
    go(&world, 0);
    waiter.join();
    updater.join();
}
