//! The daemon's life: start, reload, the three shutdowns, and what happens when any of its processes
//! dies.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use tests::binary;
use tests::clock::wait_until;
use tests::processes::{is_alive, signal, title, wait_gone};
use tests::scratch::Scratch;
use tests::server::{Server, Stop};
use tests::setup::{Setup, run_to_end};
use tests::skip::{have, is_root, skip, works};

const SOON: Duration = Duration::from_secs(20);

/// The POSIX segments that name this server: `/dev/shm/mamont…`, the seventh line of its pid file.
fn segment(server: &Server) -> std::path::PathBuf {
    let text = std::fs::read_to_string(server.pid_file()).expect("it runs");
    let name = text.lines().nth(6).expect("the pid file has eight lines").trim_start_matches('/');
    std::path::Path::new("/dev/shm").join(name)
}

#[test]
fn every_process_of_the_design_runs_under_its_title() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("SELECT 1");
    for kind in ["checkpointer", "bgwriter", "walwriter"] {
        assert!(server.process(kind).title.starts_with(&format!("mamont: {kind}")));
    }
    assert!(server.process("backend").title.contains(" 127.0.0.1("));
    wait_until("the title tells the state", SOON, || {
        server.process("backend").title.ends_with(" idle")
    });
    client.ok("BEGIN");
    wait_until("the title tells the state", SOON, || {
        server.process("backend").title.ends_with("idle in transaction")
    });
    let postmaster = title(server.pid()).expect("it runs");
    assert!(postmaster.contains("postmaster") || postmaster.starts_with("mamont"), "{postmaster}");
    drop(client);
    wait_until("the backend ends with its client", SOON, || server.processes().len() == 4);
}

#[test]
fn a_second_postmaster_on_the_same_directory_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int)");
    let second = Setup::new().run_to_end(server.data());
    assert!(!second.status.success());
    let pid = server.pid().to_string();
    assert!(second.stderr.contains(&pid), "it says who is there: {}", second.stderr);
    // The first has not noticed anything.
    client.ok("INSERT INTO t VALUES (1)");
    assert!(segment(&server).exists());
}

#[test]
fn a_postmaster_is_refused_while_a_child_of_a_dead_one_lives() {
    // A stopped child cannot die of its parent's death until it goes on... except by SIGKILL, which
    // is what it gets: so the lock is held for only a moment, and the next start waits it out.
    let mut server = Setup::new().allow_crashes().start();
    let child = server.process("bgwriter").pid;
    signal(child, Signal::SIGSTOP);
    signal(server.pid(), Signal::SIGKILL);
    server.wait_ended(SOON);
    server.start_again();
    assert!(!is_alive(child));
    server.connect().ok("SELECT 1");
}

#[test]
fn what_a_killed_server_leaves_behind_is_cleaned_up() {
    let mut server = Setup::new().allow_crashes().start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    for _ in 0..3 {
        let stale = segment(&server);
        server.kill();
        assert!(server.pid_file().exists(), "SIGKILL leaves the pid file");
        server.start_again();
        assert!(segment(&server).exists());
        assert!(!stale.exists() || stale == segment(&server), "{} is still there", stale.display());
    }
    assert_eq!(server.connect().value("SELECT a FROM t"), "1");
    let last = segment(&server);
    server.stop(Stop::Fast);
    assert!(!server.pid_file().exists());
    assert!(!last.exists());
}

#[test]
fn a_pid_file_full_of_nonsense_is_no_obstacle() {
    let mut server = Server::start();
    server.allow("postmaster.pid");
    server.stop(Stop::Fast);
    for text in ["", "\n", "0\n", "-1\n", "99999999999\n", "1\n/\n", "\u{0}\u{1}", "mammoth\n\n\n"]
    {
        std::fs::write(server.pid_file(), text).expect("written");
        server.start_again();
        server.connect().ok("SELECT 1");
        server.stop(Stop::Fast);
    }
}

#[test]
fn smart_shutdown_waits_for_the_sessions() {
    let mut server = Server::start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int)");
    signal(server.pid(), Signal::SIGTERM);
    wait_until("new sessions are refused", SOON, || server.try_connect().is_err());
    let refusal = server.connect().ask("").map(|r| r.problem().map(|p| p.sqlstate.clone()));
    if let Ok(code) = refusal {
        assert_eq!(code.as_deref(), Some("57P03"));
    }
    client.ok("INSERT INTO t VALUES (1)");
    assert!(is_alive(server.pid()));
    drop(client);
    assert!(server.wait_ended(SOON).success());
    server.start_again();
    assert_eq!(server.connect().value("SELECT a FROM t"), "1");
    assert!(!server.log().text().contains("not properly shut down"));
}

#[test]
fn fast_shutdown_ends_the_sessions_in_order() {
    let mut server = Server::start();
    let (mut idle, mut busy) = (server.connect(), server.connect());
    idle.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    busy.ok("BEGIN; INSERT INTO t VALUES (2)");
    let began = Instant::now();
    assert!(server.stop(Stop::Fast).success());
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for client in [&mut idle, &mut busy] {
        let last = client.read_reply().expect("a last line");
        assert_eq!(last.problem().map(|p| p.sqlstate.as_str()), Some("57P01"));
        assert!(client.at_end());
    }
    server.start_again();
    assert_eq!(server.connect().value("SELECT sum(a) FROM t"), "1");
}

#[test]
fn immediate_shutdown_is_recovered_from() {
    let mut server = Setup::new().allow_crashes().start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    client.ok("BEGIN; INSERT INTO t VALUES (2)");
    let began = Instant::now();
    server.stop(Stop::Immediate);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    server.start_again();
    assert_eq!(server.connect().value("SELECT sum(a) FROM t"), "1");
}

#[test]
fn a_stronger_shutdown_overtakes_a_weaker_one() {
    let mut server = Server::start();
    let _client = server.connect_patiently();
    signal(server.pid(), Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(200));
    assert!(is_alive(server.pid()));
    assert!(server.stop(Stop::Fast).success());
}

#[test]
fn when_the_postmaster_dies_all_are_gone_within_a_second() {
    let mut server = Setup::new().allow_crashes().start();
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.ok("SELECT 1");
    }
    wait_until("four and five backends", SOON, || server.processes().len() == 9);
    let pids: Vec<i32> = server.processes().iter().map(|p| p.pid).collect();
    signal(server.pid(), Signal::SIGKILL);
    let left = wait_gone(&pids, Duration::from_secs(1));
    assert_eq!(left, [0; 0]);
    server.wait_ended(SOON);
    server.start_again();
}

/// A child dies by SIGKILL: the others are ended, the server recovers by itself and serves again.
fn server_survives_the_death_of(kind: &str) {
    let mut server = Setup::new().allow_crashes().start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let mut busy = server.connect();
    busy.ok("BEGIN; INSERT INTO t VALUES (2)");
    let before = server.processes();
    let target = before.iter().find(|p| p.kind() == kind).expect("it runs").pid;
    signal(target, Signal::SIGKILL);
    let pids: Vec<i32> = before.iter().map(|p| p.pid).collect();
    assert_eq!(wait_gone(&pids, SOON), [0; 0], "all are ended");
    let mut client = server.connect_patiently();
    assert_eq!(client.value("SELECT sum(a) FROM t"), "1");
    client.ok("INSERT INTO t VALUES (10)");
    for kind in ["checkpointer", "bgwriter", "walwriter"] {
        server.process(kind);
    }
    assert!(server.has_ended().is_none());
    assert!(server.stop(Stop::Fast).success());
}

#[test]
fn the_server_survives_the_death_of_a_backend() {
    server_survives_the_death_of("backend");
}

#[test]
fn the_server_survives_the_death_of_the_checkpointer() {
    server_survives_the_death_of("checkpointer");
}

#[test]
fn the_server_survives_the_death_of_the_bgwriter() {
    server_survives_the_death_of("bgwriter");
}

#[test]
fn the_server_survives_the_death_of_the_walwriter() {
    server_survives_the_death_of("walwriter");
}

#[test]
fn without_restart_after_crash_the_server_ends() {
    let mut server = Setup::new().set("restart_after_crash", "off").allow_crashes().start();
    signal(server.process("walwriter").pid, Signal::SIGKILL);
    assert!(!server.wait_ended(SOON).success());
    server.start_again();
    server.connect().ok("SELECT 1");
}

#[test]
fn systemd_is_told_when_the_server_is_ready_reloads_and_stops() {
    let scratch = Scratch::new();
    let path = scratch.join("notify");
    let socket = UnixDatagram::bind(&path).expect("bound");
    socket.set_read_timeout(Some(SOON)).expect("set");
    let next = || {
        let mut bytes = [0; 4096];
        let count = socket.recv(&mut bytes).expect("a message in time");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let until = |word: &str| {
        for _ in 0..20 {
            let text = next();
            if text.lines().any(|line| line == word) {
                return text;
            }
        }
        panic!("no {word} came");
    };
    let mut server = Setup::new().environment("NOTIFY_SOCKET", path.clone()).start();
    until("READY=1");
    signal(server.pid(), Signal::SIGHUP);
    let reloading = until("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    until("READY=1");
    server.stop(Stop::Fast);
    until("STOPPING=1");
}

#[test]
fn the_systemd_unit_is_sound() {
    let name = "the_systemd_unit_is_sound";
    if !have("systemd-analyze") {
        return skip(name, "systemd-analyze is not installed");
    }
    let unit = binary::workspace().join("config/mamont.service");
    let text = std::fs::read_to_string(&unit).expect("the unit is in config/");
    for line in ["Type=notify", "ExecReload=", "-HUP"] {
        assert!(text.contains(line), "{line}");
    }
    // The program it names is not installed here: ours stands in for it.
    let scratch = Scratch::new();
    let ours = binary::postmaster().to_str().expect("a path of plain text");
    let with_ours: Vec<String> = text.lines().map(|line| with_program(line, ours)).collect();
    let copy = scratch.join("mamont.service");
    std::fs::write(&copy, with_ours.join("\n") + "\n").expect("written");
    let mut verify = Command::new("systemd-analyze");
    let done = run_to_end(verify.arg("verify").arg(&copy), Duration::from_secs(60));
    let complaints: Vec<&str> =
        done.stderr.lines().filter(|line| line.contains("mamont.service")).collect();
    assert!(done.status.success() && complaints.is_empty(), "{}", done.stderr);
}

fn with_program(line: &str, program: &str) -> String {
    match line.strip_prefix("ExecStart=") {
        Some(command) => {
            let arguments = command.split_once(' ').map_or("", |(_, rest)| rest);
            format!("ExecStart={program} {arguments}")
        }
        None => line.to_owned(),
    }
}

#[test]
fn sessions_come_over_the_unix_socket_too() {
    let mut server = Server::start();
    let mut client = server.connect_unix();
    assert_eq!(client.value("SELECT 1 AS one"), "1");
    let path = server.socket();
    server.stop(Stop::Fast);
    assert!(!path.exists());
}

#[test]
fn an_empty_address_means_the_unix_socket_alone() {
    let scratch = Scratch::new();
    let directory = scratch.path().to_str().expect("plain text").to_owned();
    let data = scratch.join("d");
    let setup = Setup::new()
        .set("listen_addresses", "")
        .set("unix_socket_directory", &directory)
        .set("port", "7432");
    let mut child = setup.command(&data).spawn().expect("started");
    let path = scratch.join(".s.PGSQL.7432");
    let answered = tests::clock::wait_for(SOON, || {
        let mut client = tests::client::Client::unix(&path).ok()?;
        client.ask("SELECT 1").ok().filter(|reply| reply.is_ok())
    });
    signal(child.id() as i32, Signal::SIGINT);
    let ended = tests::clock::wait_for(SOON, || child.try_wait().expect("ours"));
    let _ = child.kill();
    assert!(answered.is_some() && ended.is_some());
}

#[test]
fn a_full_shared_memory_file_system_is_named() {
    let name = "a_full_shared_memory_file_system_is_named";
    let mut trial = Command::new("unshare");
    if !is_root() || !works(trial.args(["-m", "mount", "-t", "tmpfs", "t", "/dev/shm"])) {
        return skip(name, "it needs root and a mount namespace of its own");
    }
    let scratch = Scratch::new();
    let script = "mount -t tmpfs -o size=16m t /dev/shm && exec \"$@\"";
    let small = Setup::new().under(["unshare", "-m", "sh", "-c", script, "sh"]);
    let refused = small.clone().set("shared_buffers", "64MB").run_to_end(&scratch.join("d"));
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("/dev/shm"), "{}", refused.stderr);
    // With less it starts, in the same place.
    let server = small.set("shared_buffers", "128kB").set("max_connections", "5").start();
    server.connect().ok("SELECT 1");
}
