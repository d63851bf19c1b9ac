//! Many rows at once, as COPY adds them: a page at a time, with one record for each page.
//!
//! Rows are gathered in encoded form; when enough have come together they are put on pages. A page
//! that was empty is logged as made anew, so it needs no image. The table grows by more pages the
//! more come in.

use std::ops::Range;

use buffer::{Change, ItemState, PageAccess, PageBytes, PageWrite, Touched};
use txn::Transaction;
use types::{BlockNo, Datum, TupleId};
use wal::Rmgr;

use super::insert::{Maker, set_place};
use super::page::HAS_FREE_LINES;
use super::target::{Room, Search};
use super::{Heap, page, record};
use crate::error::Error;
use crate::tuple::{self, MAX_TUPLE_SIZE};

/// Bytes of rows that are gathered before they are put on pages.
const GATHERED_MAX: usize = 64 << 10;
/// The most pages by which the table grows at once.
const GROWTH_MAX: BlockNo = 64;
/// What a line pointer takes.
const LINE_POINTER: usize = 4;

/// Rows on their way into a table. What is gathered when this is dropped is lost; call
/// [`BulkInsert::finish`].
pub struct BulkInsert<'a> {
    heap: Heap<'a>,
    /// Encoded versions, one behind the other.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many of `ends` are on pages already.
    placed: usize,
    /// Encodes one row, and then builds a record's data.
    scratch: Vec<u8>,
    /// By how many pages the table grows the next time.
    growth: BlockNo,
}

impl<'a> Heap<'a> {
    /// Begins to add many rows.
    pub fn bulk_insert(&self) -> BulkInsert<'a> {
        BulkInsert {
            heap: *self,
            bytes: Vec::new(),
            ends: Vec::new(),
            placed: 0,
            scratch: Vec::new(),
            growth: 1,
        }
    }
}

impl<'a> BulkInsert<'a> {
    /// Adds a row.
    pub fn push(&mut self, tx: &mut Transaction, values: &[Datum]) -> Result<(), Error> {
        tuple::encode_into(values, self.heap.columns, &mut self.scratch)?;
        self.bytes.extend_from_slice(&self.scratch);
        self.ends.push(self.bytes.len());
        if self.bytes.len() >= GATHERED_MAX { self.flush(tx) } else { Ok(()) }
    }

    /// Puts what is still gathered on pages.
    pub fn finish(mut self, tx: &mut Transaction) -> Result<(), Error> {
        self.flush(tx)
    }

    fn flush(&mut self, tx: &mut Transaction) -> Result<(), Error> {
        if self.ends.is_empty() {
            return Ok(());
        }
        let xid = self.heap.access.txn.assign_xid(tx)?;
        let maker = Maker { xid, cid: tx.command(), infomask: 0 };
        while self.placed < self.ends.len() {
            self.fill_a_page(maker)?;
        }
        self.bytes.clear();
        self.ends.clear();
        self.placed = 0;
        Ok(())
    }

    fn range(&self, index: usize) -> Range<usize> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[index]
    }

    /// Puts the next row, and as many behind it as fit, on a page.
    fn fill_a_page(&mut self, maker: Maker) -> Result<(), Error> {
        let heap = self.heap;
        let need = self.range(self.placed).len();
        let mut search = Search::new(need);
        loop {
            let pin = match heap.next_pin(&mut search)? {
                Some(pin) => pin,
                None => {
                    let count = self.growth;
                    self.growth = (count * 2).min(GROWTH_MAX);
                    heap.grow_by(count)?
                }
            };
            let Some(mut page) = search.lock(&pin) else { continue };
            match heap.make_room_and_reserve(&mut page, need)? {
                Room::Enough => {
                    self.fill(maker, &mut page)?;
                    heap.access.set_target(heap.rel, pin.tag().block);
                    return Ok(());
                }
                Room::TooLittle => {
                    let (room, prune_xid) = (page::room(page.page()), page.page().prune_xid());
                    drop(page);
                    heap.refuse(pin.tag().block, room, prune_xid)?;
                }
            }
        }
    }

    /// Fills a locked page that has room for at least one row.
    fn fill(&mut self, maker: Maker, page: &mut PageWrite<'_>) -> Result<(), Error> {
        let block = page.tag().block;
        let fresh = page.page().item_count() == 0;
        let offsets = free_offsets(page.page(), fresh);
        let first = self.placed;
        let last = first + self.how_many_fit(page.page(), fresh).min(offsets.clone().count());
        let mut data = std::mem::take(&mut self.scratch);
        data.clear();
        for (index, offset) in (first..last).zip(offsets.clone()) {
            let range = self.range(index);
            let tuple = &mut self.bytes[range];
            let mut header = maker.sign(tuple);
            set_place(tuple, &mut header, TupleId { block, offset });
            record::push_multi(&mut data, offset, &header, tuple);
        }
        let main = maker.cid.to_le_bytes();
        let change = Change {
            rmgr: Rmgr::Heap,
            kind: record::kind::MULTI_INSERT,
            xid: maker.xid,
            data: &[&main],
        };
        let flags = self.heap.flags_for_new(fresh);
        let touched = &mut [Touched { page, flags, data: &[&data] }];
        let done = self.heap.change(&change, touched, |pages| {
            let page = pages.page(0);
            if fresh {
                page.init(0);
            }
            for (index, offset) in (first..last).zip(offsets) {
                let fits = page::add(page, offset, &self.bytes[self.range(index)]);
                assert!(fits, "the rows were counted to fit");
            }
        });
        self.scratch = data;
        done?;
        self.heap.access.txn.statistics().inserted(self.heap.rel, (last - first) as u64);
        self.placed = last;
        Ok(())
    }

    /// How many of the rows that wait fit on the page: at least one, as its room was looked at.
    fn how_many_fit(&self, page: &PageBytes, fresh: bool) -> usize {
        let whole = MAX_TUPLE_SIZE + LINE_POINTER;
        let mut left = if fresh { whole } else { page.hole() };
        left = left.saturating_sub(self.heap.shape.reserve());
        let waiting = self.placed..self.ends.len();
        let fits = |index: &usize| {
            let takes = self.range(*index).len().next_multiple_of(8) + LINE_POINTER;
            let fits = takes <= left;
            left = left.saturating_sub(takes);
            fits
        };
        waiting.take_while(fits).count().max(1)
    }
}

/// Free line pointers of a page in the order in which inserts take them.
fn free_offsets(page: &PageBytes, fresh: bool) -> impl Iterator<Item = u16> + Clone + use<> {
    let count = if fresh { 0 } else { page.item_count() };
    let looks = if page.flags() & HAS_FREE_LINES != 0 { count } else { 0 };
    let unused: Vec<u16> = (1..=looks)
        .filter(|&number| page.item(number).is_some_and(|item| item.state == ItemState::Unused))
        .collect();
    unused.into_iter().chain(count + 1..=page::LINES_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::*;

    #[test]
    fn freed_line_pointers_are_taken_first() {
        let mut page = PageBytes::default();
        let mut tuple = vec![0; tuple::HEADER_SIZE];
        tuple.push(1);
        for offset in 1..=4 {
            assert!(page::add(&mut page, offset, &tuple));
        }
        let unused = [1, 3].into_iter().collect();
        assert!(page::prune(&mut page, &Plan { unused, ..Plan::default() }));
        assert_eq!(free_offsets(&page, false).take(4).collect::<Vec<_>>(), [1, 3, 5, 6]);
        assert_eq!(free_offsets(&page, true).next(), Some(1));
    }
}
