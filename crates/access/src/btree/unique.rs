//! One living row for each key.
//!
//! Everybody who inserts a key locks the page that is responsible for the bare key first, and keeps
//! it locked until its entry is in, wherever that goes. So of two that insert the same key one comes
//! second and finds the other's entry, on that page or to its right.
//!
//! Whether an entry's row is alive only the caller can tell. It is asked with the leaf locked. For a
//! transaction in progress it waits with nothing locked, and all is looked at anew.

use buffer::{PageRead, PageWrite, Pin};
use smallvec::SmallVec;
use types::{BlockNo, TupleId, Xid};

use super::BTree;
use super::clean::Helper;
use super::descend::{Mode, Steps};
use super::insert::{Attempt, NewEntry};
use super::key::{Entry, Key};
use super::page::{NONE, Node, Target, flag};
use crate::error::Error;
use crate::tuple::Malformed;

/// What has become of the row, or of the chain of versions, that an entry leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowFate {
    /// A version of it is alive: committed, or made by the own transaction.
    Live,
    /// No version is alive, but some snapshot may still see one.
    Ended,
    /// Nobody can see a version of it, now or ever: the entry may go.
    Dead,
    /// Whether a version is alive depends on how this transaction ends.
    InProgress(Xid),
}

/// The rows that an index leads to, as its caller knows them.
pub trait Rows {
    /// What has become of the row. A leaf is locked meanwhile: no page of an index may be touched.
    fn fate(&mut self, place: TupleId) -> Result<RowFate, Error>;

    /// Those of these rows, which stand in the order of their places, of which nobody can see a
    /// version, now or ever, as far as that can be told without reading from disk. In the same order.
    /// A leaf is locked meanwhile, as in [`Rows::fate`].
    fn dead(&mut self, _places: &[TupleId]) -> Result<Vec<TupleId>, Error> {
        Ok(Vec::new())
    }

    /// Waits for the end of a transaction. Nothing is locked.
    fn wait(&mut self, xid: Xid) -> Result<(), Error>;
}

/// A row of the same key is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// Its place.
    pub place: TupleId,
}

/// What was found among the entries of a key on one page.
enum Found {
    /// Nothing in the way.
    Nothing,
    /// Nothing in the way here, but there may be more to the right.
    GoOn(BlockNo),
    Busy(Xid),
    Taken(TupleId),
}

impl<'a> BTree<'a> {
    /// A living row of that key. Waits for transactions in progress that may have made one. A key
    /// with a NULL equals none.
    pub fn find_conflict(&self, key: &Key, rows: &mut dyn Rows) -> Result<Option<TupleId>, Error> {
        if key.has_null {
            return Ok(None);
        }
        loop {
            let block = self.descend(Target::At(&key.bytes), 0, Mode::Read)?.block;
            match self.look_from(block, NONE, &key.bytes, rows)? {
                Found::Busy(xid) => rows.wait(xid)?,
                Found::Taken(place) => return Ok(Some(place)),
                Found::Nothing | Found::GoOn(_) => return Ok(None),
            }
        }
    }

    /// An attempt to insert the first entry of its key.
    pub(super) fn try_unique(
        &self,
        entry: &NewEntry<'_>,
        helper: &mut Helper<'_>,
        spare: Option<&Pin<'_>>,
    ) -> Result<Attempt, Error> {
        let target = Target::At(entry.key);
        let mut block = self.descend(target, 0, Mode::Write)?.block;
        let mut steps = Steps::default();
        loop {
            let pin = self.pin(block)?;
            let mut page = pin.exclusive();
            self.check_level(block, page.page(), 0)?;
            if let Some(right) = self.on(block, page.page().onward(target))? {
                if page.page().has(flag::INCOMPLETE) {
                    return Ok(Attempt::Unfinished(block));
                }
                self.step(&mut steps, right)?;
                block = right;
                continue;
            }
            let mut found = self.look_at_locked(&mut page, entry.key, helper.rows)?;
            if let Found::GoOn(right) = found {
                found = self.look_from(right, block, entry.key, helper.rows)?;
            }
            return match found {
                Found::Busy(xid) => Ok(Attempt::Busy(xid)),
                Found::Taken(place) => Ok(Attempt::Taken(place)),
                Found::Nothing | Found::GoOn(_) => self.insert_from(page, entry, helper, spare),
            };
        }
    }

    /// Puts the entry on this page, or on one to its right while this one stays locked.
    fn insert_from(
        &self,
        first: PageWrite<'_>,
        entry: &NewEntry<'_>,
        helper: &mut Helper<'_>,
        spare: Option<&Pin<'_>>,
    ) -> Result<Attempt, Error> {
        let target = Target::At(entry.bytes);
        let mut steps = Steps::default();
        let block = first.tag().block;
        let Some(mut block) = self.on(block, first.page().onward(target))? else {
            return self.insert_into(first, entry, Some(helper), spare);
        };
        loop {
            if block == first.tag().block {
                return Err(self.bad(block, Malformed("page is its own sibling")));
            }
            let pin = self.pin(block)?;
            let page = pin.exclusive();
            self.check_level(block, page.page(), 0)?;
            let Some(right) = self.on(block, page.page().onward(target))? else {
                return self.insert_into(page, entry, Some(helper), spare);
            };
            self.step(&mut steps, right)?;
            block = right;
        }
    }

    /// Looks at the entries of a key on a page that is locked exclusively.
    fn look_at_locked(
        &self,
        page: &mut PageWrite<'_>,
        key: &[u8],
        rows: &mut dyn Rows,
    ) -> Result<Found, Error> {
        let mut dead = SmallVec::new();
        let found = self.look(page.tag().block, page.page(), key, rows, &mut dead)?;
        if !dead.is_empty() {
            self.access.pool.set_hints(page, |page| {
                dead.iter().for_each(|&number| page.mark_dead(number));
            });
        }
        Ok(found)
    }

    /// Looks at the entries of a key from this page on, under shared locks. The page `held` is
    /// locked already.
    fn look_from(
        &self,
        mut block: BlockNo,
        held: BlockNo,
        key: &[u8],
        rows: &mut dyn Rows,
    ) -> Result<Found, Error> {
        let mut steps = Steps::default();
        loop {
            if block == held {
                return Err(self.bad(block, Malformed("page is its own sibling")));
            }
            let pin = self.pin(block)?;
            let page = pin.shared();
            self.check_level(block, &page, 0)?;
            let right = match self.on(block, page.onward(Target::At(key)))? {
                Some(right) => right,
                None => {
                    let mut dead = SmallVec::new();
                    let found = self.look(block, &page, key, rows, &mut dead)?;
                    self.mark_dead(&page, &dead);
                    let Found::GoOn(right) = found else { return Ok(found) };
                    right
                }
            };
            self.step(&mut steps, right)?;
            block = right;
        }
    }

    /// Marks entries dead, if hints are allowed.
    pub(super) fn mark_dead(&self, page: &PageRead<'_>, numbers: &[u16]) {
        if !numbers.is_empty() && self.access.pool.allow_hints(page) {
            numbers.iter().for_each(|&number| page.mark_dead(number));
        }
    }

    fn look(
        &self,
        block: BlockNo,
        page: &impl Node,
        key: &[u8],
        rows: &mut dyn Rows,
        dead: &mut SmallVec<[u16; 8]>,
    ) -> Result<Found, Error> {
        for number in self.on(block, page.lower_bound(key))?..=page.item_count() {
            let row = self.on(block, page.row_at(number))?;
            if !row.starts_with(key) {
                return Ok(Found::Nothing);
            }
            if page.is_dead(number) {
                continue;
            }
            let entry = Entry::read(row).ok_or(Malformed("entry makes no sense"));
            let place = self.on(block, entry)?.place;
            match rows.fate(place)? {
                RowFate::Live => return Ok(Found::Taken(place)),
                RowFate::InProgress(xid) => return Ok(Found::Busy(xid)),
                RowFate::Dead => dead.push(number),
                RowFate::Ended => {}
            }
        }
        let ends_here = match self.on(block, page.high_key())? {
            Some(high) => !high.starts_with(key),
            None => true,
        };
        let right = page.right();
        Ok(if ends_here || right == NONE { Found::Nothing } else { Found::GoOn(right) })
    }
}
