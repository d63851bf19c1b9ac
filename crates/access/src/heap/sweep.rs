//! A vacuum's way through a table: page after page, removing what nobody can see any more.
//!
//! Whoever calls this keeps CREATE INDEX out. A page is pruned as an insert that needs room would prune it, and what room it has is noted in the
//! free space map. One page is locked at a time, for as long as it is pruned.

use buffer::{ItemState, PageAccess, PageWrite, Ring};
use types::{BlockNo, TupleId, Xid};

use super::prune::Pruner;
use super::view::View;
use super::visibility::{Ending, Need, Transactions as _, need};
use super::{Heap, page};
use crate::error::Error;

/// What a page holds once it is swept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows that live.
    pub live: u64,
    /// Versions that are dead, but may still be seen.
    pub dead: u64,
    /// Versions that were removed.
    pub removed: u64,
}

impl Heap<'_> {
    /// Removes what can go from a page.
    pub fn sweep(&self, block: BlockNo, ring: &Ring) -> Result<Swept, Error> {
        let (swept, room) = {
            let pin = self.access.pool.read_with(self.tag(block), Some(ring))?;
            let mut page = pin.exclusive();
            if page.page().is_new() {
                return Ok(Swept::default());
            }
            // The horizon of now, not of when this process last looked.
            self.access.is_past_horizon(Xid(u64::MAX));
            let before = versions(&page);
            self.prune(&mut page, Pruner::Writer)?;
            let removed = before - versions(&page);
            (Swept { removed, ..self.count(&page)? }, page::room(page.page()))
        };
        self.map().record(block, room)?;
        Ok(swept)
    }

    fn count(&self, page: &PageWrite<'_>) -> Result<Swept, Error> {
        let view = View::outside(&self.access.txn);
        let (block, page) = (page.tag().block, page.page());
        let mut swept = Swept::default();
        for offset in 1..=page.item_count() {
            let Some((header, _)) = self.version(page, TupleId { block, offset })? else {
                continue;
            };
            match need(&view, &header, self.access.horizon())? {
                Need::Until(by) if view.ending(by)? != Ending::InProgress => swept.dead += 1,
                Need::Dead { .. } => swept.dead += 1,
                Need::Live | Need::Until(_) => swept.live += 1,
            }
        }
        Ok(swept)
    }
}

fn versions(page: &PageWrite<'_>) -> u64 {
    let page = page.page();
    let normal = |offset: &u16| page.item(*offset).is_some_and(|i| i.state == ItemState::Normal);
    (1..=page.item_count()).filter(normal).count() as u64
}
