//! Transactions are whole, isolated as READ COMMITTED says, and wait for one another only where they
//! must; DDL is part of them.

use std::time::{Duration, Instant};

use tests::client::Client;
use tests::clock::wait_until;
use tests::reply::Status;
use tests::server::Server;
use tests::setup::Setup;

fn files(server: &Server) -> Vec<String> {
    let entries = std::fs::read_dir(server.data().join("base")).expect("base/ is there");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Waits until a session waits for a lock or a transaction, as `pg_stat_activity` tells.
fn wait_for_waiter(witness: &mut Client, count: usize) {
    let query = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    wait_until("a session waits", Duration::from_secs(10), || witness.rows(query).len() == count);
}

#[test]
fn what_is_rolled_back_was_never_there() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'one'), (2, 'two')");
    a.ok("BEGIN; INSERT INTO t VALUES (3, 'three'); UPDATE t SET b = 'uno' WHERE a = 1");
    a.ok("DELETE FROM t WHERE a = 2");
    assert_eq!(a.copy_out("COPY t (b) TO STDOUT").len(), 2);
    assert_eq!(b.rows("SELECT b FROM t ORDER BY a"), [[Some("one".into())], [Some("two".into())]]);
    a.ok("ROLLBACK");
    assert_eq!(a.rows("SELECT b FROM t ORDER BY a"), [[Some("one".into())], [Some("two".into())]]);
}

#[test]
fn each_statement_sees_what_was_committed_before_it() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    b.ok("BEGIN");
    assert_eq!(b.value("SELECT sum(a) FROM t"), "1");
    a.ok("BEGIN; INSERT INTO t VALUES (10)");
    assert_eq!(b.value("SELECT sum(a) FROM t"), "1");
    a.ok("COMMIT");
    assert_eq!(b.value("SELECT sum(a) FROM t"), "11");
    b.ok("COMMIT");
}

#[test]
fn a_statement_does_not_see_its_own_changes() {
    let server = Server::start();
    let mut a = server.connect();
    a.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2), (3)");
    // Were new versions seen by the scan that makes them, this would not end.
    assert_eq!(a.ok("UPDATE t SET a = a + 1").tags, ["UPDATE 3"]);
    assert_eq!(a.value("SELECT sum(a) FROM t"), "9");
    let sum =
        a.ok("BEGIN; UPDATE t SET a = a + 1; UPDATE t SET a = a + 1; SELECT sum(a) FROM t; COMMIT");
    assert_eq!(sum.rows(), [[Some("15".to_owned())]]);
}

#[test]
fn a_second_writer_of_a_row_waits_and_then_goes_on_from_the_new_version() {
    let server = Server::start();
    let (mut a, mut b, mut witness) = (server.connect(), server.connect(), server.connect());
    a.ok("CREATE TABLE t (a int, n int); INSERT INTO t VALUES (1, 0), (2, 0)");
    a.ok("BEGIN; UPDATE t SET n = n + 1 WHERE a = 1");
    b.send("UPDATE t SET n = n + 10 WHERE a = 1").expect("sent");
    wait_for_waiter(&mut witness, 1);
    // Others are not held up, nor are readers.
    witness.ok("UPDATE t SET n = n + 100 WHERE a = 2");
    assert_eq!(witness.value("SELECT n FROM t WHERE a = 1"), "0");
    a.ok("COMMIT");
    assert_eq!(b.read_reply().expect("it goes on").tags, ["UPDATE 1"]);
    assert_eq!(witness.value("SELECT n FROM t WHERE a = 1"), "11");
}

#[test]
fn a_second_writer_looks_again_whether_the_row_still_qualifies() {
    let server = Server::start();
    let (mut a, mut b, mut witness) = (server.connect(), server.connect(), server.connect());
    a.ok("CREATE TABLE t (a int, n int); INSERT INTO t VALUES (1, 5)");
    for (first, second, tag) in [
        ("UPDATE t SET n = 6", "UPDATE t SET n = 7 WHERE n = 5", "UPDATE 0"),
        ("UPDATE t SET n = 5", "DELETE FROM t WHERE n = 6", "DELETE 0"),
        ("DELETE FROM t", "UPDATE t SET n = 7", "UPDATE 0"),
    ] {
        a.ok("BEGIN");
        a.ok(first);
        b.send(second).expect("sent");
        wait_for_waiter(&mut witness, 1);
        a.ok("COMMIT");
        assert_eq!(b.read_reply().expect("it goes on").tags, [tag], "{first}; {second}");
    }
}

#[test]
fn a_second_writer_goes_on_from_the_old_version_when_the_first_rolls_back() {
    let server = Server::start();
    let (mut a, mut b, mut witness) = (server.connect(), server.connect(), server.connect());
    a.ok("CREATE TABLE t (a int, n int); INSERT INTO t VALUES (1, 5)");
    a.ok("BEGIN; DELETE FROM t");
    b.send("UPDATE t SET n = n * 2").expect("sent");
    wait_for_waiter(&mut witness, 1);
    a.ok("ROLLBACK");
    assert_eq!(b.read_reply().expect("it goes on").tags, ["UPDATE 1"]);
    assert_eq!(witness.value("SELECT n FROM t"), "10");
}

#[test]
fn of_a_deadlock_one_is_told_and_the_other_goes_on() {
    let server = Setup::new().set("deadlock_timeout", "100ms").start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok("CREATE TABLE t (a int, n int); INSERT INTO t VALUES (1, 0), (2, 0)");
    a.ok("BEGIN; UPDATE t SET n = 1 WHERE a = 1");
    b.ok("BEGIN; UPDATE t SET n = 2 WHERE a = 2");
    a.send("UPDATE t SET n = 1 WHERE a = 2").expect("sent");
    let began = Instant::now();
    b.send("UPDATE t SET n = 2 WHERE a = 1").expect("sent");
    a.set_patience(Duration::from_secs(20)).expect("set");
    b.set_patience(Duration::from_secs(20)).expect("set");
    let (first, second) = (a.read_reply(), b.read_reply());
    let (first, second) = (first.expect("answered"), second.expect("answered"));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let errors: Vec<&str> = [&first, &second]
        .iter()
        .filter_map(|r| r.error.as_ref())
        .map(|e| e.sqlstate.as_str())
        .collect();
    assert_eq!(errors, ["40P01"], "{:?} {:?}", first.lines, second.lines);
    let (won, winner, loser) =
        if first.is_ok() { (1, &mut a, &mut b) } else { (2, &mut b, &mut a) };
    winner.ok("COMMIT");
    assert_eq!(loser.ok("COMMIT").tags, ["ROLLBACK"]);
    let sum = winner.number("SELECT sum(n) FROM t");
    assert_eq!(sum, 2 * won, "both rows have the winner's value");
}

#[test]
fn a_deadlock_of_three_over_tables_and_rows_is_found() {
    let server = Setup::new().set("deadlock_timeout", "100ms").start();
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    clients[0].ok("CREATE TABLE t (a int, n int); INSERT INTO t VALUES (1, 0)");
    clients[0].ok("CREATE TABLE u (a int); CREATE TABLE v (a int)");
    clients[0].ok("BEGIN; UPDATE t SET n = 1");
    clients[1].ok("BEGIN; TRUNCATE u");
    clients[2].ok("BEGIN; DROP TABLE v");
    clients[0].send("SELECT * FROM u").expect("sent");
    clients[1].send("SELECT * FROM v").expect("sent");
    clients[2].send("UPDATE t SET n = 3").expect("sent");
    for client in &clients {
        client.set_patience(Duration::from_secs(20)).expect("set");
    }
    // The victim's rollback lets one go on; each COMMIT lets the next.
    let mut victims = 0;
    let mut waiting: Vec<usize> = vec![0, 1, 2];
    while let Some(at) = waiting.iter().position(|&c| has_answer(&mut clients[c])) {
        let client = &mut clients[waiting.remove(at)];
        let reply = client.read_reply().expect("answered");
        victims += usize::from(reply.error.is_some_and(|e| e.sqlstate == "40P01"));
        client.ok("COMMIT");
    }
    assert_eq!((victims, waiting.len()), (1, 0));
}

/// Whether something comes within a few seconds.
fn has_answer(client: &mut Client) -> bool {
    let mut ready = nix::poll::PollFd::new(client.socket(), nix::poll::PollFlags::POLLIN);
    nix::poll::poll(std::slice::from_mut(&mut ready), 3000u16).expect("polled") > 0
}

#[test]
fn ddl_is_rolled_back_with_its_files() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok("CREATE TABLE old (a int); INSERT INTO old VALUES (1)");
    let before = files(&server);
    a.ok("BEGIN; CREATE TABLE new (a int); INSERT INTO new VALUES (1), (2)");
    assert_eq!(a.value("SELECT count(*) FROM new"), "2");
    assert_eq!(b.fail("SELECT * FROM new").sqlstate, "42P01");
    a.ok("DROP TABLE old");
    assert_eq!(a.fail("SELECT * FROM old").sqlstate, "42P01");
    a.ok("ROLLBACK");
    assert_eq!(a.fail("SELECT * FROM new").sqlstate, "42P01");
    assert_eq!(b.value("SELECT a FROM old"), "1");
    assert_eq!(files(&server), before);
}

#[test]
fn ddl_is_committed_whole() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok("CREATE TABLE old (a int); INSERT INTO old VALUES (1)");
    let reply =
        a.ok("BEGIN; DROP TABLE old; CREATE TABLE old (b text); INSERT INTO old VALUES ('x')");
    assert_eq!(reply.status(), Some(Status::Transaction));
    a.ok("COMMIT");
    assert_eq!(b.value("SELECT b FROM old"), "x");
    a.ok("DROP TABLE old");
    assert_eq!(b.fail("SELECT * FROM old").sqlstate, "42P01");
}

#[test]
fn truncate_is_rolled_back_and_committed() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)");
    let before = files(&server);
    a.ok("BEGIN; TRUNCATE t; INSERT INTO t VALUES (3)");
    assert_eq!(a.rows("SELECT a FROM t"), [[Some("3".to_owned())]]);
    a.ok("ROLLBACK");
    assert_eq!(b.value("SELECT sum(a) FROM t"), "3");
    assert_eq!(files(&server), before);
    a.ok("TRUNCATE t");
    assert_eq!(b.value("SELECT count(*) FROM t"), "0");
    assert_eq!(files(&server).len(), before.len(), "the old file is gone");
}

#[test]
fn dropping_waits_for_whoever_uses_the_table() {
    let server = Server::start();
    let (mut a, mut b, mut witness) = (server.connect(), server.connect(), server.connect());
    a.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    a.ok("BEGIN; SELECT * FROM t");
    b.send("DROP TABLE t").expect("sent");
    wait_for_waiter(&mut witness, 1);
    assert_eq!(a.value("SELECT count(*) FROM t"), "1");
    a.ok("COMMIT");
    assert_eq!(b.read_reply().expect("it goes on").tags, ["DROP TABLE"]);
    assert_eq!(witness.fail("SELECT * FROM t").sqlstate, "42P01");
}

#[test]
fn two_creators_of_one_name_end_with_one_table() {
    let server = Server::start();
    let (mut a, mut b, mut witness) = (server.connect(), server.connect(), server.connect());
    a.ok("BEGIN; CREATE TABLE t (a int)");
    b.send("CREATE TABLE t (b text)").expect("sent");
    wait_for_waiter(&mut witness, 1);
    a.ok("COMMIT");
    let error = b.read_reply().expect("it goes on").error.expect("the name is taken");
    assert_eq!(error.sqlstate, "42P07");
    assert_eq!(witness.value("SELECT count(*) FROM pg_class WHERE relname = 't'"), "1");
}

#[test]
fn many_writers_of_one_row_lose_no_update() {
    let server = Server::start();
    server.connect().ok("CREATE TABLE t (n int); INSERT INTO t VALUES (0)");
    let (threads, turns) = (8, 50);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut client = server.connect();
                for _ in 0..turns {
                    assert_eq!(client.ok("UPDATE t SET n = n + 1").tags, ["UPDATE 1"]);
                }
            });
        }
    });
    assert_eq!(server.connect().number("SELECT n FROM t"), threads * turns);
}
