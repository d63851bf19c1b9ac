//! Several processes change one table: nobody loses a change, nobody waits in a circle.

mod support;

use access::Outcome;
use support::{World, number, row};
use txn::Transaction;
use types::{Datum, Diagnostic, RelFileNumber, SqlState, TupleId};

/// Changes a row as UPDATE under read committed does: on the newest version, whoever made it.
/// Returns whether the row was still there.
fn update_newest(
    world: &World,
    tx: &mut Transaction,
    rel: RelFileNumber,
    mut place: TupleId,
    mut old: Vec<Datum>,
    new_row: impl Fn(&[Datum]) -> Vec<Datum>,
) -> Result<bool, access::Error> {
    let heap = world.heap(rel);
    loop {
        match heap.update(tx, place, &new_row(&old))? {
            Outcome::Done(_) => return Ok(true),
            Outcome::Gone => return Ok(false),
            Outcome::Changed(newest) => {
                heap.decode(newest.place, &newest.tuple, None, &mut old)?;
                place = newest.place;
            }
        }
    }
}

fn count_up(old: &[Datum]) -> Vec<Datum> {
    row(number(old) + 1, "counted")
}

fn one_row(world: &World, rel: RelFileNumber) -> TupleId {
    world.write(|tx| world.heap(rel).insert(tx, &row(0, "first")).expect("insert"))
}

#[test]
fn no_increment_is_lost() {
    const PROCESSES: usize = 4;
    const EACH: i32 = 150;
    let world = World::new(64);
    let rel = world.table();
    one_row(&world, rel);
    let work = || {
        for _ in 0..EACH {
            let mut tx = world.txn.begin();
            let rows = {
                // The snapshot is held through the statement, as a session holds it.
                let _snapshot = world.txn.snapshot(&tx);
                let (place, old) = world.rows_in(&tx, rel).pop().expect("one row");
                update_newest(&world, &mut tx, rel, place, old, count_up).expect("update")
            };
            assert!(rows, "nobody deletes it");
            world.access.end_statement().expect("map");
            world.txn.commit(&mut tx, true).expect("commit");
        }
    };
    let children: Vec<_> = (0..PROCESSES).map(|slot| world.spawn(slot, work)).collect();
    children.into_iter().for_each(support::Child::join);
    assert_eq!(world.numbers(rel), [PROCESSES as i32 * EACH]);
}

/// A holder changes a row and waits to be told how to end; a second process wants the same row.
fn second_meets_first(
    first: impl FnOnce(&World, &mut Transaction, RelFileNumber, TupleId),
    commits: bool,
    expect: impl FnOnce(Outcome),
) {
    let world = World::new(64);
    let rel = world.table();
    let place = one_row(&world, rel);
    let holder = world.spawn(0, || {
        let mut tx = world.txn.begin();
        first(&world, &mut tx, rel, place);
        world.set_word(0, 1);
        world.await_word(1, 1);
        std::thread::sleep(std::time::Duration::from_millis(20));
        match commits {
            true => drop(world.txn.commit(&mut tx, true).expect("commit")),
            false => world.txn.abort(&mut tx),
        }
    });
    world.await_word(0, 1);
    let second = world.spawn(1, || {
        let mut tx = world.txn.begin();
        let snapshot = world.txn.snapshot(&tx);
        world.set_word(1, 1);
        let outcome = world.heap(rel).update(&mut tx, place, &row(2, "second")).expect("update");
        drop(snapshot);
        expect(outcome);
        world.txn.commit(&mut tx, true).expect("commit");
    });
    holder.join();
    second.join();
}

#[test]
fn who_was_replaced_meanwhile_gets_the_newest_version() {
    let first = |world: &World, tx: &mut Transaction, rel, place| {
        let mut place = place;
        for n in 10..13 {
            let done = world.heap(rel).update(tx, place, &row(n, "first")).expect("update");
            let Outcome::Done(new) = done else { panic!("{done:?}") };
            place = new.place;
            tx.next_command().expect("few");
        }
    };
    second_meets_first(first, true, |outcome| {
        let Outcome::Changed(newest) = outcome else { panic!("{outcome:?}") };
        let mut values = Vec::new();
        access::tuple::decode_into(&newest.tuple, &support::COLUMNS, None, &mut values)
            .expect("ok");
        assert_eq!(values, row(12, "first"));
    });
}

#[test]
fn who_was_deleted_meanwhile_is_gone() {
    let first = |world: &World, tx: &mut Transaction, rel, place| {
        world.heap(rel).delete(tx, place).expect("delete");
    };
    second_meets_first(first, true, |outcome| assert!(matches!(outcome, Outcome::Gone)));
}

#[test]
fn who_waited_for_an_abort_goes_on() {
    let first = |world: &World, tx: &mut Transaction, rel, place| {
        world.heap(rel).update(tx, place, &row(1, "first")).expect("update");
    };
    second_meets_first(first, false, |outcome| assert!(matches!(outcome, Outcome::Done(_))));
}

#[test]
fn of_two_that_wait_for_each_other_one_is_told() {
    let world = World::new(64);
    let rel = world.table();
    let places = [one_row(&world, rel), one_row(&world, rel)];
    let work = |me: usize| {
        let mut tx = world.txn.begin();
        let heap = world.heap(rel);
        heap.update(&mut tx, places[me], &row(me as i32, "own")).expect("the own row is free");
        world.set_word(me, 1);
        world.await_word(1 - me, 1);
        match heap.update(&mut tx, places[1 - me], &row(9, "other")) {
            Ok(_) => drop(world.txn.commit(&mut tx, true).expect("commit")),
            Err(error) => {
                assert_eq!(error.sqlstate(), SqlState::DEADLOCK_DETECTED, "{error}");
                world.words[9].fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                world.txn.abort(&mut tx);
            }
        }
    };
    let (one, other) = (world.spawn(0, || work(0)), world.spawn(1, || work(1)));
    one.join();
    other.join();
    assert_eq!(world.word(9), 1);
}

#[test]
fn processes_that_insert_together_lose_nothing() {
    const PROCESSES: i32 = 4;
    const EACH: i32 = 2000;
    let world = World::new(128);
    let rel = world.table();
    let work = |me: i32| {
        let heap = world.heap(rel);
        for start in (0..EACH).step_by(100) {
            world.write(|tx| {
                if start % 200 == 0 {
                    let mut bulk = heap.bulk_insert();
                    for n in start..start + 100 {
                        bulk.push(tx, &row(me * EACH + n, "bulk")).expect("push");
                    }
                    bulk.finish(tx).expect("finish");
                } else {
                    for n in start..start + 100 {
                        heap.insert(tx, &row(me * EACH + n, "single")).expect("insert");
                    }
                }
            });
        }
    };
    let spawn = |me: i32| world.spawn(me as usize, move || work(me));
    let children: Vec<_> = (0..PROCESSES).map(spawn).collect();
    children.into_iter().for_each(support::Child::join);
    assert_eq!(world.numbers(rel), (0..PROCESSES * EACH).collect::<Vec<_>>());
}

/// Rows grow and shrink, so they move between pages in all directions, and pages are pruned while
/// others look for room on them.
#[test]
fn rows_that_move_between_pages_never_get_lost_or_stuck() {
    const ROWS: i32 = 40;
    const EACH: usize = 300;
    let world = World::new(64);
    let rel = world.table();
    world.write(|tx| {
        for n in 0..ROWS {
            world.heap(rel).insert(tx, &row(n, "start")).expect("insert");
        }
    });
    let work = |me: usize| {
        let mut noise = me as u64 + 1;
        let mut random = |limit: usize| {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (noise >> 33) as usize % limit
        };
        for _ in 0..EACH {
            let mut tx = world.txn.begin();
            let snapshot = world.txn.snapshot(&tx);
            let rows = world.rows_in(&tx, rel);
            assert_eq!(rows.len(), ROWS as usize, "every snapshot sees every row once");
            let (place, old) = rows[random(rows.len())].clone();
            let text = "m".repeat(random(1500));
            let moved = |old: &[Datum]| row(number(old), &text);
            let there = update_newest(&world, &mut tx, rel, place, old, moved).expect("update");
            assert!(there);
            drop(snapshot);
            world.access.end_statement().expect("map");
            if random(5) == 0 {
                world.access.end_statement().expect("map");
                world.txn.abort(&mut tx);
            } else {
                world.txn.commit(&mut tx, random(2) == 0).expect("commit");
            }
        }
    };
    let children: Vec<_> = (0..4).map(|me| world.spawn(me, move || work(me))).collect();
    children.into_iter().for_each(support::Child::join);
    assert_eq!(world.numbers(rel), (0..ROWS).collect::<Vec<_>>());
    let blocks = world.pool.nblocks(rel, types::Fork::Main).expect("blocks");
    assert!(blocks < 60, "{blocks} blocks for 40 rows");
}
