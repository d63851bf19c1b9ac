//! Until there are roles, only the user who owns the server, and root, may come in.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::binary;
use tests::scratch::Scratch;
use tests::server::Server;
use tests::setup::{Setup, run_to_end};
use tests::skip::{have, is_root, skip, works};

/// The words that make what follows run as the user nobody.
const AS_NOBODY: [&str; 5] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];

/// Why this machine cannot act as another user, if it cannot.
fn obstacle() -> Option<&'static str> {
    if !is_root() {
        return Some("only root can act as another user");
    }
    if !have("setpriv") {
        return Some("setpriv is not installed");
    }
    let mut trial = Command::new(AS_NOBODY[0]);
    (!works(trial.args(&AS_NOBODY[1..]).arg("true")))
        .then_some("acting as nobody is forbidden here")
}

/// A copy of a program where everybody can run it.
fn copy_for_all(scratch: &Scratch, program: &Path) -> PathBuf {
    scratch.open_to_all();
    let copy = scratch.join(program.file_name().and_then(|n| n.to_str()).expect("it has a name"));
    std::fs::copy(program, &copy).expect("copied");
    copy
}

/// A setup that runs the postmaster as nobody; `None` if that cannot be done, which is written down
/// for the test `name`.
pub fn as_nobody(name: &str) -> Option<(Scratch, Setup)> {
    if let Some(why) = obstacle() {
        skip(name, why);
        return None;
    }
    let scratch = Scratch::new();
    let copy = copy_for_all(&scratch, binary::postmaster());
    Some((scratch, Setup::new().program(copy).under(AS_NOBODY)))
}

/// What a client gets that runs as nobody and says `line`.
fn said_to_nobody(scratch: &Scratch, target: &str, line: &str) -> String {
    let copy = copy_for_all(scratch, binary::line());
    let mut command = Command::new("sh");
    let script =
        format!("printf '%s\\n' '{line}' | {} {} {target}", AS_NOBODY.join(" "), copy.display());
    command.args(["-c", &script]).stdin(Stdio::null());
    run_to_end(&mut command, Duration::from_secs(40)).stdout
}

#[test]
fn another_user_is_refused_over_tcp_and_over_the_unix_socket() {
    let name = "another_user_is_refused_over_tcp_and_over_the_unix_socket";
    if let Some(why) = obstacle() {
        return skip(name, why);
    }
    let place = Scratch::new();
    place.open_to_all();
    let directory = place.path().to_str().expect("plain text");
    let server = Setup::new().set("unix_socket_directory", directory).start();
    let socket = server.socket();
    for target in [server.port().to_string(), socket.display().to_string()] {
        let scratch = Scratch::new();
        let said = said_to_nobody(&scratch, &target, "SELECT 1 AS one");
        assert!(said.starts_with("FATAL 28000 "), "{target}: {said:?}");
        assert_eq!(said.lines().count(), 1, "{target}: {said:?}");
    }
    // The owner comes in over both.
    assert_eq!(server.connect().value("SELECT 1 AS one"), "1");
    assert_eq!(server.connect_unix().value("SELECT 1 AS one"), "1");
}

#[test]
fn root_and_the_owner_may_come_in_where_nobody_owns_the_server() {
    let name = "root_and_the_owner_may_come_in_where_nobody_owns_the_server";
    let Some((scratch, setup)) = as_nobody(name) else { return };
    let home = scratch.join("home");
    std::fs::create_dir(&home).expect("made");
    nix::unistd::chown(&home, Some(65534.into()), Some(65534.into())).expect("root may");
    let server = setup.start_in(scratch, home.join("d"));
    assert_eq!(server.connect().value("SELECT 1 AS one"), "1", "root, over TCP");
    assert_eq!(server.connect_unix().value("SELECT 1 AS one"), "1", "root, over the Unix socket");
    let scratch = Scratch::new();
    let said = said_to_nobody(&scratch, &server.port().to_string(), "SELECT 1 AS one");
    assert!(said.contains("ROW 1"), "the owner: {said}");
}

#[test]
fn a_refused_user_costs_nobody_anything() {
    let name = "a_refused_user_costs_nobody_anything";
    if let Some(why) = obstacle() {
        return skip(name, why);
    }
    let server = Server::start();
    let mut witness = server.connect();
    let scratch = Scratch::new();
    for _ in 0..5 {
        let said = said_to_nobody(&scratch, &server.port().to_string(), "CREATE TABLE t (a int)");
        assert!(said.starts_with("FATAL 28000 "), "{said:?}");
    }
    assert_eq!(witness.value("SELECT count(*) FROM pg_class WHERE relname = 't'"), "0");
}
