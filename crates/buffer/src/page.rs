//! The page: a header, line pointers growing up, rows growing down.
//!
//! ```text
//!  0  lsn        u64   end of the last record that changed the page
//!  8  checksum   u32   see checksum.rs; computed when the page is written to disk
//! 12  flags      u16
//! 14  version    u8    the format of the page
//! 15  (zero)     u8
//! 16  lower      u16   end of the line pointers
//! 18  upper      u16   start of the rows
//! 20  special    u16   start of what the access method keeps for itself
//! 22  (zero)     u16
//! 24  prune_xid  u64   the oldest transaction whose end may have left something to prune; 0: none
//! 32  line pointers, 4 bytes each: offset (15 bits), state (2), length (15)
//! ```
//!
//! `lower..upper` is the hole: it holds nothing and is left out of images. A page without line
//! pointers (status pages, maps) sets lower = upper = special = 8192 and has no hole. A page of
//! zeros is a new one. Line pointers count from 1.
//!
//! Every accessor is safe on hostile bytes: what a damaged header names is `None`, not a panic.

use types::{Lsn, PAGE_SIZE, Xid};

/// Bytes of the page header.
pub const PAGE_HEADER_SIZE: usize = 32;
/// The page format that this server reads and writes.
pub const PAGE_VERSION: u8 = 1;
/// The most line pointers a page can have.
pub const MAX_ITEMS: u16 = ((PAGE_SIZE - PAGE_HEADER_SIZE) / ITEM_SIZE) as u16;

/// Bytes of a line pointer.
pub const ITEM_SIZE: usize = 4;
pub(crate) const LSN_AT: usize = 0;
pub(crate) const CHECKSUM_AT: usize = 8;
const FLAGS_AT: usize = 12;
const VERSION_AT: usize = 14;
pub(crate) const LOWER_AT: usize = 16;
pub(crate) const UPPER_AT: usize = 18;
const SPECIAL_AT: usize = 20;
const PRUNE_XID_AT: usize = 24;

/// What a line pointer stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ItemState {
    /// Free to be used again.
    Unused = 0,
    /// Points to a row.
    Normal = 1,
    /// Leads to another line pointer of the page: see [`Item::target`].
    Redirect = 2,
    /// In a heap: its row is gone, but an index may still point here. In an index: the row it leads
    /// to is known to be gone for everybody, a hint.
    Dead = 3,
}

/// A line pointer taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item {
    /// Where in the page its row starts.
    pub offset: u16,
    /// Bytes of the row.
    pub length: u16,
    /// What it stands for.
    pub state: ItemState,
}

impl Item {
    #[inline]
    fn decode(word: u32) -> Item {
        let state = match word >> 15 & 3 {
            0 => ItemState::Unused,
            1 => ItemState::Normal,
            2 => ItemState::Redirect,
            _ => ItemState::Dead,
        };
        Item { offset: (word & 0x7FFF) as u16, length: (word >> 17) as u16, state }
    }

    fn encode(self) -> u32 {
        u32::from(self.offset) | (self.state as u32) << 15 | u32::from(self.length) << 17
    }

    /// The line pointer that a redirecting one leads to.
    pub fn target(self) -> Option<u16> {
        (self.state == ItemState::Redirect).then_some(self.offset)
    }

    /// Where the row lies, if it lies inside the page.
    #[inline]
    pub fn range(self) -> Option<std::ops::Range<usize>> {
        if self.state == ItemState::Normal { self.extent() } else { None }
    }

    /// Where its bytes lie, also of one marked dead, if they lie inside the page.
    #[inline]
    pub fn extent(self) -> Option<std::ops::Range<usize>> {
        let (from, to) =
            (usize::from(self.offset), usize::from(self.offset) + usize::from(self.length));
        let points = matches!(self.state, ItemState::Normal | ItemState::Dead);
        (points && from >= PAGE_HEADER_SIZE && to <= PAGE_SIZE).then_some(from..to)
    }
}

/// Reading a page, whoever holds its bytes.
pub trait PageAccess {
    /// Two bytes, little-endian. `at` is a constant or has been checked.
    fn u16_at(&self, at: usize) -> u16;
    /// Four bytes, little-endian.
    fn u32_at(&self, at: usize) -> u32;
    /// Eight bytes, little-endian.
    fn u64_at(&self, at: usize) -> u64;

    /// The end of the last record that changed the page.
    fn lsn(&self) -> Lsn {
        Lsn(self.u64_at(LSN_AT))
    }
    /// The checksum as it was when the page was last read or written.
    fn checksum(&self) -> u32 {
        self.u32_at(CHECKSUM_AT)
    }
    /// The access method's flags.
    fn flags(&self) -> u16 {
        self.u16_at(FLAGS_AT)
    }
    /// The page's format; 0 on a new page.
    fn version(&self) -> u8 {
        self.u16_at(VERSION_AT) as u8
    }
    /// End of the line pointers.
    fn lower(&self) -> u16 {
        self.u16_at(LOWER_AT)
    }
    /// Start of the rows.
    fn upper(&self) -> u16 {
        self.u16_at(UPPER_AT)
    }
    /// Start of the access method's own area.
    fn special(&self) -> u16 {
        self.u16_at(SPECIAL_AT)
    }
    /// The oldest transaction whose end may have left something to prune.
    fn prune_xid(&self) -> Xid {
        Xid(self.u64_at(PRUNE_XID_AT))
    }
    /// Whether nothing has been put on the page yet.
    fn is_new(&self) -> bool {
        self.upper() == 0
    }
    /// Whether the header makes sense.
    fn is_sane(&self) -> bool {
        let (lower, upper, special) =
            (usize::from(self.lower()), usize::from(self.upper()), usize::from(self.special()));
        self.version() == PAGE_VERSION
            && lower >= PAGE_HEADER_SIZE
            && lower <= upper
            && upper <= special
            && special <= PAGE_SIZE
    }
    /// How many line pointers there are, used or not.
    fn item_count(&self) -> u16 {
        let lower = self.lower();
        if lower == PAGE_SIZE as u16 && self.upper() == lower && self.special() == lower {
            return 0;
        }
        let bytes = lower.clamp(PAGE_HEADER_SIZE as u16, PAGE_SIZE as u16);
        (bytes - PAGE_HEADER_SIZE as u16) / ITEM_SIZE as u16
    }
    /// The line pointer of that number, from 1.
    fn item(&self, number: u16) -> Option<Item> {
        (number >= 1 && number <= self.item_count())
            .then(|| Item::decode(self.u32_at(item_at(number))))
    }
    /// Bytes between the line pointers and the rows.
    fn hole(&self) -> usize {
        usize::from(self.upper().saturating_sub(self.lower()))
    }
    /// Start and length of the hole, or none where the header makes no sense.
    fn hole_range(&self) -> (u16, u16) {
        if self.is_sane() { (self.lower(), self.upper() - self.lower()) } else { (0, 0) }
    }
}

#[inline]
pub(crate) fn item_at(number: u16) -> usize {
    PAGE_HEADER_SIZE + (usize::from(number) - 1) * ITEM_SIZE
}

/// A page that nobody else touches: a private copy, or a buffer under its exclusive lock.
#[derive(Clone)]
#[repr(C, align(8))]
pub struct PageBytes(pub [u8; PAGE_SIZE]);

impl PageAccess for PageBytes {
    #[inline]
    fn u16_at(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.0[at..at + 2].try_into().expect("2 bytes"))
    }
    #[inline]
    fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("4 bytes"))
    }
    #[inline]
    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("8 bytes"))
    }
}

impl Default for PageBytes {
    fn default() -> Self {
        PageBytes([0; PAGE_SIZE])
    }
}

impl PageBytes {
    /// Makes the page empty, with `special` bytes at the end for the access method.
    pub fn init(&mut self, special: usize) {
        let top = (PAGE_SIZE - special) as u16;
        self.0.fill(0);
        self.0[VERSION_AT] = PAGE_VERSION;
        self.put_u16(LOWER_AT, PAGE_HEADER_SIZE as u16);
        self.put_u16(UPPER_AT, top);
        self.put_u16(SPECIAL_AT, top);
    }

    /// Makes the page one without line pointers: all behind the header is the owner's.
    pub fn init_raw(&mut self) {
        self.0.fill(0);
        self.0[VERSION_AT] = PAGE_VERSION;
        for at in [LOWER_AT, UPPER_AT, SPECIAL_AT] {
            self.put_u16(at, PAGE_SIZE as u16);
        }
    }

    /// Stores two bytes, little-endian.
    pub fn put_u16(&mut self, at: usize, value: u16) {
        self.0[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    /// Stores four bytes, little-endian.
    pub fn put_u32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Stores eight bytes, little-endian.
    pub fn put_u64(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// Sets the position of the change; redo and the recipe of changes do.
    pub fn set_lsn(&mut self, lsn: Lsn) {
        self.put_u64(LSN_AT, lsn.0);
    }

    /// Sets the access method's flags.
    pub fn set_flags(&mut self, flags: u16) {
        self.put_u16(FLAGS_AT, flags);
    }

    /// Sets the oldest transaction whose end may leave something to prune.
    pub fn set_prune_xid(&mut self, xid: Xid) {
        self.put_u64(PRUNE_XID_AT, xid.0);
    }

    /// The bytes of the row behind a line pointer.
    pub fn row(&self, number: u16) -> Option<&[u8]> {
        self.item(number)?.range().map(|range| &self.0[range])
    }

    /// The bytes of the row behind a line pointer, to be changed in place.
    pub fn row_mut(&mut self, number: u16) -> Option<&mut [u8]> {
        let range = self.item(number)?.range()?;
        Some(&mut self.0[range])
    }

    /// The number that the next row gets: the first unused line pointer, or a new one.
    pub fn next_item(&self) -> u16 {
        let count = self.item_count();
        let unused =
            |number: &u16| self.item(*number).is_some_and(|item| item.state == ItemState::Unused);
        (1..=count).find(unused).unwrap_or(count + 1)
    }

    /// Whether a row of that length fits without compacting.
    pub fn fits(&self, length: usize) -> bool {
        self.is_sane() && self.room_for(self.next_item(), length)
    }

    /// Room for one more row and its line pointer, without compacting.
    pub fn free_space(&self) -> usize {
        self.hole().saturating_sub(ITEM_SIZE)
    }

    fn room_for(&self, number: u16, length: usize) -> bool {
        let pointer = if number > self.item_count() { ITEM_SIZE } else { 0 };
        number <= MAX_ITEMS && length.next_multiple_of(8) + pointer <= self.hole()
    }

    /// Puts a row at the line pointer `number`: an unused one, or the one after the last.
    /// `false`: it does not fit there; nothing is changed.
    #[must_use]
    pub fn put_row(&mut self, number: u16, row: &[u8]) -> bool {
        let count = self.item_count();
        let free = number >= 1
            && (number == count + 1
                || self.item(number).is_some_and(|item| item.state == ItemState::Unused));
        if !self.is_sane() || !free || !self.room_for(number, row.len()) {
            return false;
        }
        let offset = self.upper() - row.len().next_multiple_of(8) as u16;
        self.0[usize::from(offset)..usize::from(offset) + row.len()].copy_from_slice(row);
        self.put_u16(UPPER_AT, offset);
        if number > count {
            self.put_u16(LOWER_AT, self.lower() + ITEM_SIZE as u16);
        }
        self.set_item(number, Item { offset, length: row.len() as u16, state: ItemState::Normal });
        true
    }

    /// Frees a line pointer; the row's bytes stay until the page is compacted.
    pub fn set_unused(&mut self, number: u16) {
        if number >= 1 && number <= self.item_count() {
            self.set_item(number, Item { offset: 0, length: 0, state: ItemState::Unused });
        }
    }

    /// Makes a line pointer lead to another; the row's bytes stay until the page is compacted.
    pub fn set_redirect(&mut self, number: u16, target: u16) {
        if number >= 1 && number <= self.item_count() {
            let offset = target & 0x7FFF;
            self.set_item(number, Item { offset, length: 0, state: ItemState::Redirect });
        }
    }

    /// Takes a line pointer's row away and keeps the line pointer: an index may still point here.
    pub fn set_dead(&mut self, number: u16) {
        if number >= 1 && number <= self.item_count() {
            self.set_item(number, Item { offset: 0, length: 0, state: ItemState::Dead });
        }
    }

    pub(crate) fn set_item(&mut self, number: u16, item: Item) {
        self.put_u32(item_at(number), item.encode());
    }

    /// Moves the rows together at the end of the page and gives up unused line pointers at the
    /// end of their array. The same page gives the same bytes, so redo may repeat it. A page whose
    /// line pointers overlap is damaged and left as it is.
    pub fn compact(&mut self) {
        if !self.is_sane() {
            return;
        }
        let rows = |number| {
            self.item(number)
                .and_then(Item::range)
                .map_or(0, |range| range.len().next_multiple_of(8))
        };
        let total: usize = (1..=self.item_count()).map(rows).sum();
        if usize::from(self.lower()) + total > usize::from(self.special()) {
            return;
        }
        let old = self.clone();
        let mut upper = usize::from(self.special());
        // Nothing of old rows stays between the new ones: their hints may differ from redo's.
        self.0[usize::from(old.lower())..upper].fill(0);
        let mut last_used = 0;
        for number in 1..=old.item_count() {
            let Some(item) = old.item(number) else { continue };
            if item.state != ItemState::Unused {
                last_used = number;
            }
            let Some(range) = item.range() else { continue };
            upper -= range.len().next_multiple_of(8);
            self.0[upper..upper + range.len()].copy_from_slice(&old.0[range]);
            self.set_item(number, Item { offset: upper as u16, ..item });
        }
        let lower = PAGE_HEADER_SIZE + usize::from(last_used) * ITEM_SIZE;
        self.put_u16(LOWER_AT, lower as u16);
        self.put_u16(UPPER_AT, upper as u16);
        self.0[lower..upper].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_page_is_full_of_room() {
        let mut page = PageBytes::default();
        assert!(page.is_new() && !page.is_sane());
        page.init(16);
        assert!(!page.is_new() && page.is_sane());
        assert_eq!(page.item_count(), 0);
        assert_eq!(page.hole(), PAGE_SIZE - PAGE_HEADER_SIZE - 16);
        page.init_raw();
        assert!(page.is_sane());
        assert_eq!((page.item_count(), page.hole_range().1), (0, 0));
    }

    #[test]
    fn a_freed_line_pointer_is_used_again() {
        let mut page = PageBytes::default();
        page.init(0);
        for number in 1..=3 {
            assert!(page.put_row(number, &[number as u8; 100]));
        }
        page.set_unused(2);
        assert_eq!(page.next_item(), 2);
        assert!(!page.put_row(3, b"taken"));
        assert!(!page.put_row(5, b"past the end"));
        page.compact();
        assert_eq!(page.row(1), Some(&[1u8; 100][..]));
        assert_eq!(page.row(2), None);
        assert!(page.put_row(2, b"new"));
        assert_eq!(page.row(2), Some(&b"new"[..]));
        assert_eq!(page.row(3), Some(&[3u8; 100][..]));
    }

    #[test]
    fn line_pointers_that_lead_elsewhere_or_nowhere_keep_their_numbers() {
        let mut page = PageBytes::default();
        page.init(0);
        for number in 1..=3 {
            assert!(page.put_row(number, &[number as u8; 100]));
        }
        page.set_redirect(1, 3);
        page.set_dead(2);
        page.set_dead(9);
        page.compact();
        assert_eq!(page.item(1).and_then(Item::target), Some(3));
        assert_eq!(
            page.item(2).map(|item| (item.state, item.target())),
            Some((ItemState::Dead, None))
        );
        assert_eq!((page.row(1), page.row(2), page.row(3)), (None, None, Some(&[3u8; 100][..])));
        assert_eq!((page.next_item(), page.item_count()), (4, 3));
        assert!(!page.put_row(2, b"taken"));
    }

    proptest! {
        #[test]
        fn rows_survive_whatever_happens_around_them(
            steps in proptest::collection::vec((0u16..40, 0usize..600, any::<bool>()), 1..200)
        ) {
            let mut page = PageBytes::default();
            page.init(0);
            let mut model = std::collections::BTreeMap::new();
            for (number, length, free) in steps {
                if free {
                    page.set_unused(number);
                    model.remove(&number);
                    page.compact();
                } else {
                    let number = page.next_item();
                    let row = vec![number as u8; length];
                    if page.put_row(number, &row) {
                        model.insert(number, row);
                    }
                }
                for (number, row) in &model {
                    prop_assert_eq!(page.row(*number), Some(row.as_slice()));
                }
            }
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 64)) {
            let mut page = PageBytes::default();
            page.0[..64].copy_from_slice(&bytes);
            for number in 0..50 {
                let _ = page.row(number);
            }
            let _ = (page.next_item(), page.fits(10), page.hole_range());
            let _ = page.put_row(1, b"row");
            page.set_unused(7);
            page.compact();
        }
    }
}
