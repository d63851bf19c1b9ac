//! The second step of a split: the level above hears of the new page.
//!
//! It is the same whether the split was just made or found half done after a crash. All it needs
//! stands on the left page: its high key is the pivot, its right link the child. The way to the
//! page above is searched from the root, by that key.
//!
//! The left page stays locked meanwhile, and its flag goes in the record that adds the pivot.

use buffer::{PageAccess, PageWrite, Pin, Touched};
use types::{BlockNo, Xid};

use super::descend::{Mode, Steps};
use super::page::{self, META, NONE, Node, Root, Target, flag};
use super::record::{self, kind};
use super::split::Addition;
use super::{BTree, CHANGED, MADE_ANEW, apply};
use crate::error::Error;
use crate::tuple::Malformed;

/// How an attempt ended.
enum Attempt {
    Done,
    /// Done, by a new root.
    Grown,
    /// Done; the page above was split in turn.
    DoneBySplit(BlockNo),
    NoRoom,
    /// The split of this page has to be finished first.
    Unfinished(BlockNo),
}

/// A page that was split: what the level above has to know.
struct Half<'p> {
    page: PageWrite<'p>,
    block: BlockNo,
    level: u16,
    /// The new sibling and its low key.
    right: BlockNo,
    key: Vec<u8>,
}

impl<'a> BTree<'a> {
    /// Finishes the split of a page, if it isn't yet. No lock may be held.
    pub(super) fn finish_split(&self, block: BlockNo) -> Result<(), Error> {
        // Splits that wait for others: those of the pages above, and of the root.
        let mut waiting = vec![block];
        let mut spare = None;
        while let Some(&block) = waiting.last() {
            match self.try_finish(block, spare.as_ref())? {
                Attempt::Done => drop(waiting.pop()),
                Attempt::Grown => {
                    waiting.pop();
                    spare = None;
                }
                Attempt::DoneBySplit(above) => {
                    waiting.pop();
                    waiting.push(above);
                    spare = None;
                }
                Attempt::NoRoom => spare = Some(self.allocate()?),
                Attempt::Unfinished(other) if waiting.contains(&other) => {
                    return Err(self.bad(other, Malformed("splits wait for each other")));
                }
                Attempt::Unfinished(other) => waiting.push(other),
            }
        }
        spare.map_or(Ok(()), |pin| self.give_back(pin.tag().block))
    }

    fn try_finish(&self, block: BlockNo, spare: Option<&Pin<'_>>) -> Result<Attempt, Error> {
        let pin = self.pin(block)?;
        let page = pin.exclusive();
        let level = page.page().level();
        self.check_level(block, page.page(), level)?;
        if !page.page().has(flag::INCOMPLETE) {
            return Ok(Attempt::Done);
        }
        let right = page.page().right();
        let key = self.on(block, page.page().high_key())?.map(<[u8]>::to_vec);
        let key = self.on(block, key.ok_or(Malformed("last page of a level has been split")))?;
        let half = Half { page, block, level, right, key };
        let root = self.root()?;
        if root.level > level {
            return self.add_pivot(half, spare);
        }
        if root.block == block {
            return self.grow(half, spare);
        }
        Ok(Attempt::Unfinished(root.block))
    }

    /// Adds the pivot to the page above.
    fn add_pivot(&self, half: Half<'_>, spare: Option<&Pin<'_>>) -> Result<Attempt, Error> {
        let (target, level) = (Target::At(&half.key), half.level + 1);
        let mut block = self.descend(target, level, Mode::Holding(half.block))?.block;
        let mut steps = Steps::default();
        loop {
            if block == half.block {
                return Err(self.bad(block, Malformed("page is its own parent")));
            }
            let pin = self.pin(block)?;
            let above = pin.exclusive();
            self.check_level(block, above.page(), level)?;
            let right = self.on(block, above.page().onward(target))?;
            if above.page().has(flag::INCOMPLETE) {
                return Ok(Attempt::Unfinished(block));
            }
            let Some(right) = right else { return self.add_to(above, half, spare) };
            self.step(&mut steps, right)?;
            block = right;
        }
    }

    fn add_to<'p>(
        &self,
        mut above: PageWrite<'p>,
        mut half: Half<'p>,
        spare: Option<&Pin<'_>>,
    ) -> Result<Attempt, Error> {
        let block = above.tag().block;
        let row = page::pivot(half.right, &half.key);
        let number = self.on(block, above.page().lower_bound(&half.key))?;
        let there = number <= above.page().item_count();
        if there && self.on(block, above.page().compared(number))? == half.key {
            return Err(self.bad(block, Malformed("there is a pivot of the same key already")));
        }
        if above.page().hole() < page::cost(&row) {
            let Some(spare) = spare else { return Ok(Attempt::NoRoom) };
            let addition =
                Addition { number, row: &row, xid: Xid::INVALID, child: Some(half.page) };
            let done = self.split(above, addition, spare)?;
            return Ok(if done { Attempt::DoneBySplit(block) } else { Attempt::NoRoom });
        }
        let head = number.to_le_bytes();
        let data: &[&[u8]] = &[&head, &row];
        let touched = &mut [
            Touched { page: &mut above, flags: CHANGED, data },
            Touched { page: &mut half.page, flags: CHANGED, data: &[] },
        ];
        self.log(kind::INSERT_UPPER, Xid::INVALID, &[], touched, |pages| {
            pages.page(0).insert_row(number, &row) && apply::complete(pages.page(1))
        })?;
        Ok(Attempt::Done)
    }

    /// Puts a new root over the old one, which was split.
    fn grow(&self, half: Half<'_>, spare: Option<&Pin<'_>>) -> Result<Attempt, Error> {
        let Some(spare) = spare else { return Ok(Attempt::NoRoom) };
        let Half { mut page, block, level, right, key } = half;
        if spare.tag().block == block || page.page().left() != NONE {
            return Ok(Attempt::NoRoom);
        }
        let Some(mut above) = spare.try_exclusive() else { return Ok(Attempt::NoRoom) };
        let Some(reused) = self.reusable(above.page()) else { return Ok(Attempt::NoRoom) };
        let meta_pin = self.pin(META)?;
        let mut meta = meta_pin.exclusive();
        let root = Root { block: above.tag().block, level: level + 1 };
        let main = record::NewRoot { level: root.level, reused }.encode();
        let head = right.to_le_bytes();
        let data: &[&[u8]] = &[&head, &key];
        let touched = &mut [
            Touched { page: &mut above, flags: MADE_ANEW, data },
            Touched { page: &mut page, flags: CHANGED, data: &[] },
            Touched { page: &mut meta, flags: CHANGED, data: &[] },
        ];
        self.log(kind::NEW_ROOT, Xid::INVALID, &[&main], touched, |pages| {
            apply::new_root(pages.page(0), root.level, block, right, &key)
                && apply::complete(pages.page(1))
                && apply::set_root(pages.page(2), root)
        })?;
        Ok(Attempt::Grown)
    }
}
