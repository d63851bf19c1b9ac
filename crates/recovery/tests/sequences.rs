//! Sequences after a crash: whatever of the log is durable, and however old the page on disk is, no
//! number is given again that its taker could rely on.

mod past;
#[path = "../../access/tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::time::Duration;

use access::{Numbering, Sequence};
use past::Past;
use recovery::Recovery;
use support::World;
use types::{Lsn, RelFileNumber};
use wal::{DecodedRecord, WalReader};

const NUMBERING: Numbering =
    Numbering { increment: 1, min: 1, max: i64::MAX, cache: 1, cycle: false };
/// How many numbers a record covers besides the one that it was inserted for.
const AHEAD: i64 = access::sequence::NUMBERS_AHEAD;

fn recover(world: &World) {
    let context = Recovery {
        data_dir: world.data_dir(),
        wal: &world.wal,
        pool: &world.pool,
        txn: &world.txn,
    };
    recovery::run(&context, &mut |_| ()).expect("recovery");
}

fn sequence(world: &World) -> RelFileNumber {
    world.write(|tx| {
        let rel = access::storage::create(&world.access, tx).expect("a file");
        Sequence::new(&world.access, rel).create(1, false).expect("a sequence");
        rel
    })
}

/// A number, and what must be durable before anybody relies on it.
fn next(world: &World, rel: RelFileNumber, numbering: &Numbering) -> (i64, Lsn) {
    let given = Sequence::new(&world.access, rel).next(numbering).expect("the page is read");
    let given = given.expect("there are numbers");
    (given.last, given.covered)
}

/// Writes what is dirty, as the bgwriter may at any time.
fn write_pages(world: &World) {
    for page in world.pool.begin_checkpoint() {
        world.pool.write_for_checkpoint(page).expect("a page can be written");
    }
}

fn record_ends(world: &World, start: Lsn) -> Vec<Lsn> {
    let wal = &world.wal;
    let mut reader = WalReader::new(wal.dir(), wal.timeline(), support::SYSTEM, start);
    let mut record = DecodedRecord::default();
    let mut ends = Vec::new();
    while reader.read(&mut record).expect("the log reads") {
        ends.push(record.end());
    }
    ends
}

/// Takes numbers, with pages written and checkpoints made in between; goes back to every state that
/// the disk was in, with every end that the log can have had then or later.
fn crash_at_every_position(numbering: &Numbering) {
    let mut world = World::new(128);
    world.checkpoint();
    let start = world.wal.insert_lsn();
    let rel = sequence(&world);
    let made = world.wal.insert_lsn();
    world.checkpoint();
    let mut disks = vec![(world.wal.insert_lsn(), Past::take(&world))];
    let mut given = Vec::new();
    for step in 1..=75 {
        match step {
            10 | 37 | 38 => write_pages(&world),
            20 | 50 | 51 => world.checkpoint(),
            _ => {}
        }
        given.push(next(&world, rel, numbering));
        // Also numbers that were given without a record reach the disk.
        if step % 13 == 0 {
            write_pages(&world);
        }
        if [11, 20, 39, 52].contains(&step) {
            world.wal.flush(world.wal.insert_lsn()).expect("flush");
            disks.push((world.wal.insert_lsn(), Past::take(&world)));
        }
    }
    world.wal.flush(world.wal.insert_lsn()).expect("flush");
    let log = Past::take(&world);
    let ends = record_ends(&world, start);
    assert!(ends.len() > 8, "some numbers are given with records: {}", ends.len());
    assert!(ends.len() < 40, "most are given without: {}", ends.len());
    for (taken_at, disk) in &disks {
        for end in ends.iter().filter(|end| *end >= taken_at && **end >= made) {
            disk.restore(&world, &log, *end);
            world.crash();
            recover(&world);
            let relied_on = given.iter().filter(|(_, covered)| covered <= end);
            let most = relied_on.map(|(number, _)| *number).max().unwrap_or(0);
            let (number, _) = next(&world, rel, numbering);
            let what = format!("disk of {taken_at}, log to {end}: {number} after {most}");
            assert!(number > most, "{what}");
            assert!(number <= most + AHEAD + 2 * numbering.cache, "{what}: too many are skipped");
        }
    }
}

#[test]
fn no_number_is_given_twice_whatever_is_durable() {
    crash_at_every_position(&NUMBERING);
}

#[test]
fn numbers_that_sessions_take_ahead_are_not_given_twice_either() {
    crash_at_every_position(&Numbering { cache: 7, ..NUMBERING });
}

#[test]
fn a_number_that_was_set_stays_set() {
    let mut world = World::new(64);
    let rel = sequence(&world);
    next(&world, rel, &NUMBERING);
    for (value, called, expected) in [(500, true, 501), (100, false, 100)] {
        let set = Sequence::new(&world.access, rel).set(value, called).expect("set");
        world.wal.flush(set).expect("flush");
        world.crash();
        recover(&world);
        assert_eq!(next(&world, rel, &NUMBERING).0, expected);
    }
}

/// Processes that take numbers are killed, all at once. What they have relied on is not given again,
/// nor twice to them.
#[test]
fn numbers_survive_the_death_of_those_who_take_them() {
    const TAKERS: usize = 3;
    let mut world = World::new(64);
    let rel = sequence(&world);
    let mut most = 0;
    for round in 0..6 {
        let path = |taker| world.data_dir().join(format!("given.{round}.{taker}"));
        let takers: Vec<_> = (0..TAKERS)
            .map(|taker| {
                let mut file = std::fs::File::create(path(taker)).expect("a file");
                world.spawn(taker + 1, || {
                    loop {
                        let (number, covered) = next(&world, rel, &NUMBERING);
                        world.wal.flush(covered).expect("flush");
                        file.write_all(format!("{number}\n").as_bytes()).expect("written");
                        if number % 50 == 7 {
                            write_pages(&world);
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(30));
        if round % 2 == 1 {
            world.checkpoint();
            std::thread::sleep(Duration::from_millis(10));
        }
        takers.into_iter().for_each(support::Child::kill);
        let mut given: Vec<i64> = Vec::new();
        for taker in 0..TAKERS {
            let text = std::fs::read_to_string(path(taker)).expect("a file");
            let whole = text.lines().take(text.matches('\n').count());
            given.extend(whole.map(|line| line.parse::<i64>().expect("a number")));
        }
        given.sort_unstable();
        assert!(
            given.first().is_none_or(|first| *first > most),
            "{:?} after {most}",
            given.first()
        );
        assert!(given.is_sorted_by(|a, b| a < b), "a number was given twice");
        most = given.last().copied().unwrap_or(most);
        world.crash();
        recover(&world);
    }
    assert!(most > 100, "numbers were given: {most}");
    assert!(next(&world, rel, &NUMBERING).0 > most);
}
