//! A log of its own for each test: a segment of shared memory, a directory, a tiny ring.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(missing_docs, reason = "names say it; this is no interface")]

use std::path::Path;

use shmem::{Layout, ProcArray, Segment};
use types::{Lsn, SystemId, TimelineId, Xid};
use wal::position;
use wal::{
    DecodedRecord, Record, Rmgr, Wal, WalOptions, WalReader, WalRegions, WalStart, end, segments,
};

pub const SYSTEM: SystemId = SystemId(0xFEED);
pub const TIMELINE: TimelineId = TimelineId(1);

pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub procs: ProcArray,
    pub wal: Wal,
    _segment: Segment,
}

pub fn fixture(options: WalOptions) -> Fixture {
    let dir = tempfile::tempdir().expect("temporary directory");
    let pg_wal = dir.path().join("pg_wal");
    std::fs::create_dir(&pg_wal).expect("pg_wal");
    segments::create_segment(&pg_wal, TIMELINE, position::FIRST_SEGMENT).expect("first segment");
    let mut layout = Layout::new();
    let regions = WalRegions::reserve(&mut layout, 8);
    let slots = ProcArray::reserve(&mut layout, 8);
    let segment = Segment::create(layout, dir.path()).expect("segment");
    let procs = ProcArray::new(&segment, slots);
    let wal = Wal::new(&segment, regions, procs.slots(), dir.path(), options);
    let start = position::segment_start(position::FIRST_SEGMENT);
    wal.start_at(WalStart {
        system: SYSTEM,
        timeline: TIMELINE,
        end: start,
        redo: start,
        prepared: position::FIRST_SEGMENT,
    });
    Fixture { dir, procs, wal, _segment: segment }
}

pub fn insert(wal: &Wal, xid: u64, data: &[u8]) -> Lsn {
    wal.ensure_room().expect("room");
    wal.insert(&Record { rmgr: Rmgr::Heap, kind: 7, xid: Xid(xid), blocks: &[], data: &[data] })
}

pub fn reader(dir: &Path) -> WalReader {
    let start = position::segment_start(position::FIRST_SEGMENT);
    WalReader::new(&dir.join("pg_wal"), TIMELINE, SYSTEM, start)
}

pub fn end_of(dir: &Path) -> wal::EndOfLog {
    let (mut reader, mut record) = (reader(dir), DecodedRecord::default());
    while reader.read(&mut record).expect("readable log") {}
    reader.end().expect("the end was reached").clone()
}

pub fn check(dir: &Path) -> Result<(), wal::Error> {
    let redo = position::segment_start(position::FIRST_SEGMENT);
    end::check_end(&dir.join("pg_wal"), TIMELINE, SYSTEM, redo, &end_of(dir))
}

pub fn read_all(dir: &Path) -> (Vec<(u64, Vec<u8>)>, Lsn) {
    let (mut reader, mut record, mut all) = (reader(dir), DecodedRecord::default(), Vec::new());
    while reader.read(&mut record).expect("readable log") {
        all.push((record.xid().0, record.data().to_vec()));
    }
    (all, reader.end().expect("the end was reached").lsn)
}
