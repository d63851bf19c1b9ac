//! A table written anew without its waste: the core of VACUUM FULL.
//!
//! Every version that somebody may still see is copied, with its maker and its end: a snapshot that
//! was taken before sees in the new file what it saw in the old one. No version is in a HOT chain
//! then: each is a root, and needs index entries of its own. The caller builds the indexes from the
//! new file as it builds any ([`Heap::build_scan`]).
//!
//! A version that was replaced leads to its successor, wherever that has gone. So the copy of the
//! one whose successor is not copied yet waits for it, in memory; and of each that may have such a
//! predecessor the new place is remembered. Both are few: rows replaced since the oldest snapshot.
//!
//! Each new page is logged whole. The caller holds ACCESS EXCLUSIVE on the table, and has made the
//! new file in its transaction: if that does not commit, nothing has happened.

use std::collections::BTreeMap;

use buffer::{BlockFlags, Change, PageAccess, PageBytes, Ring, Touched};
use types::{BlockNo, BufferTag, Fork, RelFileNumber, TupleId, Xid};
use wal::Rmgr;
use wal::checkpoint::kind::FULL_PAGE_IMAGE;

use super::super::view::View;
use super::super::visibility::{Need, need};
use super::super::{Heap, page};
use super::settle::{End, end_of};
use crate::Access;
use crate::error::Error;
use crate::tuple::{HEADER_SIZE, Header, infomask};

/// So many new pages are made at once.
const PAGES_AT_ONCE: usize = 32;

/// What a rewrite has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rewritten {
    /// Pages of the old file, and of the new one.
    pub pages: (BlockNo, BlockNo),
    /// Versions copied that are there to everybody who comes now.
    pub live: u64,
    /// Versions copied for those who may still see them.
    pub recently_dead: u64,
    /// Versions left behind.
    pub removed: u64,
    /// As in [`super::Report::settled_before`].
    pub settled_before: Xid,
}

/// How far a rewrite is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RewriteProgress {
    /// Pages of the old file.
    pub pages: BlockNo,
    /// Those of them that are done.
    pub scanned: BlockNo,
    /// Versions met so far, and copied.
    pub versions_scanned: u64,
    /// Versions copied so far, those that still wait for another one included.
    pub versions_copied: u64,
}

/// A version on its way, by its place in the old file.
struct Version {
    old: TupleId,
    header: Header,
    bytes: Vec<u8>,
}

struct Rewrite<'h> {
    from: Heap<'h>,
    out: Output<'h>,
    horizon: Xid,
    /// Replaced versions whose successors are not copied yet, by the successors' old places.
    waiting: BTreeMap<(BlockNo, u16), Version>,
    /// Versions that may have a predecessor, by their old places: the new place, and the maker.
    copied: BTreeMap<(BlockNo, u16), (TupleId, Xid)>,
    done: Rewritten,
}

/// The new file.
struct Output<'h> {
    access: &'h Access,
    rel: RelFileNumber,
    /// Bytes of each page that stay free.
    reserve: usize,
    /// Pages in the file.
    written: BlockNo,
    /// Full pages that are not in the file yet.
    full: Vec<PageBytes>,
    page: PageBytes,
}

/// Copies a table into the empty file of `into`, whose fill factor counts. `before_page` is called
/// before each page of the old file: the place to be interrupted, to show progress.
pub fn rewrite<E: From<Error>>(
    from: &Heap<'_>,
    into: &Heap<'_>,
    mut before_page: impl FnMut(&RewriteProgress) -> Result<(), E>,
) -> Result<Rewritten, E> {
    let access = from.access;
    let horizon = access.renew_horizon();
    let pages = from.nblocks()?;
    let out = Output {
        access,
        rel: into.rel,
        reserve: into.shape.reserve(),
        written: 0,
        full: Vec::new(),
        page: PageBytes::default(),
    };
    let done = Rewritten { settled_before: horizon, ..Rewritten::default() };
    let (waiting, copied) = (BTreeMap::new(), BTreeMap::new());
    let mut rewrite = Rewrite { from: *from, out, horizon, waiting, copied, done };
    let ring = Ring::bulk_read(access.pool.buffers());
    for block in 0..pages {
        before_page(&rewrite.progress(block, pages))?;
        rewrite.copy_page(block, &ring)?;
    }
    Ok(rewrite.finish(pages)?)
}

impl Rewrite<'_> {
    fn progress(&self, scanned: BlockNo, pages: BlockNo) -> RewriteProgress {
        let Rewritten { live, recently_dead, removed, .. } = self.done;
        let versions_copied = live + recently_dead;
        let versions_scanned = versions_copied + removed;
        RewriteProgress { pages, scanned, versions_scanned, versions_copied }
    }

    fn copy_page(&mut self, block: BlockNo, ring: &Ring) -> Result<(), Error> {
        let heap = self.from;
        let mut page = PageBytes::default();
        let pin = heap.access.pool.read_with(heap.tag(block), Some(ring))?;
        pin.shared().copy_to(&mut page);
        drop(pin);
        let view = View::outside(&heap.access.txn);
        for offset in 1..=page.item_count() {
            let old = TupleId { block, offset };
            let Some((mut header, bytes)) = heap.version(&page, old)? else { continue };
            if matches!(need(&view, &header, self.horizon)?, Need::Dead { .. }) {
                self.done.removed += 1;
                continue;
            }
            let next = header.ctid;
            header.infomask &= !(infomask::HEAP_ONLY | infomask::HOT_UPDATED);
            let successor = match end_of(&view, &header)? {
                End::Real => {
                    self.done.recently_dead += 1;
                    (next != old).then_some(next)
                }
                end => {
                    self.done.live += 1;
                    if matches!(end, End::Void) {
                        header.xmax = Xid::INVALID;
                        header.infomask &= !(infomask::XMAX_HINTS | infomask::LOCK_ONLY);
                    }
                    None
                }
            };
            self.copy(Version { old, header, bytes: bytes.to_vec() }, successor)?;
        }
        Ok(())
    }

    /// Copies a version, or has it wait for its successor.
    fn copy(&mut self, version: Version, successor: Option<TupleId>) -> Result<(), Error> {
        let Some(successor) = successor else { return self.put(version, None) };
        let key = (successor.block, successor.offset);
        match self.copied.remove(&key) {
            Some((new, maker)) if maker == version.header.xmax => self.put(version, Some(new)),
            Some(_) => self.put(version, None),
            None => match self.waiting.insert(key, version) {
                // Its successor was dead to everybody, and the place has gone to another's.
                Some(other) => self.put(other, None),
                None => Ok(()),
            },
        }
    }

    /// Puts a version into the new file, and behind it those that have waited for it.
    fn put(&mut self, version: Version, successor: Option<TupleId>) -> Result<(), Error> {
        let mut next = Some((version, successor));
        while let Some((version, successor)) = next.take() {
            let Version { old, header, bytes } = version;
            let new = self.out.add(header, bytes, successor)?;
            let key = (old.block, old.offset);
            let before = self.waiting.remove(&key);
            let precedes = before.as_ref().is_some_and(|b| b.header.xmax == header.xmin);
            if !precedes && header.has(infomask::UPDATED) && header.xmin >= self.horizon {
                self.copied.insert(key, (new, header.xmin));
            }
            next = before.map(|before| (before, precedes.then_some(new)));
        }
        Ok(())
    }

    fn finish(mut self, pages: BlockNo) -> Result<Rewritten, Error> {
        // What they were replaced by is dead to everybody, and so nobody follows them.
        for (_, version) in std::mem::take(&mut self.waiting) {
            self.put(version, None)?;
        }
        self.out.finish()?;
        Ok(Rewritten { pages: (pages, self.out.written), ..self.done })
    }
}

impl Output<'_> {
    /// Adds a version; `successor`: where the one that replaced it is.
    fn add(
        &mut self,
        mut header: Header,
        mut bytes: Vec<u8>,
        successor: Option<TupleId>,
    ) -> Result<TupleId, Error> {
        let empty = self.page.item_count() == 0;
        if !empty && page::room(&self.page) < bytes.len().next_multiple_of(8) + self.reserve {
            self.next_page()?;
        }
        let block = self.written + self.full.len() as BlockNo;
        let place = TupleId { block, offset: page::next_offset(&self.page) };
        header.ctid = successor.unwrap_or(place);
        if let Some(fixed) = bytes.first_chunk_mut::<HEADER_SIZE>() {
            header.write(fixed);
        }
        let fits = page::add(&mut self.page, place.offset, &bytes);
        assert!(fits, "a version that stood on a page fits on an empty one");
        let noted = self.page.prune_xid();
        if header.xmax.is_valid() && (!noted.is_valid() || header.xmax < noted) {
            self.page.set_prune_xid(header.xmax);
        }
        Ok(place)
    }

    fn next_page(&mut self) -> Result<(), Error> {
        self.full.push(std::mem::take(&mut self.page));
        if self.full.len() < PAGES_AT_ONCE { Ok(()) } else { self.write_full() }
    }

    fn write_full(&mut self) -> Result<(), Error> {
        let pool = &self.access.pool;
        let pages = std::mem::take(&mut self.full);
        let Ok(count) = u32::try_from(pages.len()) else { return Ok(()) };
        if count == 0 {
            return Ok(());
        }
        let first = pool.extend_by(self.rel, Fork::Main, count)?.tag().block;
        assert_eq!(first, self.written, "nobody else knows of the new file");
        for (block, content) in (first..).zip(&pages) {
            let pin = pool.read(BufferTag::main(self.rel, block))?;
            let mut page = pin.exclusive();
            let change =
                Change { rmgr: Rmgr::Xlog, kind: FULL_PAGE_IMAGE, xid: Xid::INVALID, data: &[] };
            let flags = BlockFlags { force_image: true, ..BlockFlags::default() };
            let touched = &mut [Touched { page: &mut page, flags, data: &[] }];
            pool.change(&change, touched, |pages| pages.page(0).clone_from(content))?;
        }
        self.written += count;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.page.item_count() > 0 {
            self.next_page()?;
        }
        self.write_full()
    }
}
