//! Writing a tree from entries that come in order: from the left to the right, and from the bottom
//! up.
//!
//! On each level one page is being filled. A row waits until the next one is known: then it is known
//! too what high key the page would get if it ended here, and that this fits. A page that is full
//! gets its high key and is written; the level above gets the pivot of the next one.
//!
//! Pages are written some at a time, as images in the log. Nobody else can see the file. The meta
//! page comes last.

use buffer::{BlockFlags, Change, PageAccess, PageBytes, Pin, Touched};
use types::{BlockNo, Fork, Xid};
use wal::Rmgr;
use wal::checkpoint::kind::FULL_PAGE_IMAGE;

use super::BTree;
use super::page::{self, CAPACITY, CHILD_SIZE, HIGH_KEY, META, NONE, Root};
use crate::error::Error;

/// How full pages are made, in hundredths: leaves, and pages above.
const FILL_LEAF: usize = 90;
const FILL_UPPER: usize = 85;
/// Pages in one record. A process has 32 pins.
const TOGETHER: usize = 16;
/// The file grows by at most so many pages at once.
const GROWTH_MAX: BlockNo = 64;
/// The image alone, and redo needs nothing of the page before.
const IMAGE: BlockFlags = BlockFlags { will_init: true, force_image: true, keep_data: false };

/// A level of the tree: the page that is being filled.
struct Level {
    page: Box<PageBytes>,
    block: BlockNo,
    left: BlockNo,
    /// The page's low key.
    low: Vec<u8>,
    /// Bytes of its rows, the high key's aside.
    used: usize,
    /// The row that comes next, if it comes on this page.
    waiting: Vec<u8>,
}

/// A tree being written.
pub(super) struct Loader<'a> {
    tree: BTree<'a>,
    levels: Vec<Level>,
    /// The first block that is nobody's yet.
    next_block: BlockNo,
    /// Pages that are full, to be written.
    full: Vec<(BlockNo, Box<PageBytes>)>,
}

impl<'a> Loader<'a> {
    pub fn new(tree: BTree<'a>) -> Self {
        Loader { tree, levels: Vec::new(), next_block: META + 1, full: Vec::new() }
    }

    /// Adds the next entry.
    pub fn add(&mut self, entry: &[u8]) -> Result<(), Error> {
        self.add_on(0, entry)
    }

    fn add_on(&mut self, level: usize, row: &[u8]) -> Result<(), Error> {
        if level == self.levels.len() {
            let block = self.take_block();
            self.levels.push(Level::new(level, block, NONE, Vec::new()));
        }
        let at = &mut self.levels[level];
        if !at.waiting.is_empty() {
            let high = separator(level, &at.waiting, row);
            if !at.has_room(level, page::cost(high)) {
                self.end_page(level)?;
            }
            self.levels[level].place(level);
        }
        let at = &mut self.levels[level];
        at.waiting.clear();
        at.waiting.extend_from_slice(row);
        Ok(())
    }

    fn take_block(&mut self) -> BlockNo {
        self.next_block += 1;
        self.next_block - 1
    }

    /// Ends a page before the row that waits, which begins the next one.
    fn end_page(&mut self, level: usize) -> Result<(), Error> {
        let next = self.take_block();
        let at = &mut self.levels[level];
        let last = at.page.row(at.page.item_count()).expect("a page that ends has rows");
        let high = separator(level, last, &at.waiting).to_vec();
        let mut fresh = Level::new(level, next, at.block, high);
        std::mem::swap(&mut fresh.waiting, &mut at.waiting);
        let full = std::mem::replace(at, fresh);
        let key = at.low.clone();
        self.write(level, full, next, &key)
    }

    /// Hands a page over to be written, and its pivot to the level above.
    fn write(
        &mut self,
        level: usize,
        full: Level,
        right: BlockNo,
        high: &[u8],
    ) -> Result<(), Error> {
        let Level { mut page, block, left, low, .. } = full;
        page::set_siblings(&mut page, left, right);
        assert!(page.insert_row(HIGH_KEY, high), "room for the high key was kept");
        self.full.push((block, page));
        if self.full.len() == TOGETHER {
            self.flush()?;
        }
        self.add_on(level + 1, &page::pivot(block, &low))
    }

    /// Ends the last pages of all levels, and writes the meta page.
    pub fn finish(mut self) -> Result<(), Error> {
        if self.levels.is_empty() {
            let block = self.take_block();
            self.levels.push(Level::new(0, block, NONE, Vec::new()));
        }
        let mut level = 0;
        let root = loop {
            if !self.levels[level].waiting.is_empty() {
                if !self.levels[level].has_room(level, page::cost(b"")) {
                    self.end_page(level)?;
                }
                self.levels[level].place(level);
            }
            if level + 1 == self.levels.len() {
                break self.end_root(level)?;
            }
            let block = self.levels[level].block;
            let last = std::mem::replace(
                &mut self.levels[level],
                Level::new(level, block, NONE, Vec::new()),
            );
            self.write(level, last, NONE, b"")?;
            level += 1;
        };
        let mut meta = Box::<PageBytes>::default();
        page::write_meta(&mut meta, root);
        self.full.push((META, meta));
        self.flush()?;
        // The file has grown a little further than the tree.
        (self.next_block..self.tree.nblocks()?).try_for_each(|block| self.tree.give_back(block))
    }

    fn end_root(&mut self, level: usize) -> Result<Root, Error> {
        let at = self.levels.pop().expect("there is one");
        let mut page = at.page;
        page::set_siblings(&mut page, NONE, NONE);
        assert!(page.insert_row(HIGH_KEY, b""), "room for the high key was kept");
        self.full.push((at.block, page));
        Ok(Root { block: at.block, level: level as u16 })
    }

    /// Writes the pages that are full.
    fn flush(&mut self) -> Result<(), Error> {
        let (pool, rel) = (&self.tree.access.pool, self.tree.rel);
        let blocks = self.tree.nblocks()?;
        if self.next_block > blocks {
            let growth = (self.next_block - blocks).max((blocks / 8).min(GROWTH_MAX));
            drop(pool.extend_by(rel, Fork::Main, growth)?);
        }
        self.full.sort_unstable_by_key(|(block, _)| *block);
        for pages in self.full.chunks(TOGETHER) {
            let pin =
                |(block, _): &(BlockNo, Box<PageBytes>)| pool.read_zeroed(self.tree.tag(*block));
            let pins = pages.iter().map(pin).collect::<Result<Vec<_>, _>>()?;
            let mut locked: Vec<_> = pins.iter().map(Pin::exclusive).collect();
            let touch = |page| Touched { page, flags: IMAGE, data: &[] };
            let mut touched: Vec<_> = locked.iter_mut().map(touch).collect();
            let change =
                Change { rmgr: Rmgr::Xlog, kind: FULL_PAGE_IMAGE, xid: Xid::INVALID, data: &[] };
            pool.change(&change, &mut touched, |touched| {
                for (number, (_, page)) in pages.iter().enumerate() {
                    touched.page(number).clone_from(page);
                }
            })?;
        }
        self.full.clear();
        Ok(())
    }
}

/// The least bytes that are greater than a row, and not than the next.
fn separator<'n>(level: usize, row: &[u8], next: &'n [u8]) -> &'n [u8] {
    if level > 0 {
        return &next[CHILD_SIZE..];
    }
    let common = row.iter().zip(next).take_while(|(a, b)| a == b).count();
    &next[..next.len().min(common + 1)]
}

impl Level {
    fn new(level: usize, block: BlockNo, left: BlockNo, low: Vec<u8>) -> Level {
        let mut page = Box::<PageBytes>::default();
        page::init_bare(&mut page, level as u16);
        Level { page, block, left, low, used: 0, waiting: Vec::new() }
    }

    /// Whether the row that waits belongs on this page, so that a high key still fits.
    fn has_room(&self, level: usize, high_key: usize) -> bool {
        let fill = if level == 0 { FILL_LEAF } else { FILL_UPPER };
        let with = self.used + page::cost(&self.waiting);
        self.used == 0 || (with <= CAPACITY * fill / 100 && with + high_key <= CAPACITY)
    }

    /// Puts the row that waits on the page. The first child needs no key.
    fn place(&mut self, level: usize) {
        let first = self.page.item_count() == 0;
        let bare = level > 0 && first;
        let row = if bare { &self.waiting[..CHILD_SIZE] } else { &self.waiting[..] };
        let number = self.page.item_count() + 1;
        assert!(self.page.insert_row(number, row), "its room was looked at");
        self.used += page::cost(row);
        self.waiting.clear();
    }
}
