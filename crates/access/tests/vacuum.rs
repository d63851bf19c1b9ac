//! Vacuum: what is dead goes, from the table and from its indexes; what anyone needs stays; and the
//! maps say what is so.

mod support;

use std::time::Instant;

use access::vacuum::{self, Options};
use access::{Error, Heap};
use support::indexed::{Indexed, options};
use support::{COLUMNS, World, number, row};
use types::{Datum, Fork, TupleId, Xid};

/// Memory for plenty of line pointers.
const PLENTY: usize = 1 << 20;

/// Rows with these numbers, committed.
fn fill(world: &World, table: &mut Indexed, numbers: std::ops::Range<i32>) {
    world.write(|tx| {
        for n in numbers {
            table.insert(world, tx, n, &"x".repeat(100));
        }
    });
}

fn delete_where(world: &World, table: &Indexed, which: impl Fn(i32) -> bool) {
    world.write(|tx| {
        for (place, old) in world.rows_in(tx, table.rel) {
            if which(number(&old)) {
                table.delete(world, tx, place);
            }
        }
    });
}

fn all_visible(world: &World, table: &Indexed) -> u32 {
    let blocks = world.pool.nblocks(table.rel, Fork::Main).expect("blocks");
    table.heap(world).visibility().count(blocks).expect("the map can be read")
}

#[test]
fn dead_rows_leave_the_indexes_and_their_places_are_used_again() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..1000);
    let blocks = world.pool.nblocks(table.rel, Fork::Main).expect("blocks");
    for round in 0..4 {
        delete_where(&world, &table, |n| n % 2 == 0);
        let report = table.vacuum(&world, options(PLENTY));
        assert_eq!(
            (report.removed, report.freed, report.recently_dead),
            (500, 500, 0),
            "{report:?}"
        );
        assert_eq!((report.index_passes, table.entries.len()), (1, 500));
        table.check(&world, "vacuumed");
        world.write(|tx| {
            for n in 0..500 {
                table.insert(&world, tx, 2 * n, &"x".repeat(100));
            }
        });
        let now = world.pool.nblocks(table.rel, Fork::Main).expect("blocks");
        assert!(now <= blocks + 1, "round {round}: {blocks} became {now}");
    }
    table.check(&world, "at the end");
}

#[test]
fn little_memory_takes_more_passes_and_does_the_same() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..3000);
    delete_where(&world, &table, |n| n % 3 != 0);
    let report = table.vacuum(&world, options(2000));
    assert!((3..30).contains(&report.index_passes), "{report:?}");
    assert_eq!((report.freed, table.entries.len()), (2000, 1000));
    table.check(&world, "vacuumed");
    let report = table.vacuum(&world, options(0));
    assert_eq!((report.index_passes, report.freed), (0, 0), "nothing is left to do: {report:?}");
}

#[test]
fn a_table_without_indexes_needs_one_pass() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..500);
    delete_where(&world, &table, |n| n < 250);
    let heap = Heap::new(&world.access, table.rel, &COLUMNS);
    let mut hooks = NoIndexes;
    let report = vacuum::vacuum(&heap, options(0), &mut hooks).expect("vacuum");
    assert_eq!((report.removed, report.live, report.index_passes), (250, 250, 0), "{report:?}");
    assert!(report.newly_visible > 0);
    assert_eq!(world.numbers(table.rel), (250..500).collect::<Vec<_>>());
}

struct NoIndexes;

impl vacuum::Hooks for NoIndexes {
    type Error = Error;
    fn before_page(&mut self, _: &vacuum::Progress) -> Result<(), Error> {
        Ok(())
    }
    fn remove_from_indexes(&mut self, _: &vacuum::DeadItems) -> Result<(), Error> {
        panic!("there are none")
    }
}

#[test]
fn what_a_snapshot_needs_stays() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..300);
    let mut reader = world.txn.begin();
    let snapshot = world.txn.snapshot(&reader);
    delete_where(&world, &table, |n| n < 100);
    let report = table.vacuum(&world, options(PLENTY));
    assert_eq!((report.freed, report.live, report.recently_dead), (0, 200, 100), "{report:?}");
    let seen = table.entries.iter().filter(|&&(_, block, offset)| {
        table.fetch(&world, &snapshot, TupleId { block, offset }).is_ok()
    });
    assert_eq!(seen.count(), 300);
    drop(snapshot);
    world.txn.commit(&mut reader, false).expect("nothing to write");
    assert_eq!(table.vacuum(&world, options(PLENTY)).freed, 100);
}

#[test]
fn pages_are_all_visible_until_somebody_changes_them_and_are_skipped() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..1000);
    let blocks = world.pool.nblocks(table.rel, Fork::Main).expect("blocks");
    let report = table.vacuum(&world, options(PLENTY));
    assert_eq!((report.newly_visible, all_visible(&world, &table)), (blocks, blocks));
    let report = table.vacuum(&world, options(PLENTY));
    assert_eq!((report.scanned, report.skipped, report.nonempty), (0, blocks, blocks));
    let every = Options { all_pages: true, ..options(PLENTY) };
    assert_eq!(table.vacuum(&world, every).scanned, blocks);
    assert_eq!(all_visible(&world, &table), blocks);

    let rows = world.rows(table.rel);
    let of_block = |block: u32| rows.iter().find(|(p, _)| p.block == block).expect("a row").0;
    world.write(|tx| table.delete(&world, tx, of_block(1)));
    assert_eq!(all_visible(&world, &table), blocks - 1);
    // The new version does not fit beside the old one: two pages change.
    let last = of_block(blocks - 1);
    let moved = world.write(|tx| table.update(&world, tx, of_block(2), 7777, &"y".repeat(3000)));
    assert_ne!(moved.place.block, 2);
    assert!(moved.place.block == last.block || moved.place.block >= blocks, "{moved:?}");
    let lost = if moved.place.block < blocks { 3 } else { 2 };
    assert_eq!(all_visible(&world, &table), blocks - lost);
    world.write_and_abort(|tx| table.delete(&world, tx, of_block(3)));
    assert_eq!(all_visible(&world, &table), blocks - lost - 1, "an abort does not undo that");
    table.check(&world, "changed");
    table.vacuum(&world, options(PLENTY));
    assert_eq!(all_visible(&world, &table), world.pool.nblocks(table.rel, Fork::Main).expect("b"));
    world.write(|tx| table.insert(&world, tx, 8888, "small"));
    assert_eq!(
        all_visible(&world, &table),
        world.pool.nblocks(table.rel, Fork::Main).expect("blocks") - 1
    );
    table.check(&world, "vacuumed again");
}

#[test]
fn a_page_with_rows_that_not_everybody_sees_is_not_all_visible() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..10);
    let mut reader = world.txn.begin();
    let snapshot = world.txn.snapshot(&reader);
    fill(&world, &mut table, 10..20);
    table.vacuum(&world, options(PLENTY));
    assert_eq!(all_visible(&world, &table), 0);
    drop(snapshot);
    world.txn.commit(&mut reader, false).expect("nothing to write");
    let mut open = world.txn.begin();
    table.insert(&world, &mut open, 30, "open");
    table.vacuum(&world, options(PLENTY));
    assert_eq!(all_visible(&world, &table), 0);
    world.txn.commit(&mut open, true).expect("commit");
    table.vacuum(&world, options(PLENTY));
    assert_eq!(all_visible(&world, &table), 1);
}

/// A reader took its snapshot and read an index entry; the entry's row is dead to him too. Vacuum
/// removes the entry and frees the row's place. The reader asks the visibility map about the page:
/// it must not say that every entry's row is there.
#[test]
fn a_page_is_not_all_visible_to_who_read_the_index_before_vacuum_did() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..10);
    delete_where(&world, &table, |n| n == 5);
    // What the deletion wrote is durable, and nobody runs: the snapshot holds no horizon back.
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    let reader = world.spawn(0, || {
        let mut tx = world.txn.begin();
        let snapshot = world.txn.snapshot(&tx);
        world.set_word(0, 1);
        world.await_word(1, 1);
        drop(snapshot);
        world.txn.commit(&mut tx, false).expect("nothing to write");
    });
    world.await_word(0, 1);
    for _ in 0..2 {
        table.vacuum(&world, options(PLENTY));
        assert_eq!((table.entries.len(), all_visible(&world, &table)), (9, 0));
    }
    world.set_word(1, 1);
    reader.join();
    table.vacuum(&world, options(PLENTY));
    assert_eq!(all_visible(&world, &table), 1);
}

/// Once a table is vacuumed, nothing in it depends on how transactions before the horizon ended.
#[test]
fn what_aborted_leaves_no_trace() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..100);
    world.write_and_abort(|tx| {
        for (place, old) in world.rows_in(tx, table.rel) {
            match number(&old) % 3 {
                0 => table.delete(&world, tx, place),
                1 => drop(table.update(&world, tx, place, number(&old), "hot")),
                _ => drop(table.update(&world, tx, place, -1, "with an entry")),
            }
        }
        table.insert(&world, tx, -2, "new");
    });
    let report = table.vacuum(&world, options(PLENTY));
    assert_eq!((report.live, report.recently_dead, table.entries.len()), (100, 0, 100));
    assert!(report.settled_before > Xid::FIRST_NORMAL);
    table.check(&world, "vacuumed");
    for block in 0..report.pages {
        let pin = world.pool.read(types::BufferTag::main(table.rel, block)).expect("a page");
        let page = pin.exclusive();
        for offset in 1..=buffer::PageAccess::item_count(page.page()) {
            let Some(bytes) = page.page().row(offset) else { continue };
            let header = access::tuple::Header::read(bytes).expect("whole");
            assert_eq!((header.xmax, header.xmin < report.settled_before), (Xid::INVALID, true));
        }
    }
}

#[test]
fn an_empty_tail_is_given_back_and_who_inserted_there_goes_on() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..1000);
    let blocks = world.pool.nblocks(table.rel, Fork::Main).expect("blocks");
    // This session's inserts go to the last page.
    delete_where(&world, &table, |n| n >= 300);
    let report = table.vacuum(&world, options(PLENTY));
    assert!(report.nonempty < blocks / 2 && report.pages == blocks, "{report:?}");
    let heap = table.heap(&world);
    let other = world.spawn(0, || {
        world.write(|tx| heap.insert(tx, &row(1, &"o".repeat(7000))).expect("insert"));
        let target = world.pool.nblocks(table.rel, Fork::Main).expect("blocks");
        world.set_word(0, u64::from(target));
        world.await_word(1, 1);
        world.write(|tx| heap.insert(tx, &row(2, &"o".repeat(7000))).expect("insert"));
    });
    support::await_that("the other has inserted", || world.word(0) != 0);
    let there = world.rows(table.rel);
    let (place, _) = there
        .iter()
        .find(|(_, r)| matches!(&r[1], Datum::Text(t) if t.len() == 7000))
        .expect("the other's row");
    world.write(|tx| table.delete(&world, tx, *place));
    table.vacuum(&world, options(PLENTY));
    let tail = vacuum::empty_tail(&heap, || Ok::<_, Error>(false)).expect("looked");
    let now = world.pool.nblocks(table.rel, Fork::Main).expect("blocks");
    let left = vacuum::truncate(&heap, tail).expect("truncate");
    assert_eq!((left, left), (now - tail, report.nonempty));
    assert_eq!(world.pool.nblocks(table.rel, Fork::Main).expect("blocks"), left);
    table.check(&world, "cut off");
    world.set_word(1, 1);
    other.join();
    assert_eq!(world.rows(table.rel).len(), 301);
    let stopped = vacuum::empty_tail(&heap, || Ok::<_, Error>(true)).expect("asked");
    assert_eq!(stopped, 0);
}

/// Sessions update rows of a few hot pages while another vacuums all the time: every row is found by
/// one entry at every moment, and nothing grows without end.
#[test]
fn readers_and_writers_go_on_while_vacuum_runs() {
    const ROWS: i32 = 60;
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    fill(&world, &mut table, 0..ROWS);
    let rel = table.rel;
    let work = |me: usize| {
        let heap = table.heap(&world);
        let mut noise = me as u64 + 1;
        let mut random = |limit: usize| {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (noise >> 33) as usize % limit
        };
        for _ in 0..400 {
            let mut tx = world.txn.begin();
            let snapshot = world.txn.snapshot(&tx);
            let rows = world.rows_in(&tx, rel);
            assert_eq!(rows.len(), ROWS as usize, "every snapshot sees every row once");
            let (place, old) = rows[random(rows.len())].clone();
            let text = "m".repeat(random(300));
            // Somebody may have been faster; then this one does nothing.
            let _ = heap.update(&mut tx, place, &row(number(&old), &text)).expect("update");
            drop(snapshot);
            world.access.end_statement().expect("map");
            if random(6) == 0 {
                world.txn.abort(&mut tx);
            } else {
                world.txn.commit(&mut tx, random(2) == 0).expect("commit");
            }
        }
        world.words[9].fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    };
    let children: Vec<_> = (0..3).map(|me| world.spawn(me, move || work(me))).collect();
    let mut visible = 0;
    let begun = Instant::now();
    while support::while_others(begun, world.word(9) < 3) {
        let heap = table.heap(&world);
        let report = vacuum::vacuum(&heap, options(100), &mut Forget).expect("vacuum");
        visible += report.newly_visible;
    }
    children.into_iter().for_each(support::Child::join);
    assert_eq!(world.numbers(rel), (0..ROWS).collect::<Vec<_>>());
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    assert!(blocks < 30, "{blocks} blocks for {ROWS} rows; {visible} became all-visible");
}

/// Removes entries from indexes that nobody looks into.
struct Forget;

impl vacuum::Hooks for Forget {
    type Error = Error;
    fn before_page(&mut self, _: &vacuum::Progress) -> Result<(), Error> {
        Ok(())
    }
    fn remove_from_indexes(&mut self, dead: &vacuum::DeadItems) -> Result<(), Error> {
        assert!(!dead.is_empty());
        Ok(())
    }
}
