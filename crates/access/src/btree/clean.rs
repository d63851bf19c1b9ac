//! Before a leaf is split for the new version of a row: what leads to nothing for anybody goes.
//!
//! An UPDATE that changes one indexed column gives every index of the table a new entry, and the
//! entry of the old version is of no use as soon as no snapshot sees that. Readers mark such entries
//! when they come by; but many an index has no reader for a while. So whoever would have to split a
//! leaf asks about all its rows first (PostgreSQL calls it bottom-up deletion). An index whose keys
//! do not change then stays as large as its rows want it, however often they are updated.
//!
//! Only pages of the table that are in memory are looked at: what this costs is bounded by the leaf.
//! It is done for the versions that updates make, and not for new rows, whose leaves are split because
//! there is more to hold. If too little has gone, the leaf is split all the same, or the next entries
//! would have everything asked again for nothing.
//!
//! What if the process dies: the removal is one record, like any other.

use buffer::{PageAccess, PageWrite};
use types::{TupleId, Xid};

use super::BTree;
use super::key::Entry;
use super::page::{self, CAPACITY, FIRST, Node};
use super::unique::Rows;
use crate::error::Error;
use crate::tuple::Malformed;

/// How much of a leaf must be free afterwards; else it is split.
const WORTHWHILE: usize = CAPACITY / 16;

/// What the table's rows can tell an insertion.
pub(super) struct Helper<'r> {
    pub rows: &'r mut dyn Rows,
    /// The key must be the only one of its kind.
    pub unique: bool,
    /// The entry is for a new version of a row.
    pub replaces: bool,
}

impl BTree<'_> {
    /// Whether a locked leaf has no room for an entry, after an attempt to make some.
    pub(super) fn is_full(
        &self,
        page: &mut PageWrite<'_>,
        (entry, xid): (&[u8], Xid),
        helper: Option<&mut Helper<'_>>,
        has_spare: bool,
    ) -> Result<bool, Error> {
        let cost = page::cost(entry);
        if page.page().hole() < cost {
            self.remove_dead(page, xid)?;
        }
        let Some(helper) = helper.filter(|helper| helper.replaces) else {
            return Ok(page.page().hole() < cost);
        };
        if has_spare {
            // It has been looked at before a page for the split was got.
            return Ok(page.page().hole() < cost + WORTHWHILE);
        }
        if page.page().hole() >= cost {
            return Ok(false);
        }
        self.remove_ended(page, helper.rows, xid)?;
        Ok(page.page().hole() < cost + WORTHWHILE)
    }

    /// Removes the entries of a locked leaf whose rows nobody sees any more.
    fn remove_ended(
        &self,
        page: &mut PageWrite<'_>,
        rows: &mut dyn Rows,
        xid: Xid,
    ) -> Result<(), Error> {
        let block = page.tag().block;
        let mut places: Vec<TupleId> = Vec::with_capacity(usize::from(page.page().item_count()));
        for number in FIRST..=page.page().item_count() {
            let row = self.on(block, page.page().row_at(number))?;
            let entry = Entry::read(row).ok_or(Malformed("entry makes no sense"));
            places.push(self.on(block, entry)?.place);
        }
        let mut sorted = places.clone();
        sorted.sort_unstable();
        let dead = rows.dead(&sorted)?;
        let goes = |(_, place): &(u16, &TupleId)| dead.binary_search(place).is_ok();
        let numbered = (FIRST..).zip(&places);
        let numbers: Vec<u16> = numbered.filter(goes).map(|(number, _)| number).collect();
        if numbers.is_empty() { Ok(()) } else { self.remove_entries(page, &numbers, xid) }
    }
}
