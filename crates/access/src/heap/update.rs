//! UPDATE of one row: the new version on the same page if there is room, else on another.
//!
//! With two pages, both are locked in the order of their blocks; whatever was found out before is
//! found out again under the locks. The record names both pages, the new one first.

use buffer::{BlockFlags, Change, PageAccess, PageWrite, Pin, Touched};
use txn::Transaction;
use types::{Datum, TupleId};
use wal::Rmgr;

use super::conflict::Outcome;
use super::insert::{Maker, set_place};
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
}

/// What an attempt under the page locks came to.
enum Attempt {
    Over(Outcome),
    Obstacle(super::conflict::Obstacle),
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
            self.replace(&view, Replacement { maker, old: place, tuple, header })
        })
    }

    fn replace(&self, view: &View<'_>, mut new: Replacement<'_>) -> Result<Outcome, Error> {
        let mut search: Option<Search> = None;
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
                    if let Some(outcome) = self.overcome(view, obstacle)? {
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
        if let Err(obstacle) = self.judge(view, page.page(), new.old)? {
            return Ok(Attempt::Obstacle(obstacle));
        }
        match self.make_room(&mut page, new.tuple.len())? {
            Room::TooLittle => Ok(Attempt::NoRoom),
            Room::Enough => {
                let old_version = self.old_version(&page, new.old)?;
                let place = self.replace_on(new, &mut page, None, &old_version)?;
                Ok(Attempt::Over(Outcome::Done(place)))
            }
        }
    }

    fn try_other_page(
        &self,
        view: &View<'_>,
        new: &mut Replacement<'_>,
        search: &mut Search,
    ) -> Result<Attempt, Error> {
        let old_pin = self.access.pool.read(self.tag(new.old.block))?;
        let new_pin = match self.next_candidate(search)? {
            Some(block) => self.access.pool.read(self.tag(block))?,
            None => self.grow()?,
        };
        let block = new_pin.tag().block;
        let (mut old_page, mut new_page) = lock_both(&old_pin, &new_pin);
        if let Err(obstacle) = self.judge(view, old_page.page(), new.old)? {
            return Ok(Attempt::Obstacle(obstacle));
        }
        if let Room::TooLittle = self.make_room(&mut new_page, search.need())? {
            let (room, prune_xid) = (page::room(new_page.page()), new_page.page().prune_xid());
            drop((old_page, new_page));
            self.refuse(block, room, prune_xid)?;
            return Ok(Attempt::NoRoom);
        }
        let old_version = self.old_version(&old_page, new.old)?;
        let freed = self.version(old_page.page(), new.old)?.map_or(0, |(_, bytes)| bytes.len());
        let room = page::room(old_page.page());
        let place = self.replace_on(new, &mut new_page, Some(&mut old_page), &old_version)?;
        drop((old_page, new_page));
        self.access.set_target(self.rel, place.block);
        self.access.note_freed(self.rel, new.old.block, room, freed)?;
        Ok(Attempt::Over(Outcome::Done(place)))
    }

    /// Makes the change on locked pages that have been found fit. `old_page`: if it is another.
    fn replace_on<'p>(
        &self,
        new: &mut Replacement<'_>,
        page: &mut PageWrite<'p>,
        old_page: Option<&mut PageWrite<'p>>,
        old_version: &[u8],
    ) -> Result<TupleId, Error> {
        let fresh = page.page().item_count() == 0;
        let offset = if fresh { 1 } else { page::next_offset(page.page()) };
        let place = TupleId { block: page.tag().block, offset };
        set_place(new.tuple, &mut new.header, place);
        let Maker { xid, cid, .. } = new.maker;
        let main = record::Update { old_offset: new.old.offset, new_offset: offset, cid }.encode();
        let change = Change {
            rmgr: Rmgr::Heap,
            kind: record::kind::UPDATE,
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
            let done = page::end(pages.page(old_number), new.old.offset, xid, cid, place);
            assert!(done, "the version was there under the same lock");
        };
        let pool = &self.access.pool;
        match old_page {
            None => pool.change(&change, &mut [new_touched], |pages| apply(pages, 0))?,
            Some(page) => {
                let old = Touched { page, flags: BlockFlags::default(), data: &[] };
                pool.change(&change, &mut [new_touched, old], |pages| apply(pages, 1))?
            }
        };
        self.access.txn.statistics().updated(self.rel, false);
        Ok(place)
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
