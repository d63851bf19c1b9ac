//! The log as processes use it: inserted by several at once through a tiny ring, then read back.

mod support;

use shmem::ProcKind;
use support::{SYSTEM, TIMELINE, fixture, insert, read_all, reader};
use sys::process::{Ended, Forked};
use types::{BufferTag, Lsn, PAGE_SIZE, RelFileNumber, Xid};
use wal::position::{self, SEGMENT_SIZE};
use wal::segments::RoomFor;
use wal::{BlockFlags, BlockRef, DecodedRecord, Record, Rmgr, Wal, WalOptions, WalReader, end};

fn pattern(writer: u64, number: u64) -> Vec<u8> {
    let length = (number * 7919 + writer * 104_729) % 3000;
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(8 + length as usize, writer as u8);
    bytes
}

#[test]
fn what_was_inserted_is_read_back_across_pages_and_segments() {
    let f = fixture(WalOptions::default());
    let big = vec![0xAB; 300_000];
    let mut ends = Vec::new();
    for number in 0..120 {
        ends.push(insert(&f.wal, number, &big[..(number * 2500) as usize]));
    }
    let last = *ends.last().expect("some");
    assert!(position::segment_of(last) > position::FIRST_SEGMENT, "more than a segment");
    f.wal.flush(last).expect("flush");
    assert_eq!(f.wal.flush_lsn(), last);
    let (all, end) = read_all(f.dir.path());
    assert_eq!(end, last);
    assert_eq!(all.len(), 120);
    for (number, (xid, data)) in all.iter().enumerate() {
        assert_eq!((*xid, data.len()), (number as u64, number * 2500));
    }
}

#[test]
fn processes_insert_and_flush_side_by_side_through_a_tiny_ring() {
    const WRITERS: u64 = 4;
    const RECORDS: u64 = 1500;
    let f = fixture(WalOptions { fsync: false, ..WalOptions::default() });
    let mut children = Vec::new();
    for writer in 1..=WRITERS {
        let slot = f.procs.claim(ProcKind::Backend, 0).expect("slot");
        match sys::process::fork().expect("fork") {
            Forked::Parent(pid) => children.push(pid),
            Forked::Child => {
                shmem::proc::attach(f.procs.slots(), slot);
                for number in 0..RECORDS {
                    let end = insert(&f.wal, writer, &pattern(writer, number));
                    if number % 16 == 0 && f.wal.flush(end).is_err() {
                        sys::process::exit_now(1);
                    }
                    if f.wal.flush_lsn() > f.wal.insert_lsn() {
                        sys::process::exit_now(2);
                    }
                }
                sys::process::exit_now(0);
            }
        }
    }
    for pid in children {
        assert_eq!(sys::process::wait_for(pid), Some(Ended::Exited(0)));
    }
    f.wal.flush(f.wal.insert_lsn()).expect("flush");
    let (all, end) = read_all(f.dir.path());
    assert_eq!(end, f.wal.insert_lsn());
    for writer in 1..=WRITERS {
        let own: Vec<_> = all.iter().filter(|(xid, _)| *xid == writer).collect();
        assert_eq!(own.len() as u64, RECORDS, "writer {writer}");
        for (number, (_, data)) in own.iter().enumerate() {
            assert!(*data == pattern(writer, number as u64), "writer {writer}, record {number}");
        }
    }
}

fn page_with_lsn(lsn: Lsn) -> [u8; PAGE_SIZE] {
    let mut page = [0x5A; PAGE_SIZE];
    page[..8].copy_from_slice(&lsn.0.to_le_bytes());
    page[4000..6000].fill(0);
    page
}

fn insert_block(wal: &Wal, page: &[u8; PAGE_SIZE], flags: BlockFlags) -> Lsn {
    wal.ensure_room().expect("room");
    let tag = BufferTag::main(RelFileNumber(9), 4);
    let block = BlockRef { tag, page, hole: (4000, 2000), flags, data: &[b"change"] };
    let record = Record { rmgr: Rmgr::Heap, kind: 1, xid: Xid(5), blocks: &[block], data: &[] };
    wal.insert(&record)
}

#[test]
fn the_first_change_behind_the_redo_position_carries_the_image() {
    for compress in [false, true] {
        let f = fixture(WalOptions { compress, ..WalOptions::default() });
        let first = insert_block(&f.wal, &page_with_lsn(Lsn(8)), BlockFlags::default());
        let second = insert_block(&f.wal, &page_with_lsn(first), BlockFlags::default());
        let redo = f.wal.move_redo();
        assert_eq!((redo, f.wal.redo_lsn()), (position::record_start_at(second), redo));
        let third = insert_block(&f.wal, &page_with_lsn(second), BlockFlags::default());
        let new = BlockFlags { will_init: true, ..BlockFlags::default() };
        let fourth = insert_block(&f.wal, &page_with_lsn(Lsn(0)), new);
        f.wal.flush(fourth).expect("flush");
        let (mut reader, mut record) = (reader(f.dir.path()), DecodedRecord::default());
        let mut seen = Vec::new();
        while reader.read(&mut record).expect("readable log") {
            let mut page = [1; PAGE_SIZE];
            let restored = record.restore_image(0, &mut page).expect("image");
            assert_eq!(record.block_data(0), if restored { &b""[..] } else { b"change" });
            if restored {
                assert!(page[8..] == page_with_lsn(Lsn(0))[8..], "compress {compress}");
            }
            seen.push(restored);
        }
        assert_eq!(seen, [true, false, true, false], "compress {compress}");
        assert!(third < fourth);
    }
}

#[test]
fn old_segments_become_future_ones_and_their_records_stay_dead() {
    let f = fixture(WalOptions { fsync: false, ..WalOptions::default() });
    let data = vec![1; 100_000];
    while position::segment_of(f.wal.insert_lsn()) < 6 {
        insert(&f.wal, 1, &data);
    }
    f.wal.flush(f.wal.insert_lsn()).expect("flush");
    let redo = f.wal.move_redo();
    let (recycled, removed) = f.wal.recycle_before(redo, 3).expect("recycle");
    assert_eq!(recycled + removed, 5, "segments 1 to 5 are no longer needed");
    assert!(recycled >= 1);
    let (mut reader, mut record) = (
        WalReader::new(&f.dir.path().join("pg_wal"), TIMELINE, SYSTEM, redo),
        DecodedRecord::default(),
    );
    assert!(!reader.read(&mut record).expect("readable log"), "nothing was inserted since");
    while position::segment_of(f.wal.insert_lsn()) < 9 {
        insert(&f.wal, 2, &data);
    }
    f.wal.flush(f.wal.insert_lsn()).expect("flush");
    let mut reader = WalReader::new(&f.dir.path().join("pg_wal"), TIMELINE, SYSTEM, redo);
    while reader.read(&mut record).expect("readable log") {
        assert_eq!(record.xid(), Xid(2));
    }
    let end = reader.end().expect("end");
    assert_eq!(end.lsn, f.wal.insert_lsn(), "{}", end.why);
}

#[test]
fn a_flush_past_the_end_is_an_error() {
    let f = fixture(WalOptions::default());
    let past = Lsn(f.wal.insert_lsn().0 + 8);
    assert!(matches!(f.wal.flush(past), Err(wal::Error::FlushPastEnd { .. })));
}

/// The next segment cannot be made: its temporary name is taken by a directory.
fn fill_disk(f: &support::Fixture) -> std::path::PathBuf {
    let path = f.dir.path().join(format!("pg_wal/xlogtemp.{}", std::process::id()));
    std::fs::create_dir(&path).expect("a free name");
    path
}

/// When the disk was full, a checkpoint needed as much room for its record as a statement does, so
/// none could be made, no old segment became a new one, and the server was stuck until somebody
/// made room by hand.
#[test]
fn a_full_disk_leaves_room_for_checkpoints_when_statements_have_none() {
    let f = fixture(WalOptions { fsync: false, ..WalOptions::default() });
    insert(&f.wal, 1, b"makes the segments ahead");
    let obstacle = fill_disk(&f);
    let data = vec![7; 100_000];
    let record = Record { rmgr: Rmgr::Heap, kind: 7, xid: Xid(1), blocks: &[], data: &[&data] };
    let mut inserted = [0; 3];
    let rooms = [RoomFor::Statement, RoomFor::Abort, RoomFor::Checkpoint];
    for (count, room) in inserted.iter_mut().zip(rooms) {
        while f.wal.ensure_room_for(room).is_ok() {
            f.wal.insert(&record);
            *count += 1;
            assert!(*count < 1000, "{room:?} is never refused");
        }
    }
    assert!(inserted[1] > 70 && inserted[2] > 60, "8 and 7 MB of reserve: {inserted:?}");
    // All of it can be written: the segments are there.
    f.wal.flush(f.wal.insert_lsn()).expect("flush");
    std::fs::remove_dir(obstacle).expect("it is empty");
    f.wal.ensure_room().expect("room has come back, and nothing needs to be told");
}

/// After a failed sync the kernel calls the pages clean: the recovery that follows must write them
/// again, for its own sync would do nothing.
#[test]
fn recovery_writes_again_what_a_failed_sync_of_the_log_may_have_lost() {
    let f = fixture(WalOptions::default());
    let durable = insert(&f.wal, 1, &[1; 50_000]);
    f.wal.flush(durable).expect("flush");
    let end = insert(&f.wal, 2, &[2; 50_000]);
    f.wal.flush(end).expect("flush");
    let dir = f.dir.path().join("pg_wal");
    let path = dir.join(position::segment_name(TIMELINE, position::FIRST_SEGMENT));
    let before = std::fs::read(&path).expect("the segment");
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    let file = std::fs::File::options().write(true).open(&path).expect("the segment");
    file.set_modified(long_ago).expect("it is ours");
    let redo = position::segment_start(position::FIRST_SEGMENT);
    end::make_durable(&dir, TIMELINE, SYSTEM, redo).expect("readable");
    assert!(file.metadata().expect("open").modified().expect("Linux knows") > long_ago);
    assert!(std::fs::read(&path).expect("the segment") == before, "with what it held");
}

#[test]
fn segments_that_stood_ready_are_wiped_and_kept() {
    let f = fixture(WalOptions::default());
    let end = insert(&f.wal, 1, b"the last");
    f.wal.flush(end).expect("flush");
    let dir = f.dir.path().join("pg_wal");
    let later = position::FIRST_SEGMENT + 1;
    let path = dir.join(position::segment_name(TIMELINE, later));
    std::fs::write(&path, vec![9; SEGMENT_SIZE as usize]).expect("room");
    let wiped = end::wipe_after(&dir, TIMELINE, end, end::Later::Wipe(1)).expect("wiped");
    assert_eq!(wiped, later);
    assert!(std::fs::read(&path).expect("kept").iter().all(|&byte| byte == 0));
    let cut = std::fs::File::options().write(true).open(&path).expect("kept");
    cut.set_len(5000).expect("it is ours");
    let wiped = end::wipe_after(&dir, TIMELINE, end, end::Later::Wipe(1)).expect("wiped");
    assert_eq!((wiped, path.exists()), (position::FIRST_SEGMENT, false), "a part is of no use");
}
