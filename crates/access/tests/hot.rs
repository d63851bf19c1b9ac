//! A table with indexes: what an index entry leads to stays right, whatever happens to the row.

mod support;

use access::{Duplicate, Fetched, Heap, Outcome, Shape, Stored};
use support::{COLUMNS, World, number, row};
use txn::Snapshot;
use types::{Datum, Fork, RelFileNumber, TupleId};

/// The first column is indexed.
const INDEXED: Shape<'static> = Shape { indexed: &[0], keys: &[0], fill_factor: 100 };

fn heap(world: &World, rel: RelFileNumber) -> Heap<'_> {
    Heap::new(&world.access, rel, &COLUMNS).with(INDEXED)
}

fn insert(world: &World, rel: RelFileNumber, n: i32, text: &str) -> TupleId {
    world.write(|tx| heap(world, rel).insert(tx, &row(n, text)).expect("insert"))
}

fn update(world: &World, rel: RelFileNumber, place: TupleId, n: i32, text: &str) -> Stored {
    world.write(|tx| match heap(world, rel).update(tx, place, &row(n, text)).expect("update") {
        Outcome::Done(stored) => stored,
        other => panic!("{other:?}"),
    })
}

fn delete(world: &World, rel: RelFileNumber, place: TupleId) {
    world.write(|tx| {
        let done = heap(world, rel).delete(tx, place).expect("delete");
        assert!(matches!(done, Outcome::Done(_)));
    });
}

/// What an index entry leads to, as a row, or whether the entry is dead.
fn fetch(
    world: &World,
    rel: RelFileNumber,
    snapshot: &Snapshot,
    root: TupleId,
) -> Result<(TupleId, Vec<Datum>), bool> {
    let mut bytes = Vec::new();
    match heap(world, rel).fetch(snapshot, root, &mut bytes).expect("fetch") {
        Fetched::Nothing { dead } => Err(dead),
        Fetched::Row(place) => {
            let mut values = Vec::new();
            heap(world, rel).decode(place, &bytes, None, &mut values).expect("valid");
            Ok((place, values))
        }
    }
}

/// As [`fetch`], with a new snapshot.
fn fetch_now(world: &World, rel: RelFileNumber, root: TupleId) -> Result<Vec<Datum>, bool> {
    let mut tx = world.txn.begin();
    let snapshot = world.txn.snapshot(&tx);
    let found = fetch(world, rel, &snapshot, root);
    drop(snapshot);
    world.txn.commit(&mut tx, false).expect("nothing to write");
    found.map(|(_, values)| values)
}

#[test]
fn an_update_that_no_index_notices_is_found_by_the_old_entry() {
    let world = World::new(64);
    let rel = world.table();
    let root = insert(&world, rel, 1, "a");
    let mut reader = world.txn.begin();
    let old = world.txn.snapshot(&reader);
    let stored = update(&world, rel, root, 1, "b");
    assert!(stored.heap_only && stored.place != root);
    let stored = update(&world, rel, stored.place, 1, "c");
    assert!(stored.heap_only);
    assert_eq!(fetch(&world, rel, &old, root), Ok((root, row(1, "a"))));
    assert_eq!(fetch_now(&world, rel, root), Ok(row(1, "c")));
    assert_eq!(world.rows(rel), [(stored.place, row(1, "c"))]);
    assert_eq!(fetch_now(&world, rel, stored.place), Err(false), "no entry leads there");
    drop(old);
    world.txn.commit(&mut reader, false).expect("nothing to write");
}

#[test]
fn an_update_of_an_indexed_column_needs_an_entry_of_its_own() {
    let world = World::new(64);
    let rel = world.table();
    let root = insert(&world, rel, 1, "a");
    let stored = update(&world, rel, root, 2, "a");
    assert!(!stored.heap_only);
    assert_eq!(fetch_now(&world, rel, root), Err(true), "the old entry is dead");
    assert_eq!(fetch_now(&world, rel, stored.place), Ok(row(2, "a")));
}

#[test]
fn an_update_that_moves_to_another_page_needs_an_entry_of_its_own() {
    let world = World::new(64);
    let rel = world.table();
    let root = insert(&world, rel, 1, &"a".repeat(5000));
    let stored = update(&world, rel, root, 1, &"b".repeat(5000));
    assert!(!stored.heap_only && stored.place.block != root.block);
    assert_eq!(fetch_now(&world, rel, stored.place), Ok(row(1, &"b".repeat(5000))));
}

#[test]
fn a_table_without_indexes_has_no_heap_only_versions() {
    let world = World::new(64);
    let rel = world.table();
    let root = insert(&world, rel, 1, "a");
    let outcome = world.write(|tx| world.heap(rel).update(tx, root, &row(1, "b")).expect("update"));
    let Outcome::Done(stored) = outcome else { panic!("{outcome:?}") };
    assert!(!stored.heap_only);
}

/// Many updates of a few rows stay in place: the page is pruned again and again, no new page is
/// needed, and the first entries go on leading to the rows.
#[test]
fn rows_updated_for_ever_keep_their_page_and_their_entries() {
    let world = World::new(64);
    let rel = world.table();
    let roots: Vec<_> = (0..5).map(|n| insert(&world, rel, n, "start")).collect();
    let mut places = roots.clone();
    for step in 0..2000 {
        let which = step % 5;
        let stored = update(&world, rel, places[which], which as i32, &format!("step {step}"));
        assert!(stored.heap_only);
        places[which] = stored.place;
        if step % 100 == 0 {
            let found = fetch_now(&world, rel, roots[which]).expect("there");
            assert_eq!(found, row(which as i32, &format!("step {step}")));
        }
    }
    assert_eq!(world.pool.nblocks(rel, Fork::Main).expect("blocks"), 1);
    assert_eq!(world.numbers(rel), [0, 1, 2, 3, 4]);
}

/// An index may still lead to the place of a deleted row: no other row may come to stand there.
#[test]
fn the_place_of_a_deleted_row_is_not_used_again_in_an_indexed_table() {
    let world = World::new(64);
    let rel = world.table();
    let long = "x".repeat(1000);
    let roots: Vec<_> = (0..7).map(|n| insert(&world, rel, n, &long)).collect();
    roots.iter().for_each(|root| delete(&world, rel, *root));
    // Each finds the page full, and prunes it.
    let again: Vec<_> = (0..7).map(|n| insert(&world, rel, n, &long)).collect();
    assert!(again.iter().all(|place| place.block == 0), "the room is used: {again:?}");
    assert!(again.iter().all(|place| !roots.contains(place)), "the places are not: {again:?}");
    assert!(roots.iter().all(|root| fetch_now(&world, rel, *root) == Err(true)));
}

/// A reader knows of no index, but one may be in the making.
#[test]
fn a_scan_frees_no_line_pointer_and_the_next_writer_does() {
    let world = World::new(64);
    let rel = world.table();
    let place = world.write(|tx| world.heap(rel).insert(tx, &row(1, "a")).expect("insert"));
    world.write_and_abort(|tx| {
        world.heap(rel).insert(tx, &row(2, "b")).expect("insert");
    });
    world.write(|tx| world.heap(rel).delete(tx, place).expect("delete"));
    // The first finds that one was aborted, and prunes the page.
    assert_eq!((world.rows(rel), world.rows(rel)), (vec![], vec![]));
    assert_eq!(fetch_now(&world, rel, place), Err(true), "dead, and not unused");
    let again = world.write(|tx| world.heap(rel).insert(tx, &row(3, "c")).expect("insert"));
    assert_eq!(again, place);
}

#[test]
fn what_aborts_leaves_the_chain_as_it_was() {
    let world = World::new(64);
    let rel = world.table();
    let root = insert(&world, rel, 1, "a");
    for _ in 0..3 {
        world.write_and_abort(|tx| {
            let mut place = root;
            for text in ["b", "c"] {
                let done = heap(&world, rel).update(tx, place, &row(1, text)).expect("update");
                let Outcome::Done(stored) = done else { panic!("{done:?}") };
                assert!(stored.heap_only);
                place = stored.place;
                tx.next_command().expect("few");
            }
        });
        assert_eq!(fetch_now(&world, rel, root), Ok(row(1, "a")));
    }
    let stored = update(&world, rel, root, 1, "d");
    assert_eq!(world.rows(rel), [(stored.place, row(1, "d"))]);
    assert_eq!(fetch_now(&world, rel, root), Ok(row(1, "d")));
}

#[test]
fn uniqueness_is_told_what_there_is_and_whom_to_wait_for() {
    let world = World::new(64);
    let rel = world.table();
    let root = insert(&world, rel, 1, "a");
    let stored = update(&world, rel, root, 1, "b");
    let mut tx = world.txn.begin();
    let ask = |tx: &txn::Transaction| heap(&world, rel).liveness_of(tx, root).expect("asked");
    assert_eq!(ask(&tx), Duplicate::Live(stored.place));
    let holder = world.spawn(0, || {
        let mut tx = world.txn.begin();
        heap(&world, rel).delete(&mut tx, stored.place).expect("delete");
        world.set_word(0, tx.xid().expect("it has written").0);
        world.await_word(1, 1);
        world.txn.commit(&mut tx, true).expect("commit");
    });
    support::await_that("the row is being deleted", || world.word(0) != 0);
    assert_eq!(ask(&tx), Duplicate::InProgress(types::Xid(world.word(0))));
    world.set_word(1, 1);
    holder.join();
    assert_eq!(ask(&tx), Duplicate::Gone { dead: true });
    let own = heap(&world, rel).insert(&mut tx, &row(1, "own")).expect("insert");
    let found = heap(&world, rel).liveness_of(&tx, own).expect("asked");
    assert_eq!(found, Duplicate::Live(own), "the own row counts at once");
    world.txn.commit(&mut tx, true).expect("commit");
}

#[test]
fn an_insert_leaves_room_for_updates() {
    let world = World::new(64);
    let rel = world.table();
    let half = Heap::new(&world.access, rel, &COLUMNS).with(Shape { fill_factor: 50, ..INDEXED });
    let text = "x".repeat(100);
    world.write(|tx| {
        for n in 0..100 {
            half.insert(tx, &row(n, &text)).expect("insert");
        }
    });
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    assert!((3..=5).contains(&blocks), "{blocks} blocks for 15 kB");
    for (place, old) in world.rows(rel).iter().take(20) {
        assert!(update(&world, rel, *place, number(old), &text).heap_only);
    }
    world.write(|tx| {
        let mut bulk = half.bulk_insert();
        (100..400).for_each(|n| bulk.push(tx, &row(n, &text)).expect("push"));
        bulk.finish(tx).expect("finish");
    });
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    assert!((11..=17).contains(&blocks), "{blocks} blocks for 60 kB");
    world.write(|tx| half.insert(tx, &row(0, &"y".repeat(8000))).expect("a whole page"));
}

/// What is said to be dead among many is what would be said one by one; and it stays dead.
#[test]
fn of_many_rows_the_dead_ones_are_told() {
    let world = World::new(64);
    let rel = world.table();
    let roots: Vec<TupleId> = (0..300).map(|n| insert(&world, rel, n, &"x".repeat(60))).collect();
    let mut places = roots.clone();
    for (n, at) in (0..300).zip(&roots) {
        match n % 5 {
            0 => delete(&world, rel, *at),
            // An entry of its own leads to the new version.
            1 => places.push(update(&world, rel, *at, n + 1000, "moved").place),
            2 => assert!(update(&world, rel, *at, n, "y").heap_only),
            _ => {}
        }
    }
    places.sort_unstable();
    let mut reader = world.txn.begin();
    let snapshot = world.txn.snapshot(&reader);
    roots.iter().skip(3).step_by(5).for_each(|at| delete(&world, rel, *at));
    let dead = heap(&world, rel).dead_among(&places).expect("looked at");
    let one_by_one: Vec<TupleId> =
        places.iter().copied().filter(|at| fetch_now(&world, rel, *at) == Err(true)).collect();
    assert_eq!(dead, one_by_one);
    assert_eq!(dead.len(), 120, "not those that the snapshot sees");
    drop(snapshot);
    world.txn.commit(&mut reader, false).expect("nothing to write");
    let more = heap(&world, rel).dead_among(&places).expect("looked at");
    assert_eq!(more.len(), 180);
    assert!(dead.iter().all(|at| more.contains(at)));
}
