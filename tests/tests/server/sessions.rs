//! Sessions end and are ended when they should, and no other than the one that was meant: by
//! another session, by their own idleness, by the loss of their client.

use std::time::{Duration, Instant};

use tests::client::Client;
use tests::clock::wait_until;
use tests::reply::End;
use tests::server::Server;

const LIMIT: Duration = Duration::from_secs(20);

fn pid(client: &mut Client) -> String {
    client.value("SELECT pg_backend_pid()")
}

fn sessions(witness: &mut Client) -> i64 {
    witness.number("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
}

/// The last words that a session says by itself.
fn last_words(client: &mut Client) -> (String, String) {
    match client.read_reply().expect("it says why").end {
        End::Fatal(problem) => (problem.sqlstate, problem.message),
        other => panic!("no FATAL: {other:?}"),
    }
}

#[test]
fn a_session_ends_another_one_and_can_wait_for_that() {
    let server = Server::start();
    let (mut a, mut idle, mut waiting) = (server.connect(), server.connect(), server.connect());
    a.ok("CREATE TABLE t (a int)");
    a.ok("BEGIN; LOCK t");
    let (idle_pid, waiting_pid) = (pid(&mut idle), pid(&mut waiting));
    waiting.send("SELECT a FROM t").expect("sent");
    let mut witness = server.connect();
    let blocked = "SELECT pid, pg_blocking_pids(pid) FROM pg_locks WHERE NOT granted";
    wait_until("it waits", LIMIT, || !witness.rows(blocked).is_empty());
    let own = pid(&mut a);
    assert_eq!(witness.rows(blocked), [[Some(waiting_pid.clone()), Some(format!("{{{own}}}"))]]);
    for (name, session) in [(idle_pid, &mut idle), (waiting_pid, &mut waiting)] {
        let ended = witness.value(&format!("SELECT pg_terminate_backend({name}, 10000)"));
        assert_eq!(ended, "t");
        let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {name}");
        assert_eq!(witness.number(&gone), 0, "it was waited for");
        let words = last_words(session);
        assert_eq!(words.0, "57P01", "{words:?}");
        let again = witness.ok(&format!("SELECT pg_terminate_backend({name})"));
        assert_eq!(again.rows(), [[Some("f".to_owned())]], "there is no such session any more");
        assert!(again.lines[0].contains(&format!("PID {name} is not a")), "{again:?}");
    }
    a.ok("COMMIT");
}

#[test]
fn only_sessions_are_ended_by_sessions() {
    let server = Server::start();
    let mut a = server.connect();
    for pid in [server.process("checkpointer").pid, server.pid(), std::process::id() as i32, 1] {
        for function in ["pg_cancel_backend", "pg_terminate_backend"] {
            assert_eq!(a.value(&format!("SELECT {function}({pid})")), "f", "{pid}");
        }
    }
    let problem = a.fail("SELECT pg_cancel_backend(pg_backend_pid())");
    assert_eq!(problem.sqlstate, "57014");
    let killed = a.fatal("SELECT pg_terminate_backend(pg_backend_pid())");
    assert_eq!(killed.sqlstate, "57P01");
}

#[test]
fn a_session_that_is_idle_for_too_long_is_ended() {
    let server = Server::start();
    let mut a = server.connect();
    let begin = Instant::now();
    a.ok("SET idle_session_timeout = '300ms'");
    let expected = ("57P05", "terminating connection due to idle-session timeout");
    assert_eq!(last_words(&mut a), (expected.0.to_owned(), expected.1.to_owned()));
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert!(a.at_end());

    let mut witness = server.connect();
    witness.ok("CREATE TABLE t (a int)");
    for (line, failed) in [("BEGIN; LOCK t", false), ("BEGIN; LOCK t; SELECT 1 / 0", true)] {
        let mut b = server.connect();
        b.ok("SET idle_in_transaction_session_timeout = '200ms'");
        std::thread::sleep(Duration::from_millis(300));
        b.send(line).expect("outside of a transaction it may be idle");
        let answered = b.read_reply().expect("answered");
        assert_eq!(answered.is_ok(), !failed, "{answered:?}");
        let expected = ("25P03", "terminating connection due to idle-in-transaction timeout");
        assert_eq!(last_words(&mut b), (expected.0.to_owned(), expected.1.to_owned()));
        witness.ok("BEGIN; LOCK t; COMMIT");
    }
}

#[test]
fn a_statement_whose_client_has_gone_ends() {
    let server = Server::start();
    let mut witness = server.connect();
    witness.ok("CREATE TABLE t (a int)");
    witness.ok("BEGIN; LOCK t");
    let endless = [
        "SELECT count(*) FROM generate_series(1, 1000000000000)",
        "SELECT pg_sleep(100000)",
        "SELECT a FROM t",
    ];
    for line in endless {
        let mut a = server.connect();
        a.ok("SET client_connection_check_interval = '50ms'");
        a.send(line).expect("sent");
        let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'";
        wait_until("it runs", LIMIT, || witness.number(active) == 2);
        drop(a);
        wait_until("it has ended", LIMIT, || sessions(&mut witness) == 1);
    }
}

#[test]
fn advisory_locks_go_with_a_session_that_is_killed_off_by_its_client() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok("SELECT pg_advisory_lock(1), pg_advisory_lock(2)");
    assert_eq!(b.value("SELECT pg_try_advisory_lock(1)"), "f");
    drop(a);
    b.ok("SELECT pg_advisory_lock(1)");
    assert_eq!(b.number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 1);
}

#[test]
fn log_min_messages_is_the_session_s_own() {
    let server = Server::start();
    let (mut loud, mut quiet) = (server.connect(), server.connect());
    loud.ok("SET log_min_messages = debug1");
    let (loud_pid, quiet_pid) = (pid(&mut loud), pid(&mut quiet));
    let mut witness = server.connect();
    drop((loud, quiet));
    wait_until("they have left", LIMIT, || sessions(&mut witness) == 1);
    let log = server.log().text();
    let told = |pid: &str| log.contains(&format!("[{pid}] disconnection: user="));
    assert!(told(&loud_pid) && !told(&quiet_pid), "{log}");
}
