//! A damaged log: where it ends, what proves that it had gone on, and what is wiped.

mod support;

use std::os::unix::fs::FileExt;

use support::{Fixture, SYSTEM, TIMELINE, check, end_of, fixture, insert, read_all, reader};
use types::{BufferTag, PAGE_SIZE, Xid};
use wal::position::{self, SEGMENT_SIZE};
use wal::{BlockFlags, BlockRef, DecodedRecord, Record, Rmgr, WalOptions, WalReader, end};

#[test]
fn the_log_ends_at_damage_and_what_follows_is_wiped() {
    let f = fixture(WalOptions::default());
    let mut ends = Vec::new();
    for number in 0..100 {
        ends.push(insert(&f.wal, number, &[number as u8; 500]));
    }
    f.wal.flush(ends[99]).expect("flush");
    let path = f.wal.segment_path(position::FIRST_SEGMENT);
    let mut bytes = std::fs::read(&path).expect("segment");
    bytes[(ends[49].0 - SEGMENT_SIZE) as usize + 100] ^= 4;
    std::fs::write(&path, &bytes).expect("damage");
    let (all, end) = read_all(f.dir.path());
    assert_eq!((all.len(), end), (50, ends[49]));
    let dir = f.dir.path().join("pg_wal");
    // Nothing later says that the log had been durable beyond the gap: one flush wrote it all.
    check(f.dir.path()).expect("legal");
    assert_eq!(
        end::wipe_after(&dir, TIMELINE, end, end::Later::Wipe(0)).expect("wipe"),
        position::FIRST_SEGMENT
    );
    let wiped = std::fs::read(&path).expect("segment");
    assert!(wiped[(end.0 - SEGMENT_SIZE) as usize..].iter().all(|byte| *byte == 0));
    assert_eq!(read_all(f.dir.path()).1, end);
}

#[test]
fn a_gap_that_had_been_durable_is_refused() {
    let f = fixture(WalOptions::default());
    let mut ends = Vec::new();
    for number in 0..100 {
        ends.push(insert(&f.wal, number, &[number as u8; 500]));
        f.wal.flush(ends[number as usize]).expect("flush");
    }
    let path = f.wal.segment_path(position::FIRST_SEGMENT);
    let mut bytes = std::fs::read(&path).expect("segment");
    bytes[(ends[9].0 - SEGMENT_SIZE) as usize + 100] ^= 4;
    std::fs::write(&path, &bytes).expect("damage");
    assert_eq!(end_of(f.dir.path()).lsn, ends[9]);
    let proof = check(f.dir.path());
    assert!(matches!(proof, Err(wal::Error::DurableGap { .. })), "{proof:?}");
}

/// A log over three segments and into a fourth, made by one flush: no header proves anything.
fn three_segments() -> Fixture {
    let f = fixture(WalOptions { fsync: false, ..WalOptions::default() });
    let data = vec![1; 500_000];
    while position::segment_of(f.wal.insert_lsn()) < position::FIRST_SEGMENT + 3 {
        insert(&f.wal, 1, &data);
    }
    f.wal.flush(f.wal.insert_lsn()).expect("flush");
    check(f.dir.path()).expect("it is whole");
    f
}

#[test]
fn a_segment_that_is_missing_short_swapped_or_foreign_is_no_end_of_the_log() {
    let f = three_segments();
    let path = |number: u64| f.wal.segment_path(position::FIRST_SEGMENT + number);
    let name = |number| position::segment_name(TIMELINE, position::FIRST_SEGMENT + number);
    let refused = |what: &str, words: &[&str]| {
        let error = check(f.dir.path()).expect_err(what).to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{what}: {error}");
    };
    let aside = f.dir.path().join("aside");
    for number in [1, 2, 3] {
        std::fs::rename(path(number), &aside).expect("moved");
        refused("missing", &["segment is missing", &name(number)]);
        std::fs::rename(&aside, path(number)).expect("moved back");
        let whole = std::fs::read(path(number)).expect("read");
        for length in [0, 100, 8192 * 3] {
            if number < 3 || length < 8192 {
                std::fs::write(path(number), &whole[..length]).expect("cut");
                refused("short", &["segment is cut short", &name(number)]);
            }
        }
        std::fs::write(path(number), &whole).expect("whole");
        check(f.dir.path()).expect("it is whole again");
    }
    let swap = |a: u64, b: u64| {
        std::fs::rename(path(a), &aside).expect("moved");
        std::fs::rename(path(b), path(a)).expect("moved");
        std::fs::rename(&aside, path(b)).expect("moved");
    };
    for (a, b) in [(0, 1), (1, 2), (0, 3), (2, 3)] {
        swap(a, b);
        refused("swapped", &[&name(a), &name(b)]);
        swap(a, b);
    }
    for (from, to) in [(0, 1), (1, 2), (0, 3), (2, 3)] {
        let whole = std::fs::read(path(to)).expect("read");
        std::fs::copy(path(from), path(to)).expect("copied");
        refused("a second copy", &[&name(from), &name(to)]);
        std::fs::write(path(to), whole).expect("whole");
    }
    check(f.dir.path()).expect("it is whole again");
}

/// Every bit of every record, header and body, of the padding behind it, and of the page headers
/// within: the log then ends at that record, or, in the padding, goes on.
#[test]
fn a_flipped_bit_anywhere_in_a_record_ends_the_log_there() {
    let f = fixture(WalOptions { compress: true, ..WalOptions::default() });
    let page = [3; PAGE_SIZE];
    let tag = BufferTag::main(types::RelFileNumber(9), 1);
    let start = position::start_lsn(position::first_usable());
    let mut ends = vec![start];
    for number in 0..40u64 {
        let flags = BlockFlags { force_image: number % 3 == 0, ..BlockFlags::default() };
        let data: &[&[u8]] = &[b"change"];
        let block = BlockRef { tag, page: &page, hole: (40, 8000), flags, data };
        let blocks = [block];
        f.wal.ensure_room().expect("room");
        ends.push(f.wal.insert(&Record {
            rmgr: Rmgr::ALL[number as usize % 4],
            kind: number as u8 % 5,
            xid: Xid(number),
            blocks: if number % 2 == 0 { &blocks } else { &[] },
            data: &[&vec![7; 1 + number as usize * 11]],
        }));
    }
    f.wal.flush(ends[40]).expect("flush");
    let path = f.wal.segment_path(position::FIRST_SEGMENT);
    let whole = std::fs::read(&path).expect("segment");
    let file = std::fs::File::options().write(true).open(&path).expect("segment");
    let (mut reader_, mut record) = (reader(f.dir.path()), DecodedRecord::default());
    let mut flipped = 0;
    for (number, end) in ends[..40].iter().enumerate() {
        assert!(reader_.read(&mut record).expect("readable log"));
        let begin = position::record_start_at(*end);
        let padding = position::aligned(record.length() as u64) - record.length() as u64;
        for at in begin.0..record.end().0 {
            let place = (at - SEGMENT_SIZE) as usize;
            for bit in 0..8 {
                let mut byte = [whole[place] ^ 1 << bit];
                file.write_all_at(&byte, place as u64).expect("flip");
                let mut again =
                    WalReader::new(&f.dir.path().join("pg_wal"), TIMELINE, SYSTEM, begin);
                let read = again.read(&mut DecodedRecord::default()).expect("no error");
                let in_padding = at >= record.end().0 - padding;
                assert_eq!(read, in_padding, "record {number}, byte {at}, bit {bit}");
                byte[0] = whole[place];
                file.write_all_at(&byte, place as u64).expect("back");
                flipped += 1;
            }
        }
    }
    assert!(flipped > 80_000, "{flipped}");
    assert!(ends[40].0 > SEGMENT_SIZE + 8192, "a record lies across a page boundary");
    assert_eq!(read_all(f.dir.path()).1, ends[40]);
}
