//! Tests of waldump on a log that was written by the log's own code.

use std::path::Path;

use shmem::{Layout, Segment};
use types::{BufferTag, Oid, PAGE_SIZE, RelFileNumber, SystemId, TimelineId, Xid};
use wal::{
    BlockFlags, BlockRef, Checkpoint, Record, ServerState, Wal, WalOptions, WalRegions, WalStart,
};

use super::*;

const SYSTEM: SystemId = SystemId(42);

fn control(redo: Lsn) -> ControlFile {
    ControlFile {
        sequence: 1,
        system: SYSTEM,
        catalog_version: 1,
        state: ServerState::InProduction,
        wal_level: 0,
        max_connections: 100,
        max_locks_per_transaction: 64,
        checksums: true,
        checkpoint_lsn: redo,
        minimum_recovery_point: Lsn::INVALID,
        backup_start: Lsn::INVALID,
        checkpoint: Checkpoint {
            redo,
            timeline: TimelineId(1),
            next_xid: Xid(3),
            oldest_running_xid: Xid(3),
            next_oid: Oid(16384),
            next_relfile: RelFileNumber(16384),
            time: 0,
            buffers_written: 0,
            buffers_total: 16,
        },
    }
}

/// Writes a checkpoint and 300 records of a page each, every other one with an image.
fn write_log(directory: &Path) -> Vec<Lsn> {
    std::fs::create_dir(directory.join("global")).expect("a directory for the test");
    std::fs::create_dir(directory.join("pg_wal")).expect("a directory for the test");
    let timeline = TimelineId(1);
    wal::segments::create_segment(&directory.join("pg_wal"), timeline, position::FIRST_SEGMENT)
        .expect("a segment for the test");
    let mut layout = Layout::new();
    let regions = WalRegions::reserve(&mut layout, 16);
    let segment = Segment::create(layout, directory).expect("shared memory for the test");
    let log = Wal::new(&segment, regions, &[], directory, WalOptions::default());
    let start = position::start_lsn(position::first_usable());
    let prepared = position::FIRST_SEGMENT;
    log.start_at(WalStart { system: SYSTEM, timeline, end: start, redo: start, prepared });
    control(start).create(directory).expect("a control file for the test");
    let mut ends = vec![start];
    let checkpoint = control(start).checkpoint.encode(&[Xid(9)]);
    ends.push(insert(&log, Rmgr::Xlog, 1, Xid::INVALID, &[], &checkpoint));
    let page = [7; PAGE_SIZE];
    for n in 0..300 {
        let flags = BlockFlags { force_image: n % 2 == 0, ..BlockFlags::default() };
        let tag = BufferTag::main(RelFileNumber(16384), n);
        let block = BlockRef { tag, page: &page, hole: (0, 0), flags, data: &[b"row"] };
        ends.push(insert(&log, Rmgr::Heap, 0, Xid(u64::from(n)), &[block], b"data"));
    }
    log.flush(log.insert_lsn()).expect("the log can be flushed");
    ends
}

fn insert(log: &Wal, rmgr: Rmgr, kind: u8, xid: Xid, blocks: &[BlockRef<'_>], data: &[u8]) -> Lsn {
    log.ensure_room().expect("room for the test");
    let section = shmem::enter_critical();
    let end = log.insert(&Record { rmgr, kind, xid, blocks, data: &[data] });
    shmem::leave_critical(section);
    end
}

fn dump(arguments: Arguments) -> String {
    let mut out = Vec::new();
    run(&arguments, &mut out).expect("a good log");
    String::from_utf8(out).expect("text")
}

fn arguments(path: &Path) -> Arguments {
    Arguments {
        path: path.to_owned(),
        start: None,
        end: None,
        rmgr: Vec::new(),
        xid: None,
        relation: None,
        limit: None,
        stats: false,
    }
}

#[test]
fn records_are_printed_counted_and_chosen() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let ends = write_log(directory.path());
    let all = || arguments(directory.path());
    let text = dump(all());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 302, "{text}");
    assert!(lines[0].contains("CHECKPOINT_ONLINE") && lines[0].contains("redo 0/1000"), "{text}");
    assert!(lines[0].ends_with("1 running"), "{}", lines[0]);
    assert!(lines[1].contains("blk 0: block 0 of base/16384 image 8192"), "{}", lines[1]);
    assert!(lines[2].contains("blk 0: block 1 of base/16384") && !lines[2].contains("image"));
    let end = ends.last().expect("there are records");
    assert!(lines[301].starts_with(&format!("end of log at {end}")), "{}", lines[301]);

    let count = |arguments| dump(arguments).lines().filter(|line| line.starts_with("lsn")).count();
    assert_eq!(count(Arguments { rmgr: vec![Rmgr::Xlog as u8], ..all() }), 1);
    assert_eq!(count(Arguments { xid: Some(7), ..all() }), 1);
    assert_eq!(count(Arguments { relation: Some(1), ..all() }), 0);
    assert_eq!(count(Arguments { limit: Some(5), ..all() }), 5);
    let from = Arguments { start: Some(ends[250]), ..all() };
    assert_eq!(count(from), 301 - 250);
    let between = Arguments { start: Some(ends[10]), end: Some(ends[20]), ..all() };
    assert_eq!(count(between), 10);

    let stats = dump(Arguments { stats: true, ..all() });
    let total = stats.lines().find(|line| line.trim_start().starts_with("Total"));
    let words: Vec<&str> = total.expect("a total").split_whitespace().collect();
    assert_eq!((words[1], words[5], words[6]), ("301", "150", "1228800"), "{stats}");
}

#[test]
fn a_place_outside_of_the_log_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    write_log(directory.path());
    let outside = Arguments { start: Some(Lsn(1 << 40)), ..arguments(directory.path()) };
    let error = run(&outside, &mut Vec::new()).expect_err("nothing is there");
    assert!(error.to_string().contains("no valid page"), "{error}");
    assert_eq!(parse_place("000000010000000000000002"), Ok(Lsn(2 << 24)));
    assert!(parse_place("nonsense").is_err() && parse_rmgr("nonsense").is_err());
}
