//! Tables in one process: what goes in comes out, room is used again, nothing is seen too early.

mod support;

use access::{Outcome, Stored};
use support::{World, number, row};
use types::{Datum, Diagnostic, Fork, SqlState, TupleId};
use wal::WalOptions;

/// Inserts rows with these numbers, each with a text of that length.
fn fill(world: &World, rel: types::RelFileNumber, numbers: std::ops::Range<i32>, length: usize) {
    let text = "x".repeat(length);
    world.write(|tx| {
        for n in numbers {
            world.heap(rel).insert(tx, &row(n, &text)).expect("insert");
        }
    });
}

fn delete_all(world: &World, rel: types::RelFileNumber) {
    world.write(|tx| {
        for (place, _) in world.rows_in(tx, rel) {
            let outcome = world.heap(rel).delete(tx, place).expect("delete");
            assert!(matches!(outcome, Outcome::Done(_)));
        }
    });
}

#[test]
fn rows_come_back_in_the_order_of_their_places() {
    let world = World::new(64);
    let rel = world.table();
    fill(&world, rel, 0..1000, 50);
    let rows = world.rows(rel);
    assert_eq!(
        rows.iter().map(|(_, r)| number(r)).collect::<Vec<_>>(),
        (0..1000).collect::<Vec<_>>()
    );
    assert!(rows.is_sorted_by(|(a, _), (b, _)| (a.block, a.offset) < (b.block, b.offset)));
    assert_eq!(rows[7].1[1], Datum::Text("x".repeat(50)));
}

#[test]
fn a_command_does_not_see_its_own_changes_and_the_next_one_does() {
    let world = World::new(64);
    let rel = world.table();
    let mut tx = world.txn.begin();
    let place = world.heap(rel).insert(&mut tx, &row(1, "")).expect("insert");
    assert_eq!(world.rows_in(&tx, rel), []);
    tx.next_command().expect("few commands");
    assert_eq!(world.rows_in(&tx, rel).len(), 1);
    let outcome = world.heap(rel).update(&mut tx, place, &row(2, "")).expect("update");
    let Outcome::Done(Stored { place: new, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(world.rows_in(&tx, rel)[0].1, row(1, ""), "the update is this command's own");
    let again = world.heap(rel).update(&mut tx, place, &row(3, "")).expect("a second time");
    assert!(matches!(again, Outcome::Gone), "a command changes a row once: {again:?}");
    tx.next_command().expect("few commands");
    assert_eq!(world.rows_in(&tx, rel), [(new, row(2, ""))]);
    world.heap(rel).delete(&mut tx, new).expect("delete");
    assert_eq!(world.rows_in(&tx, rel).len(), 1);
    tx.next_command().expect("few commands");
    assert_eq!(world.rows_in(&tx, rel), []);
    world.txn.commit(&mut tx, true).expect("commit");
    assert_eq!(world.rows(rel), []);
}

#[test]
fn what_aborts_is_never_seen_and_a_snapshot_does_not_move() {
    let world = World::new(64);
    let rel = world.table();
    fill(&world, rel, 0..3, 10);
    world.write_and_abort(|tx| {
        world.heap(rel).insert(tx, &row(9, "")).expect("insert");
        for (place, _) in world.rows_in(tx, rel) {
            world.heap(rel).delete(tx, place).expect("delete");
        }
    });
    assert_eq!(world.numbers(rel), [0, 1, 2]);
    let mut reader = world.txn.begin();
    let snapshot = world.txn.snapshot(&reader);
    delete_all(&world, rel);
    fill(&world, rel, 5..6, 10);
    let heap = world.heap(rel);
    let mut scan = heap.scan(&snapshot).expect("scan");
    let mut seen = 0;
    while scan.next().expect("next").is_some() {
        seen += 1;
    }
    assert_eq!(seen, 3);
    drop(snapshot);
    world.txn.commit(&mut reader, false).expect("nothing to write");
    assert_eq!(world.numbers(rel), [5]);
}

#[test]
fn a_deleted_table_is_filled_again_without_growing() {
    let world = World::new(256);
    let rel = world.table();
    fill(&world, rel, 0..5000, 100);
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    for round in 0..4 {
        delete_all(&world, rel);
        fill(&world, rel, 0..5000, 100);
        let now = world.pool.nblocks(rel, Fork::Main).expect("blocks");
        assert!(now <= blocks + blocks / 10 + 2, "round {round}: {blocks} blocks became {now}");
    }
    assert_eq!(world.numbers(rel), (0..5000).collect::<Vec<_>>());
}

#[test]
fn a_row_updated_for_ever_stays_in_few_pages() {
    let world = World::new(64);
    let rel = world.table();
    fill(&world, rel, 0..10, 200);
    for n in 0..2000 {
        world.write(|tx| {
            let rows = world.rows_in(tx, rel);
            let (place, old) = &rows[n % rows.len()];
            world
                .heap(rel)
                .update(tx, *place, &row(number(old), &"y".repeat(200)))
                .expect("update");
        });
    }
    assert_eq!(world.numbers(rel), (0..10).collect::<Vec<_>>());
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    assert!(blocks <= 4, "{blocks} blocks for 10 rows");
}

#[test]
fn room_that_aborted_inserts_took_is_used_again() {
    let world = World::new(256);
    let rel = world.table();
    for _ in 0..20 {
        world.write_and_abort(|tx| {
            for n in 0..500 {
                world.heap(rel).insert(tx, &row(n, &"z".repeat(100))).expect("insert");
            }
        });
        assert_eq!(world.rows(rel), []);
    }
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    assert!(blocks <= 24, "{blocks} blocks for nothing");
}

#[test]
fn an_update_that_does_not_fit_moves_to_another_page() {
    let world = World::new(64);
    let rel = world.table();
    fill(&world, rel, 0..70, 80);
    let (place, _) = world.rows(rel)[0];
    let long = "long".repeat(500);
    let moved =
        world.write(|tx| world.heap(rel).update(tx, place, &row(0, &long)).expect("update"));
    let Outcome::Done(Stored { place: moved, .. }) = moved else { panic!("{moved:?}") };
    assert_ne!(moved.block, place.block);
    assert_eq!(world.numbers(rel), (0..70).collect::<Vec<_>>());
    let mut tx = world.txn.begin();
    let snapshot = world.txn.snapshot(&tx);
    let mut bytes = Vec::new();
    assert!(world.heap(rel).fetch_version(&snapshot, moved, &mut bytes).expect("fetch"));
    let mut got = Vec::new();
    world.heap(rel).decode(moved, &bytes, None, &mut got).expect("valid");
    assert_eq!(got, row(0, &long));
    assert!(
        !world.heap(rel).fetch_version(&snapshot, place, &mut bytes).expect("fetch the old one")
    );
    let nowhere = TupleId { block: 0, offset: 500 };
    assert!(!world.heap(rel).fetch_version(&snapshot, nowhere, &mut bytes).expect("fetch nothing"));
    drop(snapshot);
    world.txn.commit(&mut tx, false).expect("nothing to write");
}

#[test]
fn bulk_rows_fill_pages_and_mix_with_single_ones() {
    let world = World::new(512);
    let rel = world.table();
    fill(&world, rel, 0..5, 10);
    let text = "b".repeat(60);
    world.write(|tx| {
        let heap = world.heap(rel);
        let mut bulk = heap.bulk_insert();
        for n in 5..20_000 {
            bulk.push(tx, &row(n, &text)).expect("push");
        }
        bulk.finish(tx).expect("finish");
    });
    fill(&world, rel, 20_000..20_005, 10);
    assert_eq!(world.numbers(rel), (0..20_005).collect::<Vec<_>>());
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    let ideal = 20_000 * (32 + 6 + 60 + 6 + 4) / 8160;
    assert!(blocks < ideal + 70, "{blocks} blocks, {ideal} would do");
}

#[test]
fn a_bulk_load_reuses_what_a_deletion_left() {
    let world = World::new(512);
    let rel = world.table();
    let text = "b".repeat(60);
    let load = || {
        world.write(|tx| {
            let heap = world.heap(rel);
            let mut bulk = heap.bulk_insert();
            for n in 0..10_000 {
                bulk.push(tx, &row(n, &text)).expect("push");
            }
            bulk.finish(tx).expect("finish");
        });
    };
    load();
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    for _ in 0..3 {
        delete_all(&world, rel);
        load();
    }
    let now = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    assert!(now <= blocks + blocks / 8, "{blocks} became {now}");
    assert_eq!(world.rows(rel).len(), 10_000);
}

#[test]
fn a_row_too_large_is_54000_and_the_largest_fits() {
    let world = World::new(64);
    let rel = world.table();
    let largest = access::tuple::MAX_TUPLE_SIZE - 32 - 4 - 2;
    fill(&world, rel, 0..3, largest);
    assert_eq!(world.numbers(rel), [0, 1, 2]);
    world.write_and_abort(|tx| {
        let error =
            world.heap(rel).insert(tx, &row(1, &"x".repeat(largest + 1))).expect_err("large");
        assert_eq!(error.sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    });
}

#[test]
fn a_table_larger_than_the_buffers_is_read_whole() {
    let world = World::new(16);
    let rel = world.table();
    fill(&world, rel, 0..4000, 100);
    assert!(world.pool.nblocks(rel, Fork::Main).expect("blocks") > 40);
    for _ in 0..3 {
        assert_eq!(world.numbers(rel), (0..4000).collect::<Vec<_>>());
    }
}

#[test]
fn a_flipped_bit_in_a_row_is_xx001_and_nothing_worse() {
    let world = World::new(64);
    let rel = world.table();
    fill(&world, rel, 0..3, 10);
    world.checkpoint();
    let path = world.data_dir().join("base").join(rel.to_string());
    let mut bytes = std::fs::read(&path).expect("the file");
    bytes[8191 - 20] ^= 1;
    std::fs::write(&path, bytes).expect("the file");
    world.pool.drop_buffers(rel).expect("nobody uses it");
    let mut tx = world.txn.begin();
    let snapshot = world.txn.snapshot(&tx);
    let heap = world.heap(rel);
    let mut scan = heap.scan(&snapshot).expect("scan");
    let error = scan.next().expect_err("damaged");
    assert_eq!(error.sqlstate(), SqlState::DATA_CORRUPTED);
    assert!(error.to_string().contains(&rel.to_string()), "{error}");
    drop(snapshot);
    world.txn.commit(&mut tx, false).expect("nothing to write");
}

#[test]
fn old_values_are_logged_under_wal_level_logical_only() {
    for logical in [false, true] {
        let world = World::with_options(64, WalOptions { logical, ..WalOptions::default() });
        let rel = world.table();
        fill(&world, rel, 0..1, 10);
        // So that the update logs an image of the page.
        world.checkpoint();
        world.write(|tx| {
            let (place, _) = world.rows_in(tx, rel)[0];
            world.heap(rel).update(tx, place, &row(7, "after")).expect("update");
        });
        world.write(|tx| {
            let (place, _) = world.rows_in(tx, rel)[0];
            world.heap(rel).delete(tx, place).expect("delete");
        });
        let start = wal::position::start_lsn(wal::position::first_usable());
        let mut reader =
            wal::WalReader::new(world.wal.dir(), support::TIMELINE, support::SYSTEM, start);
        let mut record = wal::DecodedRecord::default();
        let (mut updates, mut deletes) = (Vec::new(), Vec::new());
        while reader.read(&mut record).expect("the log can be read") {
            match (record.rmgr().expect("known"), record.kind()) {
                (wal::Rmgr::Heap, access::heap::kind::UPDATE) => {
                    assert!(record.blocks()[0].has_image());
                    let new_length = if logical { 5 + 4 + 2 + 5 } else { 0 };
                    assert_eq!(record.block_data(0).len(), new_length);
                    updates.push(record.data().len());
                }
                (wal::Rmgr::Heap, access::heap::kind::DELETE) => deletes.push(record.data().len()),
                _ => {}
            }
        }
        let (old, new) = (5 + 4 + 2 + 10, 5 + 4 + 2 + 5);
        assert_eq!(updates, [if logical { 9 + old } else { 9 }]);
        assert_eq!(deletes, [if logical { 6 + new } else { 6 }]);
    }
}
