//! Crash and redo: the memory is gone, the log tells what happened.

use types::{Fork, Lsn, RelFileNumber, TimelineId, Xid};
use wal::{DecodedRecord, Rmgr, WalReader};

use super::harness::{SYSTEM, World};
use crate::record::{Ending, describe, kind, kind_name};
use crate::snapshot::XidStatus;
use crate::txn::Txn;

/// Reads the log from its beginning, as recovery does; returns its end.
fn read_log(world: &World, mut each: impl FnMut(&DecodedRecord)) -> Lsn {
    let start = wal::position::segment_start(wal::position::FIRST_SEGMENT);
    let dir = world.data_dir().join("pg_wal");
    let mut reader = WalReader::new(&dir, TimelineId(1), SYSTEM, start);
    let mut record = DecodedRecord::default();
    let mut end = start;
    while reader.read(&mut record).expect("a readable log") {
        each(&record);
        end = record.end();
    }
    end
}

/// Crashes and recovers.
pub(super) fn recover(world: &World) -> Txn {
    let end = read_log(world, |_| ());
    let txn = world.crash(end);
    read_log(world, |record| {
        txn.saw_xid(record.xid());
        if record.rmgr().expect("known") == Rmgr::Xact {
            txn.redo(record).expect("redo");
        }
    });
    txn
}

/// One transaction of each fate; the last is still running at the crash.
fn play(txn: &Txn) -> [Xid; 4] {
    let begin = || {
        let mut transaction = txn.begin();
        let xid = txn.assign_xid(&mut transaction).expect("room");
        (transaction, xid)
    };
    let (mut lost, lost_xid) = begin();
    let (mut one, one_xid) = begin();
    txn.commit(&mut one, true).expect("room");
    txn.abort(&mut lost);
    let (mut two, two_xid) = begin();
    txn.commit(&mut two, false).expect("room");
    let (mut three, three_xid) = begin();
    // Its record follows in the log, so what came before is durable; it itself stays open.
    txn.new_oid().expect("room");
    txn.wal.flush(txn.wal.insert_lsn()).expect("its own position");
    three.invalidate(types::Oid(1));
    [lost_xid, one_xid, two_xid, three_xid]
}

#[test]
fn after_a_crash_exactly_those_with_a_commit_record_have_committed() {
    let world = World::new();
    let [lost, one, two, three] = play(&world.new_database());
    for _ in 0..2 {
        // The second time: a crash during recovery.
        let txn = recover(&world);
        let status = |xid| txn.status(xid).expect("known");
        assert_eq!(status(one), XidStatus::Committed(None));
        assert_eq!(status(two), XidStatus::Committed(None));
        assert_eq!(status(lost), XidStatus::Aborted);
        assert_eq!(txn.next_xid(), three, "nothing in the log names the last one");
    }
    let txn = recover(&world);
    let mut next = txn.begin();
    assert_eq!(txn.assign_xid(&mut next).expect("room"), three);
    txn.commit(&mut next, true).expect("room");
    assert_eq!(txn.status(two).expect("known"), XidStatus::Committed(None), "its page was kept");
}

#[test]
fn an_unflushed_asynchronous_commit_is_lost_whole() {
    let world = World::new();
    let txn = world.new_database();
    let mut early = txn.begin();
    let kept = txn.assign_xid(&mut early).expect("room");
    txn.commit(&mut early, true).expect("room");
    let mut late = txn.begin();
    let lost = txn.assign_xid(&mut late).expect("room");
    txn.commit(&mut late, false).expect("room");
    assert!(!txn.status(lost).expect("known").is_durable(txn.flush_lsn()));
    let txn = recover(&world);
    assert_eq!(txn.status(kept).expect("known"), XidStatus::Committed(None));
    assert_eq!(txn.next_xid(), lost, "its id is handed out again: nothing durable names it");
    let mut again = txn.begin();
    assert_eq!(txn.assign_xid(&mut again).expect("room"), lost);
    assert_eq!(txn.status(lost).expect("known"), XidStatus::InProgress);
    txn.abort(&mut again);
    assert_eq!(txn.status(lost).expect("known"), XidStatus::Aborted);
}

#[test]
fn numbers_are_not_handed_out_twice() {
    let world = World::new();
    let txn = world.new_database();
    let (oid, relfile) = (0..70)
        .map(|_| (txn.new_oid().expect("room"), txn.new_relfile().expect("room")))
        .next_back()
        .expect("70");
    txn.wal.flush(txn.wal.insert_lsn()).expect("its own position");
    let txn = recover(&world);
    assert!(txn.new_oid().expect("room") > oid);
    assert!(txn.new_relfile().expect("room") > relfile);
}

#[test]
fn redo_removes_the_files_whose_fate_is_decided() {
    let world = World::new();
    let txn = world.new_database();
    let make = |txn: &Txn, number| {
        txn.pool.files().create(RelFileNumber(number), Fork::Main).expect("a file");
        RelFileNumber(number)
    };
    let exists = |txn: &Txn, file| txn.pool.files().exists(file, Fork::Main).expect("a look");
    for commit in [true, false] {
        let mut writer = txn.begin();
        txn.assign_xid(&mut writer).expect("room");
        writer.will_drop(RelFileNumber(100));
        writer.will_create(RelFileNumber(101));
        match commit {
            true => drop(txn.commit(&mut writer, true).expect("room")),
            false => txn.abort(&mut writer),
        }
        txn.wal.flush(txn.wal.insert_lsn()).expect("its own position");
        // As if the process had died before it came to remove them.
        let (dropped, created) = (make(&txn, 100), make(&txn, 101));
        let mut last = DecodedRecord::default();
        read_log(&world, |record| last = record.clone());
        txn.redo(&last).expect("redo");
        assert_eq!((exists(&txn, dropped), exists(&txn, created)), (!commit, commit));
    }
}

#[test]
fn the_log_tells_the_story() {
    let world = World::new();
    let [lost, one, two, _] = play(&world.new_database());
    let mut story = Vec::new();
    read_log(&world, |record| {
        if record.rmgr().expect("known") == Rmgr::Xact {
            story.push((kind_name(record.kind()), record.xid()));
            match record.kind() {
                kind::COMMIT | kind::ABORT => {
                    let ending = Ending::decode(record.data()).expect("whole");
                    assert!(ending.time > 0 && describe(record).starts_with("time "));
                }
                kind::COUNTERS => {
                    assert_eq!(describe(record), "next oid 16448, next relation file 16384");
                }
                _ => assert_eq!(describe(record), ""),
            }
        }
    });
    let none = Xid::INVALID;
    assert_eq!(
        story,
        [
            ("STATUS_PAGE", none),
            ("COMMIT", one),
            ("ABORT", lost),
            ("COMMIT", two),
            ("COUNTERS", none)
        ]
    );
}
