//! What stays on a page that is vacuumed: is all of it visible to everybody, and which ends of
//! versions mean nothing?

use buffer::{ItemState, PageAccess, PageBytes};
use types::{BlockNo, TupleId, Xid};

use super::super::Heap;
use super::super::plan::Plan;
use super::super::view::View;
use super::super::visibility::{Ending, Transactions};
use crate::error::Error;
use crate::tuple::{Header, infomask};

/// What stays on a page once a plan is carried out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    /// Versions that are there to everybody who comes now.
    pub live: u64,
    /// Versions that have an end, which not everybody sees.
    pub recently_dead: u64,
    /// Whether nothing keeps the page from being all-visible.
    visible: bool,
    /// The youngest maker of a version.
    newest: Xid,
}

impl Rest {
    /// The youngest maker, if everybody sees everything on the page, and there is something.
    pub fn all_visible(&self) -> Option<Xid> {
        (self.visible && self.live > 0).then_some(self.newest)
    }

    /// Whether the page is empty but perhaps for dead line pointers.
    pub fn has_versions(&self) -> bool {
        self.live + self.recently_dead > 0
    }
}

/// What a version's end amounts to.
pub(super) enum End {
    /// There is none.
    None,
    /// It can be taken away.
    Void,
    /// A transaction that runs has locked the row.
    Locked,
    /// It has an end, or may have one.
    Real,
}

impl Heap<'_> {
    /// Looks at what stays on a locked page, and adds to the plan what can be settled.
    pub(super) fn settle(
        &self,
        page: &PageBytes,
        block: BlockNo,
        plan: &mut Plan,
    ) -> Result<Rest, Error> {
        let view = View::outside(&self.access.txn);
        let version = |offset| {
            let version = self.version(page, TupleId { block, offset })?;
            Ok(version.map(|(header, _)| header))
        };
        settle(page, plan, version, &view, self.access.horizon())
    }
}

/// As [`Heap::settle`]. `version` reads the header behind a line pointer that is in use.
///
/// The plan was made a moment ago, and transactions may have ended since. Nothing here may rest on what
/// it found out of them, but for those before the horizon.
pub(super) fn settle(
    page: &PageBytes,
    plan: &mut Plan,
    version: impl Fn(u16) -> Result<Option<Header>, Error>,
    view: &impl Transactions,
    horizon: Xid,
) -> Result<Rest, Error> {
    let going = going(plan, page.item_count());
    let mut rest = Rest { visible: plan.dead.is_empty(), ..Rest::default() };
    for offset in 1..=page.item_count() {
        if going[usize::from(offset)] {
            continue;
        }
        if page.item(offset).is_some_and(|item| item.state == ItemState::Dead) {
            rest.visible = false;
        }
        let Some(header) = version(offset)? else { continue };
        let seen = maker_is_seen(view, &header, horizon)?;
        let end = end_of(view, &header)?;
        match end {
            End::Void => plan.settled.push(offset),
            End::None => {}
            End::Locked | End::Real => rest.visible = false,
        }
        rest.visible &= seen;
        rest.newest = rest.newest.max(header.xmin);
        match end {
            End::Real => rest.recently_dead += 1,
            _ => rest.live += 1,
        }
    }
    Ok(rest)
}

/// By line pointer: whether its version goes.
fn going(plan: &Plan, count: u16) -> Vec<bool> {
    let mut going = vec![false; usize::from(count) + 1];
    let roots = plan.redirects.iter().map(|(root, _)| root);
    for offset in roots.chain(&plan.dead).chain(&plan.unused) {
        going[usize::from(*offset)] = true;
    }
    going
}

/// Whether everybody sees who made the version.
fn maker_is_seen(view: &impl Transactions, header: &Header, horizon: Xid) -> Result<bool, Error> {
    if header.xmin >= horizon || header.has(infomask::XMIN_ABORTED) {
        return Ok(false);
    }
    let hinted = header.has(infomask::XMIN_COMMITTED);
    Ok(hinted || matches!(view.ending(header.xmin)?, Ending::Committed { .. }))
}

/// What the version's end amounts to.
pub(super) fn end_of(view: &impl Transactions, header: &Header) -> Result<End, Error> {
    if !header.xmax.is_valid() {
        return Ok(End::None);
    }
    if header.has(infomask::XMAX_ABORTED) {
        return Ok(End::Void);
    }
    let lock = header.has(infomask::LOCK_ONLY);
    if header.has(infomask::XMAX_COMMITTED) {
        return Ok(if lock { End::Void } else { End::Real });
    }
    Ok(match view.ending(header.xmax)? {
        Ending::Aborted => End::Void,
        Ending::Committed { .. } if lock => End::Void,
        Ending::InProgress if lock => End::Locked,
        Ending::Committed { .. } | Ending::InProgress => End::Real,
    })
}
