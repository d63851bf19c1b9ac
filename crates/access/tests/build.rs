//! What a new index gets entries for, and tables written anew: nobody who looked before sees
//! anything else afterwards.

mod support;

use access::vacuum::{self, Rewritten};
use access::{Error, Fetched, Heap, Outcome};
use support::indexed::{INDEXED, Indexed, options};
use support::{COLUMNS, World, number, row};
use txn::{Snapshot, Transaction};
use types::{Datum, Fork, RelFileNumber, TupleId};

/// Where the root is, whether the row is alive, and its values.
type BuiltRow = ((u32, u16), bool, Vec<Datum>);

/// What a builder of an index on these columns gets: root, alive, number and text; and whether
/// chains are broken.
fn built(world: &World, table: &Indexed, columns: &[usize]) -> (Vec<BuiltRow>, bool) {
    let heap = table.heap(world);
    let mut scan = heap.build_scan(columns).expect("scan");
    let mut rows = Vec::new();
    while let Some(found) = scan.next().expect("next") {
        let mut values = Vec::new();
        heap.decode(found.root, found.bytes, None, &mut values).expect("valid");
        rows.push(((found.root.block, found.root.offset), found.alive, values));
    }
    let (done, all) = scan.progress();
    assert_eq!(done, all);
    (rows, scan.has_broken_chains())
}

fn at(place: TupleId) -> (u32, u16) {
    (place.block, place.offset)
}

/// Runs `work` while another transaction holds a snapshot from before it.
fn beside_a_reader<R>(world: &World, work: impl FnOnce(&Snapshot) -> R) -> R {
    let mut reader = world.txn.begin();
    let snapshot = world.txn.snapshot(&reader);
    let result = work(&snapshot);
    drop(snapshot);
    world.txn.commit(&mut reader, false).expect("nothing to write");
    result
}

#[test]
fn a_chain_gets_one_entry_by_its_root_pruned_or_not() {
    let world = World::new(64);
    let mut table = Indexed::new(&world);
    let root = world.write(|tx| table.insert(&world, tx, 1, "a"));
    let mut place = root;
    for text in ["b", "c", "d"] {
        place = world.write(|tx| table.update(&world, tx, place, 1, text)).place;
    }
    let expected = (vec![(at(root), true, row(1, "d"))], false);
    assert_eq!(built(&world, &table, &[1]), expected);
    table.vacuum(&world, options(1 << 20));
    assert_eq!(built(&world, &table, &[1]), expected, "redirected");
    world.write(|tx| table.delete(&world, tx, place));
    assert_eq!(built(&world, &table, &[1]), (vec![], false), "dead to everybody");
}

#[test]
fn a_chain_whose_versions_differ_to_the_new_index_is_broken_for_old_snapshots() {
    let world = World::new(64);
    let mut table = Indexed::new(&world);
    let root = world.write(|tx| table.insert(&world, tx, 1, "a"));
    let place = beside_a_reader(&world, |_| {
        let stored = world.write(|tx| table.update(&world, tx, root, 1, "b"));
        assert!(stored.heap_only);
        let one = vec![(at(root), true, row(1, "b"))];
        assert_eq!(built(&world, &table, &[1]), (one.clone(), true));
        assert_eq!(built(&world, &table, &[0]), (one, false), "they are equal there");
        stored.place
    });
    assert!(!built(&world, &table, &[1]).1, "nobody sees the old version any more");
    beside_a_reader(&world, |_| {
        world.write(|tx| table.update(&world, tx, place, 1, "b"));
        assert!(!built(&world, &table, &[0, 1]).1, "nothing has changed");
    });
}

#[test]
fn what_somebody_may_still_see_gets_entries_and_does_not_count_for_uniqueness() {
    let world = World::new(64);
    let mut table = Indexed::new(&world);
    let place =
        |world: &World, table: &mut Indexed, n| world.write(|tx| table.insert(world, tx, n, "t"));
    let [gone, moved, stays] = [1, 2, 3].map(|n| place(&world, &mut table, n));
    beside_a_reader(&world, |_| {
        world.write(|tx| table.delete(&world, tx, gone));
        let new = world.write(|tx| table.update(&world, tx, moved, 20, "t")).place;
        let (rows, broken) = built(&world, &table, &[0]);
        let expected = [
            (at(gone), false, row(1, "t")),
            (at(moved), false, row(2, "t")),
            (at(stays), true, row(3, "t")),
            (at(new), true, row(20, "t")),
        ];
        assert_eq!((rows.as_slice(), broken), (&expected[..], false));
    });
}

#[test]
fn the_builders_own_changes_count() {
    let world = World::new(64);
    let mut table = Indexed::new(&world);
    let old = world.write(|tx| table.insert(&world, tx, 1, "a"));
    let dead = world.write(|tx| table.insert(&world, tx, 2, "a"));
    let mut tx = world.txn.begin();
    let own = table.insert(&world, &mut tx, 3, "own");
    tx.next_command().expect("few");
    table.update(&world, &mut tx, old, 1, "hot");
    table.delete(&world, &mut tx, dead);
    let (rows, broken) = built(&world, &table, &[1]);
    let expected = [
        (at(dead), false, row(2, "a")),
        (at(own), true, row(3, "own")),
        (at(old), true, row(1, "hot")),
    ];
    assert_eq!(rows, expected);
    assert!(broken, "until it commits, others see the old version");
    world.txn.abort(&mut tx);
}

/// What a snapshot sees of a table.
fn seen(world: &World, rel: RelFileNumber, snapshot: &Snapshot) -> Vec<(i32, String)> {
    let heap = world.heap(rel);
    let mut scan = heap.scan(snapshot).expect("scan");
    let mut rows = Vec::new();
    while let Some((place, bytes)) = scan.next().expect("next row") {
        let mut values = Vec::new();
        heap.decode(place, bytes, None, &mut values).expect("valid");
        let Some(Datum::Text(text)) = values.get(1) else { panic!("no text") };
        rows.push((number(&values), text.clone()));
    }
    rows.sort();
    rows
}

/// Writes the table anew, in a transaction.
fn rewrite(world: &World, table: &Indexed) -> (Indexed, Rewritten) {
    world.write(|tx| {
        let rel = access::storage::create(&world.access, tx).expect("a file");
        let into = Heap::new(&world.access, rel, &COLUMNS).with(INDEXED);
        let mut pages = 0;
        let before_page = |progress: &vacuum::RewriteProgress| {
            assert_eq!(progress.scanned, pages);
            pages += 1;
            Ok::<_, Error>(())
        };
        let done = vacuum::rewrite(&table.heap(world), &into, before_page).expect("rewritten");
        assert_eq!(pages, done.pages.0);
        let mut new = Indexed { rel, entries: Default::default() };
        new.entries = built(world, &new, &[0])
            .0
            .into_iter()
            .map(|((block, offset), _, values)| (number(&values), block, offset))
            .collect();
        (new, done)
    })
}

#[test]
fn a_table_written_anew_looks_the_same_to_everybody_and_is_small() {
    let world = World::new(256);
    let mut table = Indexed::new(&world);
    let text = "t".repeat(100);
    world.write(|tx| {
        (0..2000).for_each(|n| assert!(table.insert(&world, tx, n, &text).offset > 0));
    });
    let all = |world: &World, table: &Indexed| world.rows(table.rel);
    world.write(|tx| {
        for (place, old) in all(&world, &table) {
            if number(&old) % 10 != 0 {
                table.delete(&world, tx, place);
            }
        }
    });
    let (new, old_blocks) = beside_a_reader(&world, |snapshot| {
        let before = seen(&world, table.rel, snapshot);
        for round in 0..3 {
            world.write(|tx| {
                for (place, old) in all(&world, &table) {
                    match number(&old) % 4 {
                        0 => {
                            table.update(&world, tx, place, number(&old), &text[..9]);
                        }
                        2 if round == 1 => table.delete(&world, tx, place),
                        2 => {
                            table.update(&world, tx, place, number(&old) + 4000, "moved");
                        }
                        _ => {}
                    }
                }
            });
        }
        world.write_and_abort(|tx| {
            for (place, _) in all(&world, &table).iter().take(50) {
                table.delete(&world, tx, *place);
            }
        });
        let now = world.rows(table.rel).len();
        let (new, done) = rewrite(&world, &table);
        assert_eq!(seen(&world, new.rel, snapshot), before);
        assert_eq!((done.live as usize, done.pages.1 < done.pages.0 / 3), (now, true), "{done:?}");
        assert!(done.recently_dead > 0 && done.removed > 0, "{done:?}");
        new.check(&world, "written anew");
        (new, done.pages.0)
    });
    let mut new = new;
    new.vacuum(&world, options(1 << 20));
    new.check(&world, "vacuumed");
    let rows = seen_now(&world, new.rel);
    assert_eq!(rows, seen_now(&world, table.rel));
    assert!(world.pool.nblocks(new.rel, Fork::Main).expect("blocks") < old_blocks);
}

fn seen_now(world: &World, rel: RelFileNumber) -> Vec<(i32, String)> {
    beside_a_reader(world, |snapshot| seen(world, rel, snapshot))
}

/// A statement took its snapshot, a row was replaced twice, the table was written anew, and the
/// statement comes to change the row: it must find the newest version.
#[test]
fn chains_of_updates_lead_on_in_the_new_file() {
    for backwards in [false, true] {
        let world = World::new(64);
        let mut table = Indexed::new(&world);
        let filler = "f".repeat(3000);
        // The first page is full, so that newer versions go elsewhere; or there is room on it.
        let first = world.write(|tx| table.insert(&world, tx, 1, "v1"));
        let fillers: Vec<_> =
            world.write(|tx| (2..6).map(|n| table.insert(&world, tx, n, &filler)).collect());
        if backwards {
            world.write(|tx| table.delete(&world, tx, fillers[0]));
        }
        let mut tx: Transaction = world.txn.begin();
        let snapshot = world.txn.snapshot(&tx);
        let second = world.write(|tx| table.update(&world, tx, first, 1, &filler)).place;
        let third = world.write(|tx| table.update(&world, tx, second, 1, "v3")).place;
        assert!(backwards || third != second);
        let (new, _) = rewrite(&world, &table);
        let heap = new.heap(&world);
        let mut bytes = Vec::new();
        let see_it = |&&(n, block, offset): &&(i32, u32, u16)| {
            let root = TupleId { block, offset };
            n == 1 && matches!(new.fetch(&world, &snapshot, root), Ok((_, r)) if r == row(1, "v1"))
        };
        let &(_, block, offset) = new.entries.iter().find(see_it).expect("an entry for it");
        let root = TupleId { block, offset };
        let fetched = heap.fetch(&snapshot, root, &mut bytes).expect("fetch");
        let Fetched::Row(place) = fetched else { panic!("{fetched:?}") };
        let outcome = heap.update(&mut tx, place, &row(1, "v4")).expect("update");
        let Outcome::Changed(newest) = outcome else { panic!("{outcome:?}") };
        let mut values = Vec::new();
        heap.decode(newest.place, &newest.tuple, None, &mut values).expect("valid");
        assert_eq!(values, row(1, "v3"));
        let outcome = heap.update(&mut tx, newest.place, &row(1, "v4")).expect("update");
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        drop(snapshot);
        world.txn.commit(&mut tx, true).expect("commit");
    }
}
