//! Which page a new version goes to.
//!
//! In this order: the page that this session's last insert into the table went to; pages by which
//! this session has grown the table and that are still unused; pages that the free space map knows
//! of; the last page; a new page. A page of the map's choice, or the last one,
//! that somebody else has locked just now is passed over, so that sessions that insert into one
//! table come to use different pages. A page that turns out to be full is noted as such in the map,
//! and the map is asked to look on behind the last page it gave, so that pages whose dead versions
//! cannot go yet do not stand in the way of others.

use buffer::{PageAccess, PageWrite, Pin};
use types::{BlockNo, Fork, Xid};

use super::prune::Pruner;
use super::{Heap, page};
use crate::error::Error;
use crate::fsm::{BLOCKS_WITHOUT_MAP, FreeSpaceMap};
use crate::tuple::MAX_TUPLE_SIZE;

/// How many pages of the map's choice are tried before the table grows.
const MAP_TRIES: u8 = 4;
/// A table grows by this part of itself, so that growing is rare and waste small.
const GROWTH_PART: BlockNo = 64;
/// The most pages that an insert adds at once.
const GROWTH_MAX: BlockNo = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Remembered,
    /// Nothing is remembered, or that was full: is there a map?
    Elsewhere,
    Map {
        tries: u8,
    },
    /// A table without a map: every page, this one next, downwards.
    Each(BlockNo),
    Last,
    Grow,
}

/// A search for a page with room, through its stages.
pub(super) struct Search {
    need: usize,
    stage: Stage,
    /// Somebody else may have the page that was found, and there are others.
    choosy: bool,
    /// A page that is known to have no room, and may be locked by ourselves soon.
    avoid: Option<BlockNo>,
}

/// What a locked page has to offer.
pub(super) enum Room {
    Enough,
    TooLittle,
}

impl Search {
    pub fn new(need: usize) -> Self {
        Search { need, stage: Stage::Remembered, choosy: false, avoid: None }
    }

    /// As `new`, for a page other than `block`.
    pub fn other_than(block: BlockNo, need: usize) -> Self {
        Search { avoid: Some(block), ..Search::new(need) }
    }

    pub fn need(&self) -> usize {
        self.need
    }

    /// Locks a candidate. `None`: somebody else has it, and there are others.
    pub fn lock<'p>(&self, pin: &'p Pin<'_>) -> Option<PageWrite<'p>> {
        if self.choosy { pin.try_exclusive() } else { Some(pin.exclusive()) }
    }
}

impl<'a> Heap<'a> {
    /// Pins the next page to try. With `None` the search has come to its end: grow the table.
    pub(super) fn next_pin(&self, search: &mut Search) -> Result<Option<Pin<'a>>, Error> {
        loop {
            let Some(block) = self.next_candidate(search)? else { return Ok(None) };
            match self.access.pool.read(self.tag(block)) {
                // The table has lost its end to a vacuum since this session inserted there.
                Err(buffer::Error::PastEnd(_)) => self.access.forget_target(self.rel, block),
                found => return Ok(Some(found?)),
            }
        }
    }

    fn next_candidate(&self, search: &mut Search) -> Result<Option<BlockNo>, Error> {
        loop {
            search.choosy = matches!(search.stage, Stage::Map { .. } | Stage::Last);
            let block = match search.stage {
                Stage::Remembered => {
                    search.stage = Stage::Elsewhere;
                    self.access.target(self.rel)
                }
                Stage::Elsewhere => {
                    search.stage = self.stage_elsewhere()?;
                    None
                }
                Stage::Map { tries: MAP_TRIES } => {
                    search.stage = Stage::Last;
                    None
                }
                Stage::Map { tries } => {
                    search.stage = Stage::Map { tries: tries + 1 };
                    self.ask_map(search)?
                }
                Stage::Each(block) => {
                    search.stage = block.checked_sub(1).map_or(Stage::Grow, Stage::Each);
                    Some(block)
                }
                Stage::Last => {
                    search.stage = Stage::Grow;
                    self.nblocks()?.checked_sub(1)
                }
                Stage::Grow => return Ok(None),
            };
            if let Some(block) = block.filter(|block| Some(*block) != search.avoid) {
                return Ok(Some(block));
            }
        }
    }

    fn stage_elsewhere(&self) -> Result<Stage, Error> {
        if self.access.has_fresh(self.rel) {
            return Ok(Stage::Grow);
        }
        let blocks = self.nblocks()?;
        Ok(match blocks.checked_sub(1) {
            None => Stage::Grow,
            Some(last) if blocks <= BLOCKS_WITHOUT_MAP => Stage::Each(last),
            Some(_) => Stage::Map { tries: 0 },
        })
    }

    fn ask_map(&self, search: &mut Search) -> Result<Option<BlockNo>, Error> {
        let found =
            self.map().search(self.with_reserve(search.need), self.access.search_from(self.rel))?;
        let Some(block) = found else {
            search.stage = Stage::Last;
            return Ok(None);
        };
        self.access.set_search_from(self.rel, block.wrapping_add(1));
        if block < self.nblocks()? {
            return Ok(Some(block));
        }
        // The map outlived a part of the table that a crash took.
        self.map().record(block, 0)?;
        Ok(None)
    }

    /// A new page of the table. The table grows by several at once; the next calls get the others,
    /// and what is left at the end of the statement goes to the map.
    pub(super) fn grow(&self) -> Result<Pin<'a>, Error> {
        let part = self.nblocks()? / GROWTH_PART;
        self.grow_by(part.clamp(1, GROWTH_MAX))
    }

    /// As [`Heap::grow`]; the table grows by so many pages, if it must.
    pub(super) fn grow_by(&self, count: BlockNo) -> Result<Pin<'a>, Error> {
        if let Some(block) = self.access.take_fresh(self.rel) {
            return Ok(self.access.pool.read(self.tag(block))?);
        }
        let pin = self.access.pool.extend_by(self.rel, Fork::Main, count)?;
        let first = pin.tag().block;
        self.access.keep_fresh(self.rel, first + 1..first + count)?;
        Ok(pin)
    }

    /// Whether the locked page has room for a version of that length, pruning it if need be. For a
    /// writer of the table.
    pub(super) fn make_room(&self, page: &mut PageWrite<'_>, need: usize) -> Result<Room, Error> {
        let enough = |page: &PageWrite<'_>| page::room(page.page()) >= need;
        let frees_lines =
            !self.shape.is_indexed() && page.page().flags() & page::HAS_DEAD_LINES != 0;
        if enough(page) && !frees_lines {
            return Ok(Room::Enough);
        }
        if frees_lines || self.is_prunable(page.page().prune_xid()) {
            self.prune(page, Pruner::Writer)?;
        }
        Ok(if enough(page) { Room::Enough } else { Room::TooLittle })
    }

    /// As [`Heap::make_room`], and leaving free what the fill factor says, unless the page is
    /// empty.
    pub(super) fn make_room_and_reserve(
        &self,
        page: &mut PageWrite<'_>,
        need: usize,
    ) -> Result<Room, Error> {
        match self.make_room(page, self.with_reserve(need))? {
            Room::TooLittle if page.page().item_count() == 0 => self.make_room(page, need),
            room => Ok(room),
        }
    }

    /// How much room a page must have for a version of that length to be put there.
    pub(super) fn with_reserve(&self, need: usize) -> usize {
        (need.next_multiple_of(8) + self.shape.reserve()).min(MAX_TUPLE_SIZE)
    }

    pub(super) fn is_prunable(&self, prune_xid: Xid) -> bool {
        prune_xid.is_valid() && self.access.is_past_horizon(prune_xid)
    }

    /// Corrects the map about a page that was refused. Room that dead versions will leave soon
    /// stays promised: the next who asks may get it. The page is not locked any more.
    pub(super) fn refuse(&self, block: BlockNo, room: usize, prune_xid: Xid) -> Result<(), Error> {
        self.access.forget_target(self.rel, block);
        if prune_xid.is_valid() { Ok(()) } else { self.map().record(block, room) }
    }

    pub(super) fn map(&self) -> FreeSpaceMap<'a> {
        FreeSpaceMap::new(&self.access.pool, self.rel)
    }
}
