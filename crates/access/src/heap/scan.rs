//! Reading a table from the first page to the last.
//!
//! A page's visible versions are copied out in one pass under its shared lock; then lock and pin
//! go, and the rows are handed out from the private copy. So a reader that dawdles holds up
//! nobody, and the caller may change the rows it gets.
//!
//! Hints that the pass finds are set under the law on hints: if the page's image is in the log
//! already, by atomic stores under the same lock; else together with an image, if there are enough
//! of them to pay for it.

use std::sync::atomic::Ordering;

use buffer::{ItemState, PageAccess, PageRead, Pin, Ring};
use smallvec::SmallVec;
use txn::Snapshot;
use types::{BlockNo, Diagnostic, PAGE_SIZE, SqlState, TupleId, Xid};

use super::view::Sight;
use super::visibility::is_visible;
use super::{Heap, page};
use crate::error::Error;
use crate::tuple::{HEADER_SIZE, Header, INFOMASK_AT, Malformed, infomask};

/// So many hints on a page are worth an image of it in the log.
const HINTS_WORTH_AN_IMAGE: usize = 16;
/// A table larger than this part of the buffers is read through a ring.
const LARGE_PART: usize = 4;

/// A scan in progress. It holds neither lock nor pin between two rows.
pub struct Scan<'a> {
    heap: Heap<'a>,
    snapshot: &'a Snapshot,
    next_block: BlockNo,
    end: BlockNo,
    ring: Option<Ring>,
    rows: PageRows,
}

/// The visible versions of one page, in a private copy.
#[derive(Default)]
struct PageRows {
    block: BlockNo,
    bytes: Vec<u8>,
    /// Line pointer, and where the version ends in `bytes`.
    ends: Vec<(u16, u32)>,
    handed_out: usize,
}

/// What a pass over a page has found besides rows.
#[derive(Default)]
struct Findings {
    hints: SmallVec<[Hint; 32]>,
    aborted: bool,
    room: usize,
    prune_xid: Xid,
}

/// Bits to be set in a version's infomask.
struct Hint {
    offset: u16,
    /// Where the version's infomask stands in the page.
    at: usize,
    xmin: Xid,
    xmax: Xid,
    bits: u16,
}

impl<'a> Heap<'a> {
    /// A scan of the rows that the snapshot sees. Rows added while it runs are not among them.
    pub fn scan(&self, snapshot: &'a Snapshot) -> Result<Scan<'a>, Error> {
        let end = self.nblocks()?;
        let buffers = self.access.pool.buffers();
        self.access.txn.statistics().scanned(self.rel);
        let large = end as usize > buffers / LARGE_PART;
        Ok(Scan {
            heap: *self,
            snapshot,
            next_block: 0,
            end,
            ring: large.then(|| Ring::bulk_read(buffers)),
            rows: PageRows::default(),
        })
    }

    /// The version at a place, if there is one and the snapshot sees it, in `out`.
    pub fn fetch_version(
        &self,
        snapshot: &Snapshot,
        place: TupleId,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let sight = Sight::new(&self.access.txn, snapshot);
        let pin = self.access.pool.read(self.tag(place.block))?;
        let page = pin.shared();
        let Some((at, length)) = self.version_in(&page, place)? else { return Ok(false) };
        let header = header_in(&page, at);
        if !is_visible(&sight, &header, &mut 0)? {
            return Ok(false);
        }
        out.clear();
        copy_version(&page, at, length, &header, out);
        Ok(true)
    }

    /// Where a version lies in a page that others may set hints on.
    pub(super) fn version_in(
        &self,
        page: &PageRead<'_>,
        place: TupleId,
    ) -> Result<Option<(usize, usize)>, Error> {
        let Some(item) = page.item(place.offset).filter(|item| item.state == ItemState::Normal)
        else {
            return Ok(None);
        };
        let wrong = Malformed("line pointer leads to no row version");
        let range = item.range().filter(|range| {
            range.len() >= HEADER_SIZE && range.start.is_multiple_of(align_of::<u64>())
        });
        let range = range.ok_or_else(|| self.bad(place, wrong))?;
        Ok(Some((range.start, range.len())))
    }
}

/// A reader that only wanted to tidy up does not fail because the disk is full.
fn unless_full(done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(error) if error.sqlstate() == SqlState::DISK_FULL => Ok(()),
        other => other,
    }
}

/// Reads a version's header: the infomask by itself, since hints may be set meanwhile.
pub(super) fn header_in(page: &PageRead<'_>, at: usize) -> Header {
    let mut fixed = [0; HEADER_SIZE];
    fixed[..INFOMASK_AT].copy_from_slice(page.bytes(at..at + INFOMASK_AT));
    fixed[INFOMASK_AT + 2..].copy_from_slice(page.bytes(at + INFOMASK_AT + 2..at + HEADER_SIZE));
    Header::with_infomask(&fixed, page.u16_at(at + INFOMASK_AT))
}

pub(super) fn copy_version(
    page: &PageRead<'_>,
    at: usize,
    length: usize,
    header: &Header,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.resize(start + HEADER_SIZE, 0);
    header.write(out[start..].first_chunk_mut().expect("just made as long"));
    out.extend_from_slice(page.bytes(at + HEADER_SIZE..at + length));
}

impl Scan<'_> {
    /// The next row: its place and its bytes, for [`Heap::decode`]. The bytes stay until the next
    /// call.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend, and cannot fail")]
    pub fn next(&mut self) -> Result<Option<(TupleId, &[u8])>, Error> {
        while self.rows.handed_out == self.rows.ends.len() {
            if self.next_block >= self.end {
                return Ok(None);
            }
            self.read_page(self.next_block)?;
            self.next_block += 1;
            if self.rows.ends.is_empty() {
                // The caller, who looks for interrupts between rows, may get none for a long time.
                txn::check_interrupts()?;
            }
        }
        Ok(self.rows.next())
    }

    fn read_page(&mut self, block: BlockNo) -> Result<(), Error> {
        let heap = self.heap;
        let findings = {
            let pin = heap.access.pool.read_with(heap.tag(block), self.ring.as_ref())?;
            let findings = self.copy_visible(&pin, block)?;
            if findings.hints.len() >= HINTS_WORTH_AN_IMAGE {
                unless_full(heap.set_hints_with_image(&pin, &findings.hints))?;
            }
            findings
        };
        heap.access.txn.statistics().read(heap.rel, self.rows.ends.len() as u64);
        let Findings { aborted, room, prune_xid, .. } = findings;
        unless_full(heap.prune_in_passing(block, aborted, room, prune_xid))
    }

    /// Copies what the snapshot sees. Hints that could be set are set and not among the findings.
    fn copy_visible(&mut self, pin: &Pin<'_>, block: BlockNo) -> Result<Findings, Error> {
        let sight = Sight::new(&self.heap.access.txn, self.snapshot);
        self.rows.clear(block);
        let page = pin.shared();
        let mut findings = Findings { prune_xid: page.prune_xid(), ..Findings::default() };
        for offset in 1..=page.item_count() {
            let place = TupleId { block, offset };
            let Some((at, length)) = self.heap.version_in(&page, place)? else { continue };
            let header = header_in(&page, at);
            let mut bits = 0;
            if is_visible(&sight, &header, &mut bits)? {
                copy_version(&page, at, length, &header, &mut self.rows.bytes);
                self.rows.ends.push((offset, self.rows.bytes.len() as u32));
            }
            findings.aborted |= (header.infomask | bits) & infomask::XMIN_ABORTED != 0;
            if bits != 0 {
                let at = at + INFOMASK_AT;
                let Header { xmin, xmax, .. } = header;
                findings.hints.push(Hint { offset, at, xmin, xmax, bits });
            }
        }
        findings.room = page::room(&page);
        if !findings.hints.is_empty() && self.heap.access.pool.allow_hints(&page) {
            for hint in findings.hints.drain(..) {
                page.hint_word(hint.at).fetch_or(hint.bits, Ordering::Relaxed);
            }
        }
        Ok(findings)
    }
}

impl Heap<'_> {
    /// Sets hints that need an image, on those versions that are still what they were.
    fn set_hints_with_image(&self, pin: &Pin<'_>, hints: &[Hint]) -> Result<(), Error> {
        let Some(mut page) = pin.try_exclusive() else { return Ok(()) };
        self.access.pool.set_hints_with_image(&mut page, |page| {
            for hint in hints {
                let Some(row) = page.row_mut(hint.offset) else { continue };
                let Ok(mut header) = Header::read(row) else { continue };
                let Some(fixed) = row.first_chunk_mut() else { continue };
                if header.xmin == hint.xmin && header.xmax == hint.xmax {
                    header.infomask |= hint.bits;
                    header.write(fixed);
                }
            }
        })?;
        Ok(())
    }
}

impl PageRows {
    fn clear(&mut self, block: BlockNo) {
        self.block = block;
        self.bytes.clear();
        self.bytes.reserve(PAGE_SIZE);
        self.ends.clear();
        self.handed_out = 0;
    }

    fn next(&mut self) -> Option<(TupleId, &[u8])> {
        let start = match self.handed_out.checked_sub(1) {
            Some(before) => self.ends.get(before)?.1,
            None => 0,
        };
        let (offset, end) = *self.ends.get(self.handed_out)?;
        self.handed_out += 1;
        let place = TupleId { block: self.block, offset };
        Some((place, self.bytes.get(start as usize..end as usize)?))
    }
}
