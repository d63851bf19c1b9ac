//! The command-line tool prints what is on disk, and survives what it cannot read.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::binary;
use tests::scratch::Scratch;
use tests::server::{Server, Stop};
use tests::setup::{Finished, run_to_end};

const LIMIT: Duration = Duration::from_secs(60);

/// Dumps the whole log, from its first segment on.
fn waldump(data: &Path) -> Finished {
    let mut command = Command::new(binary::mamont());
    command.arg("waldump").arg("-p").arg(data);
    if let Some(first) = segments(data).first().and_then(|path| path.file_name()) {
        command.arg(first);
    }
    run_to_end(&mut command, LIMIT)
}

fn controldata(data: &Path) -> Finished {
    let mut command = Command::new(binary::mamont());
    run_to_end(command.arg("controldata").arg(data), LIMIT)
}

/// The segments of the log, in order.
fn segments(data: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(data.join("pg_wal")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name.len() == 24));
    paths.sort();
    paths
}

fn stopped_server() -> Server {
    let mut server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    client.ok("UPDATE t SET a = 2; DELETE FROM t");
    server.stop(Stop::Fast);
    server
}

#[test]
fn waldump_prints_each_record() {
    let server = stopped_server();
    let done = waldump(server.data());
    assert!(done.status.success(), "{}", done.stderr);
    for word in ["COMMIT", "INSERT", "UPDATE", "DELETE", "CHECKPOINT"] {
        let found = done.stdout.to_uppercase().contains(word);
        assert!(found, "{word} is not in\n{}", done.stdout);
    }
}

#[test]
fn controldata_prints_the_control_file() {
    let server = stopped_server();
    let done = controldata(server.data());
    assert!(done.status.success(), "{}", done.stderr);
    let text = done.stdout.to_lowercase();
    for word in ["system identifier", "shut down", "redo", "wal_level"] {
        assert!(text.contains(word), "{word} is not in\n{}", done.stdout);
    }
}

#[test]
fn the_tools_read_while_the_server_writes() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int)");
    for i in 0..50 {
        client.ok(&format!("INSERT INTO t VALUES ({i})"));
        if i % 10 == 0 {
            let done = waldump(server.data());
            assert!(done.status.success(), "{}", done.stderr);
            assert!(controldata(server.data()).status.success());
        }
    }
}

#[test]
fn what_is_no_data_directory_is_an_error_and_no_panic() {
    let scratch = Scratch::new();
    for tool in [waldump, controldata] {
        for place in [scratch.path().to_owned(), scratch.join("missing")] {
            let done = tool(&place);
            assert!(!done.status.success());
            assert!(done.status.code() != Some(101), "{}", done.stderr);
            assert!(!done.stderr.is_empty());
        }
    }
}

#[test]
fn a_damaged_log_is_dumped_up_to_the_damage() {
    let server = stopped_server();
    let segments = segments(server.data());
    let first = segments.first().expect("one at least");
    let whole = waldump(server.data()).stdout.lines().count();
    let good = std::fs::read(first).expect("read");
    let mut last = whole;
    for at in [20_000, 9_000, 8_200, 100, 10] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(first, &bytes).expect("written");
        let done = waldump(server.data());
        assert!(done.status.code() != Some(101), "byte {at}: {}", done.stderr);
        let count = done.stdout.lines().count();
        assert!(count <= last, "byte {at}: {count} lines after {last}");
        last = count;
    }
    assert!(last < whole, "{last} of {whole}");
}
