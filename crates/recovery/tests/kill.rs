//! Processes that move amounts between rows are killed at a random moment, all at once, as when the
//! postmaster dies. After recovery the sum is what it was: every transaction is there whole or not
//! at all, whatever was half done on pages, in the log or in a checkpoint.

#[path = "../../access/tests/support/mod.rs"]
mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use access::Outcome;
use recovery::Recovery;
use support::{World, number, row};
use txn::Transaction;
use types::{Datum, Diagnostic, RelFileNumber, SqlState, TupleId};

const ROWS: i32 = 60;
const AMOUNT: i32 = 1000;
const WRITERS: usize = 4;

/// Numbers that look random and are the same every time.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

/// Adds to a row's amount, on its newest version. The text makes rows move between pages.
fn add(
    world: &World,
    tx: &mut Transaction,
    rel: RelFileNumber,
    mut place: TupleId,
    mut old: Vec<Datum>,
    change: i32,
    text: &str,
) -> Result<(), access::Error> {
    let heap = world.heap(rel);
    loop {
        match heap.update(tx, place, &row(number(&old) + change, text))? {
            Outcome::Done(_) => return Ok(()),
            Outcome::Gone => panic!("nobody deletes rows"),
            Outcome::Changed(newest) => {
                heap.decode(newest.place, &newest.tuple, None, &mut old)?;
                place = newest.place;
            }
        }
    }
}

fn transfer(world: &World, rel: RelFileNumber, noise: &mut Noise) {
    let mut tx = world.txn.begin();
    let snapshot = world.txn.snapshot(&tx);
    let rows = world.rows_in(&tx, rel);
    assert_eq!(rows.len(), ROWS as usize);
    assert_eq!(rows.iter().map(|(_, row)| number(row)).sum::<i32>(), ROWS * AMOUNT);
    let from = noise.below(rows.len());
    let to = (from + 1 + noise.below(rows.len() - 1)) % rows.len();
    let text = "t".repeat(noise.below(900));
    let amount = noise.below(50) as i32;
    let mut moved = Ok(());
    for (index, change) in [(from, -amount), (to, amount)] {
        let (place, old) = rows[index].clone();
        moved = moved.and_then(|()| add(world, &mut tx, rel, place, old, change, &text));
    }
    drop(snapshot);
    world.access.end_statement().expect("the map can be written");
    match moved {
        Ok(()) if noise.below(8) > 0 => {
            let synchronous = noise.below(3) > 0;
            world.txn.commit(&mut tx, synchronous).expect("commit");
        }
        Ok(()) => world.txn.abort(&mut tx),
        Err(error) => {
            assert_eq!(error.sqlstate(), SqlState::DEADLOCK_DETECTED, "{error}");
            world.txn.abort(&mut tx);
        }
    }
}

fn rounds(buffers: usize, rounds: u64) {
    let mut world = World::new(buffers);
    let rel = world.table();
    world.write(|tx| {
        for _ in 0..ROWS {
            world.heap(rel).insert(tx, &row(AMOUNT, "start")).expect("insert");
        }
    });
    let mut noise = Noise(buffers as u64);
    for round in 0..rounds {
        world.set_word(0, 0);
        let write = |me: usize| {
            let mut noise = Noise(round * 100 + me as u64);
            loop {
                transfer(&world, rel, &mut noise);
                world.words[0].fetch_add(1, Ordering::SeqCst);
            }
        };
        let checkpoint = || {
            loop {
                world.checkpoint();
                std::thread::sleep(Duration::from_millis(3));
            }
        };
        let mut children: Vec<_> =
            (0..WRITERS).map(|me| world.spawn(me, move || write(me))).collect();
        children.push(world.spawn(WRITERS, checkpoint));
        support::await_that("some transfers", || world.word(0) >= 20);
        std::thread::sleep(Duration::from_micros(noise.below(20_000) as u64));
        for child in &children {
            sys::process::kill(child.pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
        }
        children.into_iter().for_each(support::Child::kill);
        world.crash();
        let context = Recovery {
            data_dir: world.data_dir(),
            wal: &world.wal,
            pool: &world.pool,
            txn: &world.txn,
        };
        recovery::run(&context, &mut |_| ()).expect("recovery");
        world.checkpoint();
        let numbers = world.numbers(rel);
        assert_eq!(numbers.len(), ROWS as usize, "round {round}");
        assert_eq!(numbers.iter().sum::<i32>(), ROWS * AMOUNT, "round {round}");
    }
}

#[test]
fn the_sum_survives_kills_with_plenty_of_buffers() {
    rounds(256, 15);
}

#[test]
fn the_sum_survives_kills_with_16_buffers() {
    rounds(16, 15);
}
