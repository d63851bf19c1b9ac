//! Reading entries in their order, forward or backward.
//!
//! What a page has of the range is copied out under its shared lock; then the lock goes, and the
//! entries are handed out from the copy. Between two calls nothing is held, so the reader may do
//! what it likes, and may take its time.
//!
//! Forward the cursor goes on by the right link as it was when the page was read: what a later split
//! moved to the right it has read already. A page that was removed meanwhile still has its right
//! link, as long as anybody could come to it: the reader holds a snapshot (or runs in a transaction
//! with an id), and the page is not used again before that ends.
//!
//! Backward the cursor remembers below which bytes everything is still to be read, first the end of
//! the range, then the low key of the page that it read, and searches from the root for the page
//! that is responsible for what lies directly below. So it needs no left link.
//!
//! Entries that the reader finds dead are marked when the cursor leaves their page: if no entry was
//! removed from the page since it was read, for then an entry with the same bytes is the same one.

use smallvec::SmallVec;
use types::{BlockNo, TupleId};

use super::BTree;
use super::descend::{Mode, Steps};
use super::key::{Bytes, Entry, Key, KeyRange, successor};
use super::page::{Node, Target};
use crate::error::Error;
use crate::tuple::Malformed;

/// Which way a cursor goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the least entry to the greatest.
    Forward,
    /// From the greatest to the least.
    Backward,
}

/// A scan in progress. While it lives its transaction holds a snapshot.
pub struct Cursor<'a> {
    tree: BTree<'a>,
    /// Forward, its start goes along with what is read.
    range: KeyRange,
    direction: Direction,
    ahead: Ahead,
    batch: Batch,
    key: Key,
}

/// What is still to be read.
enum Ahead {
    /// All of the range.
    All,
    /// From this page on to the right.
    Page(BlockNo),
    /// What lies below these bytes.
    Below(Vec<u8>),
    Nothing,
}

/// The entries of one page, in a private copy.
#[derive(Default)]
struct Batch {
    block: BlockNo,
    removals: u32,
    bytes: SmallVec<[u8; 64]>,
    /// Where each entry ends in `bytes`; in the order of the index.
    ends: SmallVec<[u32; 4]>,
    /// How many were handed out.
    handed_out: usize,
    /// Those to be marked dead.
    dead: Vec<usize>,
}

impl<'a> BTree<'a> {
    /// Reads the entries of a range. The caller holds a snapshot as long as it uses the cursor.
    pub fn scan(&self, range: KeyRange, direction: Direction) -> Cursor<'a> {
        let ahead = if range.is_empty() { Ahead::Nothing } else { Ahead::All };
        let (batch, key) = (Batch::default(), Key::default());
        Cursor { tree: *self, range, direction, ahead, batch, key }
    }

    /// Whether there is an entry of that key for that row.
    pub fn contains(&self, key: &Key, place: TupleId) -> Result<bool, Error> {
        let entry = key.entry(place);
        let range = KeyRange { end: successor(&entry), start: Bytes::from_slice(&entry) };
        Ok(self.scan(range, Direction::Forward).next()?.is_some())
    }
}

impl Cursor<'_> {
    /// The next entry: the row's place, and the key, which stays until the next call.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend, and cannot fail")]
    pub fn next(&mut self) -> Result<Option<(TupleId, &Key)>, Error> {
        while self.batch.handed_out == self.batch.ends.len() {
            self.mark_dead()?;
            if !self.read_page()? {
                return Ok(None);
            }
        }
        let index = self.batch.index(self.direction, self.batch.handed_out);
        self.batch.handed_out += 1;
        let entry = Entry::read(self.batch.entry(index));
        let block = self.batch.block;
        let entry = self.tree.on(block, entry.ok_or(Malformed("entry makes no sense")))?;
        self.key.set(&entry);
        Ok(Some((entry.place, &self.key)))
    }

    /// The key of the entry that was handed out last.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Where the entries lead to that come next on the page at hand.
    pub fn places_ahead(&self) -> impl Iterator<Item = TupleId> + '_ {
        let ahead = self.batch.handed_out..self.batch.ends.len();
        // One that makes no sense ends the list here, and is an error when its turn comes.
        ahead.map_while(|at| {
            let index = self.batch.index(self.direction, at);
            Entry::read(self.batch.entry(index)).map(|entry| entry.place)
        })
    }

    /// Notes that the row of an entry of the page at hand is gone for everybody: no snapshot can see
    /// a version of it, now or ever. Readers to come will pass it by. A hint: it may be lost.
    pub fn kill(&mut self, place: TupleId) {
        let handed_out = (0..self.batch.handed_out).rev();
        let index = handed_out.map(|at| self.batch.index(self.direction, at)).find(|&index| {
            Entry::read(self.batch.entry(index)).is_some_and(|entry| entry.place == place)
        });
        self.batch.dead.extend(index);
    }

    /// Reads the next page; `false`: there is none.
    fn read_page(&mut self) -> Result<bool, Error> {
        match std::mem::replace(&mut self.ahead, Ahead::Nothing) {
            Ahead::Nothing => return Ok(false),
            Ahead::Page(block) => self.read_from(block)?,
            Ahead::All if self.direction == Direction::Forward => {
                let target = Target::At(&self.range.start);
                let block = self.tree.descend(target, 0, Mode::Read)?.block;
                self.read_from(block)?;
            }
            Ahead::All => {
                let end = self.range.end.clone();
                self.read_below(end.as_deref())?;
            }
            Ahead::Below(end) => self.read_below(Some(&end))?,
        }
        Ok(true)
    }

    /// Reads the first page from `block` on that may have entries of the range.
    fn read_from(&mut self, mut block: BlockNo) -> Result<(), Error> {
        let mut steps = Steps::default();
        let end = self.range.end.clone();
        loop {
            let pin = self.tree.pin(block)?;
            let page = pin.shared();
            self.tree.check_level(block, &page, 0)?;
            let target = Target::At(&self.range.start);
            if let Some(right) = self.tree.on(block, page.onward(target))? {
                self.tree.step(&mut steps, right)?;
                block = right;
                continue;
            }
            let copied = self.batch.copy(block, &page, &self.range.start, end.as_deref());
            self.tree.on(block, copied)?;
            let high = self.tree.on(block, page.high_key())?;
            let high = high.filter(|high| end.as_deref().is_none_or(|end| *high < end));
            if let Some(high) = high {
                // All below it is read. So links that lead back lead nowhere.
                self.range.start.clear();
                self.range.start.extend_from_slice(high);
                self.ahead = Ahead::Page(page.right());
            }
            return Ok(());
        }
    }

    /// Reads the page that is responsible for what lies directly below `end`.
    fn read_below(&mut self, end: Option<&[u8]>) -> Result<(), Error> {
        let target = end.map_or(Target::End, Target::Below);
        let entrance = self.tree.descend(target, 0, Mode::Read)?;
        let (mut block, mut low) = (entrance.block, entrance.low);
        let mut steps = Steps::default();
        loop {
            let pin = self.tree.pin(block)?;
            let page = pin.shared();
            self.tree.check_level(block, &page, 0)?;
            if let Some(right) = self.tree.on(block, page.onward(target))? {
                self.tree.on(block, page.passed(&mut low))?;
                self.tree.step(&mut steps, right)?;
                block = right;
                continue;
            }
            let copied = self.batch.copy(block, &page, &self.range.start, end);
            self.tree.on(block, copied)?;
            if low[..] > self.range.start[..] {
                if end.is_some_and(|end| low[..] >= *end) {
                    return Err(self.tree.bad(block, Malformed("page has an impossible low key")));
                }
                self.ahead = Ahead::Below(low);
            }
            return Ok(());
        }
    }

    /// Marks the entries of the page at hand that the reader has found dead.
    fn mark_dead(&mut self) -> Result<(), Error> {
        if self.batch.dead.is_empty() {
            return Ok(());
        }
        let pin = self.tree.pin(self.batch.block)?;
        let page = pin.shared();
        let same = page.is_on(0) && !page.is_ignored() && page.removals() == self.batch.removals;
        let mut numbers = Vec::new();
        for index in self.batch.dead.drain(..).filter(|_| same) {
            let start = if index == 0 { 0 } else { self.batch.ends[index - 1] as usize };
            let entry = &self.batch.bytes[start..self.batch.ends[index] as usize];
            let number = self.tree.on(self.batch.block, page.lower_bound(entry))?;
            let is_it = |number: &u16| page.row_at(*number).is_ok_and(|row| row == entry);
            numbers.extend(Some(number).filter(is_it));
        }
        self.tree.mark_dead(&page, &numbers);
        Ok(())
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        // Marks are hints: a page that can't be had keeps its entries as they are.
        let _ = self.mark_dead();
    }
}

impl Batch {
    /// The place in the batch of the entry that is handed out as number `at`.
    fn index(&self, direction: Direction, at: usize) -> usize {
        match direction {
            Direction::Forward => at,
            Direction::Backward => self.ends.len() - 1 - at,
        }
    }

    fn entry(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[start..self.ends[index] as usize]
    }

    /// Copies the entries of a page from `start` to below `end`; not those that are marked dead.
    fn copy(
        &mut self,
        block: BlockNo,
        page: &impl Node,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<(), Malformed> {
        (self.block, self.removals) = (block, page.removals());
        self.bytes.clear();
        self.ends.clear();
        self.handed_out = 0;
        let first = page.lower_bound(start)?;
        let behind = match end {
            Some(end) => page.lower_bound(end)?,
            None => page.item_count() + 1,
        };
        for number in first..behind {
            if !page.is_dead(number) {
                self.bytes.extend_from_slice(page.row_at(number)?);
                self.ends.push(self.bytes.len() as u32);
            }
        }
        Ok(())
    }
}
