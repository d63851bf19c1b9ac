//! Indexes: against a model, and by several processes at once.

mod index;
mod support;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::time::Instant;

use access::btree::{BTree, Direction, Key, KeyRange, RowFate, Rows};
use index::{INT, Noise, add, check, entries, index, int, place, text, tree};
use support::World;
use types::{Datum, Diagnostic, Fork, SqlState, TupleId, Xid};

#[test]
fn random_entries_agree_with_a_model() {
    for (seed, longest) in [(1, 10), (2, 300), (3, 2500)] {
        let world = World::new(256);
        let rel = index(&world);
        let tree = tree(&world, rel);
        let mut noise = Noise(seed);
        let mut model = BTreeSet::new();
        for number in 0..1500 {
            let key = text(&noise.text(longest));
            let at = place((number * 7919) % 1500);
            add(&tree, &key, at);
            assert!(model.insert((key.as_bytes().to_vec(), at)));
            if number % 100 == 0 {
                assert!(tree.contains(&key, at).expect("contains"));
                assert!(!tree.contains(&key, place(5000)).expect("contains"));
                ranges(&tree, &model, &mut noise, longest);
            }
        }
        let all: Vec<_> = model.iter().cloned().collect();
        assert_eq!(entries(&tree, KeyRange::all(), Direction::Forward), all, "seed {seed}");
        assert_eq!(check(&tree).entries, 1500);
    }
}

fn ranges(
    tree: &BTree<'_>,
    model: &BTreeSet<(Vec<u8>, TupleId)>,
    noise: &mut Noise,
    longest: usize,
) {
    for _ in 0..10 {
        let (low, high) = (text(&noise.text(longest)), text(&noise.text(longest)));
        let bounds = match noise.below(4) {
            0 => (Bound::Unbounded, Bound::Excluded(high)),
            1 => (Bound::Excluded(low), Bound::Unbounded),
            2 => (Bound::Included(low), Bound::Included(high)),
            _ => (Bound::Unbounded, Bound::Unbounded),
        };
        let inside = |key: &[u8]| {
            (match &bounds.0 {
                Bound::Included(low) => key >= low.as_bytes(),
                Bound::Excluded(low) => key > low.as_bytes(),
                Bound::Unbounded => true,
            }) && match &bounds.1 {
                Bound::Included(high) => key <= high.as_bytes(),
                Bound::Excluded(high) => key < high.as_bytes(),
                Bound::Unbounded => true,
            }
        };
        let mut expected: Vec<_> = model.iter().filter(|(key, _)| inside(key)).cloned().collect();
        let range = KeyRange::new(bounds.0.clone(), bounds.1.clone());
        assert_eq!(entries(tree, range.clone(), Direction::Forward), expected);
        expected.reverse();
        assert_eq!(entries(tree, range, Direction::Backward), expected);
    }
}

#[test]
fn keys_that_rise_fill_their_pages() {
    let world = World::new(256);
    let rel = index(&world);
    let tree = tree(&world, rel);
    for number in 0..20_000 {
        add(&tree, &int(number), place(number as u32));
    }
    let blocks = world.pool.nblocks(rel, Fork::Main).expect("blocks");
    // 15 bytes an entry, nine tenths full.
    assert!((42..50).contains(&blocks), "{blocks} blocks");
    let found = entries(&tree, KeyRange::all(), Direction::Backward);
    assert!(found.len() == 20_000 && found.is_sorted_by(|a, b| a > b));
}

#[test]
fn many_rows_of_one_key_lie_in_the_order_of_their_places() {
    let world = World::new(64);
    let rel = index(&world);
    let tree = tree(&world, rel);
    let mut noise = Noise(5);
    let mut places: Vec<TupleId> = (0..3000).map(place).collect();
    for at in (1..places.len()).rev() {
        places.swap(at, noise.below(at + 1));
    }
    places.iter().for_each(|&place| add(&tree, &int(7), place));
    add(&tree, &int(6), place(1));
    add(&tree, &int(8), place(1));
    let found = entries(&tree, KeyRange::starting_with(int(7)), Direction::Forward);
    places.sort_unstable();
    assert_eq!(found.iter().map(|(_, place)| *place).collect::<Vec<_>>(), places);
}

#[test]
fn a_key_that_is_too_long_is_54000_and_one_that_is_not_quite_fits() {
    let world = World::new(64);
    let rel = index(&world);
    let tree = tree(&world, rel);
    for n in 0..20 {
        add(&tree, &text(&format!("{n:02}{}", "x".repeat(2694))), place(n));
    }
    let error = tree.insert(Xid(9), &text(&"x".repeat(2697)), place(1), None).expect_err("long");
    assert_eq!(error.sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    let message = "index row size 2705 exceeds btree version 1 maximum 2704 for index \"test_idx\"";
    assert_eq!(error.to_string(), message);
    assert_eq!(entries(&tree, KeyRange::all(), Direction::Forward).len(), 20);
}

#[test]
fn an_entry_that_is_there_already_is_an_error() {
    let world = World::new(64);
    let rel = index(&world);
    let tree = tree(&world, rel);
    add(&tree, &int(1), place(1));
    let error = tree.insert(Xid(9), &int(1), place(1), None).expect_err("twice");
    assert_eq!(error.sqlstate(), SqlState::INDEX_CORRUPTED, "{error}");
}

/// Rows whose fates a test tells; waiting makes them what comes next.
struct Told(Vec<(TupleId, Vec<RowFate>)>, Vec<Xid>);

impl Rows for Told {
    fn fate(&mut self, place: TupleId) -> Result<RowFate, access::Error> {
        let told = self.0.iter().find(|(other, _)| *other == place);
        Ok(told.map_or(RowFate::Live, |(_, fates)| fates[0]))
    }

    fn wait(&mut self, xid: Xid) -> Result<(), access::Error> {
        self.1.push(xid);
        self.0.iter_mut().filter(|(_, fates)| fates.len() > 1).for_each(|(_, fates)| {
            fates.remove(0);
        });
        Ok(())
    }
}

#[test]
fn a_unique_key_has_one_living_row() {
    let world = World::new(64);
    let rel = index(&world);
    let tree = tree(&world, rel);
    let busy = RowFate::InProgress(Xid(77));
    let insert = |number, fates: &[(u32, &[RowFate])]| {
        let fates = fates.iter().map(|(n, fates)| (place(*n), fates.to_vec())).collect();
        let mut rows = Told(fates, Vec::new());
        let done = tree.insert(Xid(9), &int(5), place(number), Some(&mut rows)).expect("insert");
        (done.map_err(|conflict| conflict.place), rows.1)
    };
    assert_eq!(insert(1, &[]), (Ok(()), vec![]));
    assert_eq!(insert(2, &[]), (Err(place(1)), vec![]));
    assert_eq!(insert(2, &[(1, &[busy, RowFate::Live])]), (Err(place(1)), vec![Xid(77)]));
    assert_eq!(insert(2, &[(1, &[busy, RowFate::Ended])]), (Ok(()), vec![Xid(77)]));
    assert_eq!(insert(3, &[(1, &[RowFate::Ended])]), (Err(place(2)), vec![]));
    assert_eq!(insert(3, &[(1, &[RowFate::Dead]), (2, &[RowFate::Ended])]), (Ok(()), vec![]));
    // The first is marked dead now and is not asked about again.
    assert_eq!(insert(4, &[(2, &[RowFate::Ended])]), (Err(place(3)), vec![]));
    let mut rows = Told(vec![(place(2), vec![RowFate::Ended])], Vec::new());
    assert_eq!(tree.find_conflict(&int(5), &mut rows).expect("found"), Some(place(3)));
    assert_eq!(tree.find_conflict(&int(6), &mut rows).expect("none"), None);
    let null = Key::encode(&INT, &[Datum::Null]).expect("a key");
    for n in 0..3 {
        let mut rows = Told(Vec::new(), Vec::new());
        tree.insert(Xid(9), &null, place(n), Some(&mut rows)).expect("insert").expect("distinct");
    }
    assert_eq!(tree.find_conflict(&null, &mut rows).expect("none"), None);
}

/// Rows of which one may be alive.
struct OneLives(Option<TupleId>);

impl Rows for OneLives {
    fn fate(&mut self, place: TupleId) -> Result<RowFate, access::Error> {
        Ok(if self.0 == Some(place) { RowFate::Live } else { RowFate::Ended })
    }

    fn wait(&mut self, _: Xid) -> Result<(), access::Error> {
        unreachable!("nothing is in progress")
    }
}

/// Ended versions of one key fill several pages; the living one may be on any of them.
#[test]
fn a_unique_key_is_looked_for_on_all_pages_that_have_it() {
    const COUNT: u32 = 1500;
    let world = World::new(64);
    let rel = index(&world);
    let tree = tree(&world, rel);
    for n in 0..COUNT {
        let at = place((n * 1009) % COUNT);
        tree.insert(Xid(9), &int(5), at, Some(&mut OneLives(None))).expect("insert").expect("none");
    }
    assert!(world.pool.nblocks(rel, Fork::Main).expect("blocks") > 5);
    for living in [0, COUNT / 2, COUNT - 1].map(place) {
        let mut rows = OneLives(Some(living));
        let done = tree.insert(Xid(9), &int(5), place(9999), Some(&mut rows)).expect("insert");
        assert_eq!(done.expect_err("a living row").place, living);
    }
}

struct AllLive;

impl Rows for AllLive {
    fn fate(&mut self, _: TupleId) -> Result<RowFate, access::Error> {
        Ok(RowFate::Live)
    }

    fn wait(&mut self, _: Xid) -> Result<(), access::Error> {
        unreachable!("nothing is in progress")
    }
}

#[test]
fn of_processes_that_insert_the_same_keys_one_wins_each() {
    const KEYS: i32 = 4000;
    let world = World::new(128);
    let rel = index(&world);
    let work = |me: u32| {
        let tree = tree(&world, rel);
        for n in 0..KEYS {
            let key = int((n * 1009) % KEYS);
            let at = place(me * 100_000 + n as u32);
            if tree.insert(Xid(9), &key, at, Some(&mut AllLive)).expect("insert").is_ok() {
                world.words[0].fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    let spawn = |me: u32| world.spawn(me as usize, move || work(me));
    let children: Vec<_> = (0..4).map(spawn).collect();
    children.into_iter().for_each(support::Child::join);
    assert_eq!(world.word(0), KEYS as u64);
    let found = entries(&tree(&world, rel), KeyRange::all(), Direction::Forward);
    let keys: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
    let expected: Vec<_> = (0..KEYS).map(|n| int(n).as_bytes().to_vec()).collect();
    assert_eq!(keys, expected);
}

/// Some insert, others read both ways meanwhile: what was there at the beginning is there in each
/// scan, once, in order.
#[test]
fn readers_miss_nothing_while_others_insert() {
    const EACH: i32 = 6000;
    let world = World::new(96);
    let rel = index(&world);
    for n in 0..EACH {
        add(&tree(&world, rel), &int(n * 10), place(n as u32));
    }
    let write = |me: i32| {
        let (tree, mut noise) = (tree(&world, rel), Noise(me as u64));
        for n in 0..EACH {
            let number = match me {
                1 => n * 10 + 1,
                2 => (EACH - n) * 10 + 2,
                _ => noise.below(EACH as usize) as i32 * 10 + 3,
            };
            add(&tree, &int(number), place((me * EACH + n) as u32));
        }
        world.words[0].fetch_add(1, Ordering::SeqCst);
    };
    let read = |direction: Direction| {
        let tree = tree(&world, rel);
        let old = |(key, at): &(Vec<u8>, TupleId)| {
            let number = at.block * 100 + u32::from(at.offset) - 1;
            (number < EACH as u32).then(|| assert_eq!(*key, int(number as i32 * 10).as_bytes()))
        };
        let begun = Instant::now();
        while support::while_others(begun, world.word(0) < 3) {
            let mut found = entries(&tree, KeyRange::all(), direction);
            if direction == Direction::Backward {
                found.reverse();
            }
            assert!(found.is_sorted_by(|a, b| a < b), "in order, and nothing twice");
            assert_eq!(found.iter().filter_map(old).count(), EACH as usize);
        }
    };
    let mut children: Vec<_> =
        (1..4).map(|me| world.spawn(me as usize, move || write(me))).collect();
    children.push(world.spawn(4, || read(Direction::Forward)));
    children.push(world.spawn(5, || read(Direction::Backward)));
    children.into_iter().for_each(support::Child::join);
    assert_eq!(check(&tree(&world, rel)).entries, 4 * EACH as u64);
}
