//! A data directory of another version, system or byte order: refused, and left as it is.

use std::path::Path;

use tests::server::Stop;

use super::support::{SEGMENT, bytes_at, change, copy, crc32, mamont, refused, setup, text};

/// Changes a field of both slots of the control file, and makes the checksum right again.
fn set_field(data: &Path, at: usize, value: &[u8]) {
    for slot in [0, 4096] {
        change(&data.join("global/pg_control"), slot, 156, |bytes| {
            bytes[at..at + value.len()].copy_from_slice(value);
            let crc = crc32(0, &bytes[..152]);
            bytes[152..].copy_from_slice(&crc.to_le_bytes());
        });
    }
}

/// All files and what is in them, but for those that any start touches.
fn contents(data: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for folder in ["base", "global"] {
        for entry in std::fs::read_dir(data.join(folder)).expect("read").flatten() {
            all.push((entry.path(), std::fs::read(entry.path()).expect("read")));
        }
    }
    all.sort();
    all
}

#[test]
fn another_version_byte_order_or_size_is_refused_and_nothing_is_touched() {
    let mut server = setup().start();
    server.connect().ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    server.stop(Stop::Fast);
    let data = server.data().to_owned();
    let control = std::fs::read(data.join("global/pg_control")).expect("read");
    let cases: &[(usize, u32, &str)] = &[
        (8, 2, "has format version 2, this server needs 1"),
        (8, 0, "has format version 0"),
        (12, 0x0403_0201, "made on a machine of another byte order"),
        (32, 9, "has system tables of version 9"),
        (36, 77, "unknown state 77"),
        (40, 4096, "another page or segment size"),
        (44, 1 << 20, "another page or segment size"),
    ];
    for (at, value, words) in cases {
        set_field(&data, *at, &value.to_le_bytes());
        let before = contents(&data);
        refused(&data, words, &[words]);
        assert!(contents(&data) == before, "{words}: something was changed");
        mamont(&["controldata", text(&data)]);
        mamont(&["waldump", "-p", text(&data)]);
        std::fs::write(data.join("global/pg_control"), &control).expect("mended");
    }
    server.start_again();
    assert_eq!(server.connect().value("SELECT a FROM t"), "1");
}

/// The log, or the control file, of another system: neither belongs to the other.
#[test]
fn the_log_of_another_system_is_refused() {
    let databases = [(); 2].map(|()| {
        let mut server = setup().start();
        server.connect().ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
        server.stop(Stop::Fast);
        server
    });
    let [ours, theirs] = databases.each_ref().map(|server| server.data().to_owned());
    let place = databases[0].scratch().join("case");
    copy(&ours, &place);
    copy(&theirs.join("pg_wal"), &place.join("pg_wal"));
    refused(&place, "their log", &["belongs to the database system", "pg_wal/00000001"]);
    mamont(&["waldump", "-p", text(&place)]);
    copy(&ours.join("pg_wal"), &place.join("pg_wal"));
    copy(&theirs.join("global"), &place.join("global"));
    refused(&place, "their control file", &["belongs to the database system"]);
    mamont(&["waldump", "-p", text(&place)]);
    copy(&ours.join("global"), &place.join("global"));
    let name = "000000010000000000000001";
    let first = bytes_at(&place.join("pg_wal").join(name), 0, 64);
    // A segment of another format: the header is whole, so this is no torn write.
    change(&place.join("pg_wal").join(name), 0, 64, |bytes| {
        bytes[40] = 9;
        let crc = crc32(crc32(0, &first[48..56]), &bytes[32..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
    });
    refused(&place, "another format", &["segment has log format version 9", name]);
    assert_eq!(place.join("pg_wal").join(name).metadata().expect("there").len(), SEGMENT);
}
