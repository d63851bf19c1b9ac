//! Checksums of pages: CRC-32 over the whole page, seeded with its place.
//!
//! The seed makes a write that went to the wrong place visible. The checksum is computed on a
//! private copy at every write and verified at every read. A page of zeros is a new page: files
//! grow by zeros.

use types::{BufferTag, PAGE_SIZE};

use crate::page::{CHECKSUM_AT, PageAccess, PageBytes};

/// The checksum that the page should carry at that place.
pub fn checksum(tag: BufferTag, page: &PageBytes) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&tag.rel.0.to_le_bytes());
    seed[8..12].copy_from_slice(&tag.block.to_le_bytes());
    seed[12] = tag.fork as u8;
    hasher.update(&seed);
    hasher.update(&page.0[..CHECKSUM_AT]);
    hasher.update(&page.0[CHECKSUM_AT + 4..]);
    hasher.finalize()
}

/// Puts the checksum into the page.
pub fn set_checksum(tag: BufferTag, page: &mut PageBytes) {
    let sum = checksum(tag, page);
    page.put_u32(CHECKSUM_AT, sum);
}

/// Whether the page is whole and belongs there: the right checksum, or nothing but zeros.
pub fn verify(tag: BufferTag, page: &PageBytes) -> bool {
    page.checksum() == checksum(tag, page) || is_zero(page)
}

/// Whether the page holds nothing but zeros.
pub fn is_zero(page: &PageBytes) -> bool {
    page.0 == [0; PAGE_SIZE]
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Fork, RelFileNumber};

    #[test]
    fn damage_and_misplacement_are_seen() {
        let tag = BufferTag::main(RelFileNumber(7), 3);
        let mut page = PageBytes::default();
        assert!(verify(tag, &page));
        page.init(0);
        set_checksum(tag, &mut page);
        assert!(verify(tag, &page));
        let elsewhere = [
            BufferTag::main(RelFileNumber(7), 4),
            BufferTag::main(RelFileNumber(8), 3),
            BufferTag { fork: Fork::Fsm, ..tag },
        ];
        for other in elsewhere {
            assert!(!verify(other, &page), "{other}");
        }
        // Every bit of the header and of the first line pointers, and some of the body.
        for bit in (0..512).chain((512..PAGE_SIZE * 8).step_by(7)) {
            page.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(tag, &page), "bit {bit}");
            page.0[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
