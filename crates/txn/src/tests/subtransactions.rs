//! Subtransactions: what is seen of them, what rolling back undoes, waiting for them, crashes.

use std::time::Duration;

use types::{Diagnostic, Fork, Oid, RelFileNumber, SqlState, Xid};

use super::crash::recover;
use super::harness::{World, await_that};
use crate::error::Error;
use crate::lock::{LockMode, LockTag};
use crate::snapshot::XidStatus;
use crate::subtransaction::{PARTS_MAX, STATUS_PAGES_MAX};
use crate::transaction::Transaction;
use crate::txn::Txn;

const PER_PAGE: u64 = 4 * 8160;

/// Begins a subtransaction that writes.
fn part(txn: &Txn, transaction: &mut Transaction) -> Xid {
    txn.begin_subtransaction(transaction);
    txn.assign_xid(transaction).expect("room")
}

fn sees(txn: &Txn, xid: Xid) -> bool {
    let snapshot = txn.snapshot(&txn.begin());
    txn.visible(&snapshot, xid).expect("a status")
}

fn status(txn: &Txn, xid: Xid) -> XidStatus {
    txn.status(xid).expect("known")
}

#[test]
fn a_transaction_is_seen_with_its_parts_but_for_those_rolled_back() {
    let world = World::new();
    let txn = world.new_database();
    let mut writer = txn.begin();
    let released = part(&txn, &mut writer);
    let top = writer.xid().expect("it came with its part");
    assert!(top < released);
    txn.release_subtransaction(&mut writer, 0);
    assert_eq!(txn.assign_xid(&mut writer).expect("had"), top);
    let around = part(&txn, &mut writer);
    let within = part(&txn, &mut writer);
    assert_eq!((writer.depth(), writer.writing_xid()), (2, Some(within)));
    txn.rollback_subtransaction(&mut writer, 0);
    assert_eq!((writer.depth(), writer.writing_xid()), (1, None));
    let own = |xid| writer.own().has(xid);
    assert_eq!([top, released, around, within].map(own), [true, true, false, false]);
    let again = txn.assign_xid(&mut writer).expect("room");
    assert!(again > within);
    assert_eq!([around, within].map(|xid| status(&txn, xid)), [XidStatus::Aborted; 2]);
    assert_eq!([top, again].map(|xid| status(&txn, xid)), [XidStatus::InProgress; 2]);
    let before = txn.snapshot(&txn.begin());
    txn.commit(&mut writer, true).expect("room");
    let live = [top, released, again];
    assert_eq!(live.map(|xid| txn.visible(&before, xid).expect("a status")), [false; 3]);
    assert_eq!(live.map(|xid| sees(&txn, xid)), [true; 3]);
    assert_eq!([around, within].map(|xid| sees(&txn, xid)), [false; 2]);
    assert_eq!(writer.depth(), 0);
}

#[test]
fn parts_go_down_with_their_transaction() {
    let world = World::new();
    let txn = world.new_database();
    let mut writer = txn.begin();
    let xids = [part(&txn, &mut writer), part(&txn, &mut writer)];
    txn.abort(&mut writer);
    assert_eq!(xids.map(|xid| status(&txn, xid)), [XidStatus::Aborted; 2]);
    assert_eq!(txn.horizon(), txn.next_xid(), "nothing of it holds the horizon back");
    assert_eq!(xids.map(|xid| status(&txn, xid)), [XidStatus::Aborted; 2], "by the status pages");
}

#[test]
fn a_level_without_writes_leaves_no_trace() {
    let world = World::new();
    let txn = world.new_database();
    let mut writer = txn.begin();
    let end = txn.wal.insert_lsn();
    txn.begin_subtransaction(&mut writer);
    txn.rollback_subtransaction(&mut writer, 0);
    txn.rollback_subtransaction(&mut writer, 7);
    txn.commit(&mut writer, true).expect("nothing to do");
    assert_eq!((txn.wal.insert_lsn(), txn.next_xid()), (end, Xid::FIRST_NORMAL));
}

#[test]
fn rolling_back_undoes_what_was_noted_since() {
    let world = World::new();
    let txn = world.new_database();
    let files = txn.pool.files();
    let make = |writer: &mut Transaction, number| {
        writer.will_create(RelFileNumber(number));
        files.create(RelFileNumber(number), Fork::Main).expect("a file");
    };
    let exists = |number| files.exists(RelFileNumber(number), Fork::Main).expect("a look");
    let table = |oid| LockTag::Relation(Oid(oid));
    let lock = |oid| txn.locks().acquire(table(oid), LockMode::RowExclusive).expect("free");
    let mut writer = txn.begin();
    txn.assign_xid(&mut writer).expect("room");
    make(&mut writer, 100);
    writer.invalidate(Oid(1));
    lock(1);
    part(&txn, &mut writer);
    make(&mut writer, 101);
    writer.will_drop(RelFileNumber(100));
    [1, 2].into_iter().for_each(|oid| writer.invalidate(Oid(oid)));
    [1, 2].into_iter().for_each(lock);
    let command = writer.command();
    txn.rollback_subtransaction(&mut writer, 0);
    assert!(writer.command() > command);
    assert!(exists(100) && !exists(101));
    let held = [1, 2].map(|oid| txn.locks().holds(table(oid), LockMode::RowExclusive));
    assert_eq!(held, [true, false]);
    assert_eq!(writer.invalidations, [Oid(1)]);
    make(&mut writer, 102);
    txn.commit(&mut writer, true).expect("room");
    assert!(exists(100) && exists(102));
    assert_eq!(txn.locks().locks().count(), 0);
}

#[test]
fn ten_thousands_of_parts_commit_at_once_and_survive_a_crash() {
    let world = World::new();
    let txn = world.new_database();
    let mut writer = txn.begin();
    let mut parts = Vec::new();
    for number in 0..40_000 {
        parts.push(part(&txn, &mut writer));
        if number % 10 == 0 {
            txn.rollback_subtransaction(&mut writer, 0);
        }
        txn.release_subtransaction(&mut writer, 0);
    }
    let stays = |(number, _): &(usize, &Xid)| number % 10 != 0;
    assert!(parts.iter().all(|&xid| !sees(&txn, xid)));
    txn.commit(&mut writer, true).expect("room");
    assert!(parts.iter().enumerate().all(|pair| sees(&txn, *pair.1) == stays(&pair)));
    let txn = recover(&world);
    assert_eq!(txn.horizon(), txn.next_xid());
    for pair in parts.iter().enumerate() {
        let expected = if stays(&pair) { XidStatus::Committed(None) } else { XidStatus::Aborted };
        assert_eq!(status(&txn, *pair.1), expected, "{}", pair.0);
    }
}

#[test]
fn a_crash_takes_the_parts_of_what_had_not_committed() {
    let world = World::new();
    let txn = world.new_database();
    let mut open = txn.begin();
    let undone = part(&txn, &mut open);
    txn.rollback_subtransaction(&mut open, 0);
    let running = txn.assign_xid(&mut open).expect("room");
    txn.wal.flush(txn.wal.insert_lsn()).expect("its own position");
    txn.ensure_status_page(Xid(PER_PAGE)).expect("room");
    let txn = recover(&world);
    txn.saw_xid(running);
    assert_eq!([undone, running].map(|xid| status(&txn, xid)), [XidStatus::Aborted; 2]);
}

/// Uses up ids until the next one is the first of a status page.
fn next_page(txn: &Txn) {
    let first = (txn.next_xid().0 / PER_PAGE + 1) * PER_PAGE;
    txn.shared.next_xid.0.store(first, std::sync::atomic::Ordering::SeqCst);
}

#[test]
fn what_the_record_of_a_commit_cannot_hold_is_refused_beforehand() {
    let world = World::new();
    let txn = world.new_database();
    let mut writer = txn.begin();
    txn.assign_xid(&mut writer).expect("room");
    let mut parts = Vec::new();
    for _ in 1..STATUS_PAGES_MAX {
        next_page(&txn);
        parts.push(part(&txn, &mut writer));
        txn.release_subtransaction(&mut writer, 0);
    }
    next_page(&txn);
    txn.begin_subtransaction(&mut writer);
    let error = txn.assign_xid(&mut writer).expect_err("one page too many");
    assert_eq!(error.sqlstate(), SqlState::INSUFFICIENT_RESOURCES);
    txn.commit(&mut writer, true).expect("room for all that were let in");
    assert!(parts.iter().all(|&xid| sees(&txn, xid)));
    let mut writer = txn.begin();
    let top = txn.assign_xid(&mut writer).expect("room");
    (1..=PARTS_MAX as u64).for_each(|number| writer.own.push_part(Xid(top.0 + number)));
    txn.begin_subtransaction(&mut writer);
    let error = txn.assign_xid(&mut writer).expect_err("too many");
    assert_eq!(error.sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
}

#[test]
fn who_waits_for_a_part_wakes_when_it_rolls_back_or_all_ends() {
    let world = World::new();
    world.new_database();
    for (round, rolls_back) in [(0, true), (1, false)] {
        let (mine, go) = (3 * round, 3 * round + 1);
        let writer = world.spawn(0, || {
            let txn = world.txn();
            let mut transaction = txn.begin();
            let xid = part(&txn, &mut transaction);
            world.set_word(mine, xid.0);
            world.await_word(go, 1);
            if rolls_back {
                txn.rollback_subtransaction(&mut transaction, 0);
                world.await_word(go + 1, 1);
            }
            txn.commit(&mut transaction, true).expect("room");
        });
        await_that("a part", || world.word(mine) != 0);
        let waiter = world.spawn(1, || {
            let txn = world.txn();
            let xid = Xid(world.word(mine));
            txn.wait_for(xid).expect("it ends");
            assert_eq!(txn.status(xid).expect("known") == XidStatus::Aborted, rolls_back);
            world.set_word(go + 1, 1);
        });
        let waits = || world.procs[1].waiting_xid.load(std::sync::atomic::Ordering::SeqCst) != 0;
        await_that("a waiter", waits);
        world.set_word(go, 1);
        waiter.join();
        writer.join();
    }
}

#[test]
fn a_deadlock_through_a_part_is_found() {
    let world = World::new();
    world.new_database();
    let player = |slot: usize| {
        let txn = world.txn();
        txn.locks().set_deadlock_timeout(Duration::from_millis(20));
        let mut transaction = txn.begin();
        let xid = part(&txn, &mut transaction);
        world.set_word(slot, xid.0);
        await_that("the other", || world.word(1 - slot) != 0);
        let count = match txn.wait_for(Xid(world.word(1 - slot))) {
            Ok(()) => 2,
            Err(Error::Deadlock { .. }) => 3,
            Err(other) => panic!("{other}"),
        };
        world.words[count].fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        txn.abort(&mut transaction);
    };
    let one = world.spawn(0, || player(0));
    let two = world.spawn(1, || player(1));
    one.join();
    two.join();
    assert_eq!((world.word(2), world.word(3)), (1, 1));
}
