//! Several real processes: waiting, waking, dying by signal, deadlocks, and commits in parallel.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use shmem::{ProcSlot, proc};
use sys::process::Signal;
use types::{Diagnostic, Oid, Severity, SqlState, Xid};

use super::harness::{World, await_that};
use crate::error::Error;
use crate::lock::{LockMode, LockRow, LockTag, Locked};
use crate::snapshot::XidStatus;

const TABLE: LockTag = LockTag::Relation(Oid(77));
const OTHER: LockTag = LockTag::Relation(Oid(78));
const LONG: Duration = Duration::from_secs(20);

/// Waits until a process is seen waiting for the lock.
fn await_waiter(world: &World, pid: i32, tag: LockTag) {
    let locks = world.locks(LONG);
    let waits = |row: LockRow| row.pid == pid && row.on == Locked::Tag(tag) && !row.granted;
    await_that("a waiter", || locks.locks().any(waits));
}

#[test]
fn a_waiter_is_woken_by_the_release() {
    let world = World::new();
    let holder = world.spawn(0, || {
        let locks = world.locks(LONG);
        locks.acquire(TABLE, LockMode::AccessExclusive).expect("free");
        world.set_word(0, 1);
        world.await_word(1, 1);
        locks.release_all();
    });
    world.await_word(0, 1);
    let waiter = world.spawn(1, || {
        let locks = world.locks(LONG);
        locks.acquire(TABLE, LockMode::AccessShare).expect("granted in the end");
        assert_eq!(proc::me().waiting_lock[2].load(Ordering::Relaxed), 0);
        world.set_word(2, 1);
        locks.release_all();
    });
    await_waiter(&world, waiter.pid, TABLE);
    let rows: Vec<LockRow> = world.locks(LONG).locks().collect();
    let has = |pid, mode, granted| {
        let row = rows.iter().find(|row| row.pid == pid).expect("it has one");
        assert_eq!((row.on, row.mode, row.granted), (Locked::Tag(TABLE), mode, granted));
        assert_eq!(row.wait_start.is_some(), !granted, "{rows:?}");
    };
    has(holder.pid, LockMode::AccessExclusive, true);
    has(waiter.pid, LockMode::AccessShare, false);
    assert_eq!(world.locks(LONG).blocking_pids(waiter.pid), [holder.pid]);
    assert_eq!(world.locks(LONG).blocking_pids(holder.pid), []);
    assert_eq!((rows.len(), world.word(2)), (2, 0));
    world.set_word(1, 1);
    holder.join();
    waiter.join();
    assert_eq!((world.locks(LONG).locks().count(), world.word(2)), (0, 1));
}

#[test]
fn signals_end_a_wait() {
    let world = World::new();
    let holder = world.spawn(0, || {
        let locks = world.locks(LONG);
        locks.acquire(TABLE, LockMode::Exclusive).expect("free");
        world.set_word(0, 1);
        world.await_word(1, 1);
        locks.release_all();
    });
    world.await_word(0, 1);
    let wait = |expected: SqlState, severity: Severity| {
        let error = world.locks(LONG).acquire(TABLE, LockMode::Share).expect_err("a signal");
        assert_eq!((error.sqlstate(), error.severity()), (expected, severity));
    };
    let cancelled = world.spawn(1, || wait(SqlState::QUERY_CANCELED, Severity::Error));
    let ended = world.spawn(2, || wait(SqlState::ADMIN_SHUTDOWN, Severity::Fatal));
    for (child, signal) in [(&cancelled, Signal::SIGINT), (&ended, Signal::SIGTERM)] {
        await_waiter(&world, child.pid, TABLE);
        sys::process::kill(child.pid, signal).expect("it lives");
    }
    cancelled.join();
    ended.join();
    assert_eq!(world.locks(LONG).locks().count(), 1, "only the holder is left");
    world.set_word(1, 1);
    holder.join();
}

#[test]
fn a_deadlock_has_one_victim_and_the_other_goes_on() {
    let world = World::new();
    let player = |slot: usize, first: LockTag, second: LockTag| {
        let locks = world.locks(Duration::from_millis(20));
        locks.acquire(first, LockMode::AccessExclusive).expect("free");
        world.set_word(slot, 1);
        world.await_word(1 - slot, 1);
        match locks.acquire(second, LockMode::AccessShare) {
            Ok(()) => world.words[2].fetch_add(1, Ordering::SeqCst),
            Err(Error::Deadlock { .. }) => world.words[3].fetch_add(1, Ordering::SeqCst),
            Err(other) => panic!("{other}"),
        };
        locks.release_all();
    };
    let one = world.spawn(0, || player(0, TABLE, OTHER));
    let two = world.spawn(1, || player(1, OTHER, TABLE));
    one.join();
    two.join();
    assert_eq!((world.word(2), world.word(3)), (1, 1));
    assert_eq!(world.locks(LONG).locks().count(), 0);
}

#[test]
fn who_waits_for_a_transaction_sees_it_when_it_wakes() {
    let world = World::new();
    world.new_database();
    for (round, synchronous) in [(0, true), (1, false)] {
        let (mine, go) = (2 * round, 2 * round + 1);
        let writer = world.spawn(0, || {
            let txn = world.txn();
            let mut transaction = txn.begin();
            let xid = txn.assign_xid(&mut transaction).expect("room");
            world.set_word(mine, xid.0);
            world.await_word(go, 1);
            txn.commit(&mut transaction, synchronous).expect("room");
        });
        await_that("an id", || world.word(mine) != 0);
        let xid = Xid(world.word(mine));
        let begun = Instant::now();
        let waiter = world.spawn(1, || {
            let txn = world.txn();
            txn.locks().set_deadlock_timeout(LONG);
            txn.wait_for(xid).expect("it ends");
            assert!(begun.elapsed() < LONG / 2, "it was woken, and did not just look again");
            assert!(matches!(txn.status(xid), Ok(XidStatus::Committed(_))));
            let snapshot = txn.snapshot(&txn.begin());
            assert!(txn.visible(&snapshot, xid).expect("a status"));
        });
        await_that("a waiter", || world.procs[1].waiting_xid.load(Ordering::SeqCst) == xid.0);
        world.set_word(go, 1);
        writer.join();
        waiter.join();
    }
}

#[test]
fn two_transactions_that_wait_for_each_other_have_one_victim() {
    let world = World::new();
    world.new_database();
    let player = |me: usize| {
        let txn = world.txn();
        let mut transaction = txn.begin();
        let xid = txn.assign_xid(&mut transaction).expect("room");
        world.set_word(me, xid.0);
        await_that("the other's id", || world.word(1 - me) != 0);
        match txn.wait_for(Xid(world.word(1 - me))) {
            Ok(()) => world.words[2].fetch_add(1, Ordering::SeqCst),
            Err(error) => {
                assert_eq!(error.sqlstate(), SqlState::DEADLOCK_DETECTED, "{error}");
                world.words[3].fetch_add(1, Ordering::SeqCst)
            }
        };
        txn.abort(&mut transaction);
    };
    let one = world.spawn(0, || player(0));
    let two = world.spawn(1, || player(1));
    one.join();
    two.join();
    assert_eq!((world.word(2), world.word(3)), (1, 1));
    let waits = |slot: &ProcSlot| slot.waiting_xid.load(Ordering::Relaxed) != 0;
    assert!(!world.procs.iter().any(waits));
}

/// Each process commits in a chain of its own and looks at the others': whoever is seen has all of
/// its past seen. Word `p` holds the last id that process `p` committed and was told so.
#[test]
fn commits_in_parallel_are_seen_in_an_order_that_all_agree_on() {
    const PROCESSES: usize = 4;
    const ROUNDS: u64 = 300;
    let world = World::new();
    world.new_database();
    let work = |me: usize| {
        let txn = world.txn();
        for round in 0..ROUNDS {
            let mut transaction = txn.begin();
            // What was acknowledged to anybody before the snapshot was taken must be seen by it.
            let told: Vec<u64> = (0..PROCESSES).map(|process| world.word(process)).collect();
            let snapshot = txn.snapshot(&transaction);
            for xid in told.into_iter().filter(|&xid| xid != 0) {
                assert!(txn.visible(&snapshot, Xid(xid)).expect("a status"), "{xid} was told");
            }
            drop(snapshot);
            let xid = txn.assign_xid(&mut transaction).expect("room");
            if round % 5 == 4 {
                txn.abort(&mut transaction);
            } else {
                txn.commit(&mut transaction, round % 3 != 0).expect("room");
                world.set_word(me, xid.0);
            }
        }
    };
    let children: Vec<_> = (0..PROCESSES).map(|me| world.spawn(me, || work(me))).collect();
    children.into_iter().for_each(|child| child.join());
    let txn = world.txn();
    txn.wal.flush(txn.wal.insert_lsn()).expect("its own position");
    assert_eq!(txn.horizon().0, 3 + PROCESSES as u64 * ROUNDS);
    let committed = |xid: &u64| txn.status(Xid(*xid)).expect("known") != XidStatus::Aborted;
    let count = (3..txn.next_xid().0).filter(committed).count() as u64;
    assert_eq!(count, PROCESSES as u64 * ROUNDS * 4 / 5);
}
