//! Pruning: removing versions that nobody can see any more.
//!
//! It happens on the way: when an insert or update finds no room on a page, and when a scan passes
//! a page that is nearly full or has versions of aborted transactions. Line pointers of removed
//! versions are free at once: nothing but the versions' own chains leads to them, and no chain that
//! anyone may follow leads to a removed version (rule 3 of the heap).
//!
//! The record tells the youngest transaction whose deletions were carried out: a standby must not
//! apply it before its own snapshots are younger.

use buffer::{BlockFlags, Change, ItemState, PageAccess, PageWrite, Touched};
use smallvec::SmallVec;
use types::{BlockNo, TupleId, Xid};
use wal::Rmgr;

use super::view::View;
use super::visibility::{Need, need};
use super::{Heap, page, record};
use crate::error::Error;

/// A scan prunes a page with less room than this.
const NEARLY_FULL: usize = types::PAGE_SIZE / 10;

/// What can go from a page.
struct Waste {
    offsets: SmallVec<[u16; 64]>,
    newest_removed: Xid,
    /// The oldest transaction whose end may leave more, or none.
    next_prune_xid: Xid,
}

impl Heap<'_> {
    /// Removes what can go from a locked page; and if nothing can, notes when to look again.
    pub(super) fn prune(&self, page: &mut PageWrite<'_>) -> Result<(), Error> {
        let waste = self.waste(page)?;
        if waste.offsets.is_empty() && waste.next_prune_xid == page.page().prune_xid() {
            return Ok(());
        }
        let Waste { offsets, newest_removed, next_prune_xid } = waste;
        let main = record::Prune { newest_removed, prune_xid: next_prune_xid }.encode();
        let mut list = SmallVec::<[u8; 128]>::new();
        offsets.iter().for_each(|offset| list.extend_from_slice(&offset.to_le_bytes()));
        let change = Change {
            rmgr: Rmgr::Heap,
            kind: record::kind::PRUNE,
            xid: Xid::INVALID,
            data: &[&main],
        };
        let touched = &mut [Touched { page, flags: BlockFlags::default(), data: &[&list] }];
        self.access.pool.change(&change, touched, |pages| {
            page::remove(pages.page(0), offsets.iter().copied(), next_prune_xid);
        })?;
        self.access.txn.statistics().pruned(self.rel, offsets.len() as u64);
        Ok(())
    }

    fn waste(&self, page: &PageWrite<'_>) -> Result<Waste, Error> {
        let view = View::outside(&self.access.txn);
        let horizon = self.access.horizon();
        let block = page.tag().block;
        let page = page.page();
        let mut waste = Waste {
            offsets: SmallVec::new(),
            newest_removed: Xid::INVALID,
            next_prune_xid: Xid::INVALID,
        };
        for offset in 1..=page.item_count() {
            if page.item(offset).is_none_or(|item| item.state != ItemState::Normal) {
                continue;
            }
            let Some((header, _)) = self.version(page, TupleId { block, offset })? else {
                continue;
            };
            match need(&view, &header, horizon)? {
                Need::Live => {}
                Need::Dead { by } => {
                    waste.offsets.push(offset);
                    waste.newest_removed = waste.newest_removed.max(by);
                }
                Need::Until(xid) => {
                    let noted = waste.next_prune_xid;
                    waste.next_prune_xid = if noted.is_valid() { noted.min(xid) } else { xid };
                }
            }
        }
        Ok(waste)
    }

    /// Prunes a page that a scan has passed, if that seems worth it and nobody is using the page.
    pub(super) fn prune_in_passing(
        &self,
        block: BlockNo,
        aborted: bool,
        room: usize,
        prune_xid: Xid,
    ) -> Result<(), Error> {
        if !aborted && (room >= NEARLY_FULL || !self.is_prunable(prune_xid)) {
            return Ok(());
        }
        let room = {
            let pin = self.access.pool.read(self.tag(block))?;
            let Some(mut page) = pin.try_exclusive() else { return Ok(()) };
            let before = page::room(page.page());
            self.prune(&mut page)?;
            let after = page::room(page.page());
            if after == before {
                return Ok(());
            }
            after
        };
        self.map().record(block, room)
    }
}
