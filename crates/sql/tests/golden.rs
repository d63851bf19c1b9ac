//! Golden scripts: what a client sends and gets back, line by line, on the real rooms.
//!
//! A script in `testscripts/` is a transcript as on the page of the line protocol: lines with `> `
//! go in (also COPY's data), lines with `< ` come out; others are comments. Each script has a
//! database of its own. With `MAMONT_GOLDEN=write` in the environment the answers are written into
//! the scripts instead of being compared; read the difference before you keep it.

mod support;

use std::path::{Path, PathBuf};

use support::{Client, new_world, session};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts")
}

fn run(name: &str) {
    let path = scripts().join(format!("{name}.txt"));
    let script = std::fs::read_to_string(&path).expect("a script");
    let played = play(&script);
    if std::env::var_os("MAMONT_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, played).expect("the script can be written");
        return;
    }
    for (number, (played, written)) in played.lines().zip(script.lines()).enumerate() {
        assert_eq!(played, written, "{name}.txt, line {}", number + 1);
    }
    assert_eq!(played.lines().count(), script.lines().count(), "{name}.txt is cut short");
}

/// The script with the answers that there are now.
fn play(script: &str) -> String {
    let world = new_world(64);
    let mut session = session(&world);
    let mut client = Client::default();
    let mut played = String::new();
    let mut lines = script.lines().filter(|line| !line.starts_with("< ")).peekable();
    while let Some(line) = lines.next() {
        played.push_str(line);
        played.push('\n');
        let Some(request) = line.strip_prefix('>') else { continue };
        let request = request.strip_prefix(' ').unwrap_or(request);
        // Lines up to the end mark are data, if there are any and this is a COPY.
        if is_copy_in(request) {
            for data in lines.by_ref() {
                played.push_str(data);
                played.push('\n');
                let data = data.strip_prefix("> ").unwrap_or(data.trim_start_matches('>'));
                client.data.push_back(data.to_owned());
                if data == "\\." {
                    break;
                }
            }
        }
        for answer in client.send(&mut session, request) {
            played.push_str("< ");
            played.push_str(&answer);
            played.push('\n');
        }
        assert!(client.data.is_empty(), "data is left over: {:?}", client.data);
    }
    drop(session);
    played
}

fn is_copy_in(request: &str) -> bool {
    let upper = request.to_uppercase();
    upper.contains("COPY ") && upper.contains("FROM STDIN")
}

macro_rules! golden {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_script_is_played() {
            let named = [$(stringify!($name)),*];
            for entry in std::fs::read_dir(scripts()).expect("a directory") {
                let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
                let stem = name.strip_suffix(".txt").unwrap_or(&name);
                assert!(named.contains(&stem), "{name} is not played");
            }
        }
    };
}

golden! {
    advisory
    alter_constraints
    alter_table
    analyze
    changes
    checks
    copy
    example
    explain
    expressions
    fatal
    foreign_actions
    foreign_keys
    identity
    indexes
    index_only
    index_plans
    keys
    kept
    locks
    prepared
    queries
    row_locks
    savepoints
    schemas
    sequences
    settings
    statistics
    timeouts
    transactions
    types
    unsupported
    upserts
    user_views
    vacuum
    vacuum_full
    vacuum_truncate
    views
}
