//! The control file.

use types::PAGE_SIZE;
use wal::ControlFile;
use wal::control_file::CONTROL_FILE;

const SLOT: usize = 4096;
const CRC_AT: usize = 152;

/// Reads the bytes as a control file. What is believed can be written and reads as the same.
pub fn control_file(data: &[u8]) {
    let Some((mend, rest)) = crate::mode(data) else { return };
    let mut bytes = rest[..rest.len().min(PAGE_SIZE + 1)].to_vec();
    if mend {
        for slot in bytes.chunks_mut(SLOT).filter(|slot| slot.len() >= CRC_AT + 4) {
            let crc = crc32fast::hash(&slot[..CRC_AT]);
            slot[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        }
    }
    let dir = crate::own_directory("control");
    std::fs::create_dir_all(dir.join("global")).expect("a directory for the fuzzer");
    let path = dir.join(CONTROL_FILE);
    std::fs::write(&path, &bytes).expect("a file for the fuzzer");
    let Ok((found, _)) = ControlFile::read_both(&dir) else { return };
    found.create(&dir).expect("it can be written");
    assert_eq!(ControlFile::read(&dir).expect("it was just written"), found);
}
