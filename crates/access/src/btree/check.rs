//! Checking an index: is it a B-tree?
//!
//! Level by level from the root: every page along the right links, each by itself and against its
//! neighbours and against what the level above says of it. Pages are copied out one at a time; nobody
//! may change the index meanwhile (a SHARE lock on its table, or a server that does not run).
//!
//! | of | is looked at |
//! |---|---|
//! | a page | its header and level; line pointers; entries or pivots make sense |
//! | its rows | they rise, within the page, and between its low key and its high key |
//! | siblings | the left link leads back; a high key is the low key of the next page |
//! | the level above | every page has a pivot of its low key, unless a split or a removal is half done |
//! | the file | every page is in the tree, new, half-dead or deleted |
//!
//! Entries are handed to the caller, who knows the table.

use buffer::{PageAccess, PageBytes};
use types::{BlockNo, PAGE_SIZE, TupleId};

use super::BTree;
use super::key::{Entry, Key};
use super::page::{FIRST, META, NONE, Node, Root, flag, read_meta};
use crate::error::Error;
use crate::problem::Problem;

/// Beyond so many problems no more are gathered.
const PROBLEMS_MAX: usize = 1000;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Entries of leaves, those marked dead included.
    pub entries: u64,
    /// Levels, the leaves' included.
    pub levels: u16,
    /// What is not as it should be.
    pub problems: Vec<Problem>,
}

/// What the caller says of an entry: its key, its row's place, and whether it is marked dead. What it
/// returns is a problem of that entry.
pub type EntryCheck<'c> = &'c mut dyn FnMut(&Key, TupleId, bool) -> Option<String>;

/// Where the pages of an index come from.
pub trait Pages {
    /// How many there are.
    fn blocks(&mut self) -> Result<BlockNo, Error>;

    /// A page, or what is wrong with it as a page.
    fn page(&mut self, block: BlockNo) -> Result<Result<PageBytes, String>, Error>;
}

/// The pages of an index of a running server.
impl Pages for BTree<'_> {
    fn blocks(&mut self) -> Result<BlockNo, Error> {
        self.nblocks()
    }

    fn page(&mut self, block: BlockNo) -> Result<Result<PageBytes, String>, Error> {
        let pin = match self.pin(block) {
            Ok(pin) => pin,
            Err(Error::Buffer(error @ buffer::Error::BadPage(_))) => {
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let mut page = PageBytes([0; PAGE_SIZE]);
        pin.shared().copy_to(&mut page);
        Ok(Ok(page))
    }
}

/// Whether a relation file that begins with this page is an index.
pub fn is_index(first: &PageBytes) -> bool {
    super::page::is_meta(first)
}

/// Checks an index. `entry` is called for every entry, in order.
pub fn check(tree: &BTree<'_>, entry: EntryCheck<'_>) -> Result<Checked, Error> {
    let mut pages = *tree;
    check_pages(&mut pages, entry)
}

/// As [`check`], whatever the pages come from.
pub fn check_pages(pages: &mut dyn Pages, entry: EntryCheck<'_>) -> Result<Checked, Error> {
    let seen = vec![false; pages.blocks()? as usize];
    let (found, key) = (Checked::default(), Key::default());
    let mut checker = Checker { pages, entry, seen, found, key };
    let Some(root) = checker.meta()? else { return Ok(checker.found) };
    checker.found.levels = root.level + 1;
    let mut above = vec![Downlink { low: Vec::new(), child: root.block, parent: META, offset: 0 }];
    for level in (0..=root.level).rev() {
        above = checker.level(level, &above)?;
    }
    checker.rest()?;
    Ok(checker.found)
}

/// What the level above says of a page.
struct Downlink {
    low: Vec<u8>,
    child: BlockNo,
    parent: BlockNo,
    offset: u16,
}

struct Checker<'c> {
    pages: &'c mut dyn Pages,
    entry: EntryCheck<'c>,
    /// Pages that were met in the tree.
    seen: Vec<bool>,
    found: Checked,
    key: Key,
}

/// Where the walk along a level is.
#[derive(Default)]
struct Walk {
    /// The page before.
    left: BlockNo,
    /// Its high key, or that of the last page before that is not half-dead.
    low: Vec<u8>,
    /// The page before was split, and the level above need not know this one.
    after_incomplete: bool,
}

impl Checker<'_> {
    fn complain(&mut self, block: BlockNo, offset: u16, what: impl Into<String>) {
        if self.found.problems.len() < PROBLEMS_MAX {
            self.found.problems.push(Problem { block, offset, what: what.into() });
        }
    }

    /// A copy of a page; `None`: it can't be read.
    fn copy(&mut self, block: BlockNo) -> Result<Option<PageBytes>, Error> {
        if block as usize >= self.seen.len() {
            self.complain(block, 0, "page lies behind the end of the file");
            return Ok(None);
        }
        match self.pages.page(block)? {
            Ok(page) => Ok(Some(page)),
            Err(what) => {
                self.complain(block, 0, what);
                Ok(None)
            }
        }
    }

    fn meta(&mut self) -> Result<Option<Root>, Error> {
        let Some(page) = self.copy(META)? else { return Ok(None) };
        // It was there, so it has a place in the list.
        self.seen[META as usize] = true;
        match read_meta(&page) {
            Ok(root) => Ok(Some(root)),
            Err(what) => {
                self.complain(META, 0, what.to_string());
                Ok(None)
            }
        }
    }

    /// Walks along a level; returns the downlinks on it.
    fn level(&mut self, level: u16, above: &[Downlink]) -> Result<Vec<Downlink>, Error> {
        let mut below = Vec::new();
        let mut expected = above.iter().peekable();
        let mut walk = Walk::default();
        let mut next = above.first().map_or(NONE, |first| first.child);
        while next != NONE {
            let block = next;
            let Some(page) = self.copy(block)? else { break };
            if std::mem::replace(&mut self.seen[block as usize], true) {
                self.complain(block, 0, "page is in the tree twice");
                break;
            }
            if !page.is_on(level) || page.has(flag::DELETED) {
                self.complain(block, 0, format!("page is no page of level {level}"));
                break;
            }
            if page.left() != walk.left {
                let what = format!("left link leads to {}, not to {}", page.left(), walk.left);
                self.complain(block, 0, what);
            }
            if !page.has(flag::HALF_DEAD) {
                let link = expected.next_if(|link| link.child == block);
                self.compare_with_downlink(block, &walk, link);
            }
            self.page(block, &page, &walk, &mut below);
            walk.advance(block, &page);
            next = page.right();
        }
        for link in expected {
            let what = format!("downlink leads to {}, which does not come next", link.child);
            self.complain(link.parent, link.offset, what);
        }
        Ok(below)
    }

    fn compare_with_downlink(&mut self, block: BlockNo, walk: &Walk, link: Option<&Downlink>) {
        match link {
            None if !walk.after_incomplete => {
                self.complain(block, 0, "no downlink leads to the page where it should");
            }
            Some(link) if link.low != walk.low => {
                let what = "key of the downlink is not the high key of the page before";
                self.complain(link.parent, link.offset, what);
            }
            _ => {}
        }
    }

    /// A page by itself.
    fn page(&mut self, block: BlockNo, page: &PageBytes, walk: &Walk, below: &mut Vec<Downlink>) {
        let half_dead = page.has(flag::HALF_DEAD);
        self.rows(block, page);
        let high = match page.row_at(super::page::HIGH_KEY) {
            Ok(high) => high,
            Err(what) => return self.complain(block, 1, what.to_string()),
        };
        let last = page.right() == NONE;
        if high.is_empty() != last {
            self.complain(block, 1, "only the last page of a level has an empty high key");
        }
        if !last && high <= &walk.low[..] {
            self.complain(block, 1, "high key is not greater than the low key");
        }
        if page.level() > 0 && page.item_count() < FIRST && !half_dead {
            self.complain(block, 0, "page has no children");
        }
        let mut before: Option<&[u8]> = None;
        for number in FIRST..=page.item_count() {
            let row = match page.compared(number) {
                Ok(row) => row,
                Err(what) => {
                    self.complain(block, number, what.to_string());
                    continue;
                }
            };
            let first_child = page.level() > 0 && number == FIRST;
            if first_child && !row.is_empty() {
                self.complain(block, number, "pivot of the first child has a key");
            }
            if !first_child && row < &walk.low[..] {
                self.complain(block, number, "row is less than the low key");
            }
            if !last && row >= high {
                self.complain(block, number, "row is not less than the high key");
            }
            if before.is_some_and(|before| before >= row) {
                self.complain(block, number, "row is not greater than the one before");
            }
            before = Some(row);
            if page.level() == 0 {
                self.entry(block, page, number, row);
            } else if !half_dead {
                self.downlink(block, page, number, &walk.low, below);
            }
        }
    }

    /// Line pointers: inside the page, and no two rows overlap.
    fn rows(&mut self, block: BlockNo, page: &PageBytes) {
        let mut extents = Vec::new();
        for number in 1..=page.item_count() {
            match page.item(number).and_then(buffer::Item::extent) {
                Some(extent)
                    if extent.start >= usize::from(page.upper())
                        && extent.end <= usize::from(page.special()) =>
                {
                    extents.push((extent.start, extent.end, number));
                }
                _ => self.complain(block, number, "line pointer leads outside of the rows"),
            }
        }
        extents.sort_unstable();
        for pair in extents.windows(2) {
            if pair[0].1 > pair[1].0 {
                self.complain(block, pair[1].2, "row overlaps another");
            }
        }
    }

    fn entry(&mut self, block: BlockNo, page: &PageBytes, number: u16, row: &[u8]) {
        self.found.entries += 1;
        let Some(entry) = Entry::read(row) else {
            return self.complain(block, number, "entry makes no sense");
        };
        self.key.set(&entry);
        if let Some(what) = (self.entry)(&self.key, entry.place, page.is_dead(number)) {
            self.complain(block, number, what);
        }
    }

    fn downlink(
        &mut self,
        block: BlockNo,
        page: &PageBytes,
        number: u16,
        low: &[u8],
        below: &mut Vec<Downlink>,
    ) {
        let row = page.compared(number).unwrap_or_default();
        let low = if number == FIRST { low } else { row };
        match page.child(number) {
            Ok(child) => {
                let low = low.to_vec();
                below.push(Downlink { low, child, parent: block, offset: number });
            }
            Err(what) => self.complain(block, number, what.to_string()),
        }
    }

    /// Pages that were not met: they have to be nobody's.
    fn rest(&mut self) -> Result<(), Error> {
        // A level that could not be walked to its end leaves pages that are not met.
        if !self.found.problems.is_empty() {
            return Ok(());
        }
        for block in 0..self.seen.len() as BlockNo {
            if self.seen[block as usize] {
                continue;
            }
            let Some(page) = self.copy(block)? else { continue };
            if !page.is_new() && !page.has(flag::DELETED) {
                self.complain(block, 0, "page is not in the tree");
            }
        }
        Ok(())
    }
}

impl Walk {
    fn advance(&mut self, block: BlockNo, page: &PageBytes) {
        self.left = block;
        if page.has(flag::HALF_DEAD) {
            return;
        }
        self.low = page.row_at(super::page::HIGH_KEY).unwrap_or_default().to_vec();
        self.after_incomplete = page.has(flag::INCOMPLETE);
    }
}
