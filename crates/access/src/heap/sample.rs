//! A sample of a table: some of its pages, and of the rows of these some, each as likely as any.
//!
//! Two stages, as in PostgreSQL. Pages are chosen in rising order, each set of them as likely as any
//! other (Knuth, The Art of Computer Programming, volume 2, algorithm S). From their rows a
//! reservoir keeps as many as are wanted: when it is full, a row that comes takes the place of one
//! chosen at random, with a chance that falls the more rows have been seen. How many rows to pass
//! over until the next that is taken is drawn at once (Vitter's idea; here in the form of Li's
//! algorithm L, 1994, which needs no case for the beginning).
//!
//! Reading a page is like a scan's: visible versions are copied out under the shared lock. What is
//! not visible is counted as dead, unless its maker is still at work.

use buffer::{ItemState, PageAccess, Ring};
use txn::Snapshot;
use types::{BlockNo, TupleId};

use super::Heap;
use super::view::Sight;
use super::visibility::{Ending, Transactions as _, is_visible};
use crate::error::Error;
use crate::tuple::infomask;

/// A source of random numbers that is the same for the same seed: Steele's SplitMix64.
#[derive(Debug)]
pub struct Draw(u64);

impl Draw {
    /// Numbers that follow from this one.
    pub fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    /// A number from 0 up to, and without, 1.
    pub fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from 0 up to, and without, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((self.fraction() * end as f64) as usize).min(end.saturating_sub(1))
    }
}

/// The rows kept, of all that have come by.
struct Reservoir {
    wanted: usize,
    rows: Vec<(TupleId, Vec<u8>)>,
    /// Rows to pass over before the next that is kept, once it is full.
    skip: u64,
    /// The largest of as many fractions as there are rows kept, as algorithm L imagines them.
    largest: f64,
}

impl Reservoir {
    fn new(wanted: usize) -> Reservoir {
        Reservoir { wanted, rows: Vec::new(), skip: 0, largest: 1.0 }
    }

    /// Whether the next row is kept, and where; it must be [`Reservoir::keep`]t then.
    fn offer(&mut self, draw: &mut Draw) -> Option<usize> {
        if self.rows.len() < self.wanted {
            return Some(self.rows.len());
        }
        if self.skip > 0 || self.wanted == 0 {
            self.skip = self.skip.saturating_sub(1);
            return None;
        }
        Some(draw.below(self.wanted))
    }

    fn keep(&mut self, at: usize, place: TupleId, bytes: Vec<u8>, draw: &mut Draw) {
        match self.rows.get_mut(at) {
            Some(row) => *row = (place, bytes),
            None => self.rows.push((place, bytes)),
        }
        if self.rows.len() == self.wanted {
            self.largest *= ((1.0 - draw.fraction()).ln() / self.wanted as f64).exp();
            let skip = (1.0 - draw.fraction()).ln() / (1.0 - self.largest).ln();
            self.skip = skip.max(0.0) as u64;
        }
    }
}

/// A sample in the making.
pub struct Sample<'a> {
    heap: Heap<'a>,
    ring: Ring,
    draw: Draw,
    /// Pages of the table.
    pages: BlockNo,
    next: BlockNo,
    /// Pages still to be chosen.
    left: BlockNo,
    scanned: BlockNo,
    live: u64,
    dead: u64,
    reservoir: Reservoir,
}

/// What a sample has found.
#[derive(Debug)]
pub struct Sampled {
    /// Pages of the table.
    pub pages: BlockNo,
    /// Pages that were read.
    pub scanned: BlockNo,
    /// Live rows on these.
    pub live: u64,
    /// Dead ones.
    pub dead: u64,
    /// Some of the live ones, in the order in which they stand.
    pub rows: Vec<(TupleId, Vec<u8>)>,
}

impl<'a> Heap<'a> {
    /// Begins a sample of so many rows from as many pages.
    pub fn sample(&self, wanted: usize, seed: u64) -> Result<Sample<'a>, Error> {
        let pages = self.nblocks()?;
        Ok(Sample {
            heap: *self,
            ring: Ring::bulk_read(self.access.pool.buffers()),
            draw: Draw::new(seed),
            pages,
            next: 0,
            left: pages.min(BlockNo::try_from(wanted).unwrap_or(BlockNo::MAX)),
            scanned: 0,
            live: 0,
            dead: 0,
            reservoir: Reservoir::new(wanted),
        })
    }
}

impl Sample<'_> {
    /// Reads the next page of the sample as the snapshot sees it; `false`: it was the last before.
    /// Each page may have a snapshot of its own, so that none is held for long: a row that an update
    /// moves meanwhile is then met twice or not at all.
    pub fn read_page(&mut self, snapshot: &Snapshot) -> Result<bool, Error> {
        while self.left > 0 && self.next < self.pages {
            let block = self.next;
            self.next += 1;
            let rest = f64::from(self.pages - block);
            if self.draw.fraction() * rest < f64::from(self.left) {
                self.left -= 1;
                self.scanned += 1;
                self.look_at(block, snapshot)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Pages read so far, and to be read in all.
    pub fn progress(&self) -> (BlockNo, BlockNo) {
        (self.scanned, self.scanned + self.left)
    }

    /// Ends the sample.
    pub fn finish(mut self) -> Sampled {
        self.reservoir.rows.sort_by_key(|(place, _)| (place.block, place.offset));
        let Sample { pages, scanned, live, dead, reservoir, .. } = self;
        Sampled { pages, scanned, live, dead, rows: reservoir.rows }
    }

    fn look_at(&mut self, block: BlockNo, snapshot: &Snapshot) -> Result<(), Error> {
        let heap = self.heap;
        let sight = Sight::new(&heap.access.txn, snapshot);
        let pin = heap.access.pool.read_with(heap.tag(block), Some(&self.ring))?;
        let page = pin.shared();
        for offset in 1..=page.item_count() {
            let place = TupleId { block, offset };
            match page.item(offset).map(|item| item.state) {
                Some(ItemState::Normal) => {}
                Some(ItemState::Dead) => {
                    self.dead += 1;
                    continue;
                }
                _ => continue,
            }
            let Some((at, length)) = heap.version_in(&page, place)? else { continue };
            let header = super::scan::header_in(&page, at);
            if is_visible(&sight, &header, &mut 0)? {
                self.live += 1;
                if let Some(kept) = self.reservoir.offer(&mut self.draw) {
                    let mut bytes = Vec::with_capacity(length);
                    super::scan::copy_version(&page, at, length, &header, &mut bytes);
                    self.reservoir.keep(kept, place, bytes, &mut self.draw);
                }
            } else if header.has(infomask::XMIN_COMMITTED)
                || sight.is_own(header.xmin)
                || sight.ending(header.xmin)? != Ending::InProgress
            {
                self.dead += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u64) -> TupleId {
        TupleId { block: number as BlockNo, offset: 1 }
    }

    #[test]
    fn a_reservoir_keeps_all_until_it_is_full() {
        let (mut reservoir, mut draw) = (Reservoir::new(5), Draw::new(1));
        for number in 0..5 {
            let at = reservoir.offer(&mut draw).expect("room");
            reservoir.keep(at, place(number), Vec::new(), &mut draw);
        }
        assert_eq!(reservoir.rows.len(), 5);
        assert!(Reservoir::new(0).offer(&mut draw).is_none());
    }

    #[test]
    fn every_row_is_as_likely_as_any() {
        const ROWS: u64 = 200;
        const KEPT: usize = 10;
        const ROUNDS: u64 = 4000;
        let mut counts = [0_u64; ROWS as usize];
        for round in 0..ROUNDS {
            let (mut reservoir, mut draw) = (Reservoir::new(KEPT), Draw::new(round));
            for number in 0..ROWS {
                if let Some(at) = reservoir.offer(&mut draw) {
                    reservoir.keep(at, place(number), Vec::new(), &mut draw);
                }
            }
            assert_eq!(reservoir.rows.len(), KEPT);
            reservoir.rows.iter().for_each(|(place, _)| counts[place.block as usize] += 1);
        }
        // 200 expected for each; the deviation is about 14.
        let (least, most) = (counts.iter().min().copied(), counts.iter().max().copied());
        assert!(least > Some(130) && most < Some(270), "{least:?} to {most:?}");
        let half: u64 = counts[..100].iter().sum();
        assert!((19_000..21_000).contains(&half), "{half}");
    }
}
