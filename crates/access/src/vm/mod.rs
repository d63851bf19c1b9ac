//! The visibility map: which pages of a table hold nothing but rows that everybody sees.
//!
//! ```text
//!  fork "vm", page n:  | header 32 | bit for each of 65280 heap pages, from n * 65280 on, lowest first |
//! ```
//!
//! A set bit says: every version on that heap page is seen by every snapshot, held or yet to be
//! taken; none has an end; no line pointer is dead. So vacuum need not look at the page, and
//! whoever has found an index entry need not look for its row there.
//!
//! # Invariants
//! 1. A bit is set only while the heap page's flag `ALL_VISIBLE` is: one record sets both, and one
//!    record (that of the change which ends the page's state) takes both away. So a writer looks at
//!    the flag under the page's lock, and at the map only where the flag is set.
//! 2. A page without line pointers never has its bit set. What a table loses at its end are such
//!    pages, so nothing need be cleared when it is cut off.
//! 3. A bit is set only when every snapshot that is held was taken after the page's line pointers
//!    were last freed ([`txn::Txn::held_snapshots_see`]). An older one may have read an index
//!    entry before vacuum removed it, and the map would tell it that the row is there.
//!
//! What these give to an index-only scan is told where it is done, in `sql/src/engine/index_only.rs`.
//!
//! Locks: a page of the map after the heap's pages, the lower block first. Whoever asks for a bit
//! locks no heap page: what a writer does to the heap page after clearing the bit is not seen by the
//! asker's snapshot, and what his snapshot sees was done with the bit cleared before.
//!
//! What if the process dies: the map is logged; each record names the page of the map as a block of
//! its own, and redo of it needs that page and the record alone.

mod lookup;

use buffer::{PageAccess, PageBytes};
use types::{BlockNo, BufferTag, Fork, PAGE_SIZE, RelFileNumber};

use crate::Access;
use crate::codec::Fields;
use crate::error::Error;

pub use lookup::Lookup;

/// Where the bits begin.
const BITS_AT: usize = buffer::page::PAGE_HEADER_SIZE;
/// Heap pages that a page of the map tells about.
const PER_PAGE: BlockNo = ((PAGE_SIZE - BITS_AT) * 8) as BlockNo;

/// What a record does to bits of a page of the map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Mark {
    Clear = 0,
    Set = 1,
}

/// The visibility map of one table.
pub struct VisibilityMap<'a> {
    access: &'a Access,
    rel: RelFileNumber,
}

/// The page of the map that tells about a heap page.
pub fn page_of(block: BlockNo) -> BlockNo {
    block / PER_PAGE
}

/// The byte and the bit of a heap page in its page of the map.
fn bit_of(block: BlockNo) -> (usize, u8) {
    let bit = (block % PER_PAGE) as usize;
    (BITS_AT + bit / 8, 1 << (bit % 8))
}

/// Whether the bit of a heap page is set on its page of the map.
pub fn is_set(page: &PageBytes, block: BlockNo) -> bool {
    let (at, bit) = bit_of(block);
    page.0[at] & bit != 0
}

impl<'a> VisibilityMap<'a> {
    /// The map of the table in that file.
    pub fn new(access: &'a Access, rel: RelFileNumber) -> Self {
        VisibilityMap { access, rel }
    }

    /// Whether everybody sees every row on the heap page. With an index entry at hand that the
    /// caller read while it held its snapshot, "yes" means that the entry's row is there to him.
    pub fn is_all_visible(&self, block: BlockNo) -> Result<bool, Error> {
        if !self.has_page(page_of(block))? {
            return Ok(false);
        }
        let pin = self.access.pool.read(self.tag(page_of(block)))?;
        let page = pin.shared();
        let (at, bit) = bit_of(block);
        Ok(page.bytes(at..at + 1)[0] & bit != 0)
    }

    /// How many of the first `blocks` heap pages have their bit set.
    pub fn count(&self, blocks: BlockNo) -> Result<BlockNo, Error> {
        let mut count = 0;
        for number in 0..blocks.div_ceil(PER_PAGE) {
            if !self.has_page(number)? {
                break;
            }
            let left = blocks - number * PER_PAGE;
            let bytes = left.min(PER_PAGE).div_ceil(8) as usize;
            let pin = self.access.pool.read(self.tag(number))?;
            let page = pin.shared();
            let set = page.bytes(BITS_AT..BITS_AT + bytes).iter().map(|byte| byte.count_ones());
            // Bits behind the end are never set.
            count += set.sum::<u32>();
        }
        Ok(count)
    }

    pub(crate) fn has_page(&self, number: BlockNo) -> Result<bool, Error> {
        let (rel, known) = self.access.known_map.get();
        if rel == self.rel && number < known {
            return Ok(true);
        }
        let there = self.access.pool.nblocks(self.rel, Fork::Vm)?;
        self.access.known_map.set((self.rel, there));
        Ok(number < there)
    }

    pub(crate) fn tag(&self, number: BlockNo) -> BufferTag {
        BufferTag { rel: self.rel, fork: Fork::Vm, block: number }
    }
}

/// What a record has for a page of the map: the mark u8, then heap blocks u32.
pub(crate) fn encode(mark: Mark, blocks: impl Iterator<Item = BlockNo>) -> Vec<u8> {
    let mut data = vec![mark as u8];
    blocks.for_each(|block| data.extend_from_slice(&block.to_le_bytes()));
    data
}

/// Does to a page of the map what [`encode`] wrote. `false`: that is damaged; the page may have
/// changed.
#[must_use]
pub(crate) fn apply(page: &mut PageBytes, data: &[u8]) -> bool {
    let mut fields = Fields(data);
    let Ok(mark @ (0 | 1)) = fields.u8() else { return false };
    if page.is_new() {
        page.init_raw();
    }
    while let Ok(block) = fields.u32() {
        let (at, bit) = bit_of(block);
        page.0[at] = if mark == Mark::Set as u8 { page.0[at] | bit } else { page.0[at] & !bit };
    }
    fields.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heap_page_has_a_bit_of_its_own() {
        assert_eq!((page_of(0), bit_of(0)), (0, (32, 1)));
        assert_eq!((page_of(PER_PAGE - 1), bit_of(PER_PAGE - 1)), (0, (PAGE_SIZE - 1, 128)));
        assert_eq!((page_of(PER_PAGE), bit_of(PER_PAGE)), (1, (32, 1)));
        assert!((page_of(BlockNo::MAX), bit_of(BlockNo::MAX).0) < (65794, PAGE_SIZE));
    }

    #[test]
    fn bits_are_set_and_cleared_by_the_same_bytes_as_in_redo() {
        let mut page = PageBytes::default();
        assert!(apply(&mut page, &encode(Mark::Set, [3, 4, 65279].into_iter())));
        assert!(apply(&mut page, &encode(Mark::Clear, [4].into_iter())));
        let set: Vec<_> = (0..PER_PAGE).filter(|block| is_set(&page, *block)).collect();
        assert_eq!(set, [3, 65279]);
        assert!(page.is_sane() && page.item_count() == 0);
        for damaged in [&[][..], &[2, 0, 0, 0, 0], &[1, 0, 0]] {
            assert!(!apply(&mut page, damaged));
        }
    }
}
