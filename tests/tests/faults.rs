//! Faults of the disk, each named for what it is, and a sample of the runs of `just faults`.
//!
//! They need `postmaster-faults`; `scripts/test.sh` builds it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tests::client::Client;
use tests::clock::wait_until;
use tests::faults::case::Scene;
use tests::faults::counter::Counter;
use tests::faults::sweep::{Order, sweep};
use tests::faults::template::setup;
use tests::scratch::Scratch;
use tests::server::{Server, Stop};
use tests::setup::Setup;
use tests::skip;

/// A server whose operations of a kind fail from when the test says so, once or forever.
fn server(op: &str, class: &str, fault: &str, times: &str) -> (Server, Counter) {
    let scratch = Scratch::in_memory();
    let counter = Counter::create(&scratch.join("counter"));
    let plan = format!(
        "op={op},class={class},fault={fault},nth={NEVER},times={times},counter={}",
        counter.path().display()
    );
    let data = scratch.join("d");
    (setup().environment("MAMONT_FAULT", plan).start_in(scratch, data), counter)
}

/// An operation of a number that none reaches by itself.
const NEVER: u64 = 1_000_000_000;

/// The line ends the session; the server says `why`, recovers, and goes on.
fn crashes(server: &Server, counter: &Counter, session: &mut Client, line: &str, why: &str) {
    counter.next_is(NEVER);
    let reply = session.ask(line);
    assert!(!reply.is_ok_and(|reply| reply.is_ok()), "{line} was answered over a failed sync");
    wait_until("the server has recovered", Duration::from_secs(20), || {
        let log = server.log().text();
        log.rfind("PANIC").is_some_and(|at| log.rfind("ready to accept") > Some(at))
    });
    let log = server.log().text();
    assert!(log.contains(why), "{why} is not in the log:\n{log}");
}

/// A sync that failed for the files of a new relation is not tried again: another could succeed and
/// have written nothing.
#[test]
fn a_failed_sync_of_a_new_relations_file_is_a_panic() {
    let (server, counter) = server("sync", "data", "EIO", "once");
    let mut session = server.connect();
    session.ok("CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)");
    session.ok("BEGIN");
    session.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    crashes(&server, &counter, &mut session, "COMMIT", "could not sync the files of new relations");
    let mut session = server.connect();
    assert_eq!(session.value("SELECT a FROM kept"), "1");
    assert_eq!(session.fail("SELECT * FROM t").sqlstate, "42P01");
    session.ok("CREATE TABLE t (a int)");
}

/// The name of a new relation's file is durable before the commit is answered, or there is none.
#[test]
fn a_failed_sync_of_the_directory_of_a_new_relation_is_a_panic() {
    let (server, counter) = server("syncdir", "data", "EIO", "once");
    let mut session = server.connect();
    session.ok("BEGIN");
    session.ok("CREATE TABLE t (a int)");
    crashes(&server, &counter, &mut session, "COMMIT", "could not sync the files of new relations");
    assert_eq!(server.connect().fail("SELECT * FROM t").sqlstate, "42P01");
}

/// Nobody knows after it which slot is durable; a second try could write over the only good one.
#[test]
fn a_failed_sync_of_the_control_file_is_a_panic() {
    let (server, counter) = server("sync", "control", "EIO", "once");
    let mut session = server.connect();
    session.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    crashes(&server, &counter, &mut session, "CHECKPOINT", "could not sync the control file");
    assert_eq!(server.connect().value("SELECT a FROM t"), "1");
}

/// The name of a segment was synced again when its first sync had failed, and taken for durable.
#[test]
fn a_failed_sync_of_the_directory_of_the_log_is_a_panic() {
    let (server, counter) = server("syncdir", "wal", "EIO", "once");
    let mut session = server.connect();
    session.ok("CREATE TABLE t (a int, b text)");
    counter.next_is(NEVER);
    let row = format!("1\t{}", "x".repeat(1000));
    for _ in 0..40 {
        if session.copy_in("COPY t FROM STDIN", (0..1000).map(|_| row.as_str())).is_err() {
            break;
        }
        // The walwriter may have been the one.
        if server.log().text().contains("PANIC") {
            break;
        }
    }
    wait_until("a PANIC and a recovery", Duration::from_secs(20), || {
        let log = server.log().text();
        let panic = log.rfind("could not sync the directory of the log");
        panic.is_some_and(|at| log.rfind("ready to accept") > Some(at))
    });
}

/// An error of a segment that is made ahead kept the walwriter from flushing at all: asynchronous
/// commits were never made durable.
#[test]
fn a_segment_that_cannot_be_made_does_not_keep_asynchronous_commits_from_the_disk() {
    let (mut server, counter) = server("extend", "wal", "EIO", "forever");
    let mut session = server.connect();
    session.ok("CREATE TABLE t (a int, b text)");
    counter.next_is(NEVER);
    let row = format!("1\t{}", "x".repeat(1000));
    // Until one more segment is wanted, and cannot be had.
    for _ in 0..40 {
        if counter.made() > 0 {
            break;
        }
        session.copy_in("COPY t FROM STDIN", (0..1000).map(|_| row.as_str())).expect("answered");
    }
    assert!(counter.made() > 0, "no segment was wanted");
    session.ok("SET synchronous_commit = off");
    session.ok("INSERT INTO t VALUES (-1, 'asynchronous')");
    std::thread::sleep(Duration::from_millis(400));
    counter.end();
    server.kill();
    server.start_again();
    assert_eq!(server.connect().value("SELECT count(*) FROM t WHERE a = -1"), "1");
}

/// Fills the disk with rows until a statement fails, and says how many rows were acknowledged.
fn fill(session: &mut Client) -> i64 {
    let row = "x".repeat(1000);
    let mut rows = session.number("SELECT count(*) FROM t");
    loop {
        let reply = session.copy_in("COPY t FROM STDIN", (0..500).map(|_| row.as_str()));
        let reply = reply.expect("the server lives");
        match reply.problem() {
            None => rows += 500,
            Some(problem) => {
                assert_eq!(problem.sqlstate, "53100", "{problem}");
                return rows;
            }
        }
    }
}

/// Changes rows until it is the log that has no room.
fn fill_log(session: &mut Client) {
    for _ in 0..1000 {
        let reply = session.ask("UPDATE s SET n = n + 1").expect("the server lives");
        let Some(problem) = reply.problem() else { continue };
        assert_eq!(problem.sqlstate, "53100", "{problem}");
        if problem.message.contains("write-ahead log") {
            return;
        }
    }
    panic!("the log has room for ever");
}

/// A file system of its own that is really full, because one seam cannot show what the kernel does.
#[test]
fn a_server_whose_disk_is_full_goes_on_by_itself_when_there_is_room() {
    let scratch = Scratch::new();
    let place = scratch.join("m");
    std::fs::create_dir(&place).expect("ours");
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=150m,mode=0755", "tmpfs"]).arg(&place);
    if !skip::is_root() || !skip::works(&mut mount) {
        skip::skip("a full disk", "only root may mount a small file system, where it may at all");
        return;
    }
    let _mounted = Mounted(place.clone());
    let ballast = place.join("ballast");
    std::fs::write(&ballast, vec![0; 30 << 20]).expect("there is room yet");
    let mut server = setup().set("shared_buffers", "1MB").start_in(scratch, place.join("d"));
    let mut session = server.connect();
    session.ok("CREATE TABLE t (b text); CREATE TABLE s (n int, b text)");
    let row = format!("0\t{}", "x".repeat(1000));
    let copied = session.copy_in("COPY s FROM STDIN", (0..200).map(|_| row.as_str()));
    assert!(copied.is_ok_and(|reply| reply.is_ok()), "the disk is empty yet");
    let mut rows = fill(&mut session);
    assert!(rows > 10_000, "{rows} rows filled it");
    // Nothing is half there, and what needs no room works.
    assert_eq!(session.number("SELECT count(*) FROM t"), rows);
    for _ in 0..3 {
        fill_log(&mut session);
        // The checkpoint has its reserve, and makes room of old segments.
        session.ok("CHECKPOINT");
        session.ok("DELETE FROM s WHERE n < 0");
        // Rows that failed have left room, once nobody can see them.
        rows = fill(&mut session);
    }
    fill_log(&mut session);
    // Recovery has what it needs, and so has a shutdown.
    server.kill();
    std::fs::write(place.join("more"), vec![0; 64 << 20]).expect_err("the disk is full");
    server.start_again();
    assert_eq!(server.connect().number("SELECT count(*) FROM t"), rows);
    assert!(server.stop(Stop::Fast).success(), "the last checkpoint needs no room");
    server.start_again();
    let mut session = server.connect();
    rows = fill(&mut session);
    for name in ["ballast", "more"] {
        std::fs::remove_file(place.join(name)).expect("it is there");
    }
    assert!(fill(&mut session) > rows, "there is room again, and nobody had to say so");
    session.ok("CREATE TABLE u (a int); DROP TABLE t; CHECKPOINT");
    assert!(server.stop(Stop::Fast).success());
    assert!(!server.log().text().contains("PANIC"), "{}", server.log().tail(30));
}

struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: at a failure the server may still be there for a moment.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The daemon that people run has no faults to offer: the variable is nothing to it.
#[test]
fn the_daemon_ignores_the_plan_and_only_the_tests_one_takes_it() {
    let plan = "op=open,class=any,fault=EIO,nth=1,times=forever,counter=/nonexistent/counter";
    let server = Setup::new().environment("MAMONT_FAULT", plan).start();
    server.connect().ok("CREATE TABLE t (a int)");
    let with_faults = setup().environment("MAMONT_FAULT", plan);
    let refused = with_faults.run_to_end(Path::new("/nonexistent/d"));
    assert!(!refused.status.success());
    assert!((refused.stdout + &refused.stderr).contains("MAMONT_FAULT"), "it says what is wrong");
}

/// Every 17th n of each kind. `just faults` runs all of them.
#[test]
fn a_sample_of_all_faults() {
    let order = Order {
        scenes: Scene::ALL.to_vec(),
        prefix: String::new(),
        stride: 17,
        seed: 5,
        parallel: 2,
        limit: Duration::from_secs(30),
        keep_going: false,
        verbose: false,
    };
    let summary = sweep(&order).unwrap_or_else(|why| panic!("{why}"));
    eprintln!("{summary}");
    if let Some(failure) = summary.failures.first() {
        panic!("{}\nits directory: {}", failure.what, failure.directory.display());
    }
    if summary.cut_short {
        skip::skip("a sample of all faults", "not all of it was run within 30 seconds");
    }
    assert!(summary.runs() > 20, "{} runs", summary.runs());
}
