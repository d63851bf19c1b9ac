//! What the changes of more than a row do to each page: the same when they happen and when they are
//! redone. Each page is changed by itself. `false`: the page is not as the change needs it.

use buffer::{PageAccess, PageBytes};
use types::{BlockNo, Lsn};

use super::page::{self, FIRST, HIGH_KEY, NONE, Node, Root, flag};
use super::record::{LeftHalf, RightHalf, Unlink};

/// The page that is split keeps its first rows and gets a new right sibling.
#[must_use]
pub(super) fn split_left(
    page: &mut PageBytes,
    half: &LeftHalf<'_>,
    right: BlockNo,
    at: Lsn,
) -> bool {
    let old = page.clone();
    if !page::init(page, old.level(), old.left(), right, half.high_key) {
        return false;
    }
    page::copy_removals(&old, page);
    page::set_split_at(page, at);
    page.set_flags(old.flags());
    page::raise(page, flag::INCOMPLETE);
    let mut from = FIRST;
    for number in FIRST..FIRST + half.keep {
        if number == half.new_number && !half.new_row.is_empty() {
            if !page.insert_row(number, half.new_row) {
                return false;
            }
            continue;
        }
        let Ok(row) = old.row_at(from) else { return false };
        if !page.insert_row(number, row) {
            return false;
        }
        if old.is_dead(from) {
            page.mark_dead(number);
        }
        from += 1;
    }
    true
}

/// The new page of a split.
#[must_use]
pub(super) fn split_right(page: &mut PageBytes, half: &RightHalf, left: BlockNo, at: Lsn) -> bool {
    let mut number = HIGH_KEY;
    let add = |row: &[u8]| {
        let done = match number {
            HIGH_KEY => page::init(page, half.level, left, half.right, row),
            _ => page.insert_row(number, row),
        };
        number += 1;
        done
    };
    let done = half.for_each(add) == Some(true) && number > FIRST;
    page::set_split_at(page, at);
    done
}

/// The pivot leads to the child of the next one, which goes.
#[must_use]
pub(super) fn lead_past(page: &mut PageBytes, number: u16) -> bool {
    let Ok(child) = page.child(number + 1) else { return false };
    page::set_child(page, number, child) && page.remove_rows([number + 1].into_iter())
}

/// A page of a record that unlinks the one between two others.
pub(super) fn unlink(page: &mut PageBytes, number: usize, unlinked: &Unlink) {
    match number {
        0 => page::delete(page, unlinked.next_xid),
        1 => page::set_left(page, unlinked.left),
        _ => page::set_right(page, unlinked.right),
    }
}

/// A root over the two halves of the old one.
#[must_use]
pub(super) fn new_root(
    page: &mut PageBytes,
    level: u16,
    left: BlockNo,
    right: BlockNo,
    key: &[u8],
) -> bool {
    page::init(page, level, NONE, NONE, b"")
        && page.insert_row(FIRST, &page::pivot(left, b""))
        && page.insert_row(FIRST + 1, &page::pivot(right, key))
}

/// An empty tree's root.
#[must_use]
pub(super) fn first_root(page: &mut PageBytes) -> bool {
    page::init(page, 0, NONE, NONE, b"")
}

/// A page that was split, once the level above knows its new sibling.
#[must_use]
pub(super) fn complete(page: &mut PageBytes) -> bool {
    page::clear(page, flag::INCOMPLETE);
    true
}

/// The tree grows.
#[must_use]
pub(super) fn set_root(page: &mut PageBytes, root: Root) -> bool {
    page::write_meta(page, root);
    true
}
