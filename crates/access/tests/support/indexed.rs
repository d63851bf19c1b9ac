//! A table with an index on its first column; the index is a set in the test's memory.
//!
//! Entries are added when the heap says so and removed when vacuum says so, as a real index does.
//! `check` compares what they lead to with what a scan finds.

use std::collections::BTreeSet;

use access::vacuum::{self, DeadItems, Hooks, Options, Progress, Report};
use access::{Error, Fetched, Heap, Outcome, Shape, Stored};
use txn::{Snapshot, Transaction};
use types::{Datum, RelFileNumber, TupleId};

use super::{COLUMNS, World, number, row};

/// The first column is indexed.
pub const INDEXED: Shape<'static> = Shape { indexed: &[0], keys: &[0], fill_factor: 100 };

pub struct Indexed {
    pub rel: RelFileNumber,
    /// Key, block, line pointer.
    pub entries: BTreeSet<(i32, u32, u16)>,
}

impl Indexed {
    pub fn new(world: &World) -> Indexed {
        Indexed { rel: world.table(), entries: BTreeSet::new() }
    }

    pub fn heap<'w>(&self, world: &'w World) -> Heap<'w> {
        Heap::new(&world.access, self.rel, &COLUMNS).with(INDEXED)
    }

    pub fn insert(&mut self, world: &World, tx: &mut Transaction, n: i32, text: &str) -> TupleId {
        let place = self.heap(world).insert(tx, &row(n, text)).expect("insert");
        self.entries.insert((n, place.block, place.offset));
        place
    }

    pub fn update(
        &mut self,
        world: &World,
        tx: &mut Transaction,
        place: TupleId,
        n: i32,
        text: &str,
    ) -> Stored {
        let outcome = self.heap(world).update(tx, place, &row(n, text)).expect("update");
        let Outcome::Done(stored) = outcome else { panic!("{outcome:?}") };
        if !stored.heap_only {
            self.entries.insert((n, stored.place.block, stored.place.offset));
        }
        stored
    }

    pub fn delete(&self, world: &World, tx: &mut Transaction, place: TupleId) {
        let outcome = self.heap(world).delete(tx, place).expect("delete");
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }

    pub fn vacuum(&mut self, world: &World, options: Options) -> Report {
        let heap = self.heap(world);
        let mut hooks = Remove { entries: &mut self.entries, pages: 0 };
        let report = vacuum::vacuum(&heap, options, &mut hooks).expect("vacuum");
        assert!(hooks.pages >= report.pages, "it can be interrupted at each page");
        report
    }

    /// What an entry leads to.
    pub fn fetch(
        &self,
        world: &World,
        snapshot: &Snapshot,
        root: TupleId,
    ) -> Result<(TupleId, Vec<Datum>), bool> {
        let mut bytes = Vec::new();
        match self.heap(world).fetch(snapshot, root, &mut bytes).expect("fetch") {
            Fetched::Nothing { dead } => Err(dead),
            Fetched::Row(place) => {
                let mut values = Vec::new();
                self.heap(world).decode(place, &bytes, None, &mut values).expect("valid");
                Ok((place, values))
            }
        }
    }

    /// Each row is found by one entry, with the right key; and where the visibility map says so,
    /// each entry leads to a row.
    pub fn check(&self, world: &World, what: &str) {
        let mut tx = world.txn.begin();
        let snapshot = world.txn.snapshot(&tx);
        let map = self.heap(world).visibility();
        let mut found = Vec::new();
        for &(n, block, offset) in &self.entries {
            let fetched = self.fetch(world, &snapshot, TupleId { block, offset });
            if map.is_all_visible(block).expect("the map can be read") {
                assert!(fetched.is_ok(), "{what}: {n} at ({block},{offset}) {fetched:?}");
            }
            if let Ok((place, values)) = fetched {
                assert_eq!(number(&values), n, "{what}: entry ({block},{offset})");
                found.push((place.block, place.offset));
            }
        }
        drop(snapshot);
        let rows = world.rows_in(&tx, self.rel);
        let scanned: Vec<_> = rows.iter().map(|(place, _)| (place.block, place.offset)).collect();
        found.sort_unstable();
        assert_eq!(found, scanned, "{what}");
        world.txn.commit(&mut tx, false).expect("nothing to write");
    }
}

/// Options with so much memory for dead line pointers.
pub fn options(memory: usize) -> Options {
    Options { memory, all_pages: false }
}

struct Remove<'e> {
    entries: &'e mut BTreeSet<(i32, u32, u16)>,
    pages: u32,
}

impl Hooks for Remove<'_> {
    type Error = Error;

    fn before_page(&mut self, _: &Progress) -> Result<(), Error> {
        self.pages += 1;
        Ok(())
    }

    fn remove_from_indexes(&mut self, dead: &DeadItems) -> Result<(), Error> {
        let place = |(_, block, offset)| TupleId { block, offset };
        self.entries.retain(|entry| !dead.contains(place(*entry)));
        Ok(())
    }
}
