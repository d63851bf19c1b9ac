//! The way down, and to the right.
//!
//! One page is locked at a time. What was read of a page may be out of date when the next is
//! locked: that page was split, and the target lies to its right; or it was removed, and its key
//! space went to the right.
//!
//! A session remembers where the tree begins, which saves it the meta page.

use types::BlockNo;

use super::BTree;
use super::page::{NONE, Node, Root, Target, flag};
use crate::error::Error;
use crate::tuple::Malformed;

/// So many pages are passed before it is asked how many there are.
const STEPS_FREE: u32 = 1000;

/// Steps to the right, bounded: links that form a circle are damage, not a loop.
#[derive(Default)]
pub(super) struct Steps(u32);

/// Where a search begins on its level.
pub(super) struct Entrance {
    pub block: BlockNo,
    /// The page's low key; empty: it has none. Only asked for by [`Target::Below`] and
    /// [`Target::End`].
    pub low: Vec<u8>,
}

/// What a search does besides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nothing.
    Read,
    /// It finishes splits that it crosses. It holds no lock.
    Write,
    /// Nothing, and it holds the lock of this page of a lower level.
    Holding(BlockNo),
}

/// Where a root is known from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// From the meta page, just now.
    Known,
    /// From an earlier search.
    Remembered,
}

/// Whether this is the first page of a level, so that everything can be found from it.
fn begins_a_level(page: &impl Node, level: u16) -> bool {
    page.is_on(level) && !page.is_ignored() && page.left() == NONE
}

impl<'a> BTree<'a> {
    /// The page of that level to begin with; to be checked, and to be left to the right until it is
    /// responsible for the target.
    pub(super) fn descend(
        &self,
        target: Target<'_>,
        level: u16,
        mode: Mode,
    ) -> Result<Entrance, Error> {
        let mut root = self.begin(level, mode)?;
        let (mut low, mut steps) = (Vec::new(), Steps::default());
        let (mut block, mut at) = (root.0.block, root.0.level);
        while at > level {
            if mode == Mode::Holding(block) {
                return Err(self.bad(block, Malformed("page is its own ancestor")));
            }
            let pin = self.pin(block)?;
            let page = pin.shared();
            if root.1 == Trust::Remembered {
                root.1 = Trust::Known;
                if !begins_a_level(&page, at) || self.on(block, page.onward(target))?.is_some() {
                    drop(page);
                    self.access.set_root_of(self.rel, None);
                    root = self.begin(level, mode)?;
                    (block, at) = (root.0.block, root.0.level);
                    continue;
                }
            }
            self.check_level(block, &page, at)?;
            if let Some(right) = self.on(block, page.onward(target))? {
                self.step(&mut steps, right)?;
                if mode == Mode::Write && page.has(flag::INCOMPLETE) {
                    drop(page);
                    self.finish_split(block)?;
                    continue;
                }
                self.on(block, page.passed(&mut low))?;
                block = right;
                continue;
            }
            let number = self.on(block, page.child_for(target))?;
            let key = self.on(block, page.compared(number))?;
            if !matches!(target, Target::At(_)) && !key.is_empty() {
                low.clear();
                low.extend_from_slice(key);
            }
            block = self.on(block, page.child(number))?;
            at -= 1;
        }
        if mode == Mode::Holding(block) {
            return Err(self.bad(block, Malformed("page is its own parent")));
        }
        Ok(Entrance { block, low })
    }

    /// The root, from memory if the level looked for lies below it. A remembered root may have been
    /// split, with others above it; but as long as nothing lies to the right of it that is looked for,
    /// it leads there.
    ///
    /// Who holds a page goes by the meta page: the remembered root may have become any page, and the
    /// order of locks would not hold.
    fn begin(&self, level: u16, mode: Mode) -> Result<(Root, Trust), Error> {
        let holds = matches!(mode, Mode::Holding(_));
        let remembered = self.access.root_of(self.rel).filter(|_| !holds);
        if let Some((block, at)) = remembered.filter(|(_, at)| *at > level) {
            return Ok((Root { block, level: at }, Trust::Remembered));
        }
        let root = self.root()?;
        if root.level < level {
            return Err(self.bad(root.block, Malformed("root is below the level looked for")));
        }
        self.access.set_root_of(self.rel, Some((root.block, root.level)));
        Ok((root, Trust::Known))
    }

    /// Counts a step to a sibling.
    pub(super) fn step(&self, steps: &mut Steps, to: BlockNo) -> Result<(), Error> {
        steps.0 += 1;
        if steps.0 > STEPS_FREE && steps.0 > self.nblocks()? {
            return Err(self.bad(to, Malformed("right links form a circle")));
        }
        Ok(())
    }
}
