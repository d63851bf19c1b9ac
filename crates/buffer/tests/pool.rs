//! The pool as processes use it: far more pages than buffers, several processes at once, then a
//! crash and redo.

use std::rc::Rc;

use buffer::{
    BlockFlags, BufferPool, BufferRegions, Change, Cleaned, Error, PageAccess, PageBytes, Redone,
    Ring, Touched,
};
use shmem::{Layout, ProcArray, ProcKind, Segment};
use sys::process::{Ended, Forked};
use types::{BufferTag, Fork, RelFileNumber, SystemId, TimelineId, Xid};
use wal::{DecodedRecord, Rmgr, Wal, WalOptions, WalReader, WalRegions, WalStart, position};

const REL: RelFileNumber = RelFileNumber(77);
const SYSTEM: SystemId = SystemId(0xFEED);
const TIMELINE: TimelineId = TimelineId(1);
const COUNTER_AT: usize = 4000;

struct Fixture {
    dir: tempfile::TempDir,
    procs: ProcArray,
    segment: Segment,
    pool: BufferPool,
}

fn fixture(buffers: usize) -> Fixture {
    let dir = tempfile::tempdir().expect("temporary directory");
    for name in ["pg_wal", "base"] {
        std::fs::create_dir(dir.path().join(name)).expect("directory");
    }
    let pg_wal = dir.path().join("pg_wal");
    wal::segments::create_segment(&pg_wal, TIMELINE, position::FIRST_SEGMENT).expect("segment");
    let mut layout = Layout::new();
    let regions = WalRegions::reserve(&mut layout, 8);
    let buffers = BufferRegions::reserve(&mut layout, buffers);
    let slots = ProcArray::reserve(&mut layout, 8);
    let segment = Segment::create(layout, dir.path()).expect("segment");
    let procs = ProcArray::new(&segment, slots);
    let options = WalOptions { fsync: false, ..WalOptions::default() };
    let wal = Rc::new(Wal::new(&segment, regions, procs.slots(), dir.path(), options));
    let pool = BufferPool::new(&segment, buffers, dir.path(), wal);
    start(&pool);
    pool.files().create(REL, Fork::Main).expect("file");
    Fixture { dir, procs, segment, pool }
}

fn start(pool: &BufferPool) {
    let start = position::segment_start(position::FIRST_SEGMENT);
    pool.wal().start_at(WalStart {
        system: SYSTEM,
        timeline: TIMELINE,
        end: start,
        redo: start,
        prepared: position::FIRST_SEGMENT,
    });
}

/// Sets the page's counter; redo does the same with the record's data.
fn set_counter(pool: &BufferPool, block: u32, value: impl FnOnce(u64) -> u64) {
    let pin = pool.read(BufferTag::main(REL, block)).expect("page");
    let mut page = pin.exclusive();
    let new = page.page().is_new();
    let value = value(page.page().u64_at(COUNTER_AT));
    let change = Change { rmgr: Rmgr::Heap, kind: 1, xid: Xid(3), data: &[] };
    let flags = BlockFlags { will_init: new, ..BlockFlags::default() };
    let data = value.to_le_bytes();
    let touched = &mut [Touched { page: &mut page, flags, data: &[&data] }];
    pool.change(&change, touched, |pages| apply(pages.page(0), new, value)).expect("change");
}

fn apply(page: &mut PageBytes, new: bool, value: u64) {
    if new {
        page.init_raw();
    }
    page.put_u64(COUNTER_AT, value);
}

fn counter(pool: &BufferPool, block: u32) -> u64 {
    pool.read(BufferTag::main(REL, block)).expect("page").shared().u64_at(COUNTER_AT)
}

fn make_pages(pool: &BufferPool, count: u32) {
    for block in 0..count {
        assert_eq!(pool.extend(REL, Fork::Main).expect("extend").tag().block, block);
        set_counter(pool, block, |_| u64::from(block));
    }
}

#[test]
fn pages_survive_eviction_from_a_pool_of_sixteen() {
    let f = fixture(16);
    make_pages(&f.pool, 200);
    for block in 0..200 {
        assert_eq!(counter(&f.pool, block), u64::from(block));
    }
    assert_eq!(f.pool.nblocks(REL, Fork::Main).expect("blocks"), 200);
    assert!(f.pool.stats().buffers_backend.get() >= 184, "victims were written");
    assert!(f.pool.infos().all(|info| info.pins == 0));
}

#[test]
fn processes_count_together_without_losing_a_step() {
    const PROCESSES: u64 = 4;
    const STEPS: u64 = 3000;
    let f = fixture(16);
    make_pages(&f.pool, 40);
    for block in 0..40 {
        set_counter(&f.pool, block, |_| 0);
    }
    let mut children = Vec::new();
    for process in 0..PROCESSES {
        let slot = f.procs.claim(ProcKind::Backend, 0).expect("slot");
        match sys::process::fork().expect("fork") {
            Forked::Parent(pid) => children.push(pid),
            Forked::Child => {
                shmem::proc::attach(f.procs.slots(), slot);
                for step in 0..STEPS {
                    let block = (step * 7 + process * 13) % 40;
                    set_counter(&f.pool, block as u32, |value| value + 1);
                    if process == 0 && step % 100 == 0 {
                        f.pool.wal().move_redo();
                        for page in f.pool.begin_checkpoint() {
                            f.pool.write_for_checkpoint(page).expect("write");
                        }
                        f.pool.sync_pending().expect("sync");
                    }
                }
                sys::process::exit_now(0);
            }
        }
    }
    for pid in children {
        assert_eq!(sys::process::wait_for(pid), Some(Ended::Exited(0)));
    }
    let total: u64 = (0..40).map(|block| counter(&f.pool, block)).sum();
    assert_eq!(total, PROCESSES * STEPS);
}

fn redo_all(f: &Fixture) -> u32 {
    let start = position::segment_start(position::FIRST_SEGMENT);
    let mut reader = WalReader::new(&f.dir.path().join("pg_wal"), TIMELINE, SYSTEM, start);
    let (mut record, mut applied) = (DecodedRecord::default(), 0);
    while reader.read(&mut record).expect("readable log") {
        let value = record.block_data(0).try_into().map_or(0, u64::from_le_bytes);
        let new = record.block(0).expect("block").will_init;
        let redone = f.pool.redo_block::<Error>(&record, 0, |page| {
            apply(page, new, value);
            Ok(())
        });
        applied += u32::from(redone.expect("redo") != Redone::AlreadyThere);
    }
    applied
}

#[test]
fn redo_brings_back_what_only_the_log_holds() {
    let f = fixture(64);
    make_pages(&f.pool, 50);
    f.pool.wal().move_redo();
    for block in 0..50 {
        set_counter(&f.pool, block, |value| value + 1000);
    }
    f.pool.wal().flush(f.pool.wal().insert_lsn()).expect("flush");
    // The crash: buffers are gone, a page is torn, the file has lost its tail.
    f.segment.reset();
    start(&f.pool);
    let path = f.pool.files().path(buffer::SegmentId { rel: REL, fork: Fork::Main, segment: 0 });
    let mut bytes = std::fs::read(&path).expect("file");
    bytes.truncate(20 * 8192);
    bytes[3 * 8192 + 100] ^= 0xFF;
    std::fs::write(&path, &bytes).expect("damage");
    f.pool.files().close(REL);
    assert_eq!(redo_all(&f), 100);
    for block in 0..50 {
        assert_eq!(counter(&f.pool, block), u64::from(block) + 1000);
    }
    assert_eq!(redo_all(&f), 50, "a second time only images are restored");
}

/// The kernel shows a page whose sync has failed as it was written, and calls it clean: if redo
/// believed its position, nobody would write it again, and a power cut would find the disk without
/// it. So a page that its record makes anew, and that has no image in the log, is not even read.
#[test]
fn redo_writes_a_page_again_that_a_failed_sync_has_lost() {
    let f = fixture(64);
    make_pages(&f.pool, 10);
    f.pool.wal().flush(f.pool.wal().insert_lsn()).expect("flush");
    for page in f.pool.begin_checkpoint() {
        f.pool.write_for_checkpoint(page).expect("written");
    }
    f.segment.reset();
    start(&f.pool);
    f.pool.files().close(REL);
    redo_all(&f);
    assert_eq!(
        f.pool.begin_checkpoint().len(),
        10,
        "all are dirty, and will be written and synced"
    );
}

#[test]
fn damage_is_named_by_file_and_block() {
    let f = fixture(16);
    make_pages(&f.pool, 40);
    let path = f.pool.files().path(buffer::SegmentId { rel: REL, fork: Fork::Main, segment: 0 });
    let mut bytes = std::fs::read(&path).expect("file");
    bytes[8192 + 5000] ^= 1;
    std::fs::write(&path, &bytes).expect("damage");
    let error = f.pool.read(BufferTag::main(REL, 1)).err().expect("damaged").to_string();
    assert!(error.contains("block 1 of base/77"), "{error}");
    assert!(matches!(f.pool.read(BufferTag::main(REL, 40)), Err(Error::PastEnd(_))));
    assert_eq!(counter(&f.pool, 2), 2, "others are not harmed");
}

#[test]
fn hints_wait_until_the_image_is_in_the_log() {
    let f = fixture(16);
    make_pages(&f.pool, 1);
    let pin = f.pool.read(BufferTag::main(REL, 0)).expect("page");
    assert!(f.pool.allow_hints(&pin.shared()));
    f.pool.wal().move_redo();
    assert!(!f.pool.allow_hints(&pin.shared()));
    f.pool.set_hints_with_image(&mut pin.exclusive(), |page| page.put_u16(6000, 9)).expect("image");
    assert!(f.pool.allow_hints(&pin.shared()));
    assert_eq!(pin.shared().u16_at(6000), 9);
}

#[test]
fn a_dropped_relation_leaves_no_buffer_and_no_file() {
    let f = fixture(16);
    make_pages(&f.pool, 40);
    f.pool.drop_buffers(REL).expect("drop");
    f.pool.files().remove(REL).expect("remove");
    assert!(f.pool.infos().all(|info| info.tag.is_none_or(|tag| tag.rel != REL)));
    assert_eq!(f.pool.sync_pending().expect("sync"), 0);
    assert!(f.pool.files().list().expect("list").is_empty());
}

#[test]
fn a_ring_scan_leaves_the_rest_of_the_pool_alone() {
    let f = fixture(64);
    make_pages(&f.pool, 300);
    let hot: Vec<u32> = (0..20).collect();
    for _ in 0..5 {
        hot.iter().for_each(|block| assert_eq!(counter(&f.pool, *block), u64::from(*block)));
    }
    let ring = Ring::bulk_read(64);
    for block in 20..300 {
        f.pool.read_with(BufferTag::main(REL, block), Some(&ring)).expect("page");
    }
    let resident =
        |block: &&u32| f.pool.infos().any(|info| info.tag == Some(BufferTag::main(REL, **block)));
    assert_eq!(hot.iter().filter(resident).count(), hot.len());
}

#[test]
fn pages_are_written_out_by_choice() {
    let f = fixture(32);
    make_pages(&f.pool, 10);
    f.pool.write_out(|tag| tag.rel == REL && tag.block >= 6).expect("written");
    let dirty = f.pool.infos().filter(|info| info.dirty).count();
    assert_eq!(dirty, 6);
    let on_disk = |block| {
        let mut page = PageBytes::default();
        let there = f.pool.files().read(BufferTag::main(REL, block), &mut page).expect("read");
        (there, page.u64_at(COUNTER_AT))
    };
    assert_eq!([on_disk(5), on_disk(6), on_disk(9)], [(true, 0), (true, 6), (true, 9)]);
}

#[test]
fn a_change_may_touch_pages_that_were_locked_elsewhere() {
    let f = fixture(32);
    make_pages(&f.pool, 3);
    let pins = [0, 1, 2].map(|block| f.pool.read(BufferTag::main(REL, block)).expect("page"));
    let lsn = {
        let (mut first, mut second, mut third) =
            (pins[0].exclusive(), pins[1].exclusive(), pins[2].exclusive());
        let change = Change { rmgr: Rmgr::Heap, kind: 1, xid: Xid(3), data: &[] };
        let flags = BlockFlags::default();
        let data = 99u64.to_le_bytes();
        let data: &[&[u8]] = &[&data];
        let touched = &mut [Touched { page: &mut first, flags, data }];
        let beside = &mut [
            Touched { page: &mut second, flags, data },
            Touched { page: &mut third, flags, data },
        ];
        let apply = |one: &mut buffer::Pages<'_, '_, '_>, two: &mut buffer::Pages<'_, '_, '_>| {
            apply(one.page(0), false, 99);
            apply(two.page(0), false, 99);
            apply(two.page(1), false, 99);
        };
        f.pool.change_beside(&change, touched, beside, apply).expect("change")
    };
    for pin in &pins {
        let page = pin.shared();
        assert_eq!((page.lsn(), page.u64_at(COUNTER_AT)), (lsn, 99));
    }
    f.pool.wal().flush(lsn).expect("flush");
    let start = position::segment_start(position::FIRST_SEGMENT);
    let mut reader = WalReader::new(f.pool.wal().dir(), TIMELINE, SYSTEM, start);
    let mut record = DecodedRecord::default();
    while reader.read(&mut record).expect("the log can be read") {}
    let blocks: Vec<_> = record.blocks().iter().map(|block| block.tag.block).collect();
    assert_eq!(blocks, [0, 1, 2], "the last record");
}

#[test]
fn the_bgwriter_cleans_only_what_is_idle_and_flushed() {
    let f = fixture(16);
    make_pages(&f.pool, 1);
    let id = f.pool.read(BufferTag::main(REL, 0)).expect("page").id();
    assert_eq!(f.pool.clean(id).expect("clean"), Cleaned::InUse, "just used");
    for block in 1..40 {
        f.pool.extend(REL, Fork::Main).expect("extend");
        set_counter(&f.pool, block, |_| 1);
    }
    f.pool.wal().flush(f.pool.wal().insert_lsn()).expect("flush");
    let cleaned = |id: &usize| f.pool.clean(*id).expect("clean") == Cleaned::Written;
    let ids: Vec<_> = (0..16).filter(cleaned).collect();
    assert!(!ids.is_empty());
    for id in ids {
        assert_eq!(f.pool.clean(id).expect("clean"), Cleaned::Reusable);
    }
}

#[test]
fn blocks_that_are_punched_out_read_as_zeros_and_the_others_stay() {
    let Fixture { pool, .. } = &fixture(32);
    pool.extend_by(REL, Fork::Main, 10).expect("pages");
    (0..10).for_each(|block| set_counter(pool, block, |_| u64::from(block) + 1));
    pool.begin_checkpoint().into_iter().for_each(|page| {
        pool.write_for_checkpoint(page).expect("written");
    });
    // Some are dirty again: what they hold is not to come back.
    (2..5).for_each(|block| set_counter(pool, block, |_| 99));
    pool.punch(REL, Fork::Main, 3..8).expect("punched");
    pool.punch(REL, Fork::Main, 9..9).expect("nothing to do");
    pool.punch(REL, Fork::Main, 20..30).expect("behind the end");
    assert_eq!(pool.nblocks(REL, Fork::Main).expect("blocks"), 10);
    let after: Vec<u64> = (0..10).map(|block| counter(pool, block)).collect();
    assert_eq!(after, [1, 2, 99, 0, 0, 0, 0, 0, 9, 10]);
    let cached = pool.read_cached(BufferTag::main(REL, 4)).expect("looked for");
    assert!(cached.is_some(), "it has just been read");
    let elsewhere = BufferTag::main(RelFileNumber(78), 0);
    assert!(pool.read_cached(elsewhere).expect("looked for").is_none());
}
