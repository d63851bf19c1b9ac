//! UPDATE of one row: the new version on the same page if there is room, else on another.
//!
//! In a table with indexes, a new version on the same page that differs from the old one in no
//! indexed column is heap-only (`chain`). In a table without, none is: nothing is saved by it, and
//! so the first index that the table gets finds no chains.
//!
//! An UPDATE that changes no column of a unique index holds the row FOR NO KEY UPDATE only, which lets
//! KEY SHARE in: such locks of others are carried over to the new version (`lock`).
//!
//! With two pages, both are locked in the order of their blocks; whatever was found out before is
//! found out again under the locks. The record names both pages, the new one first.

use buffer::{BlockFlags, Change, PageAccess, PageWrite, Pin, Touched};
use txn::{RowLockMode, Transaction};
use types::{Datum, TupleId};
use wal::Rmgr;

use super::conflict::{Obstacle, Outcome, Stored};
use super::insert::{Maker, set_place};
use super::line::Line;
use super::lock::Displaced;
use super::target::{Room, Search};
use super::view::View;
use super::{Heap, page, record};
use crate::error::Error;
use crate::tuple::{self, HEADER_SIZE, Header, infomask};

/// An UPDATE of one row in the making.
struct Replacement<'t> {
    maker: Maker,
    old: TupleId,
    tuple: &'t mut [u8],
    header: Header,
    /// How strongly it holds the old version.
    mode: RowLockMode,
    /// Whether the index entries that lead to the old version are right for the new one.
    keeps_entries: bool,
    /// Who else holds the old version.
    displaced: Displaced,
}

/// What an attempt under the page locks came to.
enum Attempt {
    Over(Outcome),
    Obstacle(Obstacle),
    /// The page tried has no room.
    NoRoom,
}

impl Heap<'_> {
    /// Replaces the row whose version at `place` the current statement has seen, with a snapshot
    /// that it still holds; waits for whoever else is at it.
    pub fn update(
        &self,
        tx: &mut Transaction,
        place: TupleId,
        values: &[Datum],
    ) -> Result<Outcome, Error> {
        self.access.with_scratch(|tuple| {
            tuple::encode_into(values, self.columns, tuple)?;
            let xid = self.access.txn.assign_xid(tx)?;
            let maker = Maker { xid, cid: tx.command(), infomask: infomask::UPDATED };
            let header = maker.sign(tuple);
            let view = View::new(&self.access.txn, tx);
            let (mode, displaced) = (RowLockMode::Update, Displaced::default());
            let old = place;
            let new =
                Replacement { maker, old, tuple, header, mode, keeps_entries: false, displaced };
            self.replace(&view, new)
        })
    }

    fn replace(&self, view: &View<'_>, mut new: Replacement<'_>) -> Result<Outcome, Error> {
        let mut search: Option<Search> = None;
        let mut line = Line::of(self);
        loop {
            let attempt = match &mut search {
                None => self.try_same_page(view, &mut new)?,
                Some(search) => self.try_other_page(view, &mut new, search)?,
            };
            match attempt {
                Attempt::Over(outcome) => return Ok(outcome),
                Attempt::NoRoom if search.is_none() => {
                    search = Some(Search::other_than(new.old.block, new.tuple.len()));
                }
                Attempt::NoRoom => {}
                Attempt::Obstacle(obstacle) => {
                    let wanted = (new.maker.xid, new.mode);
                    if let Some(outcome) = self.overcome(view, wanted, &mut line, obstacle)? {
                        return Ok(outcome);
                    }
                    search = None;
                }
            }
        }
    }

    fn try_same_page(&self, view: &View<'_>, new: &mut Replacement<'_>) -> Result<Attempt, Error> {
        let pin = self.access.pool.read(self.tag(new.old.block))?;
        let mut page = pin.exclusive();
        if let Err(obstacle) = self.hold_old(view, &page, new)? {
            return Ok(Attempt::Obstacle(obstacle));
        }
        match self.make_room(&mut page, new.tuple.len())? {
            Room::TooLittle => Ok(Attempt::NoRoom),
            Room::Enough => {
                let old_version = self.old_version(&page, new.old)?;
                new.set_heap_only(new.keeps_entries && self.shape.is_indexed());
                let stored = self.replace_on(new, &mut page, None, &old_version)?;
                Ok(Attempt::Over(Outcome::Done(stored)))
            }
        }
    }

    /// Asks whether the old version may be replaced, and puts who else holds it where they are
    /// found. Its page is locked.
    fn hold_old(
        &self,
        view: &View<'_>,
        page: &PageWrite<'_>,
        new: &mut Replacement<'_>,
    ) -> Result<Result<(), Obstacle>, Error> {
        new.keeps_entries = self.keeps_columns(page, new, self.shape.indexed)?;
        let keeps_key = new.keeps_entries || self.keeps_columns(page, new, self.shape.keys)?;
        new.mode = if keeps_key { RowLockMode::NoKeyUpdate } else { RowLockMode::Update };
        Ok(match self.judge(view, page.page(), new.old, new.mode)? {
            Err(obstacle) => Err(obstacle),
            Ok(held) => {
                new.displaced = self.displace(view, &held, new.old, new.maker.xid)?;
                Ok(())
            }
        })
    }

    /// Whether the new version has the values of the old one in some columns.
    fn keeps_columns(
        &self,
        page: &PageWrite<'_>,
        new: &Replacement<'_>,
        columns: &[usize],
    ) -> Result<bool, Error> {
        if columns.is_empty() {
            return Ok(true);
        }
        let Some((_, old)) = self.version(page.page(), new.old)? else { return Ok(false) };
        let same = tuple::are_equal_in(old, new.tuple, self.columns, columns);
        same.map_err(|what| self.bad(new.old, what))
    }

    fn try_other_page(
        &self,
        view: &View<'_>,
        new: &mut Replacement<'_>,
        search: &mut Search,
    ) -> Result<Attempt, Error> {
        let old_pin = self.access.pool.read(self.tag(new.old.block))?;
        let new_pin = match self.next_pin(search)? {
            Some(pin) => pin,
            None => self.grow()?,
        };
        let block = new_pin.tag().block;
        let (mut old_page, mut new_page) = lock_both(&old_pin, &new_pin);
        if let Err(obstacle) = self.hold_old(view, &old_page, new)? {
            return Ok(Attempt::Obstacle(obstacle));
        }
        if let Room::TooLittle = self.make_room_and_reserve(&mut new_page, search.need())? {
            let (room, prune_xid) = (page::room(new_page.page()), new_page.page().prune_xid());
            drop((old_page, new_page));
            self.refuse(block, room, prune_xid)?;
            return Ok(Attempt::NoRoom);
        }
        let old_version = self.old_version(&old_page, new.old)?;
        let freed = self.version(old_page.page(), new.old)?.map_or(0, |(_, bytes)| bytes.len());
        let room = page::room(old_page.page());
        new.set_heap_only(false);
        let stored = self.replace_on(new, &mut new_page, Some(&mut old_page), &old_version)?;
        drop((old_page, new_page));
        self.access.set_target(self.rel, stored.place.block);
        self.access.note_freed(self.rel, new.old.block, room, freed)?;
        Ok(Attempt::Over(Outcome::Done(stored)))
    }

    /// Makes the change on locked pages that have been found fit. `old_page`: if it is another.
    fn replace_on<'p>(
        &self,
        new: &mut Replacement<'_>,
        page: &mut PageWrite<'p>,
        old_page: Option<&mut PageWrite<'p>>,
        old_version: &[u8],
    ) -> Result<Stored, Error> {
        let fresh = page.page().item_count() == 0;
        let offset = if fresh { 1 } else { page::next_offset(page.page()) };
        let place = TupleId { block: page.tag().block, offset };
        let Maker { xid, cid, .. } = new.maker;
        // Locks of others stand until their transactions end, whatever becomes of this one.
        new.set_more_lockers(!new.displaced.others.is_empty());
        self.carry_over(&new.displaced, place, xid)?;
        set_place(new.tuple, &mut new.header, place);
        let hot = new.header.has(infomask::HEAP_ONLY);
        let (strength, more_lockers) = (new.mode, new.displaced.any);
        let hold = record::Hold { strength, more_lockers };
        let old_offset = new.old.offset;
        let main = record::Update { old_offset, new_offset: offset, cid, hold }.encode();
        let change = Change {
            rmgr: Rmgr::Heap,
            kind: if hot { record::kind::HOT_UPDATE } else { record::kind::UPDATE },
            xid,
            data: &[&main, old_version],
        };
        let prefix = record::version_prefix(&new.header);
        let data: &[&[u8]] = &[&prefix, &new.tuple[HEADER_SIZE..]];
        let new_touched = Touched { page, flags: self.flags_for_new(fresh), data };
        let apply = |pages: &mut buffer::Pages<'_, '_, '_>, old_number: usize| {
            let page = pages.page(0);
            if fresh {
                page.init(0);
            }
            assert!(page::add(page, offset, new.tuple), "room was made for the version");
            let end = page::End { xmax: xid, cid, next: place, hot, strength, more_lockers };
            let done = page::end(pages.page(old_number), new.old.offset, end);
            assert!(done, "the version was there under the same lock");
        };
        match old_page {
            None => self.change(&change, &mut [new_touched], |pages| apply(pages, 0))?,
            Some(page) => {
                let old = Touched { page, flags: BlockFlags::default(), data: &[] };
                self.change(&change, &mut [new_touched, old], |pages| apply(pages, 1))?
            }
        };
        self.access.txn.statistics().updated(self.rel, hot);
        Ok(Stored { place, heap_only: hot })
    }
}

impl Replacement<'_> {
    /// Takes effect when the version gets its place.
    fn set_heap_only(&mut self, heap_only: bool) {
        let flag = if heap_only { infomask::HEAP_ONLY } else { 0 };
        self.header.infomask = self.header.infomask & !infomask::HEAP_ONLY | flag;
    }

    /// Takes effect when the version gets its place.
    fn set_more_lockers(&mut self, more: bool) {
        let flag = if more { infomask::MORE_LOCKERS } else { 0 };
        self.header.infomask = self.header.infomask & !infomask::MORE_LOCKERS | flag;
    }
}

/// Locks two different pages, the lower block first, so that nobody waits in a circle.
fn lock_both<'p>(one: &'p Pin<'_>, other: &'p Pin<'_>) -> (PageWrite<'p>, PageWrite<'p>) {
    if one.tag().block < other.tag().block {
        let first = one.exclusive();
        (first, other.exclusive())
    } else {
        let first = other.exclusive();
        (one.exclusive(), first)
    }
}
