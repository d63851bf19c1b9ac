//! The two passes of a vacuum over one page.

use buffer::{ItemState, PageAccess, PageWrite};
use types::{BlockNo, Lsn};

use super::super::plan::Plan;
use super::super::prune::Pruner;
use super::super::{Heap, page};
use super::settle::Rest;
use super::{Hooks, Vacuum};
use crate::error::Error;
use crate::tuple::MAX_TUPLE_SIZE;

/// What was done to a page.
struct Swept {
    plan: Plan,
    rest: Rest,
    /// The page has changed.
    changed: bool,
    /// It was not all-visible, and is.
    newly_visible: bool,
    room: usize,
}

impl<H: Hooks> Vacuum<'_, H> {
    /// The first pass: removes what is dead, and notes what the indexes may still lead to.
    pub(super) fn sweep(&mut self, block: BlockNo) -> Result<(), Error> {
        let heap = self.heap;
        self.report.scanned += 1;
        heap.make_map_page(block)?;
        let pin = heap.access.pool.read_with(heap.tag(block), Some(&self.ring))?;
        let room = {
            let mut page = pin.exclusive();
            if page.page().is_new() {
                MAX_TUPLE_SIZE
            } else {
                let seen = page.page().lsn();
                let swept = heap.sweep_page(&mut page, seen, None)?;
                self.note(block, &swept);
                self.note_dead(block, &page);
                swept.room
            }
        };
        heap.map().record(block, room)
    }

    /// The second pass: frees line pointers whose index entries are gone. `entries_gone`: where in
    /// the log that is so.
    pub(super) fn free(
        &mut self,
        block: BlockNo,
        offsets: &[u16],
        entries_gone: Lsn,
    ) -> Result<(), Error> {
        let heap = self.heap;
        let pin = heap.access.pool.read_with(heap.tag(block), Some(&self.ring))?;
        let swept = {
            let mut page = pin.exclusive();
            let is_dead = |offset: &&u16| {
                page.page().item(**offset).is_some_and(|item| item.state == ItemState::Dead)
            };
            let unused = offsets.iter().filter(is_dead).copied().collect();
            let prune_xid = page.page().prune_xid();
            let plan = Plan { unused, prune_xid, ..Plan::default() };
            heap.sweep_page(&mut page, entries_gone, Some(plan))?
        };
        self.report.freed += swept.plan.unused.len() as u64;
        self.report.freed_pages += 1;
        self.report.newly_visible += BlockNo::from(swept.newly_visible);
        self.progress.dirtied += u64::from(swept.changed);
        heap.map().record(block, swept.room)
    }

    fn note(&mut self, block: BlockNo, swept: &Swept) {
        let report = &mut self.report;
        report.removed += u64::from(swept.plan.removed);
        report.live += swept.rest.live;
        report.recently_dead += swept.rest.recently_dead;
        report.newly_visible += BlockNo::from(swept.newly_visible);
        if swept.rest.has_versions() {
            report.nonempty = block + 1;
        }
        self.progress.dirtied += u64::from(swept.changed);
    }

    fn note_dead(&mut self, block: BlockNo, page: &PageWrite<'_>) {
        let page = page.page();
        let is_dead =
            |offset: &u16| page.item(*offset).is_some_and(|item| item.state == ItemState::Dead);
        self.dead.push(block, (1..=page.item_count()).filter(is_dead));
    }
}

impl Heap<'_> {
    /// Carries out a plan, or what pruning would do, and marks the page all-visible if it is and
    /// every snapshot sees the log to `seen`. The map has its page.
    fn sweep_page(
        &self,
        page: &mut PageWrite<'_>,
        seen: Lsn,
        plan: Option<Plan>,
    ) -> Result<Swept, Error> {
        let mut plan = match plan {
            Some(plan) => plan,
            None => self.plan(page, Pruner::Writer)?,
        };
        let block = page.tag().block;
        let rest = self.settle(page.page(), block, &mut plan)?;
        if let Some(newest) = rest.all_visible()
            && self.access.txn.held_snapshots_see(seen)
        {
            plan.visible = newest;
        }
        let was_visible = page.page().flags() & page::ALL_VISIBLE != 0;
        let is_visible = plan.visible.is_valid();
        let changed = !plan.is_empty()
            || plan.prune_xid != page.page().prune_xid()
            || is_visible && !was_visible;
        if changed {
            self.carry_out(page, &plan)?;
        }
        let room = page::room(page.page());
        Ok(Swept { plan, rest, changed, newly_visible: is_visible && !was_visible, room })
    }
}
