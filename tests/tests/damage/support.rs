//! Databases to be damaged, and what looks at them afterwards.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::binary;
use tests::client::Client;
use tests::scratch::Scratch;
use tests::server::{Server, Stop};
use tests::setup::{Finished, Setup, run_to_end};

/// Bytes of a page.
pub const PAGE: u64 = 8192;
/// Bytes of a segment of the log.
pub const SEGMENT: u64 = 16 << 20;

/// How servers are started here: little memory, no checkpoint but the test's own.
pub fn setup() -> Setup {
    let words = [
        "damage",
        "invalid page",
        "XX001",
        "58P01",
        "hint:",
        "could not start",
        "startup",
        "cannot be used",
        "not a data directory",
        "has system tables of version",
    ];
    let setup = Setup::new().set("shared_buffers", "8MB").set("checkpoint_timeout", "1h");
    words.iter().fold(setup.allow_crashes(), |setup, word| setup.allow(word))
}

/// A server on a directory that is there already, not started yet.
pub fn server_on(data: &Path) -> Server {
    Server::new(setup(), Scratch::new(), data.to_owned())
}

/// Starts a server on the directory; it must refuse, in order, and say all these words.
#[track_caller]
pub fn refused(data: &Path, what: &str, words: &[&str]) -> Finished {
    let mut server = server_on(data);
    let done = server.try_to_end().unwrap_or_else(|| panic!("{what}: the server started"));
    assert!(done.status.code().is_some_and(|code| code != 0 && code != 101), "{what}: {done:?}");
    assert!(!done.stderr.contains("panicked"), "{what}: {}", done.stderr);
    for word in words {
        assert!(done.stderr.contains(word), "{what}: \"{word}\" is not in\n{}", done.stderr);
    }
    done
}

/// Copies a data directory.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("read").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() && entry.file_name() != "postmaster.pid" {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
    let mode = std::fs::metadata(from).expect("there").permissions();
    std::fs::set_permissions(to, mode).expect("ours");
}

/// Flips bits of the byte at `at`.
pub fn flip(path: &Path, at: u64, mask: u8) {
    change(path, at, 1, |byte| byte[0] ^= mask);
}

/// Changes some bytes of a file.
pub fn change(path: &Path, at: u64, length: usize, how: impl FnOnce(&mut [u8])) {
    let file = std::fs::File::options().read(true).write(true).open(path).expect("there");
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at).expect("inside the file");
    how(&mut bytes);
    file.write_all_at(&bytes, at).expect("written");
}

/// Bytes of a file.
pub fn bytes_at(path: &Path, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let file = std::fs::File::open(path).expect("there");
    file.read_exact_at(&mut bytes, at).expect("inside the file");
    bytes
}

/// CRC-32 of zip, continued from `crc`; bit by bit, for a few bytes.
pub fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!crc, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// Runs `mamont`; it must end in order, whatever it says.
#[track_caller]
pub fn mamont(arguments: &[&str]) -> Finished {
    let mut command = Command::new(binary::mamont());
    let done = run_to_end(command.args(arguments), Duration::from_secs(60));
    assert!(done.status.code().is_some_and(|code| code <= 2), "{arguments:?}: {done:?}");
    assert!(!done.stderr.contains("panicked"), "{arguments:?}: {}", done.stderr);
    done
}

/// The path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("plain text")
}

/// The number of a table's file.
pub fn relfile(client: &mut Client, table: &str) -> String {
    client.value(&format!("SELECT relfilenode FROM pg_class WHERE relname = '{table}'"))
}

/// Fills a table with rows of about 100 bytes.
pub fn fill(client: &mut Client, table: &str, rows: usize) {
    let rows: Vec<String> = (0..rows).map(|i| format!("{i}\t{}", "x".repeat(100))).collect();
    let line = format!("COPY {table} FROM STDIN");
    client.copy_in(&line, rows.iter().map(String::as_str)).expect("copied");
}

/// A stopped database with the tables `good` and `bad` of 2000 rows each; and the path of `bad`.
pub fn stopped() -> (Server, PathBuf) {
    let mut server = setup().start();
    let mut client = server.connect();
    client.ok("CREATE TABLE good (a int, b text); CREATE TABLE bad (a int, b text)");
    fill(&mut client, "good", 2000);
    fill(&mut client, "bad", 2000);
    let path = server.data().join("base").join(relfile(&mut client, "bad"));
    server.stop(Stop::Fast);
    (server, path)
}
