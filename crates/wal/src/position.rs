//! Where a byte of the log stands: stream offsets, pages, segments and their file names.
//!
//! Inserters reserve *usable* bytes: the stream without page headers. A usable position and an
//! [`Lsn`] (which counts headers too) convert into each other by arithmetic alone:
//!
//! ```text
//! segment (16 MB) |H64|  page 0   |H32|  page 1   |H32|  page 2   | ... 2048 pages
//!                      8128 usable     8160 usable     8160 usable
//! ```
//!
//! A position on a page boundary has two names: as the *end* of what stands before it, it is the
//! boundary itself; as the *start* of what comes after, it lies behind the page's header.

use types::{Lsn, PAGE_SIZE, TimelineId};

/// Bytes in a file of the log.
pub const SEGMENT_SIZE: u64 = 16 << 20;
/// Bytes in a page of the log, as `u64`.
pub const PAGE: u64 = PAGE_SIZE as u64;
/// Bytes of the header of every page.
pub const PAGE_HEADER: u64 = 32;
/// Bytes of the header of a segment's first page: the page header and the segment header.
pub const SEGMENT_HEADER: u64 = 64;
/// What records are aligned to.
pub const ALIGN: u64 = 8;
/// Where the log of a new database begins: segment 1, so that 0 can mean "none".
pub const FIRST_SEGMENT: u64 = 1;

const PAGE_USABLE: u64 = PAGE - PAGE_HEADER;
const FIRST_PAGE_USABLE: u64 = PAGE - SEGMENT_HEADER;
const PAGES_PER_SEGMENT: u64 = SEGMENT_SIZE / PAGE;
const SEGMENT_USABLE: u64 = FIRST_PAGE_USABLE + (PAGES_PER_SEGMENT - 1) * PAGE_USABLE;
const SEGMENTS_PER_HIGH: u64 = (1 << 32) / SEGMENT_SIZE;

const _: () = assert!(PAGE_USABLE.is_multiple_of(ALIGN) && FIRST_PAGE_USABLE.is_multiple_of(ALIGN));

/// Rounds a record's length up to what it occupies.
pub fn aligned(length: u64) -> u64 {
    length.next_multiple_of(ALIGN)
}

/// The usable position of the first byte of the log of a new database.
pub fn first_usable() -> u64 {
    FIRST_SEGMENT * SEGMENT_USABLE
}

/// The position of a record that starts at the usable position.
pub fn start_lsn(usable: u64) -> Lsn {
    let (segment, rest) = (usable / SEGMENT_USABLE, usable % SEGMENT_USABLE);
    let offset = if rest < FIRST_PAGE_USABLE {
        SEGMENT_HEADER + rest
    } else {
        let rest = rest - FIRST_PAGE_USABLE;
        PAGE + rest / PAGE_USABLE * PAGE + PAGE_HEADER + rest % PAGE_USABLE
    };
    Lsn(segment * SEGMENT_SIZE + offset)
}

/// The position where a record ends whose end is the usable position.
pub fn end_lsn(usable: u64) -> Lsn {
    let (segment, rest) = (usable / SEGMENT_USABLE, usable % SEGMENT_USABLE);
    let offset = if rest == 0 {
        0
    } else if rest <= FIRST_PAGE_USABLE {
        SEGMENT_HEADER + rest
    } else {
        let rest = rest - FIRST_PAGE_USABLE;
        let (page, within) = (rest / PAGE_USABLE, rest % PAGE_USABLE);
        PAGE + page * PAGE + if within == 0 { 0 } else { PAGE_HEADER + within }
    };
    Lsn(segment * SEGMENT_SIZE + offset)
}

/// The usable position of a start or end position. A position inside a page header counts as the
/// page's first usable byte.
pub fn usable(lsn: Lsn) -> u64 {
    let (segment, offset) = (lsn.0 / SEGMENT_SIZE, lsn.0 % SEGMENT_SIZE);
    let (page, within) = (offset / PAGE, offset % PAGE);
    let rest = if page == 0 {
        within.saturating_sub(SEGMENT_HEADER)
    } else {
        FIRST_PAGE_USABLE + (page - 1) * PAGE_USABLE + within.saturating_sub(PAGE_HEADER)
    };
    segment * SEGMENT_USABLE + rest
}

/// The first position at or after `lsn` where a record may start: behind the page's header.
pub fn record_start_at(lsn: Lsn) -> Lsn {
    start_lsn(usable(lsn))
}

/// Bytes of the header of the page that begins at `page_start`.
pub fn header_size(page_start: u64) -> u64 {
    if page_start.is_multiple_of(SEGMENT_SIZE) { SEGMENT_HEADER } else { PAGE_HEADER }
}

/// The start of the page that holds the position.
pub fn page_start(lsn: Lsn) -> u64 {
    lsn.0 - lsn.0 % PAGE
}

/// The number of the segment that holds the byte at the position.
pub fn segment_of(lsn: Lsn) -> u64 {
    lsn.0 / SEGMENT_SIZE
}

/// The position of a segment's first byte.
pub fn segment_start(segment: u64) -> Lsn {
    Lsn(segment * SEGMENT_SIZE)
}

/// A segment's file name, as PostgreSQL names it: timeline, high and low part, 24 hex digits.
pub fn segment_name(timeline: TimelineId, segment: u64) -> String {
    format!(
        "{:08X}{:08X}{:08X}",
        timeline.0,
        segment / SEGMENTS_PER_HIGH,
        segment % SEGMENTS_PER_HIGH
    )
}

/// The timeline and number that a segment's file name tells, or `None` for any other name.
pub fn parse_segment_name(name: &str) -> Option<(TimelineId, u64)> {
    let hex = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    if name.len() != 24 || !name.bytes().all(hex) {
        return None;
    }
    let part = |at: usize| u32::from_str_radix(&name[at..at + 8], 16).ok();
    let (timeline, high, low) = (part(0)?, u64::from(part(8)?), u64::from(part(16)?));
    (low < SEGMENTS_PER_HIGH).then_some((TimelineId(timeline), high * SEGMENTS_PER_HIGH + low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn boundaries_have_two_names() {
        let first = first_usable();
        assert_eq!(start_lsn(first), Lsn(SEGMENT_SIZE + SEGMENT_HEADER));
        assert_eq!(end_lsn(first), Lsn(SEGMENT_SIZE));
        let second_page = first + FIRST_PAGE_USABLE;
        assert_eq!(end_lsn(second_page).0, SEGMENT_SIZE + PAGE);
        assert_eq!(start_lsn(second_page).0, SEGMENT_SIZE + PAGE + PAGE_HEADER);
        let third_page = second_page + PAGE_USABLE;
        assert_eq!(end_lsn(third_page).0, SEGMENT_SIZE + 2 * PAGE);
        assert_eq!(start_lsn(third_page).0, SEGMENT_SIZE + 2 * PAGE + PAGE_HEADER);
    }

    proptest! {
        #[test]
        fn positions_round_trip(eighths in 0u64..1 << 40) {
            let position = first_usable() + eighths * ALIGN;
            prop_assert_eq!(usable(start_lsn(position)), position);
            prop_assert_eq!(usable(end_lsn(position)), position);
            prop_assert!(end_lsn(position) <= start_lsn(position));
            prop_assert!(start_lsn(position) < end_lsn(position + ALIGN));
        }

        #[test]
        fn segment_names_round_trip(timeline in 1u32.., segment in 0u64..1 << 40) {
            let name = segment_name(TimelineId(timeline), segment);
            prop_assert_eq!(parse_segment_name(&name), Some((TimelineId(timeline), segment)));
        }
    }

    #[test]
    fn other_names_are_no_segments() {
        for name in
            ["", "00000001000000000000000", "0000000100000000000000ag", "000000010000000000000100"]
        {
            assert_eq!(parse_segment_name(name), None, "{name}");
        }
    }
}
