//! Asking the map about the rows of index entries, for index-only scans.
//!
//! Entries come by the page. So the map is asked about some of them ahead, all that its page tells
//! under one lock; that page stays pinned. An answer is as good when its entry's turn comes: it was
//! read after the entry was, with the snapshot held, and that is all that counts (`vm`).

use buffer::Pin;
use types::BlockNo;

use super::{VisibilityMap, bit_of, page_of};
use crate::error::Error;

/// What is asked about at once.
const AHEAD: usize = u64::BITS as usize;

/// A reader of one table's map.
pub struct Lookup<'a> {
    map: VisibilityMap<'a>,
    /// The page of the map that was read last, and its number; no page: the map did not have it.
    pinned: Option<(BlockNo, Option<Pin<'a>>)>,
    /// Whether everybody sees all of their pages: of the entries ahead, the next in the lowest bit.
    answers: u64,
    /// How many there are.
    left: usize,
}

impl<'a> VisibilityMap<'a> {
    /// A reader for a scan.
    pub fn lookup(self) -> Lookup<'a> {
        Lookup { map: self, pinned: None, answers: 0, left: 0 }
    }
}

impl Lookup<'_> {
    /// As [`VisibilityMap::is_all_visible`]. `ahead`: the blocks of entries that were read before
    /// this call and will be asked about next, one after the other.
    pub fn is_all_visible(
        &mut self,
        block: BlockNo,
        ahead: impl Iterator<Item = BlockNo>,
    ) -> Result<bool, Error> {
        if self.left == 0 {
            self.ask(std::iter::once(block).chain(ahead).take(AHEAD))?;
        }
        let answer = self.answers & 1 != 0;
        self.answers >>= 1;
        self.left -= 1;
        Ok(answer)
    }

    fn ask(&mut self, blocks: impl Iterator<Item = BlockNo>) -> Result<(), Error> {
        self.answers = 0;
        let mut blocks = blocks.peekable();
        while let Some(number) = blocks.peek().map(|block| page_of(*block)) {
            self.pin(number)?;
            let pin = self.pinned.as_ref().and_then(|(_, pin)| pin.as_ref());
            let page = pin.map(Pin::shared);
            while let Some(block) = blocks.next_if(|block| page_of(*block) == number) {
                let (at, bit) = bit_of(block);
                let set = page.as_ref().is_some_and(|page| page.bytes(at..at + 1)[0] & bit != 0);
                self.answers |= u64::from(set) << self.left;
                self.left += 1;
            }
        }
        Ok(())
    }

    /// Has a page of the map pinned. Whether the map has it is asked once: if it comes to be, rows
    /// are looked for a little longer.
    fn pin(&mut self, number: BlockNo) -> Result<(), Error> {
        if self.pinned.as_ref().is_some_and(|(pinned, _)| *pinned == number) {
            return Ok(());
        }
        self.pinned = None;
        let there = self.map.has_page(number)?;
        let pin = there.then(|| self.map.access.pool.read(self.map.tag(number))).transpose()?;
        self.pinned = Some((number, pin));
        Ok(())
    }
}
