//! Scripts with several sessions, in `tests/testscripts/`: what the manual of PostgreSQL promises in
//! its chapters "Transaction Isolation" and "Explicit Locking" for the levels and modes that there
//! are. How they are written and played is told in `tests/src/scripts/mod.rs`.
//!
//! With `MAMONT_GOLDEN=write` in the environment the answers are written into the scripts; read the
//! difference before you keep it, and let PostgreSQL judge it. `MAMONT_GOLDEN=postgresql` writes what
//! PostgreSQL answers: so a script can be written before what it is about.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tests::postgres::Postgres;
use tests::scripts::{Host, MamontHost, PostgresHost, not_yet_here, only_here, play};
use tests::server::Server;
use tests::skip::skip;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts")
}

fn path(name: &str) -> PathBuf {
    directory().join(format!("{}.txt", name.replace('_', "-")))
}

/// Plays a script and tells where its answers differ from those written in it.
fn differences(name: &str, host: &mut dyn Host) -> Option<String> {
    let script = std::fs::read_to_string(path(name)).expect("a script");
    let played = match play(&script, host) {
        Ok(played) => played,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    let differs = |(_, (played, written)): &(usize, (&str, &str))| played != written;
    let first = played.lines().zip(script.lines()).enumerate().find(differs);
    match first {
        Some((at, (played, written))) => {
            Some(format!("{name}, line {}:\n  {played}\nis written as\n  {written}", at + 1))
        }
        None if played.lines().count() != script.lines().count() => {
            Some(format!("{name} has other answers at its end"))
        }
        None => None,
    }
}

/// Whether the answers of that server are to be written down.
fn writes(server: &str) -> bool {
    std::env::var_os("MAMONT_GOLDEN").is_some_and(|value| value == server)
}

/// Plays a script and writes down what it was answered.
fn write(name: &str, host: &mut dyn Host) {
    let script = std::fs::read_to_string(path(name)).expect("a script");
    let played = play(&script, host).unwrap_or_else(|error| panic!("{name}: {error}"));
    std::fs::write(path(name), played).expect("the script can be written");
}

fn run(name: &str) {
    let script = std::fs::read_to_string(path(name)).expect("a script");
    if let Some(missing) = not_yet_here(&script) {
        return skip(name, &format!("the server has no {missing} yet"));
    }
    let server = Server::start();
    let mut host = MamontHost::at(server.port()).expect("a session");
    if writes("write") {
        write(name, &mut host);
    } else if let Some(difference) = differences(name, &mut host) {
        panic!("{difference}");
    }
}

/// How many scripts PostgreSQL plays at a time.
const PLAYERS: usize = 4;

#[test]
fn postgresql_gives_the_same_answers() {
    let server = match Postgres::start() {
        Ok(server) => server,
        Err(why) => return skip("postgresql_gives_the_same_answers", &why),
    };
    let left = Mutex::new(SCRIPTS.iter());
    let wrong = Mutex::new(Vec::new());
    let next = || left.lock().expect("nobody panics with it").next();
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                while let Some(name) = next() {
                    let script = std::fs::read_to_string(path(name)).expect("a script");
                    if only_here(&script).is_none() {
                        let mut host = PostgresHost::new(&server, name).expect("a database");
                        if writes("postgresql") {
                            write(name, &mut host);
                            continue;
                        }
                        let difference = differences(name, &mut host);
                        wrong.lock().expect("nobody panics with it").extend(difference);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panicked with it");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

macro_rules! scripts {
    ($($name:ident)*) => {
        const SCRIPTS: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_script_is_played() {
            for entry in std::fs::read_dir(directory()).expect("a directory") {
                let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
                let name = name.trim_end_matches(".txt").replace('-', "_");
                assert!(SCRIPTS.contains(&name.as_str()), "{name} is not played");
            }
        }
    };
}

scripts! {
    advisory_locks
    advisory_sessions
    cancel
    deadlocks
    derived_tables
    foreign_keys
    identity_columns
    lock_snapshots
    lock_table
    lock_waits
    maintenance_lock_modes
    on_conflict
    rc_accounts
    rc_statements
    rc_website_hits
    rc_writers_wait
    read_uncommitted
    row_key_columns
    row_lock_details
    row_lock_modes
    row_lock_queue
    row_locks
    rr_conflicts
    rr_definitions
    rr_read_only
    rr_snapshot
    rr_write_skew
    savepoint_locks
    savepoints
    sequence_statements
    sequences
    serializable
    statement_lock_modes
    statement_locks
    table_lock_modes
    timeouts
    transaction_modes
    unique
    views
    views_sessions
}
