//! A house of glass: what happens inside can be selected while it happens.

use std::time::Duration;

use tests::clock::wait_until;
use tests::server::Server;
use tests::setup::Setup;

#[test]
fn pg_stat_activity_shows_every_process_and_what_it_waits_for() {
    let server = Server::start();
    let (mut a, mut b, mut c) = (server.connect(), server.connect(), server.connect());
    a.ok("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    a.ok("BEGIN; UPDATE t SET n = 2");
    b.send("UPDATE t SET n = 3").expect("sent");
    let seen = "SELECT pid, backend_type, state, wait_event_type, wait_event FROM pg_stat_activity";
    wait_until("b waits for a, which rests", Duration::from_secs(10), || {
        let rows = c.rows(seen);
        let has = |at: usize, what: &str| rows.iter().any(|row| row[at].as_deref() == Some(what));
        has(3, "Lock") && has(2, "idle in transaction")
    });
    let rows = c.rows(seen);
    for process in server.processes() {
        let pid = process.pid.to_string();
        let row = rows.iter().find(|row| row[0].as_deref() == Some(&pid));
        let row = row.unwrap_or_else(|| panic!("{process:?} is not among {rows:?}"));
        let kind = row[1].as_deref().unwrap_or_default();
        assert!(kind.contains(process.kind()), "{row:?} is {process:?}");
    }
    let states: Vec<&str> = rows.iter().filter_map(|row| row[2].as_deref()).collect();
    for state in ["active", "idle in transaction"] {
        assert!(states.contains(&state), "{states:?}");
    }
    let waits: Vec<&str> = rows.iter().filter_map(|row| row[4].as_deref()).collect();
    for event in ["ClientRead", "transactionid"] {
        assert!(waits.contains(&event), "{waits:?}");
    }
    a.ok("ROLLBACK");
    b.read_reply().expect("it goes on");
}

#[test]
fn pg_buffercache_shows_what_each_buffer_holds() {
    let server =
        Setup::new().set("shared_buffers", "1MB").set("bgwriter_lru_maxpages", "0").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    assert_eq!(client.number("SELECT count(*) FROM pg_buffercache"), 128);
    let file = client.value("SELECT relfilenode FROM pg_class WHERE relname = 't'");
    let dirty = format!(
        "SELECT count(*) FROM pg_buffercache WHERE relfilenode = {file} AND isdirty AND relblocknumber = 0"
    );
    assert!(client.number(&dirty) >= 1);
    client.ok("CHECKPOINT");
    let main = format!("{dirty} AND relforknumber = 0");
    assert_eq!(client.number(&main), 0, "a checkpoint leaves nothing dirty");
}

#[test]
fn counters_count() {
    let server = Setup::new().set("shared_buffers", "128kB").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text)");
    let records = client.number("SELECT wal_records FROM pg_stat_wal");
    let done = client.number("SELECT num_requested FROM pg_stat_checkpointer");
    let row = format!("1\t{}", "x".repeat(1000));
    client.copy_in("COPY t FROM STDIN", std::iter::repeat_n(row.as_str(), 2000)).expect("copied");
    client.ok("CHECKPOINT");
    assert!(client.number("SELECT wal_records FROM pg_stat_wal") > records);
    assert_eq!(client.number("SELECT num_requested FROM pg_stat_checkpointer"), done + 1);
    let reply = client.ok("SELECT * FROM pg_stat_bgwriter");
    let names: Vec<&str> = reply.sets[0].columns.iter().map(|c| c.name.as_str()).collect();
    assert!(names.contains(&"buffers_backend"), "{names:?}");
    let written = client.number("SELECT buffers_backend + buffers_clean FROM pg_stat_bgwriter");
    assert!(written > 0, "2 MB went through 16 buffers");
}

#[test]
fn positions_in_the_log_move_forward_and_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int)");
    let mut last = String::new();
    for i in 0..20 {
        client.ok(&format!("INSERT INTO t VALUES ({i})"));
        let query =
            "SELECT pg_current_wal_flush_lsn(), pg_current_wal_lsn(), pg_current_wal_insert_lsn()";
        let row: Vec<String> = client.rows(query).remove(0).into_iter().flatten().collect();
        let positions: Vec<u64> = row.iter().map(|text| lsn(text)).collect();
        assert!(positions.is_sorted(), "flush <= write <= insert: {row:?}");
        assert!(last.is_empty() || lsn(&row[0]) > lsn(&last), "a commit was flushed since {last}");
        last = row[0].clone();
    }
}

fn lsn(text: &str) -> u64 {
    let (high, low) = text.split_once('/').expect("two halves");
    let half = |digits| u64::from_str_radix(digits, 16).expect("hexadecimal");
    half(high) << 32 | half(low)
}

#[test]
fn pg_settings_shows_every_setting_of_the_file() {
    let server = Setup::new().set("shared_buffers", "2MB").start();
    let mut client = server.connect();
    let rows = client.rows("SELECT name, setting, unit, context FROM pg_settings");
    let file = std::fs::read_to_string(server.data().join("mamont.toml")).expect("there");
    let names = file.lines().filter_map(|line| line.strip_prefix('#')?.split_once(" = "));
    for (name, _) in names.filter(|(name, _)| !name.contains(' ')) {
        assert!(rows.iter().any(|row| row[0].as_deref() == Some(name)), "{name} is not shown");
    }
    assert_eq!(client.value("SHOW shared_buffers"), "2MB");
    let context = client.value("SELECT context FROM pg_settings WHERE name = 'shared_buffers'");
    assert_eq!(context, "postmaster");
}

#[test]
fn explain_tells_the_plan_and_runs_nothing() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let reply = client.ok("EXPLAIN DELETE FROM t WHERE a = 1");
    let text: Vec<String> = reply.rows().into_iter().flatten().flatten().collect();
    assert!(text.iter().any(|line| line.contains("Scan on t")), "{text:?}");
    assert_eq!(client.value("SELECT count(*) FROM t"), "1");
}
