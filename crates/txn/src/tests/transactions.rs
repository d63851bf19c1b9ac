//! Transactions of one process, with a log and a pool of its own.

use std::sync::atomic::Ordering;

use shmem::proc;
use types::{Diagnostic, Fork, Lsn, Oid, RelFileNumber, SqlState, Xid};

use super::harness::{FIRST_OID, FIRST_RELFILE, World};
use crate::lock::{LockMode, LockTag};
use crate::sequence::{Fate, Word};
use crate::shared::SEQUENCE_MIN;
use crate::snapshot::XidStatus;
use crate::transaction::Transaction;
use crate::txn::Txn;

fn writing(txn: &Txn) -> (Transaction, Xid) {
    let mut transaction = txn.begin();
    let xid = txn.assign_xid(&mut transaction).expect("room");
    (transaction, xid)
}

fn sees(txn: &Txn, xid: Xid) -> bool {
    let snapshot = txn.snapshot(&txn.begin());
    txn.visible(&snapshot, xid).expect("a status")
}

#[test]
fn a_commit_is_seen_by_later_snapshots_only() {
    let world = World::new();
    let txn = world.new_database();
    let (mut writer, xid) = writing(&txn);
    assert_eq!(xid, Xid::FIRST_NORMAL);
    assert_eq!(txn.assign_xid(&mut writer).expect("the same"), xid);
    let before = txn.snapshot(&writer);
    assert_eq!((before.own().top(), before.command()), (Some(xid), 0));
    assert_eq!(txn.status(xid).expect("known"), XidStatus::InProgress);
    let lsn = txn.commit(&mut writer, true).expect("room");
    assert!(lsn.is_valid() && txn.flush_lsn() >= lsn);
    assert_eq!(txn.oldest_running(), txn.next_xid());
    assert!(!txn.visible(&before, xid).expect("a status"));
    assert!(sees(&txn, xid));
    assert_eq!(txn.status(xid).expect("known"), XidStatus::Committed(None), "flushed, so settled");
    assert!(txn.visible(&before, Xid::BOOTSTRAP).expect("always"));
    assert_eq!(writer.xid(), None);
}

#[test]
fn what_rolled_back_is_never_seen() {
    let world = World::new();
    let txn = world.new_database();
    let (mut writer, xid) = writing(&txn);
    let before = txn.snapshot(&txn.begin());
    txn.abort(&mut writer);
    assert_eq!(txn.status(xid).expect("known"), XidStatus::Aborted);
    assert!(!txn.visible(&before, xid).expect("a status") && !sees(&txn, xid));
}

#[test]
fn a_transaction_without_writes_leaves_no_trace() {
    let world = World::new();
    let txn = world.new_database();
    let end = txn.wal.insert_lsn();
    let mut reader = txn.begin();
    assert!(reader.started() > 0);
    assert_eq!(proc::me().xact_start.load(Ordering::Relaxed), reader.started());
    assert_eq!(txn.commit(&mut reader, true).expect("nothing to do"), Lsn::INVALID);
    txn.abort(&mut txn.begin());
    assert_eq!(txn.wal.insert_lsn(), end);
    assert_eq!(txn.next_xid(), Xid::FIRST_NORMAL);
    assert_eq!(proc::me().xact_start.load(Ordering::Relaxed), 0);
}

#[test]
fn an_asynchronous_commit_is_seen_before_it_is_durable() {
    let world = World::new();
    let txn = world.new_database();
    let (mut writer, xid) = writing(&txn);
    let lsn = txn.commit(&mut writer, false).expect("room");
    assert!(txn.flush_lsn() < lsn);
    assert!(sees(&txn, xid));
    let status = txn.status(xid).expect("known");
    assert_eq!(status, XidStatus::Committed(Some(lsn)));
    assert!(!status.is_durable(txn.flush_lsn()), "no hint may say so yet");
    assert_eq!(txn.oldest_running(), xid, "a crash may undo it");
    txn.wal.flush(lsn).expect("the log's own position");
    assert!(status.is_durable(txn.flush_lsn()));
    assert_eq!(txn.snapshot(&txn.begin()).xmin(), txn.next_xid());
    assert_eq!(txn.horizon(), txn.next_xid());
    assert_eq!(txn.status(xid).expect("known"), XidStatus::Committed(None));
}

#[test]
fn a_commit_that_is_not_flushed_is_still_in_progress() {
    let world = World::new();
    let txn = world.new_database();
    let (_writer, xid) = writing(&txn);
    let (flushed, later) = (txn.flush_lsn(), Lsn(txn.flush_lsn().0 + 8));
    let close = |lsn| txn.sequence().close(xid, Fate::Committed { lsn, asynchronous: false });
    close(later);
    assert_eq!(txn.status(xid).expect("known"), XidStatus::InProgress);
    assert!(!sees(&txn, xid));
    close(flushed);
    assert_eq!(txn.status(xid).expect("known"), XidStatus::Committed(Some(flushed)));
}

#[test]
fn a_commit_that_drops_files_is_never_asynchronous() {
    let world = World::new();
    let txn = world.new_database();
    let (mut writer, _) = writing(&txn);
    writer.will_drop(RelFileNumber(99));
    let lsn = txn.commit(&mut writer, false).expect("room");
    assert!(txn.flush_lsn() >= lsn);
}

#[test]
fn files_go_with_the_transaction_that_owns_their_fate() {
    let world = World::new();
    let txn = world.new_database();
    let files = txn.pool.files();
    let make = |number| {
        let file = RelFileNumber(number);
        files.create(file, Fork::Main).expect("a file");
        file
    };
    let exists = |file| files.exists(file, Fork::Main).expect("a look");
    let (old, new, unlucky) = (make(100), make(101), make(102));
    let (mut writer, _) = writing(&txn);
    writer.will_create(new);
    writer.will_drop(old);
    assert_eq!(proc::me().created_file_count.load(Ordering::Relaxed), 1);
    assert_eq!(proc::me().created_files[0].load(Ordering::Relaxed), new.0);
    txn.commit(&mut writer, true).expect("room");
    assert!(!exists(old) && exists(new));
    assert_eq!(proc::me().created_file_count.load(Ordering::Relaxed), 0);
    let (mut loser, _) = writing(&txn);
    loser.will_create(unlucky);
    loser.will_drop(new);
    txn.abort(&mut loser);
    assert!(exists(new) && !exists(unlucky));
}

#[test]
fn the_horizon_waits_for_the_oldest_snapshot() {
    let world = World::new();
    let txn = world.new_database();
    let published = || Xid(proc::me().snapshot_xmin.get());
    let commit_one = || {
        let (mut writer, xid) = writing(&txn);
        txn.commit(&mut writer, true).expect("room");
        xid
    };
    let first = commit_one();
    let old = txn.snapshot(&txn.begin());
    let second = commit_one();
    let young = txn.snapshot(&txn.begin());
    commit_one();
    assert_eq!((old.xmin(), young.xmin()), (Xid(first.0 + 1), Xid(second.0 + 1)));
    assert_eq!((txn.horizon(), published()), (old.xmin(), old.xmin()));
    drop(old);
    assert_eq!((txn.horizon(), published()), (young.xmin(), young.xmin()));
    drop(young);
    assert_eq!((txn.horizon(), published()), (txn.next_xid(), Xid::INVALID));
}

#[test]
fn status_pages_are_made_ahead_of_the_ids() {
    let world = World::new();
    let txn = world.new_database();
    let per_page = 4 * 8160;
    txn.ensure_status_page(Xid(per_page)).expect("room");
    txn.init_shared(Xid(2 * per_page - 3), FIRST_OID, FIRST_RELFILE);
    let mut expected = Vec::new();
    for number in 0..6 {
        let (mut writer, xid) = writing(&txn);
        match number % 2 {
            0 => drop(txn.commit(&mut writer, true).expect("room")),
            _ => txn.abort(&mut writer),
        }
        expected.push((xid, number % 2 == 0));
    }
    assert_eq!(txn.pool.nblocks(crate::STATUS_RELATION, Fork::Main).expect("a file"), 3);
    assert_eq!(txn.horizon(), txn.next_xid());
    for (xid, committed) in expected {
        assert_eq!(sees(&txn, xid), committed, "{xid}");
    }
}

/// A status page that is lost to zeros would take back every commit on it: whoever asks for one of
/// them gets an error, and so does whoever needs a new id there, rather than making the page again.
#[test]
fn a_status_page_of_zeros_takes_no_commit_back() {
    let world = World::new();
    let txn = world.new_database();
    let (mut writer, xid) = writing(&txn);
    txn.commit(&mut writer, true).expect("room");
    // What is on disk is the zeros that the file grew by.
    txn.pool.drop_buffers(crate::STATUS_RELATION).expect("nobody has them pinned");
    txn.init_shared(Xid(xid.0 + 1), FIRST_OID, FIRST_RELFILE);
    let asked = txn.status(xid).expect_err("the page is lost");
    let wanted = txn.assign_xid(&mut txn.begin()).expect_err("the page is lost");
    for error in [asked, wanted] {
        assert_eq!(error.sqlstate(), SqlState::DATA_CORRUPTED, "{error}");
        assert!(error.to_string().contains("block 0 of base/1"), "{error}");
    }
}

#[test]
fn an_id_that_was_never_handed_out_is_damage() {
    let world = World::new();
    let txn = world.new_database();
    let error = txn.status(Xid(1_000)).expect_err("unknown");
    assert_eq!(error.sqlstate(), SqlState::DATA_CORRUPTED);
    assert!(!sees(&txn, Xid(1_000)));
    assert!(txn.wait_for(Xid(1_000)).is_err());
}

#[test]
fn waiting_for_oneself_is_an_error() {
    let world = World::new();
    let txn = world.new_database();
    let (mut writer, xid) = writing(&txn);
    assert!(txn.wait_for(xid).is_err());
    txn.abort(&mut writer);
    txn.wait_for(xid).expect("it has ended");
}

#[test]
fn numbers_rise_and_are_logged_ahead() {
    let world = World::new();
    let txn = world.new_database();
    let oids: Vec<Oid> = (0..100).map(|_| txn.new_oid().expect("room")).collect();
    assert!(oids.iter().zip(FIRST_OID.0..).all(|(oid, number)| oid.0 == number));
    let files: Vec<_> = (0..100).map(|_| txn.new_relfile().expect("room")).collect();
    assert!(files.iter().zip(FIRST_RELFILE.0..).all(|(file, number)| file.0 == number));
    let (oid, relfile) = txn.next_numbers();
    assert!(oid.0 >= FIRST_OID.0 + 100 && relfile.0 >= FIRST_RELFILE.0 + 100);
    txn.init_shared(Xid(3), Oid(u32::MAX), relfile);
    assert_eq!(txn.new_oid().expect("the last"), Oid(u32::MAX));
    assert_eq!(txn.new_oid().expect_err("used up").sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
}

#[test]
fn versions_rise_with_the_commit_before_the_locks_go() {
    let world = World::new();
    let txn = world.new_database();
    let (table, other) = (Oid(20_000), Oid(20_001));
    let before = (txn.relation_version(table), txn.relation_version(other), txn.catalog_version());
    let (mut writer, _) = writing(&txn);
    txn.locks().acquire(LockTag::Relation(table), LockMode::AccessExclusive).expect("free");
    writer.invalidate(table);
    txn.abort(&mut writer);
    assert_eq!(txn.relation_version(table), before.0, "nobody saw what was rolled back");
    let (mut writer, _) = writing(&txn);
    writer.invalidate(table);
    writer.invalidate(table);
    assert_eq!(writer.invalidations, [table]);
    txn.locks().acquire(LockTag::Relation(table), LockMode::AccessExclusive).expect("free");
    txn.commit(&mut writer, true).expect("room");
    assert_ne!(txn.relation_version(table), before.0);
    assert_eq!(txn.relation_version(other), before.1);
    assert_ne!(txn.catalog_version(), before.2);
    assert_eq!(txn.locks().locks().count(), 0);
}

#[test]
fn the_sequence_refuses_before_it_would_forget_what_is_needed() {
    let world = World::new();
    let txn = world.new_database();
    let (mut early, first) = writing(&txn);
    txn.commit(&mut early, true).expect("room");
    let snapshot = txn.snapshot(&txn.begin());
    let own = std::sync::atomic::AtomicU64::new(0);
    let burn = || {
        let xid = txn.sequence().open(&own, || txn.horizon())?;
        txn.sequence().close(xid, Fate::Aborted);
        Some(xid)
    };
    let burnt = std::iter::from_fn(burn).count();
    assert_eq!(burnt as u64, SEQUENCE_MIN);
    assert_eq!(txn.horizon(), snapshot.xmin());
    let per_page = 4 * 8160;
    txn.ensure_status_page(Xid(txn.next_xid().0 / per_page * per_page)).expect("room");
    let error = txn.assign_xid(&mut txn.begin()).expect_err("full");
    assert_eq!(error.sqlstate(), SqlState::INSUFFICIENT_RESOURCES);
    assert!(txn.visible(&snapshot, first).expect("a status"));
    drop(snapshot);
    txn.assign_xid(&mut txn.begin()).expect("room again");
}
