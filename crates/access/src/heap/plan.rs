//! What pruning does to a page: decided here, from the page alone and what is known of its
//! transactions.
//!
//! ```text
//!  before: 1 -> a (dead)       an index entry leads to 1, none to 2 and 3
//!          2 -> b (dead)       a -> b -> c is one chain of HOT updates
//!          3 -> c
//!          4 -> d (dead)       an index entry leads to 4
//!  after:  1 => 3              redirected
//!          2                   unused
//!          3 -> c
//!          4 (dead)            until vacuum has removed the index entries
//! ```
//!
//! - A root, to which index entries may lead, keeps its line pointer: it becomes a redirection to
//!   the first member that stays, or dead if none does.
//! - Other members of a chain are known to the chain alone: their line pointers are free at once.
//! - A member goes if it is dead, or if a later one is: who sees that the later one is gone sees
//!   the same of all before it, since each committed before the next could be made.
//! - A heap-only version whose maker aborted is in no chain that anyone follows.
//!
//! Hostile bytes: a walk ends at what is no member, and after as many steps as there are line
//! pointers.

use buffer::{ItemState, PageAccess, PageBytes};
use smallvec::SmallVec;
use types::Xid;

use super::chain;
use super::visibility::Need;
use crate::error::Error;
use crate::tuple::{Header, infomask};

/// What happens to the line pointers of a page, and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Roots, and the members that they are to lead to.
    pub redirects: SmallVec<[(u16, u16); 16]>,
    /// Roots of which nothing is left.
    pub dead: SmallVec<[u16; 32]>,
    /// Line pointers that nothing leads to any more.
    pub unused: SmallVec<[u16; 64]>,
    /// Versions whose `xmax` means nothing any more and is taken away.
    pub settled: SmallVec<[u16; 16]>,
    /// How many versions go.
    pub removed: u16,
    /// The youngest transaction that ended one of the versions removed.
    pub newest_removed: Xid,
    /// The oldest transaction whose end may leave more to remove, or none.
    pub prune_xid: Xid,
    /// If everybody sees every version that stays: the youngest transaction that made one.
    pub visible: Xid,
}

impl Plan {
    /// Whether no line pointer and no version changes.
    pub fn is_empty(&self) -> bool {
        self.redirects.is_empty()
            && self.dead.is_empty()
            && self.unused.is_empty()
            && self.settled.is_empty()
    }

    /// How many dead versions go without leaving a dead line pointer, which vacuum has to see to.
    pub fn reclaimed(&self) -> u64 {
        u64::from(self.removed).saturating_sub(self.dead.len() as u64)
    }
}

/// A version of the page.
#[derive(Clone, Copy)]
struct Member {
    header: Header,
    need: Need,
    gone: bool,
}

/// A page while it is looked at.
struct Planner<'p> {
    page: &'p PageBytes,
    block: types::BlockNo,
    /// By line pointer, from 1 at index 0.
    members: Vec<Option<Member>>,
    /// Nothing but the page itself leads to its line pointers: what is dead is free.
    frees: bool,
    plan: Plan,
}

/// Decides what can go. `version` reads the header behind a line pointer that is in use, `need`
/// tells who can still need it. `frees`: no index entry can lead to the page.
pub(super) fn plan(
    page: &PageBytes,
    block: types::BlockNo,
    frees: bool,
    version: impl Fn(u16) -> Result<Option<Header>, Error>,
    need: impl Fn(&Header) -> Result<Need, Error>,
) -> Result<Plan, Error> {
    let count = page.item_count();
    let mut members = Vec::with_capacity(usize::from(count));
    for offset in 1..=count {
        members.push(match version(offset)? {
            None => None,
            Some(header) => Some(Member { header, need: need(&header)?, gone: false }),
        });
    }
    let mut planner = Planner { page, block, members, frees, plan: Plan::default() };
    (1..=count).for_each(|offset| planner.look_at_root(offset));
    (1..=count).for_each(|offset| planner.look_at_rest(offset));
    planner.note_prune_xid();
    Ok(planner.plan)
}

impl Planner<'_> {
    fn member(&self, offset: u16) -> Option<Member> {
        *self.members.get(usize::from(offset).checked_sub(1)?)?
    }

    fn heap_only(&self, offset: u16) -> Option<Member> {
        self.member(offset).filter(|member| member.header.has(infomask::HEAP_ONLY))
    }

    fn look_at_root(&mut self, root: u16) {
        let Some(item) = self.page.item(root) else { return };
        match item.state {
            ItemState::Unused => {}
            ItemState::Dead => {
                if self.frees {
                    self.plan.unused.push(root);
                }
            }
            ItemState::Redirect => {
                let first = item.target().filter(|target| self.heap_only(*target).is_some());
                self.look_at_chain(root, first);
            }
            ItemState::Normal => {
                let is_root = |member: &Member| !member.header.has(infomask::HEAP_ONLY);
                if self.member(root).as_ref().is_some_and(is_root) {
                    self.look_at_chain(root, Some(root));
                }
            }
        }
    }

    /// Decides about a chain that is entered by `root` and begins with the member `first`.
    fn look_at_chain(&mut self, root: u16, first: Option<u16>) {
        let (chain, dead) = self.walk(first);
        for &offset in &chain[..dead] {
            self.take(offset, offset != root);
        }
        match chain.get(dead) {
            None if self.frees => self.plan.unused.push(root),
            None => self.plan.dead.push(root),
            Some(&survivor) if dead > 0 => self.plan.redirects.push((root, survivor)),
            Some(_) => {}
        }
    }

    /// A chain's members as far as they may be dead, and how many of them go.
    fn walk(&self, first: Option<u16>) -> (SmallVec<[u16; 16]>, usize) {
        let mut chain = SmallVec::new();
        let mut dead = 0;
        let mut at = first.and_then(|first| Some((first, self.member(first)?)));
        while let Some((offset, Member { header, need, .. })) = at
            && chain.len() < self.members.len()
        {
            chain.push(offset);
            match need {
                Need::Live => break,
                // Its maker has rolled back since the member before it was looked at: that one stays.
                Need::Dead { by } if !by.is_valid() && chain.len() > 1 => {
                    chain.pop();
                    break;
                }
                Need::Dead { .. } => dead = chain.len(),
                Need::Until(_) => {}
            }
            at = chain::next(&header, self.block, offset).and_then(|next| {
                let member = self.heap_only(next)?;
                chain::follows(&header, &member.header).then_some((next, member))
            });
        }
        (chain, dead)
    }

    fn take(&mut self, offset: u16, free_line: bool) {
        let Some(Some(member)) = self.members.get_mut(usize::from(offset) - 1) else { return };
        member.gone = true;
        self.plan.removed += 1;
        let by = match member.need {
            Need::Dead { by } => by,
            Need::Live | Need::Until(_) => member.header.xmax,
        };
        self.plan.newest_removed = self.plan.newest_removed.max(by);
        if free_line {
            self.plan.unused.push(offset);
        }
    }

    /// Heap-only versions that are dead and in no chain.
    fn look_at_rest(&mut self, offset: u16) {
        if let Some(Member { need: Need::Dead { .. }, gone: false, .. }) = self.heap_only(offset) {
            self.take(offset, true);
        }
    }

    fn note_prune_xid(&mut self) {
        let until = |member: &Member| match member.need {
            Need::Until(xid) if !member.gone => Some(xid),
            _ => None,
        };
        let oldest = self.members.iter().flatten().filter_map(until).min();
        self.plan.prune_xid = oldest.unwrap_or(Xid::INVALID);
    }
}

#[cfg(test)]
mod tests;
