//! A damaged control file: with one good slot the server starts and warns; with none it refuses and
//! names the file.

use std::path::{Path, PathBuf};

use tests::server::{Server, Stop};

use super::support::{flip, mamont, refused, setup, text};

const SLOT: u64 = 4096;

/// Where each field begins, as the book draws it.
const FIELDS: &[(&str, u64)] = &[
    ("magic", 0),
    ("format", 8),
    ("byte order", 12),
    ("sequence", 16),
    ("system", 24),
    ("catalog version", 32),
    ("state", 36),
    ("page size", 40),
    ("segment size", 44),
    ("wal_level", 48),
    ("max_connections", 52),
    ("max_locks_per_transaction", 56),
    ("checksums", 60),
    ("checkpoint", 64),
    ("minimum recovery point", 72),
    ("backup start", 80),
    ("redo", 88),
    ("next xid", 96),
    ("oldest running xid", 104),
    ("next relation file", 112),
    ("time", 120),
    ("buffers written", 128),
    ("buffers in all", 136),
    ("next oid", 144),
    ("timeline", 148),
    ("crc", 152),
];

fn stopped() -> (Server, PathBuf) {
    let mut server = setup().start();
    server.connect().ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1); CHECKPOINT");
    server.connect().ok("INSERT INTO t VALUES (2)");
    server.stop(Stop::Fast);
    let path = server.data().join("global/pg_control");
    (server, path)
}

fn controldata(data: &Path) -> (bool, String) {
    let done = mamont(&["controldata", text(data)]);
    (done.status.success(), done.stdout + &done.stderr)
}

#[test]
fn a_flipped_bit_in_any_field_of_both_slots_is_refused() {
    let (server, path) = stopped();
    for (field, at) in FIELDS {
        for slot in [0, SLOT] {
            flip(&path, slot + at, 0x40);
        }
        refused(
            server.data(),
            field,
            &["pg_control", "control file"].map(|word| {
                // What the version and the like say instead of "checksum" names the directory.
                if matches!(*field, "format" | "byte order") { "data directory" } else { word }
            }),
        );
        let (good, said) = controldata(server.data());
        assert!(!good && said.contains("pg_control"), "{field}: {said}");
        for slot in [0, SLOT] {
            flip(&path, slot + at, 0x40);
        }
    }
    assert!(controldata(server.data()).1.contains("good"));
}

/// Either slot may be lost: the other one says where recovery begins. Of the newer one a crash has
/// not been seen, so what the older one says is replayed, to the same end.
#[test]
fn one_damaged_slot_costs_nothing_but_a_warning() {
    let (mut server, path) = stopped();
    let good = std::fs::read(&path).expect("there");
    for (turn, slot) in [0, SLOT].into_iter().enumerate() {
        flip(&path, slot + FIELDS[turn].1, 1);
        assert!(
            controldata(server.data()).1.contains("damaged: control file has no valid magic")
                || controldata(server.data()).1.contains("damaged: data directory has format")
        );
        let before = server.log().len();
        server.start_again();
        assert_eq!(server.connect().value("SELECT sum(a) FROM t"), "3", "slot at {slot}");
        server.stop(Stop::Fast);
        let said = server.log().text_from(before);
        assert!(said.contains("one of the two copies in global/pg_control is damaged"), "{said}");
        assert!(controldata(server.data()).1.contains("good"), "it was written again");
        std::fs::write(&path, &good).expect("mended");
    }
}

#[test]
fn a_control_file_that_is_cut_short_or_gone_is_refused() {
    let (server, path) = stopped();
    let good = std::fs::read(&path).expect("there");
    for length in [0, 1, 100, 155] {
        std::fs::write(&path, &good[..length]).expect("cut");
        refused(server.data(), "cut", &["pg_control", "control file is cut short"]);
        assert!(!controldata(server.data()).0);
    }
    std::fs::remove_file(&path).expect("removed");
    refused(server.data(), "gone", &["is not a data directory of this server"]);
    let mut huge = good.clone();
    huge.resize(1 << 20, 0xAA);
    std::fs::write(&path, &huge).expect("written");
    assert!(!server.data().join("initialising").exists());
    controldata(server.data());
}
