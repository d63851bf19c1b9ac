//! Crashes of a table with an index, which is vacuumed and cut off in between: every row is found
//! by one entry, and the visibility map never says too much.

#[path = "../../access/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use access::{Error, vacuum};
use recovery::Recovery;
use support::indexed::{Indexed, options};
use support::{World, number};
use types::{Datum, Fork, TupleId};
use wal::WalOptions;

fn recover(world: &World) {
    let context = Recovery {
        data_dir: world.data_dir(),
        wal: &world.wal,
        pool: &world.pool,
        txn: &world.txn,
    };
    recovery::run(&context, &mut |_| ()).expect("recovery");
}

/// Numbers that look random and are the same every time.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// The rows that should be there, by their places.
type Rows = BTreeMap<(u32, u16), (i32, usize)>;

fn rows_of(world: &World, table: &Indexed) -> Rows {
    let entry = |(place, row): (TupleId, Vec<Datum>)| {
        let Some(Datum::Text(text)) = row.get(1) else { panic!("no text: {row:?}") };
        ((place.block, place.offset), (number(&row), text.len()))
    };
    world.rows(table.rel).into_iter().map(entry).collect()
}

/// One transaction of random changes; committed or aborted.
fn change(world: &World, table: &mut Indexed, model: &mut Rows, noise: &mut Noise) {
    let mut rows = model.clone();
    let mut tx = world.txn.begin();
    let many = noise.below(30) == 0;
    for _ in 0..if many { 200 } else { noise.below(12) } {
        let key = rows.keys().nth(noise.below(rows.len())).copied();
        let (n, length) = (noise.below(1 << 20) as i32, noise.below(400));
        let text = "t".repeat(length);
        match (noise.below(if many { 3 } else { 8 }), key) {
            (0 | 1, _) | (_, None) => {
                let place = table.insert(world, &mut tx, n, &text);
                rows.insert((place.block, place.offset), (n, length));
            }
            (2, Some(at)) => {
                table.delete(world, &mut tx, TupleId { block: at.0, offset: at.1 });
                rows.remove(&at);
            }
            (step, Some(at)) => {
                let n = if step < 6 { rows[&at].0 } else { n };
                let old = TupleId { block: at.0, offset: at.1 };
                let new = table.update(world, &mut tx, old, n, &text).place;
                rows.remove(&at);
                rows.insert((new.block, new.offset), (n, length));
            }
        }
        tx.next_command().expect("few commands");
    }
    world.access.end_statement().expect("map");
    if noise.below(4) > 0 {
        world.txn.commit(&mut tx, noise.below(2) == 0).expect("commit");
        *model = rows;
    } else {
        world.txn.abort(&mut tx);
    }
}

/// Deletes the rows of the table's second half, vacuums, and gives back what is empty.
fn shrink(world: &World, table: &mut Indexed, model: &mut Rows) -> u32 {
    let blocks = world.pool.nblocks(table.rel, Fork::Main).expect("blocks");
    let doomed: Vec<_> = model.keys().copied().filter(|at| at.0 >= blocks / 2).collect();
    world.write(|tx| {
        for (block, offset) in doomed {
            table.delete(world, tx, TupleId { block, offset });
            model.remove(&(block, offset));
        }
    });
    table.vacuum(world, options(1 << 20));
    let heap = table.heap(world);
    let tail = vacuum::empty_tail(&heap, || Ok::<_, Error>(false)).expect("looked");
    vacuum::truncate(&heap, tail).expect("truncated");
    tail
}

/// Writes the table anew. Rows change their places, and nothing else about them changes.
fn rewrite(world: &World, table: &mut Indexed) -> Rows {
    let work = |tx: &mut txn::Transaction| {
        let rel = access::storage::create(&world.access, tx).expect("a file");
        let new = Indexed { rel, entries: Default::default() };
        let (from, into) = (table.heap(world), new.heap(world));
        vacuum::rewrite(&from, &into, |_| Ok::<_, Error>(())).expect("rewritten");
        access::storage::drop_at_commit(&world.access, tx, table.rel);
        new
    };
    let mut new = world.write(work);
    let heap = new.heap(world);
    let mut scan = heap.build_scan(&[0]).expect("scan");
    while let Some(found) = scan.next().expect("next") {
        let mut values = Vec::new();
        heap.decode(found.root, found.bytes, None, &mut values).expect("valid");
        new.entries.insert((number(&values), found.root.block, found.root.offset));
    }
    *table = new;
    table.check(world, "written anew");
    rows_of(world, table)
}

fn torture(seed: u64, buffers: usize, full_page_writes: bool) {
    let mut world =
        World::with_options(buffers, WalOptions { full_page_writes, ..WalOptions::default() });
    let mut noise = Noise(seed);
    let mut table = Indexed::new(&world);
    let mut model = Rows::new();
    let mut cut_off = 0;
    for step in 0..400 {
        let what = format!("seed {seed}, step {step}");
        match noise.below(40) {
            0 | 1 => {
                // The index in the test's memory knows of everything that happened.
                world.wal.flush(world.wal.insert_lsn()).expect("flush");
                world.crash();
                recover(&world);
                if noise.below(2) == 0 {
                    world.crash();
                    recover(&world);
                }
                world.checkpoint();
                table.check(&world, &what);
            }
            2 => world.checkpoint(),
            3..=6 => {
                table.vacuum(&world, options(500 + noise.below(4000)));
                table.check(&world, &what);
            }
            7 => {
                let content = |rows: &Rows| {
                    let mut content: Vec<_> = rows.values().copied().collect();
                    content.sort_unstable();
                    content
                };
                let old = content(&model);
                model = rewrite(&world, &mut table);
                assert_eq!(content(&model), old, "{what}");
            }
            8 => cut_off += shrink(&world, &mut table, &mut model),
            _ => change(&world, &mut table, &mut model, &mut noise),
        }
        if step % 8 == 0 {
            assert_eq!(rows_of(&world, &table), model, "{what}");
        }
    }
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    world.crash();
    recover(&world);
    world.checkpoint();
    assert_eq!(rows_of(&world, &table), model, "seed {seed}, at the end");
    table.check(&world, &format!("seed {seed}, at the end"));
    assert!(cut_off > 0, "something was given back");
}

#[test]
fn entries_and_rows_agree_whatever_happens() {
    (0..3).for_each(|seed| torture(seed, 256, true));
}

#[test]
fn entries_and_rows_agree_with_16_buffers() {
    (10..12).for_each(|seed| torture(seed, 16, true));
}

#[test]
fn entries_and_rows_agree_without_images() {
    (20..22).for_each(|seed| torture(seed, 64, false));
}

/// The pages that a table lost at its end stand in records before the cut; a table that has grown
/// again has new ones.
#[test]
fn what_was_cut_off_stays_so_and_what_grew_again_is_there() {
    for full_page_writes in [true, false] {
        let mut world =
            World::with_options(256, WalOptions { full_page_writes, ..WalOptions::default() });
        let mut table = Indexed::new(&world);
        let fill = |world: &World, table: &mut Indexed| {
            world.write(|tx| {
                for n in 0..500 {
                    table.insert(world, tx, n, &"x".repeat(100));
                }
            });
        };
        fill(&world, &mut table);
        world.checkpoint();
        world.write(|tx| {
            for (place, _) in world.rows_in(tx, table.rel) {
                table.delete(&world, tx, place);
            }
        });
        table.vacuum(&world, options(1 << 20));
        let blocks = world.pool.nblocks(table.rel, Fork::Main).expect("blocks");
        let heap = table.heap(&world);
        let tail = vacuum::empty_tail(&heap, || Ok::<_, Error>(false)).expect("looked");
        assert_eq!((tail, vacuum::truncate(&heap, tail).expect("cut off")), (blocks, 0));
        world.crash();
        recover(&world);
        assert_eq!(world.pool.nblocks(table.rel, Fork::Main).expect("blocks"), 0);
        table.check(&world, "recovered");
        fill(&world, &mut table);
        world.crash();
        recover(&world);
        assert_eq!(world.rows(table.rel).len(), 500);
        table.check(&world, "recovered again");
    }
}
