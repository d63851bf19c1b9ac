//! Before a leaf is split for a new version of a row, the entries of versions that nobody sees go.

mod index;
mod support;

use access::btree::{Direction, KeyRange, RowFate, Rows};
use index::{add, check, entries, index, int, place, tree};
use support::World;
use types::{Fork, TupleId, Xid};

/// Rows of which those below a number are dead, once they are asked for all at once.
struct DeadBelow {
    number: u32,
    asked: usize,
}

impl Rows for DeadBelow {
    fn fate(&mut self, _: TupleId) -> Result<RowFate, access::Error> {
        Ok(RowFate::Ended)
    }

    fn dead(&mut self, places: &[TupleId]) -> Result<Vec<TupleId>, access::Error> {
        assert!(places.is_sorted());
        self.asked += 1;
        Ok(places.iter().copied().filter(|at| *at < place(self.number)).collect())
    }

    fn wait(&mut self, _: Xid) -> Result<(), access::Error> {
        unreachable!("nothing is in progress")
    }
}

fn blocks(world: &World, rel: types::RelFileNumber) -> u32 {
    world.pool.nblocks(rel, Fork::Main).expect("blocks")
}

/// A hundred rows are updated again and again; of each only the last version is alive.
#[test]
fn an_index_whose_keys_stay_does_not_grow_with_updates() {
    for unique in [false, true] {
        let world = World::new(64);
        let rel = index(&world);
        let tree = tree(&world, rel);
        let mut rows = DeadBelow { number: 0, asked: 0 };
        for number in 0..20_000 {
            rows.number = u32::saturating_sub(number, 100);
            let key = int(number as i32 % 100);
            let done = tree.insert_version(Xid(9), &key, place(number), unique, &mut rows);
            done.expect("insert").expect("no living row");
        }
        assert_eq!(blocks(&world, rel), 2, "a meta page and a leaf");
        assert!((20..400).contains(&rows.asked), "{}", rows.asked);
        let left = entries(&tree, KeyRange::all(), Direction::Forward);
        for number in 19_900..20_000 {
            let entry = (int(number % 100).as_bytes().to_vec(), place(number as u32));
            assert!(left.contains(&entry), "{number}");
        }
        check(&tree);
    }
}

/// If too little goes, the leaf is split, and the next entries do not ask again.
#[test]
fn what_does_not_help_is_not_asked_for_again_and_again() {
    let world = World::new(64);
    let rel = index(&world);
    let tree = tree(&world, rel);
    let mut rows = DeadBelow { number: 3, asked: 0 };
    for number in 0..5000 {
        let key = int((number * 7919) % 5000);
        let at = place(number as u32);
        tree.insert_version(Xid(9), &key, at, false, &mut rows).expect("insert").expect("done");
    }
    let grown = blocks(&world, rel);
    assert!(grown > 10 && rows.asked < 3 * grown as usize, "{grown} pages, {} times", rows.asked);
    assert_eq!(check(&tree).entries, 4997);
}

/// A new row has no older versions: its leaf is split because there is more to hold.
#[test]
fn new_rows_ask_nobody() {
    let world = World::new(64);
    let rel = index(&world);
    let tree = tree(&world, rel);
    (0..2000).for_each(|number| add(&tree, &int(number % 7), place(number as u32)));
    assert_eq!(check(&tree).entries, 2000);
}
