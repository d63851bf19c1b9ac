//! Entries and pages leave an index again.

mod index;
mod support;

use std::collections::BTreeSet;
use std::time::Instant;

use access::btree::{Direction, KeyRange};
use index::{Noise, add, check, entries, index, int, place, text, tree};
use support::World;
use types::{Fork, RelFileNumber, TupleId};

fn number(place: TupleId) -> u32 {
    place.block * 100 + u32::from(place.offset) - 1
}

fn fill(world: &World, rel: RelFileNumber, numbers: std::ops::Range<i32>) {
    numbers.for_each(|n| add(&tree(world, rel), &int(n), place(n as u32)));
}

fn blocks(world: &World, rel: RelFileNumber) -> u32 {
    world.pool.nblocks(rel, Fork::Main).expect("blocks")
}

/// A transaction with an id begins and ends: what was deleted before it is past the horizon.
fn let_an_xid_pass(world: &World) {
    for _ in 0..2 {
        world.write(|tx| world.txn.assign_xid(tx).expect("an id"));
    }
}

#[test]
fn vacuum_removes_what_it_is_told_and_nothing_else() {
    for (seed, longest) in [(1, 8), (2, 700), (3, 2500)] {
        let world = World::new(256);
        let rel = index(&world);
        let tree = tree(&world, rel);
        let mut noise = Noise(seed);
        let mut model = BTreeSet::new();
        let mut next = 0;
        for round in 0..8 {
            for _ in 0..300 {
                let key = text(&noise.text(longest));
                add(&tree, &key, place(next));
                model.insert((key.as_bytes().to_vec(), place(next)));
                next += 1;
            }
            let gone: BTreeSet<TupleId> =
                model.iter().map(|(_, place)| *place).filter(|_| noise.below(8) < round).collect();
            let before = model.len();
            model.retain(|(_, place)| !gone.contains(place));
            let done = tree.bulk_delete(&mut |place| gone.contains(&place)).expect("vacuum");
            assert_eq!(done.removed, (before - model.len()) as u64);
            assert_eq!(done.remaining, model.len() as u64);
            let all: Vec<_> = model.iter().cloned().collect();
            assert_eq!(entries(&tree, KeyRange::all(), Direction::Forward), all, "{seed} {round}");
            let backward: Vec<_> = all.into_iter().rev().collect();
            assert_eq!(entries(&tree, KeyRange::all(), Direction::Backward), backward);
            assert_eq!(check(&tree).entries, model.len() as u64);
            let_an_xid_pass(&world);
        }
    }
}

/// Keys that rise, of which the old go, as in a queue: the index stays small.
#[test]
fn pages_that_became_empty_are_used_again() {
    let world = World::new(256);
    let rel = index(&world);
    let tree = tree(&world, rel);
    let mut peak = 0;
    for round in 0..20 {
        fill(&world, rel, round * 5000..(round + 1) * 5000);
        let below = (round * 5000) as u32;
        let done = tree.bulk_delete(&mut |place| number(place) < below).expect("vacuum");
        assert_eq!(done.remaining, 5000);
        let_an_xid_pass(&world);
        if round == 3 {
            peak = blocks(&world, rel);
        }
    }
    assert!(blocks(&world, rel) <= peak + 20, "{} blocks, were {peak}", blocks(&world, rel));
    check(&tree);
}

/// All entries go: what is left is the way down to one empty leaf.
#[test]
fn whole_branches_are_removed() {
    let world = World::new(512);
    let rel = index(&world);
    let tree = tree(&world, rel);
    // What tells keys apart comes last, so pivots are long, and the tree is high.
    let long = |n: u32| text(&format!("{}{n:05}", "x".repeat(1500)));
    (0..1500).for_each(|n| add(&tree, &long(n), place(n)));
    let levels = check(&tree).levels;
    assert!(levels >= 4);
    let done = tree.bulk_delete(&mut |_| true).expect("vacuum");
    assert_eq!((done.removed, done.remaining), (1500, 0));
    let left = done.pages - done.pages_deleted - done.pages_free;
    assert!(left <= 1 + 3 * u32::from(levels), "{done:?}");
    check(&tree);
    let_an_xid_pass(&world);
    let again = tree.bulk_delete(&mut |_| false).expect("vacuum");
    assert_eq!(again.pages_free, again.pages - left, "{again:?}");
    let before = blocks(&world, rel);
    (0..1500).for_each(|n| add(&tree, &long(n), place(n)));
    assert!(blocks(&world, rel) <= before + 20);
    assert_eq!(check(&tree).entries, 1500);
}

#[test]
fn a_page_is_not_used_again_while_a_snapshot_is_older() {
    let world = World::new(256);
    let rel = index(&world);
    let tree = tree(&world, rel);
    fill(&world, rel, 0..5000);
    let tx = world.txn.begin();
    let snapshot = world.txn.snapshot(&tx);
    let mut cursor = tree.scan(KeyRange::all(), Direction::Forward);
    assert_eq!(cursor.next().expect("next").map(|(place, _)| number(place)), Some(0));
    // Its next page is removed, and the cursor still finds its way by the link that it has.
    let done = tree.bulk_delete(&mut |place| (600..4000).contains(&number(place))).expect("vacuum");
    assert!(done.pages_deleted > 3, "{done:?}");
    let_an_xid_pass(&world);
    assert_eq!(tree.bulk_delete(&mut |_| false).expect("vacuum").pages_free, 0);
    fill(&world, rel, 5000..9000);
    let mut found = Vec::new();
    while let Some((place, _)) = cursor.next().expect("next") {
        found.push(number(place));
    }
    assert!(found.is_sorted() && found.ends_with(&[8998, 8999]));
    assert_eq!(found.iter().filter(|n| **n >= 4000).count(), 5000);
    drop((cursor, snapshot));
    let_an_xid_pass(&world);
    let done = tree.bulk_delete(&mut |_| false).expect("vacuum");
    assert!(done.pages_free > 3 && done.pages_waiting == 0, "{done:?}");
}

#[test]
fn entries_marked_dead_are_passed_by_and_make_room() {
    let world = World::new(64);
    let rel = index(&world);
    let tree = tree(&world, rel);
    fill(&world, rel, 0..300);
    let mut cursor = tree.scan(KeyRange::all(), Direction::Backward);
    while let Some((place, _)) = cursor.next().expect("next") {
        if !number(place).is_multiple_of(3) {
            cursor.kill(place);
        }
    }
    let left = entries(&tree, KeyRange::all(), Direction::Forward);
    assert_eq!(left.len(), 100);
    assert!(left.iter().all(|(_, place)| number(*place).is_multiple_of(3)));
    assert_eq!(check(&tree).entries, 300);
    // The page is full soon; then they go, and it need not be split.
    let before = blocks(&world, rel);
    (300..600).for_each(|n| add(&tree, &int(n % 300), place(n as u32)));
    assert_eq!(blocks(&world, rel), before);
    assert_eq!(check(&tree).entries, 400);
}

/// While the reader thinks, vacuum removes the entry, and the row's place goes to another row with
/// the same key: that one must not be marked.
#[test]
fn an_entry_that_came_after_the_one_that_was_read_is_not_marked() {
    let world = World::new(64);
    let rel = index(&world);
    let tree = tree(&world, rel);
    fill(&world, rel, 0..10);
    let mut cursor = tree.scan(KeyRange::all(), Direction::Forward);
    cursor.next().expect("next");
    tree.bulk_delete(&mut |place| number(place) == 0).expect("vacuum");
    fill(&world, rel, 0..1);
    cursor.kill(place(0));
    drop(cursor);
    assert_eq!(entries(&tree, KeyRange::all(), Direction::Forward).len(), 10);
}

/// A split beside a vacuum moves dead entries to a free page that the vacuum has passed already: it
/// goes back for them.
#[test]
fn what_a_split_moves_behind_the_vacuum_is_found() {
    let world = World::new(256);
    let rel = index(&world);
    let tree = tree(&world, rel);
    // The first pages of the file become free.
    fill(&world, rel, 0..10_000);
    tree.bulk_delete(&mut |place| number(place) < 5000).expect("vacuum");
    let_an_xid_pass(&world);
    assert!(tree.bulk_delete(&mut |_| false).expect("vacuum").pages_free >= 5);
    let (before, mut visited) = (blocks(&world, rel), 0);
    let mut dead = |place| (5000..10_000).contains(&number(place));
    let mut split_what_is_ahead = || {
        visited += 1;
        if visited == 11 {
            // All over the second half, so that its full pages split; each takes a free page.
            (5000..10_000).step_by(5).for_each(|n| add(&tree, &int(n), place(n as u32 + 50_000)));
        }
        Ok::<(), access::Error>(())
    };
    let done = tree.bulk_delete_with(&mut dead, &mut split_what_is_ahead).expect("vacuum");
    assert_eq!(blocks(&world, rel), before, "the free pages were enough");
    assert_eq!((done.removed, done.remaining), (5000, 1000), "{done:?}");
    check(&tree);
}

/// Writers insert, one process vacuums what another has inserted and given up, readers look for what
/// stays: nothing that stays is ever missed, and the tree is whole at the end.
#[test]
fn vacuum_goes_on_beside_readers_and_writers() {
    const STAY: i32 = 4000;
    const ROUNDS: i32 = 25;
    let world = World::new(128);
    let rel = index(&world);
    for n in 0..STAY {
        add(&tree(&world, rel), &int(n * 10), place(n as u32));
    }
    let goes = |place: TupleId| (1_000_000..2_000_000).contains(&number(place));
    let write = |me: i32| {
        let (tree, mut noise) = (tree(&world, rel), Noise(me as u64));
        for round in 0..ROUNDS {
            world.write(|tx| {
                let xid = world.txn.assign_xid(tx).expect("an id");
                for n in 0..1000 {
                    let at = 1_000_000 * me + round * 1000 + n;
                    let key = match me {
                        1 => (round % 7 * 6000 + n) % (STAY * 10),
                        _ => noise.below(STAY as usize * 10) as i32,
                    };
                    let inserted = tree.insert(xid, &int(key), place(at as u32), None);
                    inserted.expect("insert").expect("not unique");
                }
            });
        }
        world.set_word(me as usize, 1);
    };
    let vacuum = || {
        let begun = Instant::now();
        while support::while_others(begun, world.word(1) + world.word(2) < 2) {
            tree(&world, rel).bulk_delete(&mut |place| goes(place)).expect("vacuum");
        }
        world.set_word(3, 1);
    };
    let read = |direction| {
        let mut rounds = 0;
        let begun = Instant::now();
        while support::while_others(begun, world.word(3) == 0 || rounds == 0) {
            let tx = world.txn.begin();
            let _snapshot = world.txn.snapshot(&tx);
            let found = entries(&tree(&world, rel), KeyRange::all(), direction);
            let old = found.iter().filter(|(_, place)| number(*place) < STAY as u32);
            assert_eq!(old.count(), STAY as usize);
            let forward = found.is_sorted_by(|a, b| a < b);
            let backward = found.is_sorted_by(|a, b| a > b);
            assert!(if direction == Direction::Forward { forward } else { backward });
            rounds += 1;
        }
    };
    let children = [
        world.spawn(1, || write(1)),
        world.spawn(2, || write(2)),
        world.spawn(3, vacuum),
        world.spawn(4, || read(Direction::Forward)),
        world.spawn(5, || read(Direction::Backward)),
    ];
    children.into_iter().for_each(support::Child::join);
    let tree = tree(&world, rel);
    check(&tree);
    let done = tree.bulk_delete(&mut |place| goes(place)).expect("vacuum");
    assert_eq!(done.remaining, (STAY + ROUNDS * 1000) as u64);
    check(&tree);
}
