//! What a commit costs in forced writes, counted by strace: one for a client alone, shared among
//! many, none for an idle server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::client::Client;
use tests::scratch::Scratch;
use tests::server::Server;
use tests::setup::Setup;
use tests::skip::{have, skip, works};

/// A server under strace, and the file in which its forced writes gather.
struct Traced {
    server: Server,
    trace: PathBuf,
    _place: Scratch,
}

fn start(test: &str) -> Option<Traced> {
    if !have("strace") {
        skip(test, "strace is not installed");
        return None;
    }
    if !works(Command::new("strace").args(["-f", "-o", "/dev/null", "true"])) {
        skip(test, "strace may not trace here");
        return None;
    }
    let place = Scratch::new();
    let trace = place.join("trace");
    let mut words = vec!["strace", "-f"];
    if works(Command::new("strace").args(["-f", "--seccomp-bpf", "-o", "/dev/null", "true"])) {
        // Other system calls then run at full speed.
        words.push("--seccomp-bpf");
    }
    let path = trace.to_str().expect("plain text").to_owned();
    words.extend(["-e", "trace=fdatasync,fsync,sync_file_range,msync,sync,syncfs", "-o", &path]);
    let server = Setup::new().set("checkpoint_timeout", "1h").under(words).start();
    Some(Traced { server, trace, _place: place })
}

/// Forced writes so far.
fn forced(trace: &Path) -> usize {
    let text = std::fs::read_to_string(trace).expect("strace writes it");
    let calls = ["fdatasync(", "fsync(", "msync(", "sync(", "syncfs("];
    let is_call = |line: &&str| {
        let call = line.split_whitespace().nth(1).unwrap_or("");
        calls.iter().any(|name| call.starts_with(name))
    };
    text.lines().filter(is_call).count()
}

/// Waits until nothing has been forced for a while.
fn settled(trace: &Path) -> usize {
    let mut last = forced(trace);
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(500));
        let now = forced(trace);
        if now == last {
            return now;
        }
        last = now;
    }
    panic!("the server never comes to rest");
}

fn insert(client: &mut Client, count: usize) {
    for i in 0..count {
        client.ok(&format!("INSERT INTO t VALUES ({i})"));
    }
}

#[test]
fn one_client_alone_forces_once_for_each_commit() {
    let name = "one_client_alone_forces_once_for_each_commit";
    let Some(traced) = start(name) else { return };
    let mut client = traced.server.connect();
    client.ok("CREATE TABLE t (a int)");
    insert(&mut client, 10);
    let before = settled(&traced.trace);
    let commits = 500;
    insert(&mut client, commits);
    let forced = settled(&traced.trace) - before;
    assert!(forced.abs_diff(commits) * 100 <= commits * 2, "{forced} for {commits} commits");
}

#[test]
fn sixteen_clients_share_their_forced_writes() {
    let name = "sixteen_clients_share_their_forced_writes";
    let Some(traced) = start(name) else { return };
    traced.server.connect().ok("CREATE TABLE t (a int)");
    let mut clients: Vec<Client> = (0..16).map(|_| traced.server.connect()).collect();
    clients.iter_mut().for_each(|client| insert(client, 2));
    let before = settled(&traced.trace);
    let each = 100;
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(move || insert(client, each));
        }
    });
    let forced = settled(&traced.trace) - before;
    let commits = 16 * each;
    assert!(forced * 4 <= commits, "{forced} for {commits} commits");
}

#[test]
fn an_idle_server_forces_nothing() {
    let name = "an_idle_server_forces_nothing";
    let Some(traced) = start(name) else { return };
    let mut client = traced.server.connect();
    client.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1); SELECT * FROM t");
    let before = settled(&traced.trace);
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(forced(&traced.trace), before);
}

#[test]
fn reading_and_asynchronous_commits_do_not_wait_for_the_disk() {
    let name = "reading_and_asynchronous_commits_do_not_wait_for_the_disk";
    let Some(traced) = start(name) else { return };
    let mut client = traced.server.connect();
    client.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    client.ok("SELECT count(*) FROM t");
    let before = settled(&traced.trace);
    for _ in 0..200 {
        client.ok("SELECT count(*) FROM t");
    }
    assert_eq!(settled(&traced.trace), before, "reading");
    client.ok("SET synchronous_commit = off");
    insert(&mut client, 500);
    let asynchronous = settled(&traced.trace) - before;
    assert!(asynchronous >= 1, "the walwriter sees to it");
    assert!(asynchronous <= 50, "{asynchronous} for 500 asynchronous commits");
}
