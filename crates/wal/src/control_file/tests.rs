//! Both slots of the control file, torn, flipped, cut and mended.

use super::*;
use types::{Oid, RelFileNumber, TimelineId, Xid};

fn contents() -> ControlFile {
    ControlFile {
        sequence: 1,
        system: SystemId(42),
        catalog_version: 1,
        state: ServerState::InProduction,
        wal_level: 0,
        max_connections: 100,
        max_locks_per_transaction: 64,
        checksums: true,
        checkpoint_lsn: Lsn(100),
        minimum_recovery_point: Lsn::INVALID,
        backup_start: Lsn::INVALID,
        checkpoint: Checkpoint {
            redo: Lsn(96),
            timeline: TimelineId(1),
            next_xid: Xid(3),
            oldest_running_xid: Xid(3),
            next_oid: Oid(16384),
            next_relfile: RelFileNumber(16384),
            time: -5,
            buffers_written: 1,
            buffers_total: 16,
        },
    }
}

fn made() -> (tempfile::TempDir, ControlFile) {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::create_dir(dir.path().join("global")).expect("global");
    let file = contents();
    file.create(dir.path()).expect("create");
    (dir, file)
}

#[test]
fn a_torn_update_leaves_the_copy_before() {
    let (dir, mut file) = made();
    assert_eq!(ControlFile::read(dir.path()).expect("read"), file);
    let before = file;
    file.checkpoint_lsn = Lsn(200);
    file.update(dir.path()).expect("update");
    assert_eq!(ControlFile::read(dir.path()).expect("read"), file);
    let path = dir.path().join(CONTROL_FILE);
    let mut bytes = std::fs::read(&path).expect("bytes");
    bytes[file.slot() * SLOT + 70] ^= 1;
    std::fs::write(&path, &bytes).expect("damage");
    assert_eq!(ControlFile::read(dir.path()).expect("read"), before);
}

#[test]
fn every_flipped_bit_in_one_slot_leaves_the_other_and_is_told() {
    let (dir, first) = made();
    let other = |dir: &Path| ControlFile::read_both(dir).map(|(_, other)| other);
    assert_eq!(other(dir.path()).expect("read"), OtherSlot::Unused);
    let mut second = first;
    second.update(dir.path()).expect("update");
    assert_eq!(other(dir.path()).expect("read"), OtherSlot::Good);
    let path = dir.path().join(CONTROL_FILE);
    let whole = std::fs::read(&path).expect("bytes");
    for (damaged, left) in [(&first, &second), (&second, &first)] {
        for bit in 0..(CRC_AT + 4) * 8 {
            let mut bytes = whole.clone();
            bytes[damaged.slot() * SLOT + bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).expect("damage");
            let (found, other) = ControlFile::read_both(dir.path()).expect("one is good");
            assert_eq!(found, *left, "bit {bit}");
            assert!(matches!(other, OtherSlot::Damaged(_)), "bit {bit}: {other:?}");
        }
    }
    // The next update mends it.
    let (mut found, _) = ControlFile::read_both(dir.path()).expect("one is good");
    found.update(dir.path()).expect("update");
    assert_eq!(ControlFile::read_both(dir.path()).expect("read"), (found, OtherSlot::Good));
}

#[test]
fn a_control_file_of_any_other_length_is_judged_by_what_is_there() {
    let (dir, mut file) = made();
    file.update(dir.path()).expect("update");
    let path = dir.path().join(CONTROL_FILE);
    let whole = std::fs::read(&path).expect("bytes");
    for length in (0..=CRC_AT + 4).chain([SLOT - 1, SLOT, SLOT + 1, SLOT + CRC_AT]) {
        std::fs::write(&path, &whole[..length]).expect("cut");
        match ControlFile::read_both(dir.path()) {
            Ok((found, other)) => {
                assert!(length >= CRC_AT + 4, "{length}");
                assert!(found == file && matches!(other, OtherSlot::Damaged(_)), "{length}");
            }
            Err(error) => assert!(length < CRC_AT + 4, "{length}: {error}"),
        }
    }
}

#[test]
fn every_flipped_bit_in_both_slots_is_refused() {
    let (dir, mut file) = made();
    file.update(dir.path()).expect("update");
    let path = dir.path().join(CONTROL_FILE);
    let whole = std::fs::read(&path).expect("bytes");
    for bit in 0..(CRC_AT + 4) * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes[SLOT + bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &bytes).expect("damage");
        assert!(ControlFile::read(dir.path()).is_err(), "bit {bit}");
    }
}
