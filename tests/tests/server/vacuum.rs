//! Statistics, vacuum and autovacuum of a running server: what an administrator sees of them.

use std::time::Duration;

use tests::client::Client;
use tests::clock::wait_until;
use tests::server::Stop;
use tests::setup::Setup;

const SOON: Duration = Duration::from_secs(30);

const COUNTS: &str = "SELECT n_tup_ins, n_tup_del, n_live_tup, n_dead_tup FROM pg_stat_user_tables";

fn texts(values: &[&str]) -> Vec<Vec<Option<String>>> {
    vec![values.iter().map(|value| Some((*value).to_owned())).collect()]
}

#[test]
fn counts_of_tables_survive_a_shutdown_and_begin_anew_after_a_crash() {
    let mut server = Setup::new().set("autovacuum", "false").allow_crashes().start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2), (3)");
    client.ok("DELETE FROM t WHERE n = 3");
    assert_eq!(client.rows(COUNTS), texts(&["3", "1", "2", "1"]));
    drop(client);
    server.stop(Stop::Fast);
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.rows(COUNTS), texts(&["3", "1", "2", "1"]));
    client.ok("INSERT INTO t VALUES (4)");
    drop(client);
    server.kill();
    server.start_again();
    assert_eq!(server.connect().rows(COUNTS), texts(&["0", "0", "0", "0"]));
}

/// A server whose autovacuum looks every second.
fn eager() -> Setup {
    Setup::new().set("autovacuum_naptime", "1s")
}

fn autovacuum_processes(client: &mut Client) -> Vec<String> {
    let query = "SELECT backend_type FROM pg_stat_activity WHERE backend_type LIKE 'autovacuum%'";
    client.rows(query).into_iter().filter_map(|mut row| row.pop().flatten()).collect()
}

#[test]
fn tables_are_vacuumed_and_analyzed_by_themselves() {
    let server = eager().set("log_autovacuum_min_duration", "0").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (n int, s text); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 3000) i");
    client.ok("DELETE FROM t WHERE n % 2 = 0");
    client.ok("CREATE TABLE quiet (n int); INSERT INTO quiet VALUES (1)");
    wait_until("the table is vacuumed and analyzed", SOON, || {
        let done = "SELECT count(*) FROM pg_stat_user_tables WHERE relname = 't' \
                    AND autovacuum_count > 0 AND autoanalyze_count > 0 AND n_dead_tup = 0";
        client.number(done) == 1
    });
    assert_eq!(client.value("SELECT reltuples FROM pg_class WHERE relname = 't'"), "1500");
    assert!(client.number("SELECT count(*) FROM pg_stats WHERE tablename = 't'") == 2);
    let quiet = "SELECT autovacuum_count + autoanalyze_count FROM pg_stat_user_tables WHERE relname = 'quiet'";
    assert_eq!(client.number(quiet), 0, "it needs nothing");
    wait_until("the log tells of it", SOON, || {
        let log = server.log().text();
        log.contains("automatic vacuum") && log.contains("public.t")
    });
}

#[test]
fn a_session_does_not_wait_for_autovacuum() {
    // So slow that it would take hours.
    let server = eager()
        .set("autovacuum_vacuum_cost_delay", "100ms")
        .set("autovacuum_vacuum_cost_limit", "1")
        .set("deadlock_timeout", "100ms")
        .start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (n int, s text)");
    client.ok("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i");
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' \
                AND query LIKE '%public.t'";
    wait_until("a worker is at it", SOON, || client.number(busy) == 1);
    client.ok("INSERT INTO t VALUES (0, 'writers go on'); SELECT count(*) FROM t WHERE n = 0");
    let mut other = server.connect();
    other.ok("TRUNCATE t");
    wait_until("the log tells of it", SOON, || {
        server.log().text().contains("canceling autovacuum task")
    });
}

#[test]
fn the_launcher_comes_and_goes_with_its_setting_and_dies_like_any_other() {
    let mut server = Setup::new().allow_crashes().start();
    let mut client = server.connect();
    assert_eq!(autovacuum_processes(&mut client), ["autovacuum launcher"]);
    let launcher = server.process("autovacuum");
    assert_eq!(launcher.title, "mamont: autovacuum launcher");
    let mut client = server.crash(launcher.pid);
    wait_until("another launcher runs", SOON, || !autovacuum_processes(&mut client).is_empty());
    drop(client);
    server.stop(Stop::Fast);
    server.setup_mut().change("autovacuum", "false");
    server.start_again();
    assert!(autovacuum_processes(&mut server.connect()).is_empty());
}
