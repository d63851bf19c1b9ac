//! What was acknowledged is there after a crash, whole; what was not is not. Stories of one crash
//! each; `crash` tells thousands at random.

use std::time::Duration;

use tests::client::Client;
use tests::clock::wait_until;
use tests::server::{Server, Stop};
use tests::setup::Setup;

const SOON: Duration = Duration::from_secs(20);

fn start() -> (Server, Client) {
    let server = Setup::new().set("checkpoint_timeout", "1h").allow_crashes().start();
    let client = server.connect();
    (server, client)
}

fn files(server: &Server) -> Vec<String> {
    let entries = std::fs::read_dir(server.data().join("base")).expect("base/ is there");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn what_was_acknowledged_survives_the_death_of_everything() {
    let (mut server, mut client) = start();
    client.ok("CREATE TABLE t (a int, b text)");
    client.ok("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')");
    client.ok("UPDATE t SET b = 'zwei' WHERE a = 2; DELETE FROM t WHERE a = 3");
    client.copy_in("COPY t FROM STDIN", ["4\tvier", "5\t\\N"]).expect("copied");
    client.ok("BEGIN; INSERT INTO t VALUES (6, 'never committed')");
    let expected = ["1\tone", "2\tzwei", "4\tvier", "5\t\\N"];
    server.kill();
    for _ in 0..3 {
        server.start_again();
        let mut rows = server.connect().copy_out("COPY t TO STDOUT");
        rows.sort();
        assert_eq!(rows, expected);
        server.kill();
    }
    server.start_again();
}

#[test]
fn nothing_of_an_unfinished_copy_is_there() {
    let (mut server, mut client) = start();
    client.ok("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'kept')");
    let mut copier = server.connect();
    copier.send("COPY t FROM STDIN").expect("sent");
    let row = format!("2\t{}\n", "x".repeat(500));
    copier.send_raw(row.repeat(5000).as_bytes()).expect("sent");
    // The rows are in the pages, and some of the pages on disk.
    client.ok("CHECKPOINT");
    let backends = tests::processes::of_kind(server.pid(), "backend");
    let mut client = server.crash(backends.last().expect("two run").pid);
    assert_eq!(client.rows("SELECT a, b FROM t"), [[Some("1".into()), Some("kept".into())]]);
    client.ok("INSERT INTO t VALUES (3, 'new')");
    server.kill();
    server.start_again();
    assert_eq!(server.connect().value("SELECT sum(a) FROM t"), "4");
}

#[test]
fn files_of_tables_that_were_never_committed_are_removed() {
    let (mut server, mut client) = start();
    client.ok("CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)");
    let before = files(&server);
    client.ok("BEGIN; CREATE TABLE new (a int); INSERT INTO new VALUES (1); TRUNCATE kept");
    client.ok("INSERT INTO kept VALUES (2)");
    assert_ne!(files(&server), before);
    server.kill();
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.value("SELECT a FROM kept"), "1");
    assert_eq!(client.fail("SELECT * FROM new").sqlstate, "42P01");
    assert_eq!(files(&server), before);
}

#[test]
fn files_of_dropped_tables_do_not_come_back() {
    let (mut server, mut client) = start();
    client.ok("CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)");
    let before = files(&server);
    client.ok("CREATE TABLE gone (a int); INSERT INTO gone VALUES (1)");
    client.ok("DROP TABLE gone");
    assert_eq!(files(&server), before);
    server.kill();
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.fail("SELECT * FROM gone").sqlstate, "42P01");
    assert_eq!(files(&server), before);
}

#[test]
fn redo_begins_at_the_checkpoint_and_old_segments_are_recycled() {
    let server = Setup::new().set("max_wal_size", "48MB").set("min_wal_size", "32MB").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text)");
    let row = format!("1\t{}", "x".repeat(1000));
    for _ in 0..12 {
        let rows = std::iter::repeat_n(row.as_str(), 10_000);
        client.copy_in("COPY t FROM STDIN", rows).expect("copied");
        client.ok("TRUNCATE t");
    }
    client.ok("CHECKPOINT");
    let entries = std::fs::read_dir(server.data().join("pg_wal")).expect("there");
    let names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    let segments = names.iter().filter(|n| n.len() == 24).count();
    assert!((1..=8).contains(&segments), "120 MB were written, {segments} segments: {names:?}");
    let written = client.number("SELECT wal_bytes FROM pg_stat_wal");
    assert!(written > 100 << 20, "{written}");
}

#[test]
fn asynchronous_commits_are_durable_after_three_delays() {
    let (mut server, mut client) = start();
    client.ok("CREATE TABLE t (a int)");
    client.ok("SET synchronous_commit = off");
    for i in 0..100 {
        client.ok(&format!("INSERT INTO t VALUES ({i})"));
    }
    std::thread::sleep(Duration::from_millis(700));
    server.kill();
    server.start_again();
    assert_eq!(server.connect().value("SELECT count(*) FROM t"), "100");
}

#[test]
fn a_checkpoint_ends_though_many_write() {
    let server = Setup::new().set("checkpoint_timeout", "1s").start();
    server.connect().ok("CREATE TABLE t (a int, n int)");
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                for i in 0..400 {
                    client.ok(&format!("INSERT INTO t VALUES ({worker}, {i})"));
                }
            });
        }
        let mut client = server.connect();
        for _ in 0..5 {
            client.set_patience(SOON).expect("set");
            client.ok("CHECKPOINT");
        }
    });
    let mut client = server.connect();
    assert_eq!(client.value("SELECT count(*) FROM t"), "1200");
    let requested = client.number("SELECT num_requested FROM pg_stat_checkpointer");
    assert!(requested >= 5, "{requested}");
    wait_until("checkpoints come by time, too", SOON, || {
        client.ok("INSERT INTO t VALUES (9, 9)");
        client.number("SELECT num_timed FROM pg_stat_checkpointer") >= 1
    });
}

#[test]
fn an_orderly_shutdown_needs_no_recovery() {
    let (mut server, mut client) = start();
    client.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    drop(client);
    server.stop(Stop::Fast);
    let before = server.log().len();
    server.start_again();
    let said = server.log().text_from(before);
    assert!(!said.contains("redo"), "{said}");
    assert_eq!(server.connect().value("SELECT a FROM t"), "1");
}

#[test]
fn a_torn_page_is_restored_from_its_image() {
    let (mut server, mut client) = start();
    client.ok("CREATE TABLE t (a int, b text)");
    let rows: Vec<String> = (0..500).map(|i| format!("{i}\t{}", "x".repeat(100))).collect();
    client.copy_in("COPY t FROM STDIN", rows.iter().map(String::as_str)).expect("copied");
    client.ok("CHECKPOINT");
    // The first change after the checkpoint logs each page whole; then the page is torn on disk.
    client.ok("UPDATE t SET b = 'new' WHERE a >= 0");
    let number = client.value("SELECT relfilenode FROM pg_class WHERE relname = 't'");
    let path = server.data().join("base").join(number);
    server.kill();
    let file = std::fs::File::options().write(true).open(&path).expect("there");
    for block in 0..4 {
        let torn = [0xEE; 4096];
        std::os::unix::fs::FileExt::write_all_at(&file, &torn, block * 8192 + 4096).expect("torn");
    }
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.value("SELECT count(*) FROM t WHERE b = 'new'"), "500");
}
