//! VACUUM beside other sessions: tables written anew, empty ends cut off, and how large updates leave
//! a table that is vacuumed.

mod holey;
mod support;

use std::time::Duration;

use holey::{HOLEY, all_done, answers, number, pages};
use shmem::proc;
use support::{new_world, session};

#[test]
fn an_older_snapshot_sees_the_same_rows_after_a_vacuum_full() {
    let world = new_world(256);
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    all_done(&answers(&mut first, HOLEY));
    let sum = "SELECT sum(id) FROM t";
    let by_key = "SELECT n FROM t WHERE id = 500";
    let reader = world.spawn(1, || {
        let mut second = session(&world);
        answers(&mut second, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
        world.set_word(0, 1);
        world.await_word(1, 1);
        // It has not had the table yet, so nothing was in the way.
        assert_eq!(answers(&mut second, sum), ["ROW 50500", "OK SELECT 1"]);
        assert_eq!(answers(&mut second, by_key), ["ROW 3", "OK SELECT 1"]);
        answers(&mut second, "COMMIT");
        assert_eq!(answers(&mut second, sum), ["ROW 50000", "OK SELECT 1"]);
        assert_eq!(answers(&mut second, by_key), ["OK SELECT 0"]);
    });
    world.await_word(0, 1);
    assert_eq!(answers(&mut first, "DELETE FROM t WHERE id = 500"), ["OK DELETE 1"]);
    let before = pages(&mut first, "t");
    assert_eq!(answers(&mut first, "VACUUM FULL t"), ["OK VACUUM"]);
    assert!(pages(&mut first, "t") * 5 < before);
    world.set_word(1, 1);
    reader.join();
    assert_eq!(answers(&mut first, by_key), ["OK SELECT 0"]);
}

/// A session that has planned and inserted before does so again, in the new file.
#[test]
fn other_sessions_hear_of_the_new_file() {
    let world = new_world(256);
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    all_done(&answers(&mut first, HOLEY));
    let other = world.spawn(1, || {
        let mut second = session(&world);
        for round in 1..4 {
            let id = 2000 + round;
            let insert = format!("INSERT INTO t VALUES ({id}, 1, 'new')");
            assert_eq!(answers(&mut second, &insert), ["OK INSERT 0 1"]);
            let found = answers(&mut second, &format!("SELECT s FROM t WHERE id = {id}"));
            assert_eq!(found, ["ROW new", "OK SELECT 1"]);
            world.set_word(0, round);
            world.await_word(1, round);
        }
    });
    for round in 1..4 {
        world.await_word(0, round);
        assert_eq!(answers(&mut first, "VACUUM FULL t"), ["OK VACUUM"]);
        world.set_word(1, round);
    }
    other.join();
    assert_eq!(number(&mut first, "SELECT count(*) FROM t"), 103);
}

/// The end of the table is empty, and another session has the table for a while, then for longer.
#[test]
fn an_empty_end_is_given_back_when_nobody_has_the_table() {
    let world = new_world(512);
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    let fill = "CREATE TABLE t (id int PRIMARY KEY, s text); \
                INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 2000) i";
    all_done(&answers(&mut first, fill));
    let reader = world.spawn(1, || {
        let mut second = session(&world);
        // Where it inserts next is at the end.
        answers(&mut second, "INSERT INTO t VALUES (3000, 'x')");
        answers(&mut second, "BEGIN; SELECT count(*) FROM t");
        world.set_word(0, 1);
        world.await_word(1, 1);
        std::thread::sleep(Duration::from_millis(300));
        answers(&mut second, "COMMIT");
        world.await_word(1, 2);
        assert_eq!(answers(&mut second, "INSERT INTO t VALUES (3001, 'y')"), ["OK INSERT 0 1"]);
        assert_eq!(number(&mut second, "SELECT count(*) FROM t"), 101);
    });
    world.await_word(0, 1);
    assert_eq!(answers(&mut first, "DELETE FROM t WHERE id > 100"), ["OK DELETE 1901"]);
    let before = pages(&mut first, "t");
    world.set_word(1, 1);
    let told = answers(&mut first, "VACUUM VERBOSE t").join("\n");
    let after = pages(&mut first, "t");
    let text = format!("table \"t\": truncated {before} to {after} pages");
    assert!(told.contains(&text) && after * 10 < before, "{told}");
    assert_eq!(number(&mut first, "SELECT relpages FROM pg_class WHERE relname = 't'"), after);
    world.set_word(1, 2);
    reader.join();
    assert!(pages(&mut first, "t") <= after + 1, "the room in front is used");
}

/// A small storm: random rows are updated, one indexed column of two, with a vacuum now and then.
#[test]
fn updates_and_vacuums_leave_table_and_indexes_within_twice_their_least_size() {
    const ROWS: u64 = 2000;
    let world = new_world(512);
    let mut session = session(&world);
    all_done(&answers(
        &mut session,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int, s text); \
         INSERT INTO t SELECT i, i, i, 'row ' || i::text FROM generate_series(1, 2000) i; \
         CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b)",
    ));
    let mut state = 1_u64;
    let mut draw = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % ROWS + 1
    };
    for round in 0..10 {
        for _ in 0..ROWS {
            let (id, value) = (draw(), draw());
            let update = format!("UPDATE t SET a = {value} WHERE id = {id}");
            assert_eq!(answers(&mut session, &update), ["OK UPDATE 1"], "{round}");
        }
        assert_eq!(answers(&mut session, "VACUUM t"), ["OK VACUUM"]);
    }
    let relations = ["t", "t_pkey", "t_a", "t_b"];
    let grown = relations.map(|relation| pages(&mut session, relation));
    assert_eq!(answers(&mut session, "VACUUM FULL t"), ["OK VACUUM"]);
    let least = relations.map(|relation| pages(&mut session, relation));
    for ((relation, grown), least) in relations.iter().zip(grown).zip(least) {
        // A page more does not count where there are so few.
        assert!(grown <= 2 * least + 1, "{relation}: {grown} pages, at least {least}");
    }
    let count = "SELECT count(*), sum(id), sum(b) FROM t";
    assert_eq!(answers(&mut session, count), ["ROW 2000\t2001000\t2001000", "OK SELECT 1"]);
}
