//! What happens to the bytes of a heap page: the same functions when it happens and when it is
//! redone.
//!
//! A page has versions behind line pointers, and nothing in its special area. The flag
//! [`HAS_FREE_LINES`] tells that an unused line pointer may be among the others, so that an insert
//! need not look for one; `prune_xid` is the oldest transaction whose end may leave a dead version.
//!
//! The functions return `false`, with the page as it was, where the page is not as they need it.
//! Under the page's lock, after looking, that cannot be; in redo it means damage.

use buffer::page::MAX_ITEMS;
use buffer::{ItemState, PageAccess, PageBytes};
use types::{TupleId, Xid};

use crate::tuple::{HEADER_SIZE, Header, infomask};

/// Flag of the page: a line pointer before the last may be unused.
pub(crate) const HAS_FREE_LINES: u16 = 1;

const LINE_POINTER: usize = 4;

/// The line pointer that the next version gets.
pub(crate) fn next_offset(page: &impl PageAccess) -> u16 {
    let count = page.item_count();
    if page.flags() & HAS_FREE_LINES != 0 {
        let unused =
            |number: &u16| page.item(*number).is_some_and(|item| item.state == ItemState::Unused);
        if let Some(number) = (1..=count).find(unused) {
            return number;
        }
    }
    count + 1
}

/// The length of the longest version that fits, without pruning. A new page is an empty one.
pub(crate) fn room(page: &impl PageAccess) -> usize {
    if page.is_new() {
        return crate::tuple::MAX_TUPLE_SIZE;
    }
    if !page.is_sane() {
        return 0;
    }
    let offset = next_offset(page);
    let pointer = if offset > page.item_count() { LINE_POINTER } else { 0 };
    if offset > MAX_ITEMS { 0 } else { page.hole().saturating_sub(pointer) & !7 }
}

/// Adds a version at a free line pointer; its `ctid` must name that place already.
#[must_use]
pub(crate) fn add(page: &mut PageBytes, offset: u16, tuple: &[u8]) -> bool {
    if page.is_new() {
        page.init(0);
    }
    let appended = offset > page.item_count();
    let fits = page.put_row(offset, tuple);
    if fits && appended {
        page.set_flags(page.flags() & !HAS_FREE_LINES);
    }
    fits
}

/// Marks a version as deleted by `xmax`, or replaced by the version at `next`.
#[must_use]
pub(crate) fn end(page: &mut PageBytes, offset: u16, xmax: Xid, cid: u32, next: TupleId) -> bool {
    let Some(row) = page.row_mut(offset) else { return false };
    let Some(fixed) = row.first_chunk_mut::<HEADER_SIZE>() else { return false };
    let Ok(mut header) = Header::read(&fixed[..]) else { return false };
    header.xmax = xmax;
    header.cid = cid;
    header.ctid = next;
    header.infomask &= !(infomask::XMAX_HINTS | infomask::LOCK_ONLY);
    header.write(fixed);
    note_prunable(page, xmax);
    true
}

/// Notes that the end of `xid` may leave a dead version here.
fn note_prunable(page: &mut PageBytes, xid: Xid) {
    let noted = page.prune_xid();
    if !noted.is_valid() || xid < noted {
        page.set_prune_xid(xid);
    }
}

/// Removes versions and moves the others together. `prune_xid`: when to look again.
pub(crate) fn remove(page: &mut PageBytes, offsets: impl Iterator<Item = u16>, prune_xid: Xid) {
    offsets.for_each(|offset| page.set_unused(offset));
    page.compact();
    page.set_prune_xid(prune_xid);
    let unused = |number| page.item(number).is_some_and(|item| item.state == ItemState::Unused);
    let any_free = (1..=page.item_count()).any(unused);
    let flags = page.flags() & !HAS_FREE_LINES;
    page.set_flags(if any_free { flags | HAS_FREE_LINES } else { flags });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds a version where an insert would.
    fn append(page: &mut PageBytes, tuple: &[u8]) -> bool {
        let offset = next_offset(page);
        add(page, offset, tuple)
    }

    fn tuple(length: usize) -> Vec<u8> {
        vec![0; HEADER_SIZE + length]
    }

    const NEXT: TupleId = TupleId { block: 0, offset: 9 };

    #[test]
    fn a_new_page_takes_the_largest_version() {
        let mut page = PageBytes::default();
        let largest = room(&page);
        assert!(append(&mut page, &vec![0; largest]));
        assert_eq!(room(&page), 0);
        assert_eq!(next_offset(&page), 2);
    }

    #[test]
    fn what_room_promises_fits_and_eight_bytes_more_do_not() {
        let mut page = PageBytes::default();
        for length in [1, 100, 333, 2000] {
            assert!(append(&mut page, &tuple(length)));
            let room = room(&page);
            let mut copy = page.clone();
            assert!(append(&mut copy, &vec![0; room]));
            assert!(!append(&mut page.clone(), &vec![0; room + 8]));
        }
    }

    #[test]
    fn removal_gives_back_room_and_line_pointers() {
        let mut page = PageBytes::default();
        for _ in 0..3 {
            assert!(append(&mut page, &tuple(1000)));
        }
        let before = room(&page);
        assert!(end(&mut page, 2, Xid(7), 0, NEXT) && end(&mut page, 1, Xid(9), 0, NEXT));
        assert_eq!(page.prune_xid(), Xid(7));
        remove(&mut page, [2].into_iter(), Xid(9));
        assert_eq!((next_offset(&page), page.prune_xid()), (2, Xid(9)));
        assert!(room(&page) > before + 1000);
        assert!(add(&mut page, 2, &tuple(8)));
        remove(&mut page, [3].into_iter(), Xid::INVALID);
        assert_eq!((page.flags() & HAS_FREE_LINES, next_offset(&page)), (0, 3));
    }

    #[test]
    fn the_end_of_a_version_that_is_not_there_changes_nothing() {
        let mut page = PageBytes::default();
        assert!(!end(&mut page, 1, Xid(7), 0, NEXT));
        page.init(0);
        assert!(page.put_row(1, b"short"));
        let before = page.0;
        assert!(!end(&mut page, 1, Xid(7), 0, NEXT) && !end(&mut page, 2, Xid(7), 0, NEXT));
        assert!(page.0 == before);
    }
}
