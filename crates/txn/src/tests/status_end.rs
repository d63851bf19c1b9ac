//! The commit status of old transactions is given back, and nobody is told anything else for it.

use buffer::PageAccess;
use types::{BufferTag, Xid};

use super::crash::recover;
use super::harness::World;
use crate::snapshot::XidStatus;
use crate::status::{Place, STATUS_RELATION};
use crate::txn::Txn;

/// Hands ids out until one on that page comes; they have all rolled back.
fn burn_to(txn: &Txn, block: u64) -> Xid {
    loop {
        let mut tx = txn.begin();
        let xid = txn.assign_xid(&mut tx).expect("an id");
        txn.abort(&mut tx);
        if Place::of(xid).block >= block {
            return xid;
        }
    }
}

fn commit(txn: &Txn) -> Xid {
    let mut tx = txn.begin();
    let xid = txn.assign_xid(&mut tx).expect("an id");
    txn.commit(&mut tx, true).expect("room");
    xid
}

/// A commit on each of so many pages, and one that rolled back beside it.
fn play(txn: &Txn, pages: u64) -> Vec<(Xid, Xid)> {
    (0..pages).map(|block| (burn_to(txn, block), commit(txn))).map(|(a, c)| (c, a)).collect()
}

fn is_zero(txn: &Txn, block: u32) -> bool {
    let pin = txn.pool.read(BufferTag::main(STATUS_RELATION, block)).expect("a page");
    pin.shared().is_new()
}

fn committed(txn: &Txn, xid: Xid) -> bool {
    match txn.status(xid).expect("known") {
        XidStatus::Committed(_) => true,
        XidStatus::Aborted => false,
        XidStatus::InProgress => panic!("{xid} has ended"),
    }
}

/// What is so once the status begins at the page of the last pair.
fn assert_cut(txn: &Txn, pairs: &[(Xid, Xid)], begins: Xid) {
    assert_eq!(txn.status_begins().expect("readable"), begins);
    let (last, old) = pairs.split_last().expect("some");
    for &(kept, lost) in old {
        assert!(committed(txn, kept));
        assert!(committed(txn, lost), "nobody would ask for one that has not committed");
    }
    assert!(committed(txn, last.0) && !committed(txn, last.1));
    assert!(!is_zero(txn, 0), "the first page stays");
    let cut = Place::of(begins).block as u32;
    assert!((1..cut).all(|block| is_zero(txn, block)) && !is_zero(txn, cut));
    assert_eq!(txn.status_pages().expect("known"), 2);
}

#[test]
fn what_no_table_needs_goes_and_stays_gone_after_a_crash() {
    let world = World::new();
    let txn = world.new_database();
    let pairs = play(&txn, 4);
    let file = world.data_dir().join("base").join(STATUS_RELATION.to_string());
    let begins = pairs[3].1;
    // That would give no page back, since the first stays.
    let needed = pairs[1].0;
    assert_eq!(Place::of(needed).block, 1);
    assert_eq!(txn.trim_status(needed).expect("nothing to do"), Xid::FIRST_NORMAL);
    assert!(pairs.iter().all(|&(kept, lost)| committed(&txn, kept) && !committed(&txn, lost)));
    assert_eq!(txn.trim_status(begins).expect("room"), begins);
    assert_cut(&txn, &pairs, begins);
    let length = std::fs::metadata(&file).expect("the file").len();
    assert_eq!(length, 4 * types::PAGE_SIZE as u64, "it keeps its length");
    for _ in 0..2 {
        let txn = recover(&world);
        assert_cut(&txn, &pairs, begins);
    }
    // The space that a crash has left comes back with the next time.
    let txn = recover(&world);
    burn_to(&txn, 4);
    let later = commit(&txn);
    assert_eq!(txn.trim_status(later).expect("room"), later);
    assert!((1..4).all(|block| is_zero(&txn, block)));
}

/// The log from a checkpoint on says nothing of it: the first page does.
#[test]
fn the_first_page_tells_where_the_status_begins() {
    let world = World::new();
    let txn = world.new_database();
    let pairs = play(&txn, 3);
    let begins = txn.trim_status(pairs[2].1).expect("room");
    let next = txn.next_xid();
    for page in txn.pool.begin_checkpoint() {
        txn.pool.write_for_checkpoint(page).expect("written");
    }
    let end = txn.wal.insert_lsn();
    txn.wal.flush(end).expect("its own position");
    let txn = world.crash(end);
    txn.saw_xid(Xid(next.0 - 1));
    assert_cut(&txn, &pairs, begins);
}

/// A reader with a snapshot may have a copy of a page from before the vacuum that moved the horizon.
#[test]
fn it_waits_for_snapshots_that_are_older_than_what_is_known() {
    let world = World::new();
    let txn = world.new_database();
    let pairs = play(&txn, 3);
    let reader = world.spawn(1, || {
        let txn = world.txn();
        let mut tx = txn.begin();
        let snapshot = txn.snapshot(&tx);
        world.set_word(0, 1);
        world.await_word(1, 1);
        drop(snapshot);
        txn.commit(&mut tx, true).expect("nothing to write");
    });
    world.await_word(0, 1);
    // Something is committed since, so that its snapshot is the older one.
    commit(&txn);
    let begins = txn.status_begins().expect("readable");
    let needed = pairs[2].1;
    assert_eq!(txn.trim_status(needed).expect("room"), begins);
    assert!(!committed(&txn, pairs[1].1));
    world.set_word(1, 1);
    reader.join();
    assert_eq!(txn.trim_status(needed).expect("room"), needed);
}
