//! Adding an entry.
//!
//! The leaf is found and locked; if the entry fits, one record and it is done. Otherwise entries
//! that are marked dead go first, then what else is of no use (`clean`), and if that is not enough
//! the page is split. A split needs a page,
//! which is got with no lock held; so does the finishing of a split that somebody left half done. In
//! both cases everything is let go and the search begins anew.

use buffer::{PageAccess, PageWrite, Pin, Touched};
use smallvec::SmallVec;
use types::{TupleId, Xid};

use super::clean::Helper;
use super::descend::{Mode, Steps};
use super::key::{ENTRY_SIZE_MAX, Key, PLACE_SIZE};
use super::page::{self, FIRST, Node, Target, flag};
use super::record::{self, kind};
use super::split::Addition;
use super::unique::{Conflict, Rows};
use super::{BTree, CHANGED};
use crate::error::Error;
use crate::tuple::Malformed;

/// How an attempt to insert ended.
pub(super) enum Attempt {
    Done,
    /// Done; the page was split, and the level above has to hear of it.
    DoneBySplit(types::BlockNo),
    /// A page is needed.
    NoRoom,
    /// The split of this page has to be finished first.
    Unfinished(types::BlockNo),
    /// A row of the same key is in the hands of a transaction in progress.
    Busy(Xid),
    /// There is a row of the same key.
    Taken(TupleId),
}

/// What is to be inserted.
pub(super) struct NewEntry<'k> {
    pub xid: Xid,
    pub key: &'k [u8],
    /// The key, the row's place and what follows.
    pub bytes: &'k [u8],
}

impl<'a> BTree<'a> {
    /// Adds an entry. With `unique`, unless the key has a NULL, only if no row of the same key is
    /// alive; for one that a transaction in progress has made or deleted its end is waited for.
    ///
    /// Errors: the entry is too long (`54000`); what the log, the disk or the caller's rows say; a
    /// damaged page.
    pub fn insert(
        &self,
        xid: Xid,
        key: &Key,
        place: TupleId,
        unique: Option<&mut dyn Rows>,
    ) -> Result<Result<(), Conflict>, Error> {
        let helper = unique.map(|rows| Helper { rows, unique: true, replaces: false });
        self.insert_with(xid, key, place, helper)
    }

    /// As [`BTree::insert`], for a new version of a row, whose other versions may have entries that
    /// are of no use any more.
    pub fn insert_version(
        &self,
        xid: Xid,
        key: &Key,
        place: TupleId,
        unique: bool,
        rows: &mut dyn Rows,
    ) -> Result<Result<(), Conflict>, Error> {
        self.insert_with(xid, key, place, Some(Helper { rows, unique, replaces: true }))
    }

    fn insert_with(
        &self,
        xid: Xid,
        key: &Key,
        place: TupleId,
        mut helper: Option<Helper<'_>>,
    ) -> Result<Result<(), Conflict>, Error> {
        let bytes = key.entry(place);
        if bytes.len() > ENTRY_SIZE_MAX {
            return Err(Error::EntryTooLarge { size: bytes.len(), index: self.name.to_owned() });
        }
        let entry = NewEntry { xid, key: &key.bytes, bytes: &bytes };
        let mut spare = None;
        loop {
            let attempt = match &mut helper {
                Some(helper) if helper.unique && !key.has_null => {
                    self.try_unique(&entry, helper, spare.as_ref())?
                }
                helper => self.try_insert(&entry, helper.as_mut(), spare.as_ref())?,
            };
            match attempt {
                Attempt::Done => break,
                Attempt::DoneBySplit(block) => {
                    drop(spare);
                    self.finish_split(block)?;
                    return Ok(Ok(()));
                }
                Attempt::NoRoom => spare = Some(self.allocate()?),
                Attempt::Unfinished(block) => self.finish_split(block)?,
                Attempt::Busy(xid) => {
                    if let Some(helper) = &mut helper {
                        helper.rows.wait(xid)?;
                    }
                }
                Attempt::Taken(place) => {
                    self.return_spare(spare)?;
                    return Ok(Err(Conflict { place }));
                }
            }
        }
        self.return_spare(spare)?;
        Ok(Ok(()))
    }

    fn return_spare(&self, spare: Option<Pin<'_>>) -> Result<(), Error> {
        spare.map_or(Ok(()), |pin| self.give_back(pin.tag().block))
    }

    fn try_insert(
        &self,
        entry: &NewEntry<'_>,
        helper: Option<&mut Helper<'_>>,
        spare: Option<&Pin<'_>>,
    ) -> Result<Attempt, Error> {
        let target = Target::At(entry.bytes);
        let mut block = self.descend(target, 0, Mode::Write)?.block;
        let mut steps = Steps::default();
        loop {
            let pin = self.pin(block)?;
            let page = pin.exclusive();
            self.check_level(block, page.page(), 0)?;
            let Some(right) = self.on(block, page.page().onward(target))? else {
                return self.insert_into(page, entry, helper, spare);
            };
            if page.page().has(flag::INCOMPLETE) {
                return Ok(Attempt::Unfinished(block));
            }
            self.step(&mut steps, right)?;
            block = right;
        }
    }

    /// Puts the entry on the leaf that is responsible for it.
    pub(super) fn insert_into(
        &self,
        mut page: PageWrite<'_>,
        entry: &NewEntry<'_>,
        helper: Option<&mut Helper<'_>>,
        spare: Option<&Pin<'_>>,
    ) -> Result<Attempt, Error> {
        let block = page.tag().block;
        let addition = (entry.bytes, entry.xid);
        let full = self.is_full(&mut page, addition, helper, spare.is_some())?;
        let number = self.on(block, page.page().lower_bound(entry.bytes))?;
        let beside = &entry.bytes[..entry.key.len() + PLACE_SIZE];
        let next = page.page().row_at(number).unwrap_or_default();
        if number <= page.page().item_count() && next.starts_with(beside) {
            return Err(self.bad(block, Malformed("there is an entry for the row already")));
        }
        if full {
            if page.page().has(flag::INCOMPLETE) {
                return Ok(Attempt::Unfinished(block));
            }
            let Some(spare) = spare else { return Ok(Attempt::NoRoom) };
            let addition = Addition { number, row: entry.bytes, xid: entry.xid, child: None };
            let done = self.split(page, addition, spare)?;
            return Ok(if done { Attempt::DoneBySplit(block) } else { Attempt::NoRoom });
        }
        let head = number.to_le_bytes();
        let data: &[&[u8]] = &[&head, entry.bytes];
        let touched = &mut [Touched { page: &mut page, flags: CHANGED, data }];
        self.log(kind::INSERT, entry.xid, &[], touched, |pages| {
            pages.page(0).insert_row(number, entry.bytes)
        })?;
        Ok(Attempt::Done)
    }

    /// Removes the entries that readers have marked dead.
    pub(super) fn remove_dead(&self, page: &mut PageWrite<'_>, xid: Xid) -> Result<(), Error> {
        let count = page.page().item_count();
        let dead: SmallVec<[u16; 64]> =
            (FIRST..=count).filter(|&number| page.page().is_dead(number)).collect();
        if dead.is_empty() {
            return Ok(());
        }
        self.remove_entries(page, &dead, xid)
    }

    /// Removes entries, which must be dead for every transaction, from a leaf.
    pub(super) fn remove_entries(
        &self,
        page: &mut PageWrite<'_>,
        numbers: &[u16],
        xid: Xid,
    ) -> Result<(), Error> {
        let list: SmallVec<[u8; 128]> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let horizon = self.access.txn.horizon();
        let main = record::delete(horizon);
        let touched = &mut [Touched { page, flags: CHANGED, data: &[&list] }];
        self.log(kind::DELETE, xid, &[&main], touched, |pages| {
            page::remove(pages.page(0), numbers.iter().copied())
        })?;
        Ok(())
    }
}
