//! Several processes take numbers of one sequence.

mod support;

use access::{Numbering, Sequence};
use support::World;
use types::RelFileNumber;

const TAKERS: usize = 4;
const ROUNDS: usize = 400;

fn sequence(world: &World) -> RelFileNumber {
    world.write(|tx| {
        let rel = access::storage::create(&world.access, tx).expect("a file");
        Sequence::new(&world.access, rel).create(1, false).expect("a sequence");
        rel
    })
}

/// The numbers that processes were given, each run of them as the first and the last.
fn taken(world: &World, rel: RelFileNumber, numbering: &Numbering) -> Vec<(i64, i64)> {
    let path = |taker| world.data_dir().join(format!("given.{taker}"));
    let takers: Vec<_> = (0..TAKERS)
        .map(|taker| {
            world.spawn(taker + 1, || {
                let mut text = String::new();
                for _ in 0..ROUNDS {
                    let next = Sequence::new(&world.access, rel).next(numbering);
                    let given = next.expect("the page is read").expect("there are numbers");
                    text.push_str(&format!("{} {}\n", given.first, given.last));
                }
                std::fs::write(path(taker), text).expect("written");
            })
        })
        .collect();
    // Checkpoints have the next number logged.
    for _ in 0..5 {
        world.checkpoint();
    }
    takers.into_iter().for_each(support::Child::join);
    let mut runs = Vec::new();
    for taker in 0..TAKERS {
        let text = std::fs::read_to_string(path(taker)).expect("a file");
        for line in text.lines() {
            let (first, last) = line.split_once(' ').expect("two numbers");
            runs.push((first.parse().expect("a number"), last.parse().expect("a number")));
        }
    }
    runs.sort_unstable();
    runs
}

#[test]
fn each_number_is_given_to_one_process() {
    let world = World::new(64);
    let rel = sequence(&world);
    let plain = Numbering { increment: 1, min: 1, max: i64::MAX, cache: 1, cycle: false };
    let runs = taken(&world, rel, &plain);
    let expected: Vec<(i64, i64)> = (1..=(TAKERS * ROUNDS) as i64).map(|n| (n, n)).collect();
    assert_eq!(runs, expected);
}

#[test]
fn runs_of_numbers_do_not_overlap() {
    let world = World::new(64);
    let rel = sequence(&world);
    let runs_of_five = Numbering { increment: 2, min: 1, max: i64::MAX, cache: 5, cycle: false };
    let runs = taken(&world, rel, &runs_of_five);
    assert_eq!(runs.len(), TAKERS * ROUNDS);
    assert!(runs.iter().all(|(first, last)| last - first == 8));
    assert!(runs.windows(2).all(|two| two[1].0 == two[0].1 + 2), "{:?}", &runs[..4]);
}

/// Who was given a number waits at his commit for the record that covers it, also if he has written
/// nothing and somebody else has inserted the record.
#[test]
fn a_number_is_durable_once_its_taker_has_committed() {
    let world = World::new(64);
    let rel = sequence(&world);
    let plain = Numbering { increment: 1, min: 1, max: i64::MAX, cache: 1, cycle: false };
    let take = || {
        let next = Sequence::new(&world.access, rel).next(&plain).expect("the page is read");
        next.expect("there are numbers").covered
    };
    let logged = take();
    let mut tx = world.txn.begin();
    let covered = take();
    assert!(covered == logged && world.wal.flush_lsn() < covered, "the record is not flushed yet");
    tx.rely_on(covered);
    let own = world.txn.commit(&mut tx, true).expect("commit");
    assert!(!own.is_valid(), "it has logged nothing itself");
    assert!(world.wal.flush_lsn() >= covered);
    // Asynchronously: it is soon.
    world.checkpoint();
    let mut tx = world.txn.begin();
    let covered = take();
    tx.rely_on(covered);
    world.txn.commit(&mut tx, false).expect("commit");
    assert!(world.wal.flush_lsn() < covered);
    assert!(world.wal.background_flush().expect("flush"));
    assert!(world.wal.flush_lsn() >= covered);
}
