//! DELETE of one row.

use buffer::{BlockFlags, Change, PageWrite, Touched};
use txn::{RowLockMode, Transaction};
use types::{TupleId, Xid};
use wal::Rmgr;

use super::conflict::{Outcome, Stored};
use super::line::Line;
use super::view::View;
use super::{Heap, page, record};
use crate::error::Error;
use crate::tuple::HEADER_SIZE;

impl Heap<'_> {
    /// Deletes the row whose version at `place` the current statement has seen, with a snapshot
    /// that it still holds; waits for whoever else is at it.
    pub fn delete(&self, tx: &mut Transaction, place: TupleId) -> Result<Outcome, Error> {
        // Before any page is locked: a new xid may need a new status page.
        let xid = self.access.txn.assign_xid(tx)?;
        let view = View::new(&self.access.txn, tx);
        let mut line = Line::of(self);
        loop {
            let obstacle = {
                let pin = self.access.pool.read(self.tag(place.block))?;
                let mut page = pin.exclusive();
                match self.judge(&view, page.page(), place, RowLockMode::Update)? {
                    Ok(held) => {
                        let more_lockers = self.displace(&view, &held, place, xid)?.any;
                        let cid = tx.command();
                        let (room, freed) =
                            self.end_version(&mut page, place, xid, cid, more_lockers)?;
                        drop(page);
                        self.access.txn.statistics().deleted(self.rel);
                        self.access.note_freed(self.rel, place.block, room, freed)?;
                        return Ok(Outcome::Done(Stored { place, heap_only: false }));
                    }
                    Err(obstacle) => obstacle,
                }
            };
            let wanted = (xid, RowLockMode::Update);
            if let Some(outcome) = self.overcome(&view, wanted, &mut line, obstacle)? {
                return Ok(outcome);
            }
        }
    }

    /// Returns the room that the page has, and that the dead version will leave.
    fn end_version(
        &self,
        page: &mut PageWrite<'_>,
        place: TupleId,
        xid: Xid,
        cid: u32,
        more_lockers: bool,
    ) -> Result<(usize, usize), Error> {
        let old = self.old_version(page, place)?;
        let freed = self.version(page.page(), place)?.map_or(0, |(_, bytes)| bytes.len());
        let main = record::Delete { offset: place.offset, cid }.encode();
        let change =
            Change { rmgr: Rmgr::Heap, kind: record::kind::DELETE, xid, data: &[&main, &old] };
        let room = page::room(page.page());
        let touched = &mut [Touched { page, flags: BlockFlags::default(), data: &[] }];
        self.change(&change, touched, |pages| {
            let strength = RowLockMode::Update;
            let end = page::End { xmax: xid, cid, next: place, hot: false, strength, more_lockers };
            let done = page::end(pages.page(0), place.offset, end);
            assert!(done, "the version was there under the same lock");
        })?;
        Ok((room, freed))
    }

    /// The old version as records have it, if they are to have it.
    pub(super) fn old_version(
        &self,
        page: &PageWrite<'_>,
        place: TupleId,
    ) -> Result<Vec<u8>, Error> {
        let mut old = Vec::new();
        if self.access.is_logical()
            && let Some((header, bytes)) = self.version(page.page(), place)?
        {
            old.extend_from_slice(&record::version_prefix(&header));
            old.extend_from_slice(&bytes[HEADER_SIZE..]);
        }
        Ok(old)
    }
}
