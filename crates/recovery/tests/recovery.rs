//! Recovery after crashes of every kind: what was committed is there, nothing else is, and where
//! something durable is lost, the server refuses to start.

#[path = "../../access/tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, HashSet};

use access::{Outcome, Shape, storage};
use buffer::{PageAccess, PageBytes};
use recovery::{Error, Recovered, Recovery};
use support::{World, number, row};
use types::{BufferTag, Datum, Fork, Lsn, PAGE_SIZE, RelFileNumber, TupleId};
use wal::{ControlFile, WalOptions, position};

fn try_recover(world: &World) -> Result<Recovered, Error> {
    let context = Recovery {
        data_dir: world.data_dir(),
        wal: &world.wal,
        pool: &world.pool,
        txn: &world.txn,
    };
    recovery::run(&context, &mut |_| ())
}

/// A crash, recovery, and the checkpoint at its end.
fn crash_and_recover(world: &mut World) -> Recovered {
    world.crash();
    let recovered = try_recover(world).expect("recovery");
    world.checkpoint();
    recovered
}

fn insert(world: &World, rel: RelFileNumber, numbers: std::ops::Range<i32>) {
    world.write(|tx| {
        for n in numbers {
            world.heap(rel).insert(tx, &row(n, &"t".repeat(60))).expect("insert");
        }
    });
}

#[test]
fn committed_rows_survive_and_uncommitted_ones_do_not() {
    let mut world = World::new(64);
    let rel = world.table();
    insert(&world, rel, 0..100);
    let mut open = world.txn.begin();
    for n in 500..600 {
        world.heap(rel).insert(&mut open, &row(n, "open")).expect("insert");
    }
    let (victim, _) = world.rows(rel)[0];
    world.heap(rel).delete(&mut open, victim).expect("delete");
    // Something of the open transaction reaches the disk.
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    let recovered = crash_and_recover(&mut world);
    assert!(recovered.was_crash && recovered.records > 100, "{recovered:?}");
    assert_eq!(world.numbers(rel), (0..100).collect::<Vec<_>>());
    insert(&world, rel, 100..110);
    crash_and_recover(&mut world);
    assert_eq!(world.numbers(rel), (0..110).collect::<Vec<_>>());
}

#[test]
fn an_unflushed_commit_is_lost_whole() {
    let mut world = World::new(64);
    let rel = world.table();
    insert(&world, rel, 0..3);
    let mut tx = world.txn.begin();
    world.heap(rel).insert(&mut tx, &row(9, "lost")).expect("insert");
    world.txn.commit(&mut tx, false).expect("asynchronous commit");
    assert_eq!(world.numbers(rel), [0, 1, 2, 9]);
    crash_and_recover(&mut world);
    assert_eq!(world.numbers(rel), [0, 1, 2]);
}

/// The row's page may reach the disk while the asynchronous commit does not: then nothing on the
/// page may say that it committed.
#[test]
fn a_hint_does_not_outlive_the_commit_that_it_repeats() {
    // Redo from an image would take the hint away.
    let options = WalOptions { full_page_writes: false, ..WalOptions::default() };
    let mut world = World::with_options(64, options);
    let rel = world.table();
    insert(&world, rel, 0..3);
    world.checkpoint();
    let mut tx = world.txn.begin();
    world.heap(rel).insert(&mut tx, &row(9, "lost")).expect("insert");
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    world.txn.commit(&mut tx, false).expect("asynchronous commit");
    assert_eq!(world.numbers(rel), [0, 1, 2, 9]);
    for page in world.pool.begin_checkpoint() {
        if page.tag.rel == rel {
            world.pool.write_for_checkpoint(page).expect("written");
        }
    }
    crash_and_recover(&mut world);
    assert_eq!(world.numbers(rel), [0, 1, 2]);
}

#[test]
fn a_file_never_exists_before_the_log_knows_its_number() {
    let mut world = World::new(64);
    for _ in 0..3 {
        let mut tx = world.txn.begin();
        let lost = storage::create(&world.access, &mut tx).expect("a file");
        assert!(world.pool.files().exists(lost, Fork::Main).expect("asked"));
        crash_and_recover(&mut world);
        assert_ne!(world.table(), lost);
    }
}

#[test]
fn numbers_are_never_handed_out_twice() {
    let mut world = World::new(64);
    let mut used = HashSet::new();
    for _ in 0..5 {
        let rel = world.table();
        insert(&world, rel, 0..1);
        let xid = world.write(|tx| world.txn.assign_xid(tx).expect("an id"));
        assert!(used.insert((rel.0, 0)) && used.insert((0, xid.0)));
        crash_and_recover(&mut world);
    }
}

#[test]
fn a_torn_page_is_restored_from_its_image() {
    let mut world = World::new(64);
    let rel = world.table();
    insert(&world, rel, 0..50);
    world.checkpoint();
    insert(&world, rel, 50..60);
    let path = world.data_dir().join("base").join(rel.to_string());
    let mut bytes = std::fs::read(&path).expect("the file");
    bytes[4096..8192].fill(0xAA);
    std::fs::write(&path, bytes).expect("the file");
    crash_and_recover(&mut world);
    assert_eq!(world.numbers(rel), (0..60).collect::<Vec<_>>());
}

#[test]
fn a_page_that_is_missing_and_never_dropped_stops_recovery() {
    let options = WalOptions { full_page_writes: false, ..WalOptions::default() };
    let mut world = World::with_options(64, options);
    let rel = world.table();
    insert(&world, rel, 0..10);
    world.checkpoint();
    insert(&world, rel, 10..20);
    world.crash();
    std::fs::remove_file(world.data_dir().join("base").join(rel.to_string())).expect("the file");
    world.pool.files().close(rel);
    let error = try_recover(&world).expect_err("a table is lost");
    match error {
        Error::MissingPages { first, .. } => assert_eq!(first, BufferTag::main(rel, 0)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_page_whose_table_is_dropped_later_is_not_missed() {
    for full_page_writes in [true, false] {
        let mut world =
            World::with_options(64, WalOptions { full_page_writes, ..WalOptions::default() });
        let (rel, kept) = (world.table(), world.table());
        insert(&world, rel, 0..500);
        world.checkpoint();
        insert(&world, rel, 500..1000);
        world.write(|tx| {
            for (place, _) in world.rows_in(tx, rel).iter().take(50) {
                world.heap(rel).delete(tx, *place).expect("delete");
            }
            storage::drop_at_commit(&world.access, tx, rel);
        });
        insert(&world, kept, 0..1);
        assert!(!world.pool.files().exists(rel, Fork::Main).expect("asked"));
        crash_and_recover(&mut world);
        assert_eq!(world.numbers(kept), [0]);
        let all = world.pool.files().list().expect("the directory can be read");
        assert!(all.iter().all(|id| id.rel != rel), "{all:?}");
    }
}

#[test]
fn files_of_an_aborted_transaction_go_even_across_a_checkpoint() {
    let mut world = World::new(64);
    let mut tx = world.txn.begin();
    let rel = storage::create(&world.access, &mut tx).expect("a file");
    for n in 0..100 {
        world.heap(rel).insert(&mut tx, &row(n, "gone")).expect("insert");
    }
    world.checkpoint();
    for n in 0..100 {
        world.heap(rel).insert(&mut tx, &row(n, "gone")).expect("insert");
    }
    world.access.end_statement().expect("map");
    // Redo will meet the rows of the second half; it must also meet the end of their file.
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    world.txn.abort(&mut tx);
    assert!(!world.pool.files().exists(rel, Fork::Main).expect("asked"));
    crash_and_recover(&mut world);
    let all = world.pool.files().list().expect("the directory can be read");
    assert!(all.iter().all(|id| id.rel != rel), "{all:?}");
}

#[test]
fn orphans_are_removed_and_nothing_else_is() {
    let mut world = World::new(64);
    let kept = world.table();
    insert(&world, kept, 0..2000);
    let mut tx = world.txn.begin();
    let orphan = storage::create(&world.access, &mut tx).expect("a file");
    for n in 0..2000 {
        world.heap(orphan).insert(&mut tx, &row(n, "orphan")).expect("insert");
    }
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    crash_and_recover(&mut world);
    assert!(world.pool.files().exists(orphan, Fork::Main).expect("asked"));
    let owned = HashSet::from([kept]);
    assert_eq!(storage::remove_orphans(&world.pool, &owned).expect("removed"), 1);
    let all = world.pool.files().list().expect("the directory can be read");
    assert!(all.iter().all(|id| id.rel == kept || id.rel == txn::STATUS_RELATION), "{all:?}");
    world.checkpoint();
    assert_eq!(world.numbers(kept).len(), 2000);
}

#[test]
fn a_log_that_lost_what_pages_prove_to_have_been_durable_is_refused() {
    let options = WalOptions { full_page_writes: false, ..WalOptions::default() };
    let mut world = World::with_options(64, options);
    let rel = world.table();
    insert(&world, rel, 0..20);
    world.checkpoint();
    insert(&world, rel, 20..21);
    let cut = world.wal.insert_lsn();
    insert(&world, rel, 21..40);
    for page in world.pool.begin_checkpoint() {
        world.pool.write_for_checkpoint(page).expect("written");
    }
    world.crash();
    cut_log(&world, cut);
    match try_recover(&world).expect_err("commits are lost") {
        Error::PageAhead { end, tag, lsn, .. } => {
            assert!(lsn > end, "{lsn} {end}");
            assert_eq!(tag, BufferTag::main(rel, 0));
        }
        other => panic!("{other}"),
    }
}

/// The power went in the midst of a flush: the disk had its later sectors, not its first. Recovery
/// ends at the gap, and what stands behind it must go: else the next life, doing work of the same
/// length, fills the gap exactly, and the commit behind it, which was never answered, comes back.
#[test]
fn a_commit_of_an_earlier_life_does_not_come_back() {
    let mut world = World::new(64);
    let rel = world.table();
    insert(&world, rel, 0..3);
    let one = |world: &World, n: i32| {
        let mut tx = world.txn.begin();
        world.heap(rel).insert(&mut tx, &row(n, "t")).expect("insert");
        world.txn.commit(&mut tx, false).expect("asynchronous commit");
    };
    let gap = world.wal.insert_lsn();
    one(&world, 7);
    let behind = world.wal.insert_lsn();
    one(&world, 8);
    world.wal.flush(world.wal.insert_lsn()).expect("one flush for both");
    tear_log(&world, gap..behind);
    world.crash();
    let recovered = try_recover(&world).expect("recovery");
    assert_eq!(recovered.end, gap, "{recovered:?}");
    one(&world, 9);
    assert_eq!(world.wal.insert_lsn(), behind, "the gap is filled exactly");
    world.wal.flush(behind).expect("flush");
    world.crash();
    let recovered = try_recover(&world).expect("recovery");
    assert_eq!(recovered.end, behind, "{recovered:?}");
    assert_eq!(world.numbers(rel), [0, 1, 2, 9]);
}

/// The power went in the midst of a flush, and behind the gap the disk had a record but for its
/// first bytes, which lay in the sector before. Recovery, looking there for proof that the log had gone on, took the torn record for one
/// that it had read, and panicked at every start.
#[test]
fn a_torn_record_behind_the_gap_proves_nothing() {
    let mut world = World::new(64);
    let rel = world.table();
    insert(&world, rel, 0..3);
    let gap = world.wal.insert_lsn();
    let mut tx = world.txn.begin();
    world.heap(rel).insert(&mut tx, &row(7, "t")).expect("insert");
    let behind = world.wal.insert_lsn();
    world.heap(rel).insert(&mut tx, &row(8, "t")).expect("insert");
    world.txn.commit(&mut tx, false).expect("asynchronous commit");
    world.wal.flush(world.wal.insert_lsn()).expect("one flush for all");
    tear_log(&world, gap..Lsn(behind.0 + 8));
    world.crash();
    let recovered = try_recover(&world).expect("recovery");
    assert_eq!(recovered.end, gap, "{recovered:?}");
    assert_eq!(world.numbers(rel), [0, 1, 2]);
}

/// Makes bytes of the first segment zeros.
fn tear_log(world: &World, range: std::ops::Range<Lsn>) {
    let name = position::segment_name(world.wal.timeline(), position::segment_of(range.start));
    let path = world.wal.dir().join(name);
    let mut bytes = std::fs::read(&path).expect("segment");
    let [from, to] = [range.start, range.end].map(|at| (at.0 % position::SEGMENT_SIZE) as usize);
    bytes[from..to].fill(0);
    std::fs::write(&path, bytes).expect("segment");
}

#[test]
fn a_log_without_its_checkpoint_is_refused() {
    let mut world = World::new(64);
    let rel = world.table();
    insert(&world, rel, 0..20);
    world.checkpoint();
    let control = ControlFile::read(world.data_dir()).expect("control file");
    world.crash();
    cut_log(&world, control.checkpoint_lsn);
    let error = try_recover(&world).expect_err("the checkpoint is lost");
    assert!(
        matches!(error, Error::NoCheckpoint { checkpoint, .. } if checkpoint == control.checkpoint_lsn),
        "{error}"
    );
}

/// Zeros in the log from there on.
fn cut_log(world: &World, from: Lsn) {
    let segment = position::segment_of(from);
    let path = world.wal.dir().join(position::segment_name(support::TIMELINE, segment));
    let mut bytes = std::fs::read(&path).expect("the segment");
    bytes[(from.0 % position::SEGMENT_SIZE) as usize..].fill(0);
    std::fs::write(&path, bytes).expect("the segment");
}

/// Numbers that look random and are the same every time.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// A table and what should be in it: number and text by place.
struct Model {
    rel: RelFileNumber,
    /// Which columns an index looks at, if the table has one.
    shape: Shape<'static>,
    rows: BTreeMap<(u32, u16), (i32, String)>,
}

fn model_of(world: &World, rel: RelFileNumber) -> BTreeMap<(u32, u16), (i32, String)> {
    let entry = |(place, row): (TupleId, Vec<Datum>)| {
        let Some(Datum::Text(text)) = row.get(1) else { panic!("no text: {row:?}") };
        ((place.block, place.offset), (number(&row), text.clone()))
    };
    world.rows(rel).into_iter().map(entry).collect()
}

/// One transaction of random changes; committed or aborted.
fn change(world: &World, model: &mut Model, noise: &mut Noise) {
    let commit = noise.below(4) > 0;
    let mut rows = model.rows.clone();
    let mut tx = world.txn.begin();
    let heap = world.heap(model.rel).with(model.shape);
    for _ in 0..=noise.below(12) {
        let key = rows.keys().nth(noise.below(rows.len())).copied();
        let number = noise.below(1 << 20) as i32;
        let text = "abcdefgh".repeat(noise.below(60));
        match (noise.below(8), key) {
            (0..=2, _) | (_, None) => {
                let place = heap.insert(&mut tx, &row(number, &text)).expect("insert");
                rows.insert((place.block, place.offset), (number, text));
            }
            (3, _) => {
                let mut bulk = heap.bulk_insert();
                for n in 0..noise.below(200) as i32 {
                    bulk.push(&mut tx, &row(-n, "bulk")).expect("push");
                }
                bulk.finish(&mut tx).expect("finish");
                rows.clear();
            }
            (4..=5, Some((block, offset))) => {
                let place = TupleId { block, offset };
                heap.delete(&mut tx, place).expect("delete");
                rows.remove(&(block, offset));
            }
            (_, Some((block, offset))) => {
                let place = TupleId { block, offset };
                // Half of them change no indexed column.
                let number = if noise.below(2) == 0 { number } else { rows[&(block, offset)].0 };
                match heap.update(&mut tx, place, &row(number, &text)).expect("update") {
                    Outcome::Done(new) => {
                        rows.remove(&(block, offset));
                        rows.insert((new.place.block, new.place.offset), (number, text));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        tx.next_command().expect("few commands");
        if rows.is_empty() {
            rows = own_rows(world, &tx, model.rel);
        }
    }
    if commit {
        world.access.end_statement().expect("the map can be written");
        world.txn.commit(&mut tx, true).expect("commit");
        model.rows = rows;
    } else {
        world.access.end_statement().expect("map");
        world.txn.abort(&mut tx);
    }
}

fn own_rows(
    world: &World,
    tx: &txn::Transaction,
    rel: RelFileNumber,
) -> BTreeMap<(u32, u16), (i32, String)> {
    let entry = |(place, row): (TupleId, Vec<Datum>)| {
        let Some(Datum::Text(text)) = row.get(1) else { panic!("no text: {row:?}") };
        ((place.block, place.offset), (number(&row), text.clone()))
    };
    world.rows_in(tx, rel).into_iter().map(entry).collect()
}

fn torture(seed: u64, buffers: usize, full_page_writes: bool) {
    let mut world =
        World::with_options(buffers, WalOptions { full_page_writes, ..WalOptions::default() });
    let mut noise = Noise(seed);
    let indexed: &[usize] = if seed.is_multiple_of(2) { &[] } else { &[0] };
    let shape = Shape { indexed, ..Shape::default() };
    let mut model = Model { rel: world.table(), shape, rows: BTreeMap::new() };
    for step in 0..200 {
        match noise.below(40) {
            0 => {
                world.crash();
                try_recover(&world).expect("recovery");
                // A crash right after recovery, before its checkpoint, is just another crash.
                if noise.below(2) == 0 {
                    world.crash();
                    try_recover(&world).expect("recovery again");
                }
                world.checkpoint();
            }
            1 => world.checkpoint(),
            2 => {
                let old = model.rel;
                model.rel = world.write(|tx| {
                    storage::drop_at_commit(&world.access, tx, old);
                    storage::create(&world.access, tx).expect("a file")
                });
                model.rows.clear();
            }
            _ => change(&world, &mut model, &mut noise),
        }
        if step % 8 == 0 {
            assert_eq!(model_of(&world, model.rel), model.rows, "seed {seed}, step {step}");
        }
    }
    crash_and_recover(&mut world);
    assert_eq!(model_of(&world, model.rel), model.rows, "seed {seed}, at the end");
}

#[test]
fn random_changes_crashes_and_checkpoints_agree_with_a_model() {
    for seed in 0..3 {
        torture(seed, 256, true);
    }
}

#[test]
fn random_changes_with_16_buffers_agree_with_a_model() {
    for seed in 10..12 {
        torture(seed, 16, true);
    }
}

#[test]
fn random_changes_without_images_agree_with_a_model() {
    for seed in 20..22 {
        torture(seed, 64, false);
    }
}

/// A page without what may differ: its checksum and its hints.
fn masked(world: &World, tag: BufferTag) -> Vec<u8> {
    let pin = world.pool.read(tag).expect("page");
    let mut page = PageBytes([0; PAGE_SIZE]);
    pin.shared().copy_to(&mut page);
    page.0[8..12].fill(0);
    for offset in 1..=page.item_count() {
        if let Some(row) = page.row_mut(offset) {
            row[26] &= !0x0F;
        }
    }
    page.0.to_vec()
}

#[test]
fn redo_from_the_first_record_makes_the_same_pages() {
    let options = WalOptions { full_page_writes: false, ..WalOptions::default() };
    let mut world = World::with_options(512, options);
    let rel = world.table();
    world.checkpoint();
    let control =
        std::fs::read(world.data_dir().join(wal::control_file::CONTROL_FILE)).expect("file");
    let mut noise = Noise(99);
    let mut model = Model { rel, shape: Shape::default(), rows: BTreeMap::new() };
    for _ in 0..300 {
        change(&world, &mut model, &mut noise);
    }
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    assert!(blocks > 5);
    let pages = |world: &World| -> Vec<Vec<u8>> {
        (0..blocks).map(|block| masked(world, BufferTag::main(rel, block))).collect()
    };
    let before = pages(&world);
    world.checkpoint();
    world.crash();
    // Back to the empty table and the checkpoint of that time, with the log of all that followed.
    std::fs::write(world.data_dir().join("base").join(rel.to_string()), b"").expect("emptied");
    std::fs::write(world.data_dir().join(wal::control_file::CONTROL_FILE), control).expect("file");
    try_recover(&world).expect("recovery");
    let after = pages(&world);
    for (block, (one, other)) in before.iter().zip(&after).enumerate() {
        let differs = one.iter().zip(other).position(|(a, b)| a != b);
        assert_eq!(differs, None, "block {block}");
    }
    assert_eq!(model_of(&world, rel), model.rows);
}
