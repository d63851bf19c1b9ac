//! Damage on disk is named, with file and block, and refused; the rest of the database goes on.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tests::client::Client;
use tests::scratch::Scratch;
use tests::server::{Server, Stop};
use tests::setup::Setup;

const PAGE: u64 = 8192;

/// The first file of a table.
fn file_of(server: &Server, client: &mut Client, table: &str) -> PathBuf {
    let query = format!("SELECT relfilenode FROM pg_class WHERE relname = '{table}'");
    server.data().join("base").join(client.value(&query))
}

fn flip(path: &std::path::Path, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).expect("there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("inside the file");
    byte[0] ^= 0x10;
    file.write_all_at(&byte, at).expect("written");
}

/// A stopped server with two tables of some pages.
fn stopped() -> (Server, PathBuf) {
    let mut server = Server::start();
    server.allow("checksum");
    server.allow("XX001");
    server.allow("invalid page");
    let mut client = server.connect();
    client.ok("CREATE TABLE good (a int, b text); CREATE TABLE bad (a int, b text)");
    let rows: Vec<String> = (0..2000).map(|i| format!("{i}\t{}", "x".repeat(100))).collect();
    for table in ["good", "bad"] {
        let line = format!("COPY {table} FROM STDIN");
        client.copy_in(&line, rows.iter().map(String::as_str)).expect("copied");
    }
    let path = file_of(&server, &mut client, "bad");
    server.stop(Stop::Fast);
    (server, path)
}

#[test]
fn a_flipped_bit_is_named_with_file_and_block() {
    let (mut server, path) = stopped();
    // In the body of a page, in its header's LSN, checksum and bounds, in a line pointer.
    for (block, offset) in [(3, 5000), (4, 2), (5, 9), (6, 17), (7, 33)] {
        flip(&path, block * PAGE + offset);
        server.start_again();
        let mut client = server.connect();
        let error = client.fail("SELECT count(*) FROM bad WHERE b IS NOT NULL");
        assert_eq!(error.sqlstate, "XX001", "{error}");
        let file = format!("base/{}", path.file_name().and_then(|n| n.to_str()).expect("a name"));
        let named =
            error.message.contains(&file) && error.message.contains(&format!("block {block}"));
        assert!(named, "byte {offset} of block {block}: {error}");
        // The session goes on, and so does everything else.
        assert_eq!(client.value("SELECT count(*) FROM good"), "2000");
        assert_eq!(client.fail("SELECT * FROM bad").sqlstate, "XX001");
        client.ok("INSERT INTO good VALUES (1, 'x'); DELETE FROM good WHERE b = 'x'");
        drop(client);
        server.stop(Stop::Fast);
        flip(&path, block * PAGE + offset);
    }
    server.start_again();
    assert_eq!(server.connect().value("SELECT count(*) FROM bad"), "2000", "all bits are back");
}

#[test]
fn a_page_that_belongs_elsewhere_is_noticed() {
    let (mut server, path) = stopped();
    let file = std::fs::File::options().read(true).write(true).open(&path).expect("there");
    let mut page = vec![0; PAGE as usize];
    file.read_exact_at(&mut page, 2 * PAGE).expect("read");
    file.write_all_at(&page, 3 * PAGE).expect("written");
    server.start_again();
    let error = server.connect().fail("SELECT count(*) FROM bad WHERE b IS NOT NULL");
    assert_eq!(error.sqlstate, "XX001", "{error}");
    assert!(error.message.contains("block 3"), "{error}");
}

#[test]
fn a_data_directory_of_another_format_version_is_refused() {
    let mut server = Server::start();
    server.stop(Stop::Fast);
    // Both slots of the control file: wherever the version stands, changing every byte in turn must
    // never let a server start on what it does not understand... and never make it panic.
    let control = server.data().join("global/pg_control");
    let good = std::fs::read(&control).expect("there");
    for at in 0..64.min(good.len() / 2) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        bytes[good.len() / 2 + at] ^= 0x40;
        std::fs::write(&control, &bytes).expect("written");
        let mut trial =
            Server::new(Setup::new().allow(""), Scratch::new(), server.data().to_owned());
        if let Some(done) = trial.try_to_end() {
            assert!(!done.status.success(), "byte {at}");
            assert!(done.status.code().is_some(), "byte {at}: {}", done.stderr);
            assert!(!done.stderr.contains("panicked"), "byte {at}: {}", done.stderr);
            assert!(done.stderr.contains("control"), "byte {at}: {}", done.stderr);
        }
    }
    std::fs::write(&control, &good).expect("written");
    server.start_again();
    server.connect().ok("SELECT 1");
}

#[test]
fn a_torn_slot_of_the_control_file_costs_nothing() {
    let mut server = Server::start();
    server.allow("pg_control");
    server.allow("control");
    server.connect().ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1); CHECKPOINT");
    server.stop(Stop::Fast);
    let control = server.data().join("global/pg_control");
    let good = std::fs::read(&control).expect("there");
    let half = good.len() / 2;
    for slot in [0, half] {
        let mut bytes = good.clone();
        bytes[slot + 16..slot + 48].fill(0xAA);
        std::fs::write(&control, &bytes).expect("written");
        server.start_again();
        assert_eq!(server.connect().value("SELECT a FROM t"), "1", "slot at {slot}");
        server.stop(Stop::Fast);
        std::fs::write(&control, &good).expect("written");
    }
}
