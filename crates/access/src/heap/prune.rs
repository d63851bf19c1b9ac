//! Pruning: removing versions that nobody can see any more.
//!
//! It happens on the way: when an insert or update finds no room on a page, and when a scan passes
//! a page that is nearly full or has versions of aborted transactions. What happens to which line
//! pointer is decided in `plan`.
//!
//! Line pointers to which an index entry may lead stay, as dead ones, until vacuum has removed the
//! entries. In a table without indexes a writer frees them at once. A reader does not, even if it
//! knows of no index: it does not keep CREATE INDEX out, which may have made entries for a version
//! that died since, and another row at that place would be found by them.
//!
//! The record tells the youngest transaction whose deletions were carried out: a standby must not
//! apply it before its own snapshots are younger.

use buffer::{BlockFlags, Change, PageAccess, PageWrite, Pages, Touched};
use types::{BlockNo, TupleId, Xid};
use wal::Rmgr;

use super::plan::{self, Plan};
use super::view::View;
use super::visibility::need;
use super::{Heap, page, record};
use crate::error::Error;
use crate::vm::Mark;

/// A scan prunes a page with less room than this.
const NEARLY_FULL: usize = types::PAGE_SIZE / 10;

/// Who prunes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pruner {
    /// One who keeps CREATE INDEX out, by ROW EXCLUSIVE on the table or more.
    Writer,
    /// One who does not: an index that his description of the table does not know may be in the
    /// making.
    Reader,
}

impl Heap<'_> {
    /// Removes what can go from a locked page; and if nothing can, notes when to look again.
    pub(super) fn prune(&self, page: &mut PageWrite<'_>, pruner: Pruner) -> Result<(), Error> {
        let plan = self.plan(page, pruner)?;
        if plan.is_empty() && plan.prune_xid == page.page().prune_xid() {
            return Ok(());
        }
        self.carry_out(page, &plan)
    }

    /// Does what a plan says to its locked page, and tells the visibility map.
    pub(super) fn carry_out(&self, page: &mut PageWrite<'_>, plan: &Plan) -> Result<(), Error> {
        let block = page.tag().block;
        let main = record::Prune::of(plan).encode();
        let lists = record::encode_lists(plan);
        let change = Change {
            rmgr: Rmgr::Heap,
            kind: record::kind::PRUNE,
            xid: Xid::INVALID,
            data: &[&main],
        };
        let touched = &mut [Touched { page, flags: BlockFlags::default(), data: &[&lists] }];
        let apply = |pages: &mut Pages<'_, '_, '_>| {
            assert!(page::prune(pages.page(0), plan), "the plan was made under the same lock");
        };
        if plan.visible.is_valid() {
            self.change_and_mark(&change, touched, Mark::Set, &[block], apply)?;
        } else {
            self.change(&change, touched, apply)?;
        }
        if plan.reclaimed() > 0 {
            self.access.txn.statistics().pruned(self.rel, plan.reclaimed());
        }
        Ok(())
    }

    /// Decides what can go from a locked page.
    pub(super) fn plan(&self, page: &PageWrite<'_>, pruner: Pruner) -> Result<Plan, Error> {
        let view = View::outside(&self.access.txn);
        let horizon = self.access.horizon();
        let block = page.tag().block;
        let frees = pruner == Pruner::Writer && !self.shape.is_indexed();
        let page = page.page();
        let version = |offset| {
            let version = self.version(page, TupleId { block, offset })?;
            Ok(version.map(|(header, _)| header))
        };
        plan::plan(page, block, frees, version, |header| need(&view, header, horizon))
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
            self.prune(&mut page, Pruner::Reader)?;
            let after = page::room(page.page());
            if after == before {
                return Ok(());
            }
            after
        };
        self.map().record(block, room)
    }
}
