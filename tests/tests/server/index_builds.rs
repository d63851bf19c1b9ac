//! CREATE INDEX on a table that does not fit into the memory allowed: what others see of it, and what
//! is left of it when its process is killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tests::client::Client;
use tests::clock::{wait_for, wait_until};
use tests::server::Server;
use tests::setup::Setup;

const SOON: Duration = Duration::from_secs(60);

const PROGRESS: &str = "SELECT pid, relid, index_relid, command, phase, blocks_total, blocks_done, \
                        tuples_total, tuples_done FROM pg_stat_progress_create_index";

/// A server with a table of many rows, sorted in little memory.
fn server() -> Server {
    let server = Setup::new()
        .set("maintenance_work_mem", "1MB")
        .set("autovacuum", "false")
        .allow_crashes()
        .start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (k int, s text)");
    client.ok(
        "INSERT INTO t SELECT i * 7919 % 200003, 'some text ' || i FROM generate_series(1, 200000) i",
    );
    server
}

fn number(row: &[Option<String>], at: usize) -> i64 {
    row[at].as_deref().and_then(|text| text.parse().ok()).expect("a number")
}

/// Files of sorts.
fn spilled(data: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(data.join("base/pgsql_tmp")) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Looks at the view while another session builds; notes the phases seen, which must make sense.
fn watch(client: &mut Client, table: i64, seen: &mut BTreeSet<(String, String)>) {
    let Some(row) = client.rows(PROGRESS).into_iter().next() else { return };
    let (total, done) = (number(&row, 5), number(&row, 6));
    let (entries, written) = (number(&row, 7), number(&row, 8));
    assert_eq!(number(&row, 1), table, "{row:?}");
    assert!(number(&row, 2) > table && done <= total && written <= entries, "{row:?}");
    let text = |at: usize| row[at].clone().expect("a text");
    let (command, phase) = (text(3), text(4));
    match phase.as_str() {
        "initializing" => assert_eq!((done, written), (0, 0), "{row:?}"),
        "building index: scanning table" => assert_eq!(written, 0, "{row:?}"),
        "building index: sorting live tuples" => assert_eq!((done, written), (total, 0), "{row:?}"),
        "building index: loading tuples in tree" => {
            assert_eq!((done, entries), (total, 200_000), "{row:?}");
        }
        _ => panic!("{row:?}"),
    }
    seen.insert((command, phase));
}

#[test]
fn others_see_how_far_it_is() {
    let server = server();
    let (mut watcher, mut builder) = (server.connect(), server.connect());
    let table = watcher.number("SELECT oid FROM pg_class WHERE relname = 't'");
    let mut seen = BTreeSet::new();
    let wanted = |seen: &BTreeSet<(String, String)>, command: &str| {
        ["scanning table", "loading tuples in tree"]
            .iter()
            .all(|part| seen.contains(&(command.to_owned(), format!("building index: {part}"))))
    };
    builder.ok("CREATE INDEX t_s ON t (s, k)");
    for (command, line) in [
        ("REINDEX", "REINDEX INDEX t_s"),
        ("CREATE INDEX", "DROP INDEX t_s; CREATE INDEX t_s ON t (s, k)"),
    ] {
        // One that is quick may pass between two looks.
        for _ in 0..10 {
            let build = builder.send(line);
            build.expect("sent");
            let pid = watcher.number("SELECT pg_backend_pid()");
            let busy = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> {pid} \
                 AND backend_type = 'client backend'"
            );
            while watcher.number(&busy) > 0 {
                watch(&mut watcher, table, &mut seen);
            }
            assert!(builder.read_reply().expect("a reply").is_ok());
            if wanted(&seen, command) {
                break;
            }
        }
        assert!(wanted(&seen, command), "{command}: {seen:?}");
    }
    assert_eq!(watcher.rows(PROGRESS), Vec::<Vec<_>>::new());
    assert_eq!(spilled(server.data()), Vec::<String>::new());
    watcher.ok("SELECT bt_index_check('t_s')");
}

#[test]
fn what_a_killed_build_has_spilled_is_removed() {
    let server = server();
    let mut builder = server.connect();
    let pid = builder.number("SELECT pg_backend_pid()") as i32;
    builder.send("CREATE INDEX t_s ON t (s, k)").expect("sent");
    let found = wait_for(SOON, || Some(spilled(server.data())).filter(|files| !files.is_empty()));
    assert!(found.is_some_and(|files| files[0].contains(&pid.to_string())), "it spills");
    let mut client = server.crash(pid);
    wait_until("its files are gone", SOON, || spilled(server.data()).is_empty());
    assert_eq!(client.number("SELECT count(*) FROM pg_class WHERE relname = 't_s'"), 0);
    client.ok("CREATE INDEX t_s ON t (s, k); SELECT bt_index_check('t_s')");
}
