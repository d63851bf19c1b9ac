//! Taking empty pages out of the tree.
//!
//! ```text
//!  above      [ .. a:L  c:R .. ]         [ .. a:R .. ]              [ .. a:R .. ]
//!  leaves     K <-> L <-> R              K <-> L <-> R              K <-----> R      L --> R
//!                  empty                    half-dead                              deleted
//!                          cut off                      unlink
//! ```
//!
//! Two steps, each a record. First the level above forgets the page: the pivot that led to it leads
//! to its right neighbour, whose own pivot goes. So the page's key space is the neighbour's; whoever
//! comes to the half-dead page goes right. Then its siblings are linked with each other. The page
//! keeps its right link, since somebody may still come by a link that he has read before; it notes
//! the next xid, and is used again when nobody is left who began before that.
//!
//! The last page of a level stays, and so does the last child of a page that has others, since its
//! neighbour hangs on another page. The only child of a page goes together with that page, and so on
//! upwards, in one record: the pivot is that of the topmost.
//!
//! A page that a crash left half-dead is unlinked by the next vacuum. Only one vacuum at a time
//! removes pages.
//!
//! Which pages have to be locked is looked at without locks first; then they are locked from the
//! bottom up, and looked at again. If something has changed the page stays, until the next vacuum.

use buffer::{PageAccess, PageWrite, Pin, Touched};
use types::{BlockNo, Xid};

use super::descend::{Mode, Steps};
use super::page::{self, FIRST, NONE, Node, Target, flag};
use super::record::{self, kind};
use super::{BTree, CHANGED, apply};
use crate::error::Error;
use crate::tuple::Malformed;

/// How often neighbours that were split meanwhile are looked for anew.
const ATTEMPTS_MAX: usize = 100;

impl<'a> BTree<'a> {
    /// Removes an empty leaf, if that can be done now, and the pages above that have nothing else.
    /// Returns how many were removed.
    pub(super) fn remove_page(&self, leaf: BlockNo) -> Result<u32, Error> {
        let Some(blocks) = self.chain_above(leaf)? else { return Ok(0) };
        if !self.cut_off(&blocks)? {
            return Ok(0);
        }
        let mut removed = 0;
        for &block in &blocks[..blocks.len() - 1] {
            removed += u32::from(self.unlink(block)?);
        }
        Ok(removed)
    }

    /// The leaf, the pages above that have no other child, and the page above those.
    fn chain_above(&self, leaf: BlockNo) -> Result<Option<Vec<BlockNo>>, Error> {
        let mut blocks = vec![leaf];
        let mut high = {
            let pin = self.pin(leaf)?;
            let page = pin.shared();
            match self.on(leaf, page.high_key())? {
                Some(high) if goes(&page) && is_empty(&page) => high.to_vec(),
                _ => return Ok(None),
            }
        };
        let top = self.root()?.level;
        for level in 1..=top {
            let target = Target::Below(&high);
            let mut block = self.descend(target, level, Mode::Read)?.block;
            let mut steps = Steps::default();
            let next_high = loop {
                let pin = self.pin(block)?;
                let page = pin.shared();
                self.check_level(block, &page, level)?;
                if let Some(right) = self.on(block, page.onward(target))? {
                    self.step(&mut steps, right)?;
                    block = right;
                    continue;
                }
                let below = blocks[blocks.len() - 1];
                let number = self.on(block, page.child_for(target))?;
                if self.on(block, page.child(number))? != below || blocks.contains(&block) {
                    return Ok(None);
                }
                blocks.push(block);
                if number < page.item_count() {
                    return Ok(Some(blocks));
                }
                match self.on(block, page.high_key())? {
                    Some(high) if number == FIRST && goes(&page) => break high.to_vec(),
                    _ => return Ok(None),
                }
            };
            high = next_high;
        }
        Ok(None)
    }

    /// The first step: the topmost of the pages is to lead past the others. `false`: something has
    /// changed, and nothing was done.
    fn cut_off(&self, blocks: &[BlockNo]) -> Result<bool, Error> {
        let pins = blocks.iter().map(|&block| self.pin(block)).collect::<Result<Vec<_>, _>>()?;
        let mut pages: Vec<PageWrite<'_>> = pins.iter().map(Pin::exclusive).collect();
        for (level, page) in pages.iter().enumerate() {
            self.check_level(page.tag().block, page.page(), level as u16)?;
        }
        let Some(number) = pivot_to_change(&pages, blocks) else { return Ok(false) };
        let above = pages.len() - 1;
        let data = number.to_le_bytes();
        let data: &[&[u8]] = &[&data];
        let touch = |(index, page)| {
            let data = if index == above { data } else { &[] };
            Touched { page, flags: CHANGED, data }
        };
        let mut touched: Vec<_> = pages.iter_mut().enumerate().map(touch).collect();
        touched.rotate_right(1);
        self.log(kind::HALF_DEAD, Xid::INVALID, &[], &mut touched, |pages| {
            (1..=above).for_each(|index| page::raise(pages.page(index), flag::HALF_DEAD));
            apply::lead_past(pages.page(0), number)
        })?;
        Ok(true)
    }

    /// The second step: links the siblings of a half-dead page with each other. `false`: it is not
    /// half-dead.
    pub(super) fn unlink(&self, block: BlockNo) -> Result<bool, Error> {
        let pin = self.pin(block)?;
        for _ in 0..ATTEMPTS_MAX {
            let (left, right, level) = {
                let page = pin.shared();
                if !page.has(flag::HALF_DEAD) {
                    return Ok(false);
                }
                (page.left(), page.right(), page.level())
            };
            if right == NONE || left == right || [left, right].contains(&block) {
                return Err(self.bad(block, Malformed("half-dead page has impossible siblings")));
            }
            let left_pin = if left == NONE { None } else { Some(self.pin(left)?) };
            let right_pin = self.pin(right)?;
            let left_page = left_pin.as_ref().map(Pin::exclusive);
            if let Some(left_page) = &left_page {
                self.check_level(left, left_page.page(), level)?;
                if left_page.page().right() != block {
                    continue;
                }
            }
            let page = pin.exclusive();
            if (page.page().left(), page.page().right()) != (left, right) {
                continue;
            }
            let right_page = right_pin.exclusive();
            self.check_sibling(&right_page, block, level)?;
            self.log_unlink(page, left_page, right_page)?;
            return Ok(true);
        }
        Err(self.bad(block, Malformed("left sibling does not lead to half-dead page")))
    }

    fn log_unlink<'p>(
        &self,
        mut page: PageWrite<'p>,
        mut left: Option<PageWrite<'p>>,
        mut right: PageWrite<'p>,
    ) -> Result<(), Error> {
        let unlinked = record::Unlink {
            left: left.as_ref().map_or(NONE, |left| left.tag().block),
            right: right.tag().block,
            next_xid: self.access.txn.next_xid(),
        };
        let main = unlinked.encode();
        let change = |page| Touched { page, flags: CHANGED, data: &[] };
        let mut touched = vec![change(&mut page), change(&mut right)];
        touched.extend(left.as_mut().map(change));
        let count = touched.len();
        self.log(kind::UNLINK, Xid::INVALID, &[&main], &mut touched, |pages| {
            (0..count).for_each(|number| apply::unlink(pages.page(number), number, &unlinked));
            true
        })?;
        Ok(())
    }
}

/// Whether a page may be removed: it is not the last of its level, and nothing is under way with it.
fn goes(page: &impl Node) -> bool {
    page.right() != NONE && !page.is_ignored() && !page.has(flag::INCOMPLETE)
}

fn is_empty(page: &impl Node) -> bool {
    page.item_count() < FIRST
}

/// The number of the topmost page's pivot that leads to the pages below, if all is as it has to be.
fn pivot_to_change(pages: &[PageWrite<'_>], blocks: &[BlockNo]) -> Option<u16> {
    let (above, chain) = pages.split_last()?;
    for (index, page) in chain.iter().enumerate() {
        let page = page.page();
        let only_child =
            || page.item_count() == FIRST && page.child(FIRST) == Ok(blocks[index - 1]);
        let bare = if index == 0 { is_empty(page) } else { only_child() };
        if !goes(page) || !bare {
            return None;
        }
    }
    let high = chain.last()?.page().high_key().ok()??;
    let above = above.page();
    let number = above.child_for(Target::Below(high)).ok()?;
    let leads_there = above.child(number) == Ok(blocks[chain.len() - 1]);
    let responsible = above.onward(Target::Below(high)).ok()?.is_none();
    (leads_there && responsible && number < above.item_count()).then_some(number)
}
