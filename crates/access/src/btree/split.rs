//! A full page becomes two.
//!
//! ```text
//!  before   L [a b c d e|h] <--> S          after   L [a b c|d] <--> R [d e f|h] <--> S
//!                  + f                                INCOMPLETE
//! ```
//!
//! Where to cut: in the middle; on the last leaf, when the new entry is the greatest, so that the
//! left page stays nine tenths full, for keys that rise. Of the cuts nearby that which leaves the
//! shortest high key is taken: the least bytes that tell the pages apart.

use buffer::{PageAccess, PageBytes, PageWrite, Pin, Touched};
use types::{BlockNo, Xid};

use super::page::{self, CAPACITY, CHILD_SIZE, FIRST, HIGH_KEY, NONE, Node};
use super::record::{self, LeftHalf, RightHalf, kind};
use super::{BTree, CHANGED, MADE_ANEW, apply};
use crate::error::Error;
use crate::tuple::Malformed;

/// How full, in hundredths, the left page stays when the greatest entry splits the last leaf.
const FILL_RISING: usize = 90;
/// Cuts that miss the best balance by no more than this are as good.
const NEARBY: usize = CAPACITY / 20;

/// The row that makes a page too full, and the page below whose split it completes.
pub(super) struct Addition<'r, 'p> {
    pub number: u16,
    pub row: &'r [u8],
    pub xid: Xid,
    pub child: Option<PageWrite<'p>>,
}

/// The rows of a page, the high key aside, with a new one put in.
struct Combined<'r> {
    page: &'r PageBytes,
    number: u16,
    row: &'r [u8],
}

impl<'r> Combined<'r> {
    /// How many there are; counted from 0.
    fn len(&self) -> usize {
        usize::from(self.page.item_count())
    }

    fn row(&self, index: usize) -> Result<&'r [u8], Malformed> {
        let number = index as u16 + FIRST;
        match number.cmp(&self.number) {
            std::cmp::Ordering::Less => self.page.row_at(number),
            std::cmp::Ordering::Equal => Ok(self.row),
            std::cmp::Ordering::Greater => self.page.row_at(number - 1),
        }
    }

    /// The least bytes that are greater than row `index - 1`, and not greater than row `index`.
    fn separator(&self, index: usize) -> Result<&'r [u8], Malformed> {
        let right = self.row(index)?;
        if self.page.level() > 0 {
            return right.get(CHILD_SIZE..).ok_or(Malformed("pivot is too short"));
        }
        let left = self.row(index - 1)?;
        let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
        Ok(&right[..right.len().min(common + 1)])
    }

    /// How many rows stay on the left page.
    fn cut(&self) -> Result<usize, Malformed> {
        let costs = (0..self.len()).map(|index| self.row(index).map(page::cost));
        let costs = costs.collect::<Result<Vec<_>, _>>()?;
        let total: usize = costs.iter().sum();
        let rising = self.page.level() == 0
            && self.page.right() == NONE
            && usize::from(self.number - FIRST) + 1 == self.len();
        let aim = if rising { CAPACITY * FILL_RISING / 100 } else { total / 2 };
        let last_high = page::cost(self.page.row_at(HIGH_KEY)?);
        let mut fitting = Vec::new();
        let mut left = 0;
        for keep in 1..self.len() {
            left += costs[keep - 1];
            // The high key is never longer than the row that it is cut from.
            let fits = left + costs[keep] <= CAPACITY && total - left + last_high <= CAPACITY;
            if fits {
                fitting.push((left.abs_diff(aim), keep));
            }
            if rising && left >= aim && !fitting.is_empty() {
                // A fuller page would have no room for a second version of many rows.
                break;
            }
        }
        let least = fitting.iter().map(|(off, _)| *off).min();
        let least = least.ok_or(Malformed("page cannot be split"))?;
        let mut best = (usize::MAX, 0, 0);
        for (off, keep) in fitting.into_iter().filter(|(off, _)| *off <= least + NEARBY) {
            best = best.min((self.separator(keep)?.len(), off, keep));
        }
        Ok(best.2)
    }
}

/// Both halves, ready to be logged.
struct Plan<'r> {
    left: LeftHalf<'r>,
    right: RightHalf,
}

impl<'r> Plan<'r> {
    fn of(combined: &Combined<'r>) -> Result<Plan<'r>, Malformed> {
        let page = combined.page;
        let keep = combined.cut()?;
        let stays = usize::from(combined.number - FIRST) < keep;
        let left = LeftHalf {
            keep: keep as u16,
            new_number: combined.number,
            new_row: if stays { combined.row } else { &[] },
            high_key: combined.separator(keep)?,
        };
        let mut right = RightHalf { level: page.level(), right: page.right(), rows: Vec::new() };
        right.push(page.row_at(HIGH_KEY)?);
        for index in keep..combined.len() {
            let row = combined.row(index)?;
            // The first child of a page needs no key.
            let bare = index == keep && page.level() > 0;
            right.push(if bare { row.get(..CHILD_SIZE).unwrap_or(row) } else { row });
        }
        Ok(Plan { left, right })
    }
}

impl BTree<'_> {
    /// Splits a page that is not INCOMPLETE and puts the new row in. `false`: the spare page can't
    /// be used, and nothing has changed. The split is then to be finished.
    pub(super) fn split(
        &self,
        page: PageWrite<'_>,
        addition: Addition<'_, '_>,
        spare: &Pin<'_>,
    ) -> Result<bool, Error> {
        let (block, right) = (page.tag().block, spare.tag().block);
        let behind = page.page().right();
        let child_block = addition.child.as_ref().map_or(NONE, |child| child.tag().block);
        if behind != NONE && [block, right, child_block].contains(&behind) {
            return Err(self.bad(behind, Malformed("page is its own sibling")));
        }
        if [block, child_block].contains(&right) {
            return Ok(false);
        }
        let Some(new) = spare.try_exclusive() else { return Ok(false) };
        let Some(reused) = self.reusable(new.page()) else { return Ok(false) };
        let sibling_pin = if behind == NONE { None } else { Some(self.pin(behind)?) };
        let sibling = sibling_pin.as_ref().map(Pin::exclusive);
        if let Some(sibling) = &sibling {
            self.check_sibling(sibling, block, page.page().level())?;
        }
        let old = page.page().clone();
        let combined = Combined { page: &old, number: addition.number, row: addition.row };
        let plan = self.on(block, Plan::of(&combined))?;
        let pages = Touching { page, new, sibling, child: addition.child };
        self.log_split(pages, &plan, reused, addition.xid)?;
        Ok(true)
    }

    pub(super) fn check_sibling(
        &self,
        sibling: &PageWrite<'_>,
        left: BlockNo,
        level: u16,
    ) -> Result<(), Error> {
        let block = sibling.tag().block;
        self.check_level(block, sibling.page(), level)?;
        if sibling.page().left() == left {
            return Ok(());
        }
        Err(self.bad(block, Malformed("left link does not lead back")))
    }

    fn log_split(
        &self,
        mut pages: Touching<'_>,
        plan: &Plan<'_>,
        reused: Xid,
        xid: Xid,
    ) -> Result<(), Error> {
        let (left, right) = (pages.page.tag().block, pages.new.tag().block);
        let (has_sibling, has_child) = (pages.sibling.is_some(), pages.child.is_some());
        let at = self.access.wal.insert_lsn();
        let main = record::Split { has_sibling, has_child, reused, at }.encode();
        let (left_head, right_head) = (plan.left.head(), plan.right.head());
        let left_data: &[&[u8]] = &[&left_head, plan.left.new_row, plan.left.high_key];
        let right_data: &[&[u8]] = &[&right_head, &plan.right.rows];
        let mut touched = vec![
            Touched { page: &mut pages.page, flags: CHANGED, data: left_data },
            Touched { page: &mut pages.new, flags: MADE_ANEW, data: right_data },
        ];
        let others = [pages.sibling.as_mut(), pages.child.as_mut()];
        let change = |page| Touched { page, flags: CHANGED, data: &[] };
        touched.extend(others.into_iter().flatten().map(change));
        self.log(kind::SPLIT, xid, &[&main], &mut touched, |pages| {
            let mut done = apply::split_left(pages.page(0), &plan.left, right, at)
                && apply::split_right(pages.page(1), &plan.right, left, at);
            if has_sibling {
                page::set_left(pages.page(2), right);
            }
            if has_child {
                done &= apply::complete(pages.page(2 + usize::from(has_sibling)));
            }
            done
        })?;
        Ok(())
    }
}

/// The pages of a split, in the order of its record.
struct Touching<'p> {
    page: PageWrite<'p>,
    new: PageWrite<'p>,
    sibling: Option<PageWrite<'p>>,
    child: Option<PageWrite<'p>>,
}

#[cfg(test)]
mod tests {
    use types::Lsn;

    use super::*;

    fn full_leaf(rows: impl Iterator<Item = Vec<u8>>, right: BlockNo) -> PageBytes {
        let mut page = PageBytes::default();
        let high: &[u8] = if right == NONE { b"" } else { b"zzzz" };
        assert!(page::init(&mut page, 0, NONE, right, high));
        for row in rows {
            let number = page.item_count() + 1;
            if !page.insert_row(number, &row) {
                break;
            }
        }
        page
    }

    /// Both pages of a split, and their rows together.
    fn halves(page: &PageBytes, number: u16, row: &[u8]) -> (PageBytes, PageBytes, Vec<Vec<u8>>) {
        let plan = Plan::of(&Combined { page, number, row }).expect("a plan");
        let (mut left, mut right) = (page.clone(), PageBytes::default());
        assert!(apply::split_left(&mut left, &plan.left, 9, Lsn(7)));
        assert!(apply::split_right(&mut right, &plan.right, 1, Lsn(7)));
        let rows = |page: &PageBytes| -> Vec<Vec<u8>> {
            (FIRST..=page.item_count()).map(|n| page.row_at(n).expect("a row").to_vec()).collect()
        };
        let all = [rows(&left), rows(&right)].concat();
        (left, right, all)
    }

    #[test]
    fn every_place_of_the_new_row_gives_two_pages_with_all_rows() {
        for length in [6, 90, 2704] {
            let row = |n: u16| [&n.to_be_bytes()[..], &vec![7; length - 2]].concat();
            let page = full_leaf((0..).map(|n| row(2 * n + 1)), 5);
            let count = page.item_count();
            for number in FIRST..=count + 1 {
                let new = row(2 * (number - FIRST));
                let (left, right, all) = halves(&page, number, &new);
                assert!(all.is_sorted() && all.len() == usize::from(count));
                assert_eq!(all[usize::from(number - FIRST)], new);
                let high = left.high_key().expect("sane").expect("a high key");
                assert!(left.row_at(left.item_count()).expect("a row") < high);
                assert!(high <= right.row_at(FIRST).expect("a row"));
                assert!(left.right() == 9 && right.left() == 1 && right.right() == 5);
                assert!(high.len() <= 2);
            }
        }
    }

    #[test]
    fn keys_that_rise_leave_full_pages_behind() {
        let row = |n: u32| [&n.to_be_bytes()[..], &[7; 20]].concat();
        // Wherever the shortest high keys lie.
        for first in 0..256 {
            let page = full_leaf((first..).map(row), NONE);
            let (left, ..) = halves(&page, page.item_count() + 1, &row(1 << 30));
            let filled = CAPACITY - left.hole();
            assert!((CAPACITY * 84 / 100..=CAPACITY * 91 / 100).contains(&filled), "{filled}");
        }
        let page = full_leaf((0..).map(row), NONE);
        let (left, ..) = halves(&page, page.item_count(), &row(1 << 30));
        assert!(CAPACITY - left.hole() < CAPACITY * 60 / 100);
    }

    #[test]
    fn above_the_leaves_the_first_child_of_the_right_page_loses_its_key() {
        let mut page = PageBytes::default();
        assert!(page::init(&mut page, 1, NONE, NONE, b""));
        let mut child = 10;
        while page.insert_row(page.item_count() + 1, &page::pivot(child, &[child as u8; 900])) {
            child += 1;
        }
        let (left, right, all) =
            halves(&page, page.item_count() + 1, &page::pivot(99, &[200; 900]));
        let high = left.high_key().expect("sane").expect("a high key").to_vec();
        let first = right.child(FIRST).expect("a child");
        assert_eq!((right.compared(FIRST), high), (Ok(&b""[..]), vec![first as u8; 900]));
        assert_eq!(all.len(), usize::from(page.item_count()));
    }

    #[test]
    fn dead_marks_stay_with_their_rows() {
        let mut page = full_leaf((0..100u8).map(|n| vec![n; 75]), NONE);
        page.mark_dead(FIRST + 3);
        let (left, ..) = halves(&page, FIRST + 1, &[0; 80]);
        let dead: Vec<u16> = (FIRST..=left.item_count()).filter(|&n| left.is_dead(n)).collect();
        assert_eq!(dead, [FIRST + 4]);
    }
}
