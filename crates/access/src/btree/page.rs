//! What a page of a B-tree holds, and how it is read and changed. The same functions change it when
//! it happens and when it is redone.
//!
//! ```text
//! block 0, the meta page: nothing but its special area
//!   0  magic u32   4  version u32   8  root u32   12  level of the root u32
//!
//! other pages: rows in order; row 1 is the high key, empty on the last page of a level
//!   leaf (level 0)  entries: key, place of the row, see `key`
//!   level 1 ...     child u32, then the least bytes that lead there; the first child's are empty
//!   special area:   0  left sibling u32   4  right sibling u32 (0: none)
//!                   8  level u16   10 (zero) u16   12  removals u32   16  last split u64
//! flags of the page header: INCOMPLETE, HALF_DEAD, DELETED, META
//! prune_xid of the page header: on a deleted page, the next transaction when it was unlinked
//! ```
//!
//! A page is responsible for the bytes from its low key, which only the level above knows, to below
//! its high key. `removals` counts how often entries were removed: as long as it stays the same, an
//! entry of these bytes is the one that was there before. The last split is where the log ended
//! shortly before the page was split off or split in two.
//!
//! Changing functions return `false` where the page is not as they need it. Under the page's lock,
//! after looking, that cannot be; in redo it means damage.

use std::ops::Range;

use buffer::page::ITEM_SIZE;
use buffer::{ItemState, PageAccess, PageBytes, PageRead};
use types::{BlockNo, Lsn, PAGE_SIZE, Xid};

use crate::tuple::Malformed;

/// The meta page.
pub(super) const META: BlockNo = 0;
/// No sibling. Block 0 is nobody's.
pub(super) const NONE: BlockNo = 0;
/// The row that is the high key.
pub(super) const HIGH_KEY: u16 = 1;
/// The first row that is not the high key.
pub(super) const FIRST: u16 = 2;
/// Bytes of a child's number before a pivot's key.
pub(super) const CHILD_SIZE: usize = 4;

const SPECIAL_SIZE: usize = 24;
const SPECIAL: usize = PAGE_SIZE - SPECIAL_SIZE;
const MAGIC: u32 = 0x4D42_5452;
const VERSION: u32 = 1;
/// A tree of more levels is damage: a page has at least two children.
const LEVELS_MAX: u32 = 32;

pub(super) mod flag {
    /// The right sibling came from a split of this page, and the level above doesn't know it yet.
    pub const INCOMPLETE: u16 = 1;
    /// No page above leads here any more; the siblings still do.
    pub const HALF_DEAD: u16 = 2;
    /// Nothing leads here any more but links that somebody has remembered.
    pub const DELETED: u16 = 4;
    /// The meta page.
    pub const META: u16 = 8;
}

/// A page of a B-tree, whoever holds its bytes.
pub(super) trait Node: PageAccess {
    /// Bytes of rows.
    fn slice(&self, range: Range<usize>) -> &[u8];

    fn left(&self) -> BlockNo {
        self.u32_at(SPECIAL)
    }
    fn right(&self) -> BlockNo {
        self.u32_at(SPECIAL + 4)
    }
    fn level(&self) -> u16 {
        self.u16_at(SPECIAL + 8)
    }
    fn removals(&self) -> u32 {
        self.u32_at(SPECIAL + 12)
    }
    fn split_at(&self) -> Lsn {
        Lsn(self.u64_at(SPECIAL + 16))
    }
    fn has(&self, flags: u16) -> bool {
        self.flags() & flags != 0
    }
    /// Whether searches pass it by: half-dead or deleted.
    fn is_ignored(&self) -> bool {
        self.has(flag::HALF_DEAD | flag::DELETED)
    }
    /// Whether the header is that of a page of a tree on that level.
    fn is_on(&self, level: u16) -> bool {
        self.is_sane()
            && usize::from(self.special()) == SPECIAL
            && !self.has(flag::META)
            && self.level() == level
    }
    /// The bytes of a row, dead or not.
    fn row_at(&self, number: u16) -> Result<&[u8], Malformed> {
        let extent = self.item(number).and_then(buffer::Item::extent);
        Ok(self.slice(extent.ok_or(Malformed("line pointer leads nowhere"))?))
    }
    fn is_dead(&self, number: u16) -> bool {
        self.item(number).is_some_and(|item| item.state == ItemState::Dead)
    }
    /// Everything on the page is less than this; `None`: there is no end.
    fn high_key(&self) -> Result<Option<&[u8]>, Malformed> {
        if self.right() == NONE { Ok(None) } else { self.row_at(HIGH_KEY).map(Some) }
    }
    /// What a row is compared by.
    fn compared(&self, number: u16) -> Result<&[u8], Malformed> {
        let row = self.row_at(number)?;
        if self.level() == 0 {
            return Ok(row);
        }
        row.get(CHILD_SIZE..).ok_or(Malformed("pivot is too short"))
    }
    fn child(&self, number: u16) -> Result<BlockNo, Malformed> {
        let bytes = self.row_at(number)?.first_chunk();
        let child = bytes.map(|bytes| u32::from_le_bytes(*bytes));
        child.filter(|&child| child != NONE).ok_or(Malformed("pivot leads to no page"))
    }
    /// The first row, the high key aside, that is not less than `target`; the number behind the
    /// last if all are.
    fn lower_bound(&self, target: &[u8]) -> Result<u16, Malformed> {
        let (mut low, mut high) = (FIRST, self.item_count() + 1);
        while low < high {
            let middle = low.midpoint(high);
            if self.compared(middle)? < target { low = middle + 1 } else { high = middle }
        }
        Ok(low.max(FIRST))
    }
    /// The row of the child to go to.
    fn child_for(&self, target: Target<'_>) -> Result<u16, Malformed> {
        let count = self.item_count();
        let behind = match target {
            Target::At(key) => {
                let number = self.lower_bound(key)?;
                let equal = number <= count && self.compared(number)? == key;
                number + u16::from(equal)
            }
            Target::Below(key) => self.lower_bound(key)?,
            Target::End => count + 1,
        };
        // The first child's key is empty: nothing lies before it.
        let number = (behind - 1).max(FIRST);
        if number <= count { Ok(number) } else { Err(Malformed("page has no children")) }
    }
    /// The page is left to the right: makes `low` the low key of its sibling. The key space of a page
    /// that was removed is its sibling's.
    fn passed(&self, low: &mut Vec<u8>) -> Result<(), Malformed> {
        if !self.is_ignored()
            && let Some(high) = self.high_key()?
        {
            low.clear();
            low.extend_from_slice(high);
        }
        Ok(())
    }
    /// The sibling to go on to, if the page is not responsible for the target.
    fn onward(&self, target: Target<'_>) -> Result<Option<BlockNo>, Malformed> {
        if self.is_ignored() {
            let right = Some(self.right()).filter(|&right| right != NONE);
            return right.map(Some).ok_or(Malformed("last page of a level is half-dead"));
        }
        let Some(high) = self.high_key()? else { return Ok(None) };
        let passed = match target {
            Target::At(key) => high <= key,
            Target::Below(key) => high < key,
            Target::End => true,
        };
        Ok(passed.then(|| self.right()))
    }
}

/// What a search looks for: a page responsible for these bytes, for those directly below them, or
/// the last of its level.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'k> {
    At(&'k [u8]),
    Below(&'k [u8]),
    End,
}

impl Node for PageBytes {
    fn slice(&self, range: Range<usize>) -> &[u8] {
        &self.0[range]
    }
}

impl Node for PageRead<'_> {
    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes(range)
    }
}

/// Where the tree begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Root {
    pub block: BlockNo,
    pub level: u16,
}

/// Whether this is a meta page, sound or not.
pub(super) fn is_meta(page: &impl PageAccess) -> bool {
    let shape = page.is_sane() && usize::from(page.special()) == SPECIAL;
    shape && (page.flags() == flag::META || page.u32_at(SPECIAL) == MAGIC)
}

/// What the meta page says.
pub(super) fn read_meta(page: &impl PageAccess) -> Result<Root, Malformed> {
    let sane = page.is_sane() && usize::from(page.special()) == SPECIAL;
    if !sane || page.flags() != flag::META || page.u32_at(SPECIAL) != MAGIC {
        return Err(Malformed("page is no meta page of a B-tree"));
    }
    if page.u32_at(SPECIAL + 4) != VERSION {
        return Err(Malformed("B-tree has a version that this server does not know"));
    }
    let (block, level) = (page.u32_at(SPECIAL + 8), page.u32_at(SPECIAL + 12));
    if block == META || level >= LEVELS_MAX {
        return Err(Malformed("meta page names an impossible root"));
    }
    Ok(Root { block, level: level as u16 })
}

/// Empties a page. Its LSN stays: it tells whether the log needs an image.
fn empty(page: &mut PageBytes) {
    let lsn = page.lsn();
    page.init(SPECIAL_SIZE);
    page.set_lsn(lsn);
}

/// Makes the meta page anew.
pub(super) fn write_meta(page: &mut PageBytes, root: Root) {
    empty(page);
    page.set_flags(flag::META);
    let words = [MAGIC, VERSION, root.block, u32::from(root.level)];
    for (index, word) in words.into_iter().enumerate() {
        page.put_u32(SPECIAL + 4 * index, word);
    }
}

/// Makes a page anew: without rows but the high key.
#[must_use]
pub(super) fn init(
    page: &mut PageBytes,
    level: u16,
    left: BlockNo,
    right: BlockNo,
    high_key: &[u8],
) -> bool {
    empty(page);
    page.put_u16(SPECIAL + 8, level);
    set_siblings(page, left, right);
    page.insert_row(HIGH_KEY, high_key)
}

/// Makes a page anew that gets its siblings and its high key later.
pub(super) fn init_bare(page: &mut PageBytes, level: u16) {
    empty(page);
    page.put_u16(SPECIAL + 8, level);
}

pub(super) fn set_siblings(page: &mut PageBytes, left: BlockNo, right: BlockNo) {
    page.put_u32(SPECIAL, left);
    page.put_u32(SPECIAL + 4, right);
}

pub(super) fn set_split_at(page: &mut PageBytes, at: Lsn) {
    page.put_u64(SPECIAL + 16, at.0);
}

/// The page is out of the tree; nobody who begins from `next_xid` on can come to it.
pub(super) fn delete(page: &mut PageBytes, next_xid: Xid) {
    clear(page, flag::HALF_DEAD);
    raise(page, flag::DELETED);
    page.set_prune_xid(next_xid);
}

/// Has a pivot lead to another child.
#[must_use]
pub(super) fn set_child(page: &mut PageBytes, number: u16, child: BlockNo) -> bool {
    let row = page.row_mut(number).and_then(<[u8]>::first_chunk_mut);
    row.map(|bytes| *bytes = child.to_le_bytes()).is_some()
}

pub(super) fn copy_removals(from: &PageBytes, to: &mut PageBytes) {
    to.put_u32(SPECIAL + 12, from.removals());
}

pub(super) fn set_left(page: &mut PageBytes, left: BlockNo) {
    page.put_u32(SPECIAL, left);
}

pub(super) fn set_right(page: &mut PageBytes, right: BlockNo) {
    page.put_u32(SPECIAL + 4, right);
}

pub(super) fn raise(page: &mut PageBytes, flags: u16) {
    page.set_flags(page.flags() | flags);
}

pub(super) fn clear(page: &mut PageBytes, flags: u16) {
    page.set_flags(page.flags() & !flags);
}

/// Removes entries.
#[must_use]
pub(super) fn remove(page: &mut PageBytes, numbers: impl Iterator<Item = u16>) -> bool {
    let done = page.remove_rows(numbers);
    let count = page.removals().wrapping_add(u32::from(done));
    page.put_u32(SPECIAL + 12, count);
    done
}

/// A pivot row: the child, and the least bytes that lead there.
pub(super) fn pivot(child: BlockNo, key: &[u8]) -> Vec<u8> {
    [&child.to_le_bytes()[..], key].concat()
}

/// Bytes that a row takes on a page.
pub(super) fn cost(row: &[u8]) -> usize {
    row.len() + ITEM_SIZE
}

/// Bytes for rows on an empty page, the high key's included.
pub(super) const CAPACITY: usize = SPECIAL - buffer::page::PAGE_HEADER_SIZE;

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(entries: &[&[u8]]) -> PageBytes {
        let mut page = PageBytes::default();
        assert!(init(&mut page, 0, 3, 5, b"m"));
        for (number, entry) in (FIRST..).zip(entries) {
            assert!(page.insert_row(number, entry));
        }
        page
    }

    #[test]
    fn the_meta_page_reads_back_and_nothing_else_passes_for_one() {
        let mut page = PageBytes::default();
        assert!(read_meta(&page).is_err());
        let root = Root { block: 7, level: 2 };
        write_meta(&mut page, root);
        assert_eq!(read_meta(&page), Ok(root));
        assert!(!page.is_on(0));
        assert!(read_meta(&leaf(&[])).is_err());
        page.put_u32(SPECIAL + 12, LEVELS_MAX);
        assert!(read_meta(&page).is_err());
    }

    #[test]
    fn searches_find_the_first_that_is_not_less() {
        let page = leaf(&[b"b", b"d", b"f"]);
        assert!(page.is_on(0) && !page.is_on(1));
        let found = [&b""[..], b"b", b"c", b"f", b"g"].map(|key| page.lower_bound(key));
        assert_eq!(found, [2, 2, 3, 4, 5].map(Ok));
        assert_eq!(leaf(&[]).lower_bound(b"x"), Ok(FIRST));
        assert_eq!(page.high_key(), Ok(Some(&b"m"[..])));
    }

    #[test]
    fn the_way_down_leads_left_of_an_equal_key_only_for_what_is_below() {
        let mut page = PageBytes::default();
        assert!(init(&mut page, 1, NONE, NONE, b""));
        for (number, (child, key)) in (FIRST..).zip([(10, &b""[..]), (11, b"c"), (12, b"f")]) {
            assert!(page.insert_row(number, &pivot(child, key)));
        }
        let child = |target| page.child(page.child_for(target).expect("one"));
        let keys = [b"", &b"a"[..], b"c", b"d", b"z"];
        assert_eq!(keys.map(|key| child(Target::At(key))), [10, 10, 11, 11, 12].map(Ok));
        assert_eq!(keys.map(|key| child(Target::Below(key))), [10, 10, 10, 11, 12].map(Ok));
        assert_eq!((child(Target::End), page.high_key()), (Ok(12), Ok(None)));
    }

    #[test]
    fn a_page_sends_on_what_lies_behind_its_high_key() {
        let page = leaf(&[b"b"]);
        let on = |target| page.onward(target).expect("sane").is_some();
        assert!(!on(Target::At(b"l")) && on(Target::At(b"m")) && on(Target::At(b"mm")));
        assert!(!on(Target::Below(b"m")) && on(Target::Below(b"mm")) && on(Target::End));
        let mut dead = page.clone();
        raise(&mut dead, flag::HALF_DEAD);
        assert_eq!(dead.onward(Target::At(b"a")), Ok(Some(5)));
    }

    #[test]
    fn removals_are_counted() {
        let mut page = leaf(&[b"b", b"d"]);
        assert!(!remove(&mut page, [4].into_iter()));
        assert_eq!(page.removals(), 0);
        assert!(remove(&mut page, [2].into_iter()));
        assert_eq!((page.removals(), page.row_at(FIRST)), (1, Ok(&b"d"[..])));
    }
}
