//! HOT chains: the versions of a row on one page that index entries know by one line pointer.
//!
//! ```text
//!  index entry ──> 1 (root)  a: HOT_UPDATED ── ctid ──> 3  b: HEAP_ONLY, HOT_UPDATED ──> 4  c: HEAP_ONLY
//!  index entry ──> 1 ═══════ redirected, once a is pruned ═══> 3  b …
//! ```
//!
//! An UPDATE that changes no indexed column and finds room on the page makes a heap-only version:
//! the entries that lead to the root go on being right for it. Who comes by an index entry walks
//! the chain, under the page's shared lock, to the one version that his snapshot sees.
//!
//! A step leads from a version to the one at its `ctid` if that is heap-only, on the same page, and
//! made by the transaction that ended the first. Otherwise the chain ends there: the updater
//! aborted and its version was pruned, and the line pointer may be another row's by now.

use std::sync::atomic::Ordering;

use buffer::{ItemState, PageAccess, PageRead};
use txn::{Snapshot, Transaction};
use types::{BlockNo, TupleId};

use super::Heap;
use super::scan::{copy_version, header_in};
use super::view::{Sight, View};
use super::visibility::{Liveness, Need, is_visible, liveness, need};
use crate::error::Error;
use crate::tuple::{Header, INFOMASK_AT, infomask};

/// Where a chain goes on from a version that stands at `offset` of `block`.
pub(super) fn next(header: &Header, block: BlockNo, offset: u16) -> Option<u16> {
    let leads_on = header.has(infomask::HOT_UPDATED)
        && header.ctid.block == block
        && header.ctid.offset != offset;
    leads_on.then_some(header.ctid.offset)
}

/// Whether a heap-only version is the one by which the other was replaced.
pub(super) fn follows(before: &Header, after: &Header) -> bool {
    after.xmin == before.xmax
}

/// What an index entry leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fetched {
    /// The snapshot sees this version; its bytes have been copied out.
    Row(TupleId),
    /// The snapshot sees none.
    Nothing {
        /// Nobody does, nor ever will: the index entry may be marked dead, if its index page has
        /// not changed since the entry was read.
        dead: bool,
    },
}

/// What stands behind an index entry, to someone who wants to add a row with the same key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duplicate {
    /// A row that has been there for others, or was made by the same transaction.
    Live(TupleId),
    /// That depends on how a transaction ends that has made or ended the row: wait for it, with no
    /// page locked, and ask again.
    InProgress(types::Xid),
    /// No row.
    Gone {
        /// Nobody sees one: as in [`Fetched::Nothing`].
        dead: bool,
    },
}

/// A walk along a chain of a page under its shared lock.
struct Walk<'h, 'p> {
    heap: &'h Heap<'h>,
    page: &'p PageRead<'p>,
    next: Option<u16>,
    /// The first member stands behind a redirection, so it is heap-only.
    redirected: bool,
    before: Option<Header>,
    steps_left: u16,
    /// Everything met so far is dead to everybody.
    dead: bool,
}

/// A member of a chain, and where it lies in its page.
struct Member {
    offset: u16,
    at: usize,
    length: usize,
    header: Header,
}

impl Heap<'_> {
    /// What an index entry that leads to `root` means to the snapshot; the row's bytes come into
    /// `out`, for [`Heap::decode`].
    pub fn fetch(
        &self,
        snapshot: &Snapshot,
        root: TupleId,
        out: &mut Vec<u8>,
    ) -> Result<Fetched, Error> {
        let sight = Sight::new(&self.access.txn, snapshot);
        let pin = self.access.pool.read(self.tag(root.block))?;
        let page = pin.shared();
        let mut walk = Walk::begin(self, &page, root.offset);
        while let Some(member) = walk.step()? {
            let mut hints = 0;
            let visible = is_visible(&sight, &member.header, &mut hints)?;
            if hints != 0 && self.access.pool.allow_hints(&page) {
                page.hint_word(member.at + INFOMASK_AT).fetch_or(hints, Ordering::Relaxed);
            }
            if visible {
                out.clear();
                copy_version(&page, member.at, member.length, &member.header, out);
                return Ok(Fetched::Row(TupleId { block: root.block, offset: member.offset }));
            }
            walk.note_if_needed(&member)?;
        }
        Ok(Fetched::Nothing { dead: walk.dead })
    }

    /// What an index entry that leads to `root` means to a unique index that the transaction wants
    /// to add an equal key to. Snapshots do not count here: what is, counts.
    pub fn liveness_of(&self, tx: &Transaction, root: TupleId) -> Result<Duplicate, Error> {
        let view = View::new(&self.access.txn, tx);
        let pin = self.access.pool.read(self.tag(root.block))?;
        let page = pin.shared();
        let mut walk = Walk::begin(self, &page, root.offset);
        while let Some(member) = walk.step()? {
            match liveness(&view, &member.header)? {
                Liveness::Live => {
                    let place = TupleId { block: root.block, offset: member.offset };
                    return Ok(Duplicate::Live(place));
                }
                Liveness::Depends(xid) => return Ok(Duplicate::InProgress(xid)),
                Liveness::Gone => walk.note_if_needed(&member)?,
            }
        }
        Ok(Duplicate::Gone { dead: walk.dead })
    }

    /// The version at a place that the transaction has made or ended: copies its bytes out, for
    /// [`Heap::decode`], and says whether it is still there for it. `None`: nothing stands there.
    ///
    /// Such a version stays where it is as long as the transaction runs.
    pub fn own_version(
        &self,
        tx: &Transaction,
        place: TupleId,
        out: &mut Vec<u8>,
    ) -> Result<Option<bool>, Error> {
        let view = View::new(&self.access.txn, tx);
        let pin = self.access.pool.read(self.tag(place.block))?;
        let page = pin.shared();
        let Some((at, length)) = self.version_in(&page, place)? else { return Ok(None) };
        let header = header_in(&page, at);
        out.clear();
        copy_version(&page, at, length, &header, out);
        Ok(Some(liveness(&view, &header)? == Liveness::Live))
    }

    /// Those of these places, sorted, where nobody sees a row any more, nor ever will: index entries
    /// that lead there may go. Only pages in memory are looked at.
    pub fn dead_among(&self, places: &[TupleId]) -> Result<Vec<TupleId>, Error> {
        let horizon = self.access.renew_horizon();
        // The horizon is never past what is durable.
        self.access.pool.wal().hurry_flush();
        let view = View::outside(&self.access.txn);
        let mut dead = Vec::new();
        for of_page in places.chunk_by(|a, b| a.block == b.block) {
            let Some(pin) = self.access.pool.read_cached(self.tag(of_page[0].block))? else {
                continue;
            };
            let page = pin.shared();
            for place in of_page {
                let mut walk = Walk::begin(self, &page, place.offset);
                while walk.dead
                    && let Some(member) = walk.step()?
                {
                    walk.dead = matches!(need(&view, &member.header, horizon)?, Need::Dead { .. });
                }
                dead.extend(walk.dead.then_some(*place));
            }
        }
        Ok(dead)
    }

    /// Whether nobody sees the version any more, nor ever will.
    fn is_dead(&self, header: &Header) -> Result<bool, Error> {
        let view = View::outside(&self.access.txn);
        Ok(match need(&view, header, self.access.horizon())? {
            Need::Live => false,
            Need::Dead { .. } => true,
            // The remembered horizon may be old.
            Need::Until(xid) => {
                self.access.is_past_horizon(xid)
                    && matches!(need(&view, header, self.access.horizon())?, Need::Dead { .. })
            }
        })
    }
}

impl<'h, 'p> Walk<'h, 'p> {
    fn begin(heap: &'h Heap<'h>, page: &'p PageRead<'p>, root: u16) -> Self {
        let item = page.item(root);
        let state = item.map_or(ItemState::Unused, |item| item.state);
        let next = match state {
            ItemState::Normal => Some(root),
            ItemState::Redirect => item.and_then(buffer::Item::target),
            ItemState::Unused | ItemState::Dead => None,
        };
        // An unused line pointer may become another row's at any time, so it proves nothing.
        let dead = state != ItemState::Unused;
        let redirected = state == ItemState::Redirect;
        let steps_left = page.item_count();
        Walk { heap, page, next, redirected, before: None, steps_left, dead }
    }

    /// The next member.
    fn step(&mut self) -> Result<Option<Member>, Error> {
        let Some(offset) = self.next.take() else { return Ok(None) };
        let Some(left) = self.steps_left.checked_sub(1) else { return Ok(None) };
        self.steps_left = left;
        let Some(member) = self.member(offset)? else {
            // A redirection to nothing is damage, and proves nothing.
            self.dead &= self.before.is_some();
            return Ok(None);
        };
        self.next = next(&member.header, self.page.tag().block, offset);
        self.before = Some(member.header);
        Ok(Some(member))
    }

    /// The version behind a line pointer, if it may come next.
    fn member(&self, offset: u16) -> Result<Option<Member>, Error> {
        let place = TupleId { block: self.page.tag().block, offset };
        let Some((at, length)) = self.heap.version_in(self.page, place)? else { return Ok(None) };
        let header = header_in(self.page, at);
        let heap_only = header.has(infomask::HEAP_ONLY);
        let fits = match &self.before {
            None => heap_only == self.redirected,
            Some(before) => heap_only && follows(before, &header),
        };
        Ok(fits.then_some(Member { offset, at, length, header }))
    }

    fn note_if_needed(&mut self, member: &Member) -> Result<(), Error> {
        self.dead = self.dead && self.heap.is_dead(&member.header)?;
        Ok(())
    }
}
