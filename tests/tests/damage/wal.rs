//! A damaged log after a crash. Where something proves that it had been durable further on, the
//! server refuses to start and names position and segment; the tool prints what is valid before.
//! The last records before a crash are the exception: their damage looks like a torn end.

use std::path::{Path, PathBuf};

use tests::client::Client;
use tests::server::Server;

use super::support::{
    PAGE, SEGMENT, copy, fill, flip, mamont, refused, relfile, server_on, setup, text,
};

/// A position of the log.
fn lsn(text: &str) -> u64 {
    let (high, low) = text.split_once('/').expect("a position");
    let part = |text| u64::from_str_radix(text, 16).expect("hex digits");
    part(high) << 32 | part(low)
}

/// The segment that holds the position, and the place in it.
fn place(data: &Path, at: u64) -> (PathBuf, u64) {
    (data.join("pg_wal").join(format!("00000001{:08X}{:08X}", 0, at / SEGMENT)), at % SEGMENT)
}

/// The records that `waldump` prints: position and line. And its last line.
fn dump(data: &Path) -> (Vec<(u64, String)>, String) {
    let done = mamont(&["waldump", "-p", text(data)]);
    let is_record = |line: &&str| line.starts_with("lsn ");
    let position = |line: &str| lsn(line.split_whitespace().nth(1).expect("a position"));
    let lines = done.stdout.lines().filter(is_record);
    let records = lines.map(|line| (position(line), line.to_owned())).collect();
    (records, done.stdout.lines().last().unwrap_or_default().to_owned())
}

/// A server after 300 commits of one row each, with no checkpoint after the first.
fn running() -> (Server, Client) {
    let server = setup().start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text); CHECKPOINT");
    for number in 0..300 {
        client.ok(&format!("INSERT INTO t VALUES ({number}, '{}')", "x".repeat(60)));
    }
    client.ok("UPDATE t SET a = a WHERE a < 20");
    (server, client)
}

/// The same, killed after one more that deletes ten rows.
fn killed() -> (Server, PathBuf) {
    let (mut server, mut client) = running();
    client.ok("DELETE FROM t WHERE a < 10");
    let data = server.data().to_owned();
    drop(client);
    server.kill();
    (server, data)
}

/// Fields of a record with their offsets: the header's, then those of a block, then the body.
const FIELDS: &[(&str, u64)] = &[
    ("length", 0),
    ("length, high", 2),
    ("crc", 4),
    ("lsn", 8),
    ("xid", 16),
    ("resource manager", 24),
    ("kind", 25),
    ("blocks", 26),
    ("zero", 27),
    ("data length", 28),
    ("block: relation", 32),
    ("block: number", 40),
    ("block: fork", 44),
    ("block: flags", 45),
    ("block: data length", 46),
    ("body", 50),
];

#[test]
fn a_flipped_bit_in_any_field_of_a_record_is_refused_where_later_log_was_durable() {
    let (server, data) = killed();
    let case = server.scratch().join("case");
    copy(&data, &case);
    let (records, _) = dump(&case);
    let kinds = ["INSERT", "COMMIT"];
    for (turn, (field, at)) in FIELDS.iter().enumerate() {
        let wanted = |(_, line): &&(u64, String)| line.contains(kinds[turn % 2]);
        let (position, line) = records.iter().filter(wanted).nth(20 + turn).expect("enough");
        let (segment, offset) = place(&case, position + at);
        flip(&segment, offset, 4);
        let name = segment.file_name().and_then(|n| n.to_str()).expect("a name");
        let ends = format!("the write-ahead log ends at {}/{:X}", position >> 32, position);
        let done = refused(&case, field, &["had been durable up to", name]);
        // A record at the start of a page ends the log before the page's header.
        if position % PAGE > 64 {
            assert!(done.stderr.contains(&ends), "{field} of {line}: {}", done.stderr);
        }
        let (before, last) = dump(&case);
        let count = records.iter().filter(|(other, _)| other < position).count();
        assert_eq!(before.len(), count, "{field}: {last}");
        assert!(last.starts_with("end of log at "), "{field}: {last}");
        flip(&segment, offset, 4);
    }
    let mut server = server_on(&case);
    server.start_again();
    assert_eq!(server.connect().value("SELECT count(*) FROM t"), "290", "all bits are back");
}

#[test]
fn a_flipped_bit_in_any_field_of_a_page_header_is_refused_where_later_log_was_durable() {
    let (server, data) = killed();
    let case = server.scratch().join("case");
    copy(&data, &case);
    let (records, _) = dump(&case);
    let second = (records[0].0 / PAGE + 2) * PAGE;
    assert!(records.last().expect("some").0 > second + 2 * PAGE, "the log has pages enough");
    for at in [0, 2, 4, 8, 16, 24, 28] {
        let (segment, offset) = place(&case, second + at);
        flip(&segment, offset, 2);
        refused(&case, &format!("byte {at}"), &["had been durable up to", "page "]);
        dump(&case);
        flip(&segment, offset, 2);
    }
    server_on(&case).start_again();
}

/// All of these stand on the last page of the log, behind which no page was begun: what proves that
/// they had been durable is that a later COMMIT says so.
#[test]
fn a_flipped_bit_just_before_the_last_commits_is_refused_too() {
    let (mut server, mut client) = running();
    let data = server.data().to_owned();
    let commits_on_the_last_page = || -> Vec<u64> {
        let (records, _) = dump(&data);
        let last_page = records.last().expect("some").0 / PAGE;
        let is_one =
            |(at, line): &&(u64, String)| line.contains("COMMIT") && at / PAGE == last_page;
        records.iter().filter(is_one).map(|(at, _)| *at).collect()
    };
    while commits_on_the_last_page().len() < 6 {
        client.ok("UPDATE t SET a = a WHERE a = 100");
    }
    drop(client);
    server.kill();
    let commits = commits_on_the_last_page();
    let case = server.scratch().join("case");
    copy(&data, &case);
    let before_the_last = &commits[..commits.len() - 1];
    for position in before_the_last.iter().rev().take(4) {
        let (segment, offset) = place(&case, position + 60);
        flip(&segment, offset, 1);
        let ends = format!("the write-ahead log ends at {}/{:X}", position >> 32, position);
        refused(&case, "an early COMMIT", &["had been durable up to", &ends]);
        flip(&segment, offset, 1);
    }
    let mut server = server_on(&case);
    server.start_again();
    assert_eq!(server.connect().value("SELECT count(*) FROM t"), "300", "all bits are back");
}

/// The last record of all looks torn when it is damaged: it is lost, it alone, and the rest is
/// whole. Nothing on disk knows that it had been flushed.
#[test]
fn damage_in_the_last_record_looks_like_a_torn_end() {
    let (server, data) = killed();
    for (turn, (field, at)) in FIELDS.iter().enumerate().step_by(5) {
        let case = server.scratch().join(&format!("case{turn}"));
        copy(&data, &case);
        let (records, _) = dump(&case);
        let (position, line) = records.last().expect("some");
        assert!(line.contains("COMMIT"), "{line}");
        let (segment, offset) = place(&case, position + at);
        flip(&segment, offset, 4);
        let mut server = server_on(&case);
        server.start_again();
        let mut client = server.connect();
        assert_eq!(client.value("SELECT count(*) FROM t"), "300", "{field}: the DELETE is undone");
        client.ok("DELETE FROM t WHERE a < 10");
        drop(client);
        server.restart();
        assert_eq!(server.connect().value("SELECT count(*) FROM t"), "290", "{field}");
    }
}

/// A data page that has been written proves that the log had been flushed up to its LSN.
#[test]
fn a_page_further_than_the_log_is_named() {
    let mut server = setup().set("full_page_writes", "off").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'); CHECKPOINT");
    client.ok("INSERT INTO t VALUES (2, 'y')");
    let file = relfile(&mut client, "t");
    client.ok("INSERT INTO t VALUES (3, 'z')");
    let data = server.data().to_owned();
    drop(client);
    let before = server.scratch().join("before");
    copy(&data, &before);
    server.connect().ok("CHECKPOINT");
    server.kill();
    // The page as the checkpoint wrote it; log and control file as they were before.
    let case = server.scratch().join("case");
    copy(&before, &case);
    std::fs::copy(data.join("base").join(&file), case.join("base").join(&file)).expect("copied");
    let (records, _) = dump(&case);
    let inserts = |(_, line): &&(u64, String)| line.contains("INSERT");
    let (last, _) = records.iter().rfind(inserts).expect("an INSERT");
    let (segment, offset) = place(&case, last + 4);
    flip(&segment, offset, 4);
    let block = format!("block 0 of base/{file} has been changed up to 0/");
    refused(&case, "a page ahead", &[&block, "a part of the log that had been durable is lost"]);
}

/// A database whose log needs three segments and has a fourth made ahead, killed.
fn long_log() -> (Server, PathBuf) {
    let mut server = setup().set("shared_buffers", "64MB").set("max_wal_size", "1GB").start();
    let mut client = server.connect();
    client.ok("CREATE TABLE t (a int, b text); CHECKPOINT");
    for _ in 0..4 {
        fill(&mut client, "t", 90_000);
    }
    let data = server.data().to_owned();
    drop(client);
    server.kill();
    (server, data)
}

#[test]
fn a_segment_that_is_missing_cut_short_swapped_or_foreign_is_named() {
    let (server, data) = long_log();
    let (_, last) = dump(&data);
    assert!(last.starts_with("end of log at 0/3"), "three segments: {last}");
    let path = |number: u32| data.join("pg_wal").join(format!("0000000100000000{number:08X}"));
    let name = |number| path(number).file_name().and_then(|n| n.to_str()).expect("n").to_owned();
    let aside = server.scratch().join("aside");
    for number in 1..=3 {
        std::fs::rename(path(number), &aside).expect("moved");
        refused(&data, "missing", &["segment is missing", &name(number)]);
        dump(&data);
        std::fs::File::create(path(number)).expect("an empty one");
        refused(&data, "empty", &["segment is cut short", &name(number)]);
        std::fs::rename(&aside, path(number)).expect("moved back");
    }
    let whole = std::fs::read(path(2)).expect("read");
    std::fs::write(path(2), &whole[..5 << 20]).expect("cut");
    refused(&data, "cut", &["segment is cut short", &name(2)]);
    dump(&data);
    std::fs::write(path(2), &whole).expect("mended");
    for (a, b) in [(1, 2), (2, 3)] {
        let swap = || {
            std::fs::rename(path(a), &aside).expect("moved");
            std::fs::rename(path(b), path(a)).expect("moved");
            std::fs::rename(&aside, path(b)).expect("moved");
        };
        swap();
        refused(&data, "swapped", &["holds the log of segment", &name(a), &name(b)]);
        dump(&data);
        swap();
    }
    let third = std::fs::read(path(3)).expect("read");
    std::fs::copy(path(2), path(3)).expect("copied");
    refused(&data, "a copy", &["holds the log of segment", &name(2), &name(3)]);
    std::fs::write(path(3), third).expect("mended");
    let mut server = server_on(&data);
    server.start_again();
    assert_eq!(server.connect().value("SELECT count(*) FROM t"), "360000", "all is back");
}

#[test]
fn waldump_survives_any_place_to_begin() {
    let (_server, data) = killed();
    for start in ["0/0", "0/1", "0/1000001", "0/1FFFFFF", "FFFFFFFF/FFFFFFFF", "FFFFFFFF/0", "0/5"]
    {
        mamont(&["waldump", "-p", text(&data), start]);
        mamont(&["waldump", "-p", text(&data), "--stats", start]);
    }
}
