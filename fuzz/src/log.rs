//! The reader of the log, over the first pages of a segment.

use types::{Lsn, PAGE_SIZE, SystemId, TimelineId};
use wal::position::{self, PAGE, SEGMENT_HEADER};
use wal::{Checkpoint, DecodedRecord, WalReader};

/// The most that is taken of an input.
const MAX_PAGES: usize = 12;
const RECORD_HEADER: usize = 32;

/// Reads the bytes as the first segment of a log: every record, its blocks, images and contents;
/// from its start, from a place that the input names, and from the first record behind that place.
pub fn wal(data: &[u8]) {
    let Some((mend, rest)) = crate::mode(data) else { return };
    let Some((place, rest)) = rest.split_first_chunk::<8>() else { return };
    let mut bytes = rest[..rest.len().min(MAX_PAGES * PAGE_SIZE)].to_vec();
    let system = SystemId(bytes.get(48..56).map_or(0, u64_of));
    if mend {
        mend_log(&mut bytes, system);
    }
    let dir = crate::own_directory("wal");
    let timeline = TimelineId(1);
    let name = position::segment_name(timeline, position::FIRST_SEGMENT);
    std::fs::write(dir.join(name), &bytes).expect("a file for the fuzzer");
    let open = |start| WalReader::new(&dir, timeline, system, start);
    let first = position::segment_start(position::FIRST_SEGMENT);
    let read = read_all(open(first), bytes.len());
    // A log that was made right holds a record, though it may contradict itself.
    assert!(!mend || read > 0, "no record in {} bytes", bytes.len());
    let anywhere = Lsn(u64::from_le_bytes(*place));
    let near = Lsn(first.0 + anywhere.0 % (MAX_PAGES as u64 * PAGE));
    for place in [anywhere, near] {
        read_all(open(place), bytes.len());
        if let Ok(Some(found)) = open(place).first_record_from(place) {
            assert!(found.0 >= position::page_start(place), "{found} lies before {place}");
            read_all(open(found), bytes.len());
        }
    }
}

/// Reads to the end; how many records there were, with one that contradicts itself.
fn read_all(mut reader: WalReader, bytes: usize) -> usize {
    let (mut record, mut count) = (DecodedRecord::default(), 0);
    let mut last = reader.position();
    loop {
        match reader.read(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            // Its checksum is right, its lengths are not. Recovery refuses to go on.
            Err(_) => return count + 1,
        }
        assert!(record.end() > record.lsn() && record.lsn() >= last, "the reader goes on");
        last = record.end();
        count += 1;
        assert!(count <= bytes / RECORD_HEADER + 1, "more records than fit");
        look_at(&record);
    }
    if let Some(end) = reader.end() {
        assert!(end.lsn >= last || end.lsn == reader.position());
    }
    count
}

fn look_at(record: &DecodedRecord) {
    let _ = (record.rmgr(), record.xid(), record.data(), Checkpoint::decode(record));
    let _ = txn::record::describe(record);
    for number in 0..=record.blocks().len() {
        let _ = record.block_data(number);
        let mut page = [0xEE; PAGE_SIZE];
        let _ = record.restore_image(number, &mut page);
    }
}

/// Makes page headers, positions and checksums right, so that what stands between is read.
fn mend_log(bytes: &mut Vec<u8>, system: SystemId) {
    let pages = bytes.len().div_ceil(PAGE_SIZE).max(1);
    bytes.resize(pages * PAGE_SIZE, 0);
    let first = position::segment_start(position::FIRST_SEGMENT).0;
    let remaining = mend_records(bytes, first, system);
    for (number, remaining) in remaining.into_iter().enumerate() {
        let header = wal::page::PageHeader {
            timeline: TimelineId(1),
            address: first + number as u64 * PAGE,
            flushed: Lsn(first),
            remaining,
        };
        let size = position::header_size(header.address) as usize;
        let at = number * PAGE_SIZE;
        bytes[at..at + size].copy_from_slice(&header.encode(system)[..size]);
    }
}

/// Makes records right, one behind the other, as long as their lengths do; for each page, how much
/// of a record of earlier pages continues there.
fn mend_records(bytes: &mut [u8], first: u64, system: SystemId) -> Vec<u32> {
    let mut remaining = vec![0; bytes.len() / PAGE_SIZE];
    // Where each usable byte of the stream stands.
    let is_header = |at: &usize| {
        let header = if *at < PAGE_SIZE { SEGMENT_HEADER } else { position::PAGE_HEADER };
        at % PAGE_SIZE < header as usize
    };
    let stream: Vec<usize> = (0..bytes.len()).filter(|at| !is_header(at)).collect();
    let mut at = 0;
    while at + RECORD_HEADER <= stream.len() {
        let length: Vec<u8> = stream[at..at + 4].iter().map(|place| bytes[*place]).collect();
        let mut length = u32_of(&length) as usize;
        if length < RECORD_HEADER || length > stream.len() - at {
            if at > 0 {
                break;
            }
            length = RECORD_HEADER;
        }
        let places = &stream[at..at + length];
        let mut record: Vec<u8> = places.iter().map(|place| bytes[*place]).collect();
        mend_record(&mut record, first + places[0] as u64, system);
        places.iter().zip(record).for_each(|(place, byte)| bytes[*place] = byte);
        let end = at + length.next_multiple_of(8);
        for offset in at + 1..end.min(stream.len()) {
            let page = stream[offset] / PAGE_SIZE;
            if page > stream[offset - 1] / PAGE_SIZE {
                remaining[page] = (end - offset) as u32;
            }
        }
        at = end;
    }
    remaining
}

/// Puts length, position and checksum into a record.
fn mend_record(record: &mut [u8], lsn: u64, system: SystemId) {
    let length = record.len() as u32;
    record[..4].copy_from_slice(&length.to_le_bytes());
    record[8..16].copy_from_slice(&lsn.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    let parts = [&system.0.to_le_bytes()[..], &record[32..], &record[..4], &record[8..32]];
    parts.iter().for_each(|part| crc.update(part));
    let crc = crc.finalize();
    record[4..8].copy_from_slice(&crc.to_le_bytes());
}

fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("4 bytes"))
}

fn u64_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
}
