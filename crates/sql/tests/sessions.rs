//! Two sessions at the same rows: waiting, looking again, deadlock, cancellation, disconnection.
//!
//! One session runs here, the other in a forked process; they meet at numbered points in shared
//! memory.

mod support;

use std::time::Duration;

use shmem::proc;
use sql::Session;
use support::world::World;
use support::{Client, new_world, session};

/// A world with a table `t (a int, b text)` of three rows.
fn world() -> World {
    let world = new_world(64);
    let mut session = session(&world);
    let mut client = Client::default();
    let made = client.send(
        &mut session,
        "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')",
    );
    assert_eq!(made.last().map(String::as_str), Some("READY idle"), "{made:?}");
    world
}

/// Sends a line and answers the reply without `COLUMNS` and `READY`.
fn answers(session: &mut Session, line: &str) -> Vec<String> {
    let mut reply = Client::default().send(session, line);
    reply.retain(|line| !line.starts_with("COLUMNS") && !line.starts_with("READY"));
    reply
}

/// Waits until the process with that slot waits for a lock or a transaction.
fn await_waiting(world: &World, slot: usize) {
    let waits = || world.procs[slot].wait_event().type_name() == "Lock";
    for _ in 0..5000 {
        if waits() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it does not wait");
}

#[test]
fn an_update_looks_again_at_the_newest_version() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    assert_eq!(
        answers(&mut first, "BEGIN; UPDATE t SET a = a + 10 WHERE a < 3"),
        ["OK BEGIN", "OK UPDATE 2"]
    );
    let other = world.spawn(1, || {
        let mut second = session(&world);
        // Of the rows that it saw as 1, 2 and 3 only 3 still satisfies the condition.
        let changed = answers(&mut second, "UPDATE t SET b = 'second' WHERE a < 5 RETURNING a");
        assert_eq!(changed, ["ROW 3", "OK UPDATE 1"]);
        let deleted = answers(&mut second, "DELETE FROM t WHERE a = 12");
        assert_eq!(deleted, ["OK DELETE 1"]);
    });
    await_waiting(&world, 1);
    assert_eq!(answers(&mut first, "COMMIT"), ["OK COMMIT"]);
    other.join();
    let rows = answers(&mut first, "SELECT a, b FROM t ORDER BY a");
    assert_eq!(rows, ["ROW 3\tsecond", "ROW 11\tx", "OK SELECT 2"]);
}

#[test]
fn what_an_index_has_looked_up_is_looked_at_again_too() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "CREATE UNIQUE INDEX ON t (a); CREATE INDEX ON t (b)");
    let plan = answers(&mut first, "EXPLAIN (COSTS off) UPDATE t SET b = 'second' WHERE a = 1");
    assert!(plan.iter().any(|line| line.contains("Index Cond: (a = 1)")), "{plan:?}");
    answers(&mut first, "BEGIN; UPDATE t SET a = a + 10 WHERE a < 3");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        let changed = answers(&mut second, "UPDATE t SET b = 'second' WHERE a = 1");
        assert_eq!(changed, ["OK UPDATE 0"]);
        let deleted = answers(&mut second, "DELETE FROM t WHERE a = 2 OR a = 12");
        assert_eq!(deleted, ["OK DELETE 1"]);
    });
    await_waiting(&world, 1);
    answers(&mut first, "COMMIT");
    other.join();
    let rows = answers(&mut first, "SELECT a, b FROM t WHERE a > 0 ORDER BY a");
    assert_eq!(rows, ["ROW 3\tz", "ROW 11\tx", "OK SELECT 2"]);
}

#[test]
fn who_inserts_a_key_waits_for_the_other_and_gets_it_or_23505() {
    for (end, answer) in [
        (
            "COMMIT",
            "ERROR 23505 duplicate key value violates unique constraint \"u_pkey\"\tdetail=Key (id)=(1) already exists.",
        ),
        ("ROLLBACK", "OK INSERT 0 1"),
        ("DELETE FROM u WHERE id = 1; COMMIT", "OK INSERT 0 1"),
        ("UPDATE u SET id = 2 WHERE id = 1; COMMIT", "OK INSERT 0 1"),
    ] {
        let world = world();
        proc::attach(world.procs, 0);
        let mut first = session(&world);
        answers(&mut first, "CREATE TABLE u (id int PRIMARY KEY, who text)");
        answers(&mut first, "BEGIN; INSERT INTO u VALUES (1, 'first')");
        let other = world.spawn(1, || {
            let inserted = answers(&mut session(&world), "INSERT INTO u VALUES (1, 'second')");
            assert_eq!(inserted, [answer], "{end}");
        });
        await_waiting(&world, 1);
        answers(&mut first, end);
        other.join();
    }
}

#[test]
fn an_upsert_waits_for_the_row_in_its_way_and_goes_on_from_what_that_has_become() {
    for (end, answers_) in [
        ("COMMIT", ["ROW 1\t11", "OK INSERT 0 1"]),
        ("ROLLBACK", ["ROW 1\t1", "OK INSERT 0 1"]),
        ("UPDATE u SET n = 100; COMMIT", ["ROW 1\t101", "OK INSERT 0 1"]),
        ("UPDATE u SET id = 2; COMMIT", ["ROW 1\t1", "OK INSERT 0 1"]),
    ] {
        let world = world();
        proc::attach(world.procs, 0);
        let mut first = session(&world);
        answers(&mut first, "CREATE TABLE u (id int PRIMARY KEY, n int)");
        answers(&mut first, "BEGIN; INSERT INTO u VALUES (1, 10)");
        let other = world.spawn(1, || {
            let upsert = "INSERT INTO u AS old VALUES (1, 1) ON CONFLICT (id) \
                          DO UPDATE SET n = old.n + excluded.n RETURNING id, n";
            assert_eq!(answers(&mut session(&world), upsert), answers_, "{end}");
        });
        await_waiting(&world, 1);
        answers(&mut first, end);
        other.join();
    }
}

#[test]
fn two_who_insert_each_others_keys_are_a_deadlock() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "CREATE TABLE u (id int PRIMARY KEY)");
    answers(&mut first, "BEGIN; INSERT INTO u VALUES (1)");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        answers(&mut second, "BEGIN; INSERT INTO u VALUES (2)");
        let inserted = answers(&mut second, "INSERT INTO u VALUES (1)");
        world.set_word(0, u64::from(inserted[0].starts_with("ERROR 40P01")) + 1);
        answers(&mut second, "ROLLBACK");
    });
    await_waiting(&world, 1);
    let inserted = answers(&mut first, "INSERT INTO u VALUES (2)");
    let told = inserted[0].starts_with("ERROR 40P01");
    answers(&mut first, "ROLLBACK");
    other.join();
    assert!(told || world.word(0) == 2, "{inserted:?}");
}

#[test]
fn a_kept_plan_hears_of_a_new_index_and_of_one_that_is_gone() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    let ask = |session: &mut Session| {
        for id in [1, 2, 3, 1] {
            let rows = answers(session, &format!("SELECT a FROM t WHERE a = {id}"));
            assert_eq!(rows, [format!("ROW {id}"), "OK SELECT 1".to_owned()]);
        }
    };
    ask(&mut first);
    for change in ["CREATE UNIQUE INDEX i ON t (a)", "REINDEX TABLE t", "DROP INDEX i"] {
        let other = world.spawn(1, || {
            assert!(answers(&mut session(&world), change)[0].starts_with("OK"), "{change}");
        });
        other.join();
        ask(&mut first);
    }
}

#[test]
fn an_update_computes_from_the_newest_version() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "BEGIN; UPDATE t SET a = a + 100 WHERE a = 1");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        let changed = answers(&mut second, "UPDATE t SET a = a + 1 WHERE b = 'x' RETURNING a, b");
        assert_eq!(changed, ["ROW 102\tx", "OK UPDATE 1"]);
    });
    await_waiting(&world, 1);
    answers(&mut first, "COMMIT");
    other.join();
}

#[test]
fn repeatable_read_sees_one_moment_and_changes_nothing_that_came_later() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        answers(&mut second, "UPDATE t SET b = 'later' WHERE a = 1; DELETE FROM t WHERE a = 2");
        answers(&mut second, "INSERT INTO t VALUES (4, 'later')");
    });
    other.join();
    answers(&mut first, "UPDATE t SET b = 'mine' WHERE a = 3");
    let rows = answers(&mut first, "SELECT a, b FROM t ORDER BY a");
    assert_eq!(rows, ["ROW 1\tx", "ROW 2\ty", "ROW 3\tmine", "OK SELECT 3"]);
    let refused = answers(&mut first, "UPDATE t SET b = 'mine' WHERE a = 1");
    assert_eq!(refused, ["ERROR 40001 could not serialize access due to concurrent update"]);
    answers(&mut first, "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    let other = world.spawn(1, || {
        answers(&mut session(&world), "DELETE FROM t WHERE a = 1");
    });
    other.join();
    let refused = answers(&mut first, "DELETE FROM t WHERE a = 1");
    assert_eq!(refused, ["ERROR 40001 could not serialize access due to concurrent delete"]);
    let rows = answers(&mut first, "ROLLBACK; SELECT a, b FROM t ORDER BY a");
    assert_eq!(rows, ["OK ROLLBACK", "ROW 3\tz", "ROW 4\tlater", "OK SELECT 2"]);
}

#[test]
fn a_snapshot_older_than_an_index_does_not_read_by_it() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "CREATE INDEX ON t (b)");
    answers(&mut first, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        answers(&mut second, "UPDATE t SET a = a + 100");
        answers(&mut second, "CREATE UNIQUE INDEX ON t (a)");
    });
    other.join();
    let rows = answers(&mut first, "SELECT a FROM t WHERE a = 2");
    assert_eq!(rows, ["ROW 2", "OK SELECT 1"]);
    answers(&mut first, "COMMIT");
    let plan = answers(&mut first, "EXPLAIN (COSTS off) SELECT a FROM t WHERE a = 102");
    assert!(plan[0].contains("Index Only Scan using t_a_idx"), "{plan:?}");
}

/// The story: an update changed a parent's column before that was a key, and so let KEY SHARE in. A
/// snapshot from before it took the old version for a parent: its row referred to nothing.
#[test]
fn a_foreign_key_younger_than_the_snapshot_is_looked_up_as_things_are_now() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "CREATE TABLE parent (id int, k int); CREATE TABLE child (k int)");
    answers(&mut first, "INSERT INTO parent VALUES (1, 1), (2, 5)");
    let begun =
        answers(&mut first, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT a FROM t WHERE a = 1");
    assert_eq!(begun.last().map(String::as_str), Some("OK SELECT 1"));
    let other = world.spawn(1, || {
        let mut second = session(&world);
        let line = "UPDATE parent SET k = 2 WHERE id = 1; CREATE UNIQUE INDEX ON parent (k); \
                    ALTER TABLE child ADD FOREIGN KEY (k) REFERENCES parent (k)";
        let done = answers(&mut second, line);
        assert_eq!(done, ["OK UPDATE 1", "OK CREATE INDEX", "OK ALTER TABLE"]);
    });
    other.join();
    assert_eq!(
        answers(&mut first, "SAVEPOINT s; INSERT INTO child VALUES (5)"),
        ["OK SAVEPOINT", "OK INSERT 0 1"]
    );
    let refused = answers(&mut first, "INSERT INTO child VALUES (1)");
    assert!(refused[0].starts_with("ERROR 23503"), "{refused:?}");
}

#[test]
fn what_was_rolled_back_was_never_there() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "BEGIN; DELETE FROM t WHERE a = 1");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        let before = answers(&mut second, "SELECT count(*) FROM t");
        assert_eq!(before, ["ROW 3", "OK SELECT 1"]);
        let changed = answers(&mut second, "UPDATE t SET b = 'kept' WHERE a = 1");
        assert_eq!(changed, ["OK UPDATE 1"]);
    });
    await_waiting(&world, 1);
    first.rollback_on_disconnect();
    other.join();
    let rows = answers(&mut first, "SELECT b FROM t WHERE a = 1");
    assert_eq!(rows, ["ROW kept", "OK SELECT 1"]);
}

#[test]
fn of_two_that_wait_for_each_other_one_is_told_40p01() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "BEGIN; UPDATE t SET b = 'first' WHERE a = 1");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        answers(&mut second, "SET deadlock_timeout = '1d'");
        answers(&mut second, "BEGIN; UPDATE t SET b = 'second' WHERE a = 2");
        world.set_word(0, 1);
        let changed = answers(&mut second, "UPDATE t SET b = 'second' WHERE a = 1; COMMIT");
        assert_eq!(changed, ["OK UPDATE 1", "OK COMMIT"]);
    });
    world.await_word(0, 1);
    await_waiting(&world, 1);
    answers(&mut first, "SET LOCAL deadlock_timeout = '10ms'");
    let told = answers(&mut first, "UPDATE t SET b = 'first' WHERE a = 2");
    assert!(told[0].starts_with("ERROR 40P01 deadlock detected"), "{told:?}");
    other.join();
    let refused = answers(&mut first, "SELECT 1");
    assert!(refused[0].starts_with("ERROR 25P02 "), "{refused:?}");
}

#[test]
fn ddl_waits_and_plans_are_made_anew() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "PREPARE p AS SELECT * FROM t WHERE a = $1");
    answers(&mut first, "SELECT * FROM t WHERE a = 1");
    answers(&mut first, "BEGIN; SELECT * FROM t WHERE a = 1");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        let done = answers(
            &mut second,
            "DROP TABLE t; CREATE TABLE t (b text, a bigint); INSERT INTO t VALUES ('new', 1)",
        );
        assert_eq!(done, ["OK DROP TABLE", "OK CREATE TABLE", "OK INSERT 0 1"]);
    });
    await_waiting(&world, 1);
    answers(&mut first, "COMMIT");
    other.join();
    for line in ["EXECUTE p(1)", "SELECT * FROM t WHERE a = 1"] {
        assert_eq!(answers(&mut first, line), ["ROW new\t1", "OK SELECT 1"], "{line}");
    }
}

#[test]
fn a_statement_can_be_cancelled_and_a_session_ended() {
    let world = world();
    let child = world.spawn(1, || {
        let mut session = session(&world);
        world.set_word(0, 1);
        let told = answers(&mut session, "SELECT pg_sleep(100)");
        assert!(told[0].starts_with("ERROR 57014 "), "{told:?}");
        assert_eq!(answers(&mut session, "SELECT 1"), ["ROW 1", "OK SELECT 1"]);
        world.set_word(0, 2);
        let told = answers(&mut session, "SELECT count(*) FROM generate_series(1, 100000000000)");
        assert!(told[0].starts_with("FATAL 57P01 "), "{told:?}");
        assert_eq!(told[1], "(the session is ended)");
    });
    for (word, signal) in
        [(1, nix::sys::signal::Signal::SIGINT), (2, nix::sys::signal::Signal::SIGTERM)]
    {
        world.await_word(0, word);
        std::thread::sleep(Duration::from_millis(50));
        sys::process::kill(child.pid, signal).expect("it lives");
    }
    child.join();
}

#[test]
fn explain_counts_what_its_own_session_did() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    let explain = "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS, WAL)";
    // Another process writes while this session sleeps; none of that is this session's.
    let other = world.spawn(1, || {
        let line = "INSERT INTO t SELECT g, 'other' FROM generate_series(1, 500) g";
        assert_eq!(answers(&mut session(&world), line), ["OK INSERT 0 500"]);
        world.set_word(0, 1);
    });
    let plan = answers(&mut first, &format!("{explain} SELECT pg_sleep(0.5)"));
    assert_eq!(world.word(0), 1, "the other was to be done by now");
    assert!(!plan.iter().any(|line| line.contains("WAL:")), "{plan:?}");
    other.join();
    let plan = answers(&mut first, &format!("{explain} INSERT INTO t VALUES (9, 'mine')"));
    let wal = plan.iter().find(|line| line.contains("WAL:")).expect("it wrote");
    assert!(wal.starts_with("ROW   WAL: records=1 "), "{wal}");
    let plan = answers(&mut first, &format!("{explain} SELECT count(*) FROM t"));
    assert!(plan.iter().any(|line| line.contains("Buffers: shared hit=")), "{plan:?}");
    assert!(!plan.iter().any(|line| line.contains("WAL:")), "{plan:?}");
}

#[test]
fn a_client_that_goes_away_in_its_copy_leaves_nothing() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    let mut client = Client::default();
    client.data.extend((0..5000).map(|number| format!("{number}\tcopied")));
    let reply = client.send(&mut first, "COPY t FROM STDIN");
    assert_eq!(reply, ["COPYIN", "(the connection is closed)"]);
    let mut second = session(&world);
    let count = answers(&mut second, "SELECT count(*) FROM t");
    assert_eq!(count, ["ROW 3", "OK SELECT 1"]);
}

#[test]
fn many_rows_go_in_and_come_back_identical() {
    let world = new_world(16);
    proc::attach(world.procs, 0);
    let mut one = session(&world);
    answers(&mut one, "CREATE TABLE words (n int NOT NULL, word text, code bytea)");
    let rows: Vec<String> = (0..30_000)
        .map(|n| format!("{n}\tword \\\\ {n} ä\\t{}\t\\\\x{:08x}", n * 7919 % 1000, n))
        .collect();
    let mut client = Client::default();
    client.data.extend(rows.iter().cloned());
    client.data.push_back("\\.".to_owned());
    let reply = client.send(&mut one, "COPY words FROM STDIN");
    assert_eq!(reply, ["COPYIN", "OK COPY 30000", "READY idle"]);
    let mut out = client.send(&mut one, "COPY words TO STDOUT");
    assert_eq!(out.pop().as_deref(), Some("READY idle"));
    assert_eq!(out.pop().as_deref(), Some("OK COPY 30000"));
    assert!(out.iter().zip(&rows).all(|(out, row)| out.strip_prefix("ROW ") == Some(row)));
    assert_eq!(out.len(), rows.len());
}

#[test]
fn statements_follow_what_alter_table_does_elsewhere() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "PREPARE p AS INSERT INTO t (a) VALUES ($1) RETURNING *");
    for line in ["SELECT * FROM t WHERE a = 1", "EXECUTE p(4)", "UPDATE t SET b = 'u' WHERE a = 1"]
    {
        answers(&mut first, line);
    }
    let other = world.spawn(1, || {
        let mut second = session(&world);
        let line = "ALTER TABLE t ADD c int DEFAULT 7 CHECK (c < 10), DROP b; \
                    ALTER TABLE t ADD CHECK (a < 100)";
        assert_eq!(answers(&mut second, line), ["OK ALTER TABLE", "OK ALTER TABLE"]);
    });
    other.join();
    assert_eq!(answers(&mut first, "SELECT * FROM t WHERE a = 1"), ["ROW 1\t7", "OK SELECT 1"]);
    assert_eq!(answers(&mut first, "EXECUTE p(5)"), ["ROW 5\t7", "OK INSERT 0 1"]);
    let told = answers(&mut first, "EXECUTE p(500)");
    assert!(told[0].starts_with("ERROR 23514 "), "{told:?}");
    let told = answers(&mut first, "UPDATE t SET b = 'u' WHERE a = 1");
    assert!(told[0].starts_with("ERROR 42703 "), "{told:?}");
}

#[test]
fn what_alter_table_checks_holds_for_rows_that_its_snapshot_does_not_see() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        assert_eq!(answers(&mut second, "INSERT INTO t VALUES (NULL, 'new')"), ["OK INSERT 0 1"]);
    });
    other.join();
    assert_eq!(answers(&mut first, "SELECT count(*) FROM t"), ["ROW 3", "OK SELECT 1"]);
    let told = answers(&mut first, "ALTER TABLE t ALTER a SET NOT NULL");
    assert!(told[0].starts_with("ERROR 23502 "), "{told:?}");
}

/// Each mode asked for while another session has each mode, as in the manual's table.
#[test]
fn lock_table_conflicts_as_the_manual_says() {
    const MODES: [&str; 8] = [
        "ACCESS SHARE",
        "ROW SHARE",
        "ROW EXCLUSIVE",
        "SHARE UPDATE EXCLUSIVE",
        "SHARE",
        "SHARE ROW EXCLUSIVE",
        "EXCLUSIVE",
        "ACCESS EXCLUSIVE",
    ];
    const CONFLICTS: [&str; 8] = [
        ".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX",
        "XXXXXXXX",
    ];
    let world = world();
    let other = world.spawn(1, || {
        let mut second = session(&world);
        for (step, held) in MODES.iter().enumerate() {
            answers(&mut second, &format!("BEGIN; LOCK t IN {held} MODE"));
            world.set_word(0, 2 * step as u64 + 1);
            world.await_word(0, 2 * step as u64 + 2);
            answers(&mut second, "COMMIT");
        }
    });
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    for (step, row) in CONFLICTS.iter().enumerate() {
        world.await_word(0, 2 * step as u64 + 1);
        for (wanted, cell) in MODES.iter().zip(row.chars()) {
            let line = format!("BEGIN; LOCK TABLE t IN {wanted} MODE NOWAIT; ROLLBACK");
            let told = answers(&mut first, &line);
            answers(&mut first, "ROLLBACK");
            let expected = match cell {
                'X' => "ERROR 55P03 could not obtain lock on relation \"t\"",
                _ => "OK LOCK TABLE",
            };
            assert_eq!(told[1], expected, "{wanted} while {} is held", MODES[step]);
        }
        world.set_word(0, 2 * step as u64 + 2);
    }
    other.join();
}

#[test]
fn a_wait_ends_by_lock_timeout_or_by_statement_timeout() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "BEGIN; UPDATE t SET b = 'first' WHERE a = 1");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        let by_lock = "ERROR 55P03 canceling statement due to lock timeout";
        let by_statement = "ERROR 57014 canceling statement due to statement timeout";
        let lines = ["UPDATE t SET b = 'second' WHERE a = 1", "TRUNCATE t"];
        for (settings, expected) in [
            ("SET lock_timeout = '30ms'; SET statement_timeout = 0", by_lock),
            ("SET lock_timeout = 0; SET statement_timeout = '30ms'", by_statement),
            ("SET lock_timeout = '1d'; SET statement_timeout = '30ms'", by_statement),
            ("SET lock_timeout = '30ms'; SET statement_timeout = '1d'", by_lock),
        ] {
            answers(&mut second, settings);
            for line in lines {
                assert_eq!(answers(&mut second, line), [expected], "{settings}; {line}");
            }
        }
        assert_eq!(proc::me().heavy_lock_count.load(std::sync::atomic::Ordering::Relaxed), 0);
        answers(&mut second, "SET lock_timeout = '30ms'; SET statement_timeout = 0");
        let other_row = answers(&mut second, "UPDATE t SET b = 'second' WHERE a = 2");
        assert_eq!(other_row, ["OK UPDATE 1"], "what needs no wait has no limit");
    });
    other.join();
    assert_eq!(answers(&mut first, "COMMIT"), ["OK COMMIT"]);
}

#[test]
fn advisory_locks_are_between_sessions() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "SELECT pg_advisory_lock(1), pg_advisory_lock_shared(2)");
    let other = world.spawn(1, || {
        let mut second = session(&world);
        let try_all = "SELECT pg_try_advisory_lock(1), pg_try_advisory_lock_shared(1), \
                       pg_try_advisory_xact_lock(2), pg_try_advisory_xact_lock_shared(2), \
                       pg_try_advisory_lock(0, 1)";
        assert_eq!(answers(&mut second, try_all), ["ROW f\tf\tf\tt\tt", "OK SELECT 1"]);
        let limited = "SET lock_timeout = '20ms'; SELECT pg_advisory_lock(1)";
        let told = answers(&mut second, limited);
        assert_eq!(told[1], "ERROR 55P03 canceling statement due to lock timeout");
        answers(&mut second, "SET lock_timeout = 0");
        world.set_word(1, 1);
        let told = answers(&mut second, "SELECT pg_advisory_lock(1)");
        assert_eq!(told, ["ROW ", "OK SELECT 1"]);
        let rows = "SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND objid = 1";
        world.set_word(0, 1);
        assert_eq!(answers(&mut second, rows).len(), 3, "its own two");
        second.rollback_on_disconnect();
    });
    world.await_word(1, 1);
    await_waiting(&world, 1);
    let waits = answers(
        &mut first,
        "SELECT locktype, mode, objid, waitstart <= clock_timestamp() FROM pg_locks WHERE NOT granted",
    );
    assert_eq!(waits, ["ROW advisory\tExclusiveLock\t1\tt", "OK SELECT 1"]);
    assert_eq!(world.procs[1].wait_event().name(), "advisory");
    // A rollback does not let it go; the unlock does.
    answers(&mut first, "BEGIN; SELECT 1 / 0");
    answers(&mut first, "ROLLBACK");
    assert_eq!(world.word(0), 0);
    assert_eq!(answers(&mut first, "SELECT pg_advisory_unlock(1)"), ["ROW t", "OK SELECT 1"]);
    other.join();
    let left = answers(&mut first, "SELECT objid FROM pg_locks WHERE locktype = 'advisory'");
    assert_eq!(left, ["ROW 2", "OK SELECT 1"], "the other's went with its session");
    first.rollback_on_disconnect();
}

#[test]
fn advisory_locks_fill_the_table_and_say_so() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    let lock = "SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 100000) g";
    let told = answers(&mut first, lock);
    assert_eq!(
        told,
        ["ERROR 53200 out of shared memory\t\
          hint=You might need to increase max_locks_per_transaction."]
    );
    let held = proc::me().heavy_lock_count.load(std::sync::atomic::Ordering::Relaxed);
    assert!(held >= 64, "{held}: the slot counts also what it has no room for");
    let told = answers(&mut first, "SELECT count(*) FROM t");
    assert!(told[0].starts_with("ERROR 53200 "), "no table can be locked either: {told:?}");
    answers(&mut first, "SELECT pg_advisory_unlock_all()");
    assert_eq!(proc::me().heavy_lock_count.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(answers(&mut first, "SELECT count(*) FROM t"), ["ROW 3", "OK SELECT 1"]);
}

#[test]
fn a_deadlock_of_advisory_locks_is_told_as_postgresql_tells_it() {
    let world = world();
    proc::attach(world.procs, 0);
    let mut first = session(&world);
    answers(&mut first, "SET deadlock_timeout = '1d'; SELECT pg_advisory_lock(1)");
    let pid = sys::process::pid();
    let other = world.spawn(1, || {
        let mut second = session(&world);
        answers(&mut second, "SET deadlock_timeout = '20ms'; SELECT pg_advisory_lock(2, 3)");
        world.set_word(0, 1);
        await_waiting(&world, 0);
        let told = answers(&mut second, "SELECT pg_advisory_xact_lock_shared(1)");
        let own = sys::process::pid();
        let detail = format!(
            "Process {own} waits for ShareLock on advisory lock [5,0,1,1]; blocked by process \
             {pid}.\\nProcess {pid} waits for ExclusiveLock on advisory lock [5,2,3,2]; blocked by \
             process {own}."
        );
        assert!(told[0].starts_with("ERROR 40P01 deadlock detected\tdetail="), "{told:?}");
        assert!(told[0].contains(&detail), "{told:?}");
        second.rollback_on_disconnect();
    });
    world.await_word(0, 1);
    let locked = answers(&mut first, "SELECT pg_advisory_lock(2, 3)");
    assert_eq!(locked, ["ROW ", "OK SELECT 1"]);
    other.join();
    first.rollback_on_disconnect();
}
