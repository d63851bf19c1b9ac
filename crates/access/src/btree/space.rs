//! Where new pages come from: the free space map, or the end of the file.
//!
//! The map is a hint; a page is taken only if it is new, or deleted so long ago that nobody can
//! still come to it by a link that he remembers. That is looked at under the page's lock when it is
//! made anew, not when it is picked: two processes may pick the same page.
//!
//! A file grows with no page locked, so a split first gets its page and then locks what it splits.

use buffer::Pin;
use types::{BlockNo, Fork, Xid};

use super::BTree;
use super::page::{Node, flag};
use crate::error::Error;
use crate::fsm::FreeSpaceMap;
use crate::tuple::MAX_TUPLE_SIZE;

/// What the map says of a free page, and what is asked for.
const WHOLE: usize = MAX_TUPLE_SIZE - 64;
/// How many pages of the map's choice are looked at.
const LOOKS_MAX: usize = 16;
/// A file grows by a 64th, at most by so many pages.
const GROWTH_MAX: BlockNo = 16;

impl<'a> BTree<'a> {
    /// A page that can be made anew, most likely. No lock may be held.
    pub(super) fn allocate(&self) -> Result<Pin<'a>, Error> {
        let access = self.access;
        for _ in 0..LOOKS_MAX {
            let Some(block) = self.map().search(WHOLE, 0)? else { break };
            self.map().record(block, 0)?;
            // The map may be older than the file.
            if block >= self.nblocks()? {
                continue;
            }
            let pin = self.pin(block)?;
            let free = self.reusable(&pin.shared());
            if free.is_some() {
                return Ok(pin);
            }
        }
        let count = (self.nblocks()? / 64).clamp(1, GROWTH_MAX);
        let pin = access.pool.extend_by(self.rel, Fork::Main, count)?;
        let first = pin.tag().block;
        (first + 1..first + count).try_for_each(|block| self.give_back(block))?;
        Ok(pin)
    }

    /// Tells the map of a page that can be made anew.
    pub(super) fn give_back(&self, block: BlockNo) -> Result<(), Error> {
        self.map().record(block, MAX_TUPLE_SIZE)
    }

    /// Whether the page can be made anew: the xid on it if it was deleted, none if it is new.
    pub(super) fn reusable(&self, page: &impl Node) -> Option<Xid> {
        if page.is_new() {
            return Some(Xid::INVALID);
        }
        let deleted = page.is_on(page.level()) && page.has(flag::DELETED);
        let since = page.prune_xid();
        (deleted && self.access.is_past_horizon(since)).then_some(since)
    }

    fn map(&self) -> FreeSpaceMap<'a> {
        FreeSpaceMap::new(&self.access.pool, self.rel)
    }
}
