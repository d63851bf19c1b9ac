//! The log as processes use it: inserted by several at once through a tiny ring, then read back.

mod support;

use shmem::ProcKind;
use support::{SYSTEM, TIMELINE, fixture, insert, read_all, reader};
use sys::process::{Ended, Forked};
use types::{BufferTag, Lsn, PAGE_SIZE, RelFileNumber, Xid};
use wal::position;
use wal::{BlockFlags, BlockRef, DecodedRecord, Record, Rmgr, Wal, WalOptions, WalReader};

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
