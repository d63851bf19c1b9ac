//! What an index that is being built needs entries for.
//!
//! The builder holds SHARE on the table: nobody changes rows, but readers prune, old snapshots are
//! held, and the builder's own transaction may have changed rows before.
//!
//! | a version is | entry | |
//! |---|---|---|
//! | the newest of its row, or made by the own transaction | yes | alive: counts for uniqueness |
//! | deleted, or replaced by one that is a root of its own, and somebody may still see it | yes | not alive |
//! | replaced by the next in its HOT chain | no | the next one has the entry, by the same root |
//! | dead to everybody | no | |
//!
//! In the third case the one entry of the chain has the key of its last version, and a snapshot that
//! sees an earlier one finds it by that key. If the two differ in the new index's columns (until now
//! no index looked at them), the chain is *broken*: a search by the old key finds nothing, one by the
//! new key finds the old version. Then [`BuildScan::has_broken_chains`] is true, and the index must
//! not be used by a snapshot that does not see the transaction that made it (PostgreSQL's
//! `indcheckxmin`). A snapshot that does was taken when all the earlier versions had been replaced:
//! writers had been kept out since before the scan. Uniqueness is not concerned: it asks what there
//! is now.
//!
//! Entries lead to roots, also of chains whose first members are pruned already. What readers prune
//! after the scan has passed keeps its root, redirected or dead (rule 4 of the heap).

use buffer::{ItemState, PageAccess, PageBytes, Ring};
use types::{BlockNo, TupleId};

use super::view::View;
use super::visibility::{Need, need};
use super::{Heap, chain};
use crate::error::Error;
use crate::tuple::{self, Header, Malformed, infomask};

/// A scan for the builder of an index. No page is locked between two rows.
pub struct BuildScan<'a> {
    heap: Heap<'a>,
    /// The columns that the new index looks at.
    columns: &'a [usize],
    ring: Ring,
    next_block: BlockNo,
    end: BlockNo,
    page: PageBytes,
    entries: Vec<Entry>,
    handed_out: usize,
    broken: bool,
}

/// A version of the page at hand that needs an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    root: u16,
    offset: u16,
    alive: bool,
}

/// A row that needs an entry.
#[derive(Debug)]
pub struct BuildRow<'s> {
    /// Where the entry is to lead.
    pub root: TupleId,
    /// Whether the row is there to who comes now: two such with equal keys break uniqueness.
    pub alive: bool,
    /// Its bytes, for [`Heap::decode`].
    pub bytes: &'s [u8],
}

impl<'a> Heap<'a> {
    /// A scan for the builder of an index that looks at these columns, those of its predicate too;
    /// counted from 0. The caller holds SHARE on the table or more.
    pub fn build_scan(&self, columns: &'a [usize]) -> Result<BuildScan<'a>, Error> {
        self.access.renew_horizon();
        Ok(BuildScan {
            heap: *self,
            columns,
            ring: Ring::bulk_read(self.access.pool.buffers()),
            next_block: 0,
            end: self.nblocks()?,
            page: PageBytes::default(),
            entries: Vec::new(),
            handed_out: 0,
            broken: false,
        })
    }
}

impl BuildScan<'_> {
    /// The next row that needs an entry. Its bytes stay until the next call.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend, and cannot fail")]
    pub fn next(&mut self) -> Result<Option<BuildRow<'_>>, Error> {
        while self.handed_out == self.entries.len() {
            if self.next_block >= self.end {
                return Ok(None);
            }
            self.read_page(self.next_block)?;
            self.next_block += 1;
        }
        let Entry { root, offset, alive } = self.entries[self.handed_out];
        self.handed_out += 1;
        let root = TupleId { block: self.next_block - 1, offset: root };
        Ok(self.page.row(offset).map(|bytes| BuildRow { root, alive, bytes }))
    }

    /// Pages read, and pages there were when the scan began.
    pub fn progress(&self) -> (BlockNo, BlockNo) {
        (self.next_block, self.end)
    }

    /// Whether snapshots that do not see the index's making must not use it. To be asked at the end.
    pub fn has_broken_chains(&self) -> bool {
        self.broken
    }

    fn read_page(&mut self, block: BlockNo) -> Result<(), Error> {
        let heap = self.heap;
        let pin = heap.access.pool.read_with(heap.tag(block), Some(&self.ring))?;
        pin.shared().copy_to(&mut self.page);
        self.entries.clear();
        self.handed_out = 0;
        let roots = self.roots(block)?;
        let view = View::outside(&heap.access.txn);
        for offset in 1..=self.page.item_count() {
            let place = TupleId { block, offset };
            let Some((header, _)) = heap.version(&self.page, place)? else { continue };
            let alive = match need(&view, &header, heap.access.horizon())? {
                Need::Dead { .. } => continue,
                Need::Live => true,
                Need::Until(_) => match self.replacement(block, offset, &header)? {
                    Some(next) => {
                        self.broken = self.broken || self.differ(block, offset, next)?;
                        continue;
                    }
                    None => false,
                },
            };
            let rootless = Malformed("heap-only version in no chain");
            let root = roots[usize::from(offset)].ok_or_else(|| heap.bad(place, rootless))?;
            self.entries.push(Entry { root, offset, alive });
        }
        Ok(())
    }

    /// By line pointer: the root of the chain that its version is in.
    fn roots(&self, block: BlockNo) -> Result<Vec<Option<u16>>, Error> {
        let count = self.page.item_count();
        let mut roots = vec![None; usize::from(count) + 1];
        for root in 1..=count {
            let mut member = match self.page.item(root) {
                Some(item) if item.state == ItemState::Redirect => item.target(),
                Some(item) if item.state == ItemState::Normal => Some(root),
                _ => None,
            };
            let redirected = member != Some(root);
            let mut before: Option<Header> = None;
            while let Some(offset) = member.take() {
                let Some(header) = self.header(block, offset)? else { break };
                let heap_only = header.has(infomask::HEAP_ONLY);
                let fits = match before {
                    None => heap_only == redirected,
                    Some(before) => heap_only && chain::follows(&before, &header),
                };
                // One that has a root already has been met on this walk or another: no circles.
                if !fits || roots[usize::from(offset)].is_some() {
                    break;
                }
                roots[usize::from(offset)] = Some(root);
                member = chain::next(&header, block, offset);
                before = Some(header);
            }
        }
        Ok(roots)
    }

    fn header(&self, block: BlockNo, offset: u16) -> Result<Option<Header>, Error> {
        let version = self.heap.version(&self.page, TupleId { block, offset })?;
        Ok(version.map(|(header, _)| header))
    }

    /// The heap-only version that has replaced this one.
    fn replacement(
        &self,
        block: BlockNo,
        offset: u16,
        header: &Header,
    ) -> Result<Option<u16>, Error> {
        let Some(next) = chain::next(header, block, offset) else { return Ok(None) };
        let after = self.header(block, next)?;
        let follows =
            |after: Header| after.has(infomask::HEAP_ONLY) && chain::follows(header, &after);
        Ok(after.is_some_and(follows).then_some(next))
    }

    /// Whether the new index tells two versions apart.
    fn differ(&self, block: BlockNo, one: u16, other: u16) -> Result<bool, Error> {
        let (Some(old), Some(new)) = (self.page.row(one), self.page.row(other)) else {
            return Ok(true);
        };
        let same = tuple::are_equal_in(old, new, self.heap.columns, self.columns);
        let same = same.map_err(|what| self.heap.bad(TupleId { block, offset: one }, what))?;
        Ok(!same)
    }
}
