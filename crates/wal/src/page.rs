//! The headers of the log's pages and segments, byte by byte.
//!
//! ```text
//! page header, 32 bytes, at the start of every 8 KB page (little-endian)
//!   0  magic      u16   0x4D57
//!   2  flags      u16   1: begins inside a record  2: a segment header follows
//!   4  timeline   u32
//!   8  address    u64   the position of this page's first byte
//!  16  flushed    u64   up to where the log was durable when this page was begun
//!  24  remaining  u32   bytes of a record of earlier pages that continue here
//!  28  crc        u32   CRC-32 of the system identifier and bytes 0..28
//! segment header, 32 bytes, behind the page header of a segment's first page
//!  32  magic      u64   "MAMONTWL"
//!  40  version    u32   the log's format version
//!  44  order      u32   0x01020304, shows the byte order
//!  48  system     u64   the system identifier
//!  56  size       u32   bytes in a segment
//!  60  crc        u32   CRC-32 of the system identifier and bytes 32..60
//! ```
//!
//! The flushed position is what later proves that a gap in the log had been durable; its checksum
//! keeps rubbish from proving anything.

use types::{Lsn, SystemId, TimelineId};

use crate::position::{self, SEGMENT_HEADER, SEGMENT_SIZE};

/// The version of everything in a segment; a server refuses any other.
pub const LOG_FORMAT_VERSION: u32 = 2;

const PAGE_MAGIC: u16 = 0x4D57;
const SEGMENT_MAGIC: [u8; 8] = *b"MAMONTWL";
const BYTE_ORDER: u32 = 0x0102_0304;
const BEGINS_INSIDE_RECORD: u16 = 1;
const SEGMENT_HEADER_FOLLOWS: u16 = 2;

/// A decoded page header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// The history that the page belongs to.
    pub timeline: TimelineId,
    /// The position of the page's first byte.
    pub address: u64,
    /// Up to where the log was durable when this page was begun.
    pub flushed: Lsn,
    /// Bytes of a record of earlier pages that continue here.
    pub remaining: u32,
}

/// What is wrong with a page's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadHeader {
    /// In words.
    pub why: String,
    /// No crash leaves such a page, where it lies: it is whole, and belongs elsewhere or to
    /// another system. A page of an *earlier* place is not of this sort: it is what a recycled
    /// segment holds.
    pub impossible: bool,
}

impl From<&str> for BadHeader {
    fn from(why: &str) -> Self {
        BadHeader { why: why.to_owned(), impossible: false }
    }
}

/// The largest header; the first [`position::header_size`] bytes of it count.
pub type HeaderBytes = [u8; SEGMENT_HEADER as usize];

fn crc(system: SystemId, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&system.0.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

impl PageHeader {
    /// The header's bytes, with the segment header where one belongs.
    pub fn encode(&self, system: SystemId) -> HeaderBytes {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        let long = position::header_size(self.address) == SEGMENT_HEADER;
        let flags = if self.remaining > 0 { BEGINS_INSIDE_RECORD } else { 0 }
            | if long { SEGMENT_HEADER_FOLLOWS } else { 0 };
        bytes[0..2].copy_from_slice(&PAGE_MAGIC.to_le_bytes());
        bytes[2..4].copy_from_slice(&flags.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.timeline.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.address.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.flushed.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.remaining.to_le_bytes());
        let sum = crc(system, &bytes[..28]);
        bytes[28..32].copy_from_slice(&sum.to_le_bytes());
        if long {
            bytes[32..40].copy_from_slice(&SEGMENT_MAGIC);
            bytes[40..44].copy_from_slice(&LOG_FORMAT_VERSION.to_le_bytes());
            bytes[44..48].copy_from_slice(&BYTE_ORDER.to_le_bytes());
            bytes[48..56].copy_from_slice(&system.0.to_le_bytes());
            bytes[56..60].copy_from_slice(&(SEGMENT_SIZE as u32).to_le_bytes());
            let sum = crc(system, &bytes[32..60]);
            bytes[60..64].copy_from_slice(&sum.to_le_bytes());
        }
        bytes
    }

    /// Reads the header of the page that should begin at `address`; an error says what is wrong.
    pub fn decode(page: &[u8], address: u64, system: SystemId) -> Result<PageHeader, BadHeader> {
        let header = PageHeader::decode_any(page, header_size_at(address), system)?;
        if header.address != address {
            return Err(BadHeader {
                why: format!("page belongs at {}", Lsn(header.address)),
                impossible: header.address > address,
            });
        }
        Ok(header)
    }

    /// Reads the header at the start of a segment's file, wherever that belongs.
    pub fn decode_first(page: &[u8], system: SystemId) -> Result<PageHeader, BadHeader> {
        PageHeader::decode_any(page, SEGMENT_HEADER as usize, system)
    }

    fn decode_any(page: &[u8], size: usize, system: SystemId) -> Result<PageHeader, BadHeader> {
        if page.len() < size {
            return Err("page is cut short".into());
        }
        let u32_at = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(page[at..at + 8].try_into().expect("8 bytes"));
        if page[..size].iter().all(|byte| *byte == 0) {
            return Err("page is empty".into());
        }
        if page[0..2] != PAGE_MAGIC.to_le_bytes() {
            return Err("page has no valid magic number".into());
        }
        if size == SEGMENT_HEADER as usize {
            check_segment_header(page, system)?;
        }
        if u32_at(28) != crc(system, &page[..28]) {
            return Err("page header checksum does not match".into());
        }
        Ok(PageHeader {
            timeline: TimelineId(u32_at(4)),
            address: u64_at(8),
            flushed: Lsn(u64_at(16)),
            remaining: u32_at(24),
        })
    }
}

fn header_size_at(address: u64) -> usize {
    position::header_size(address) as usize
}

fn check_segment_header(page: &[u8], system: SystemId) -> Result<(), BadHeader> {
    let u32_at = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().expect("4 bytes"));
    let found = u64::from_le_bytes(page[48..56].try_into().expect("8 bytes"));
    if page[32..40] != SEGMENT_MAGIC {
        return Err("segment has no valid magic number".into());
    }
    let whole = u32_at(60) == crc(SystemId(found), &page[32..60]);
    let foreign = |why: String| BadHeader { why, impossible: whole };
    if u32_at(44) != BYTE_ORDER {
        return Err(foreign("segment has another byte order".to_owned()));
    }
    if u32_at(40) != LOG_FORMAT_VERSION {
        return Err(foreign(format!("segment has log format version {}", u32_at(40))));
    }
    if found != system.0 {
        return Err(foreign(format!("segment belongs to the database system {found}")));
    }
    if u32_at(56) != SEGMENT_SIZE as u32 {
        return Err(foreign(format!("segment has a size of {} bytes", u32_at(56))));
    }
    if !whole {
        return Err("segment header checksum does not match".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: SystemId = SystemId(0x1234_5678_9ABC);

    fn header(address: u64) -> PageHeader {
        PageHeader { timeline: TimelineId(1), address, flushed: Lsn(77), remaining: 9 }
    }

    #[test]
    fn headers_round_trip() {
        for address in [SEGMENT_SIZE, SEGMENT_SIZE + position::PAGE] {
            let bytes = header(address).encode(SYSTEM);
            assert_eq!(PageHeader::decode(&bytes, address, SYSTEM), Ok(header(address)));
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        for address in [SEGMENT_SIZE, SEGMENT_SIZE + position::PAGE] {
            let bytes = header(address).encode(SYSTEM);
            for bit in 0..position::header_size(address) as usize * 8 {
                let mut damaged = bytes;
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(PageHeader::decode(&damaged, address, SYSTEM).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_page_of_another_place_or_system_is_refused() {
        let bytes = header(SEGMENT_SIZE + position::PAGE).encode(SYSTEM);
        let at = |place| PageHeader::decode(&bytes, place, SYSTEM).expect_err("elsewhere");
        // Of an earlier place is what a recycled segment holds; of a later one nothing does.
        assert!(!at(SEGMENT_SIZE + 2 * position::PAGE).impossible);
        assert!(at(position::PAGE).impossible);
        assert!(PageHeader::decode(&bytes, SEGMENT_SIZE + position::PAGE, SystemId(1)).is_err());
        assert!(PageHeader::decode(&bytes[..20], SEGMENT_SIZE + position::PAGE, SYSTEM).is_err());
    }

    #[test]
    fn a_foreign_segment_is_told_from_a_damaged_one() {
        let foreign = header(SEGMENT_SIZE).encode(SystemId(7));
        let bad = PageHeader::decode(&foreign, SEGMENT_SIZE, SYSTEM).expect_err("foreign");
        assert!(bad.impossible && bad.why.contains("database system 7"), "{bad:?}");
        for at in [40, 44, 56] {
            let mut other = header(SEGMENT_SIZE).encode(SYSTEM);
            other[at] ^= 2;
            let bad = PageHeader::decode(&other, SEGMENT_SIZE, SYSTEM).expect_err("damaged");
            assert!(!bad.impossible, "byte {at}: {bad:?}");
            let sum = crc(SYSTEM, &other[32..60]);
            other[60..64].copy_from_slice(&sum.to_le_bytes());
            let bad = PageHeader::decode(&other, SEGMENT_SIZE, SYSTEM).expect_err("foreign");
            assert!(bad.impossible, "byte {at}: {bad:?}");
        }
    }
}
