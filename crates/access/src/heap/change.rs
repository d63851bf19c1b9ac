//! The recipe of changes, for pages that the visibility map may know as all-visible.

use buffer::{BlockFlags, Change, PageAccess, PageWrite, Pages, Pin, Touched};
use smallvec::SmallVec;
use types::BlockNo;

use super::{Heap, page};
use crate::error::Error;
use crate::vm::{self, Mark, VisibilityMap};

impl<'a> Heap<'a> {
    /// Changes heap pages so that not everybody sees the same on them any more. Where a page's flag
    /// says that its bit in the visibility map is set, the same record clears it; `apply` takes the
    /// flag away.
    pub(super) fn change(
        &self,
        change: &Change<'_>,
        touched: &mut [Touched<'_, '_>],
        apply: impl FnOnce(&mut Pages<'_, '_, '_>),
    ) -> Result<(), Error> {
        let visible =
            |touched: &&Touched<'_, '_>| touched.page.page().flags() & page::ALL_VISIBLE != 0;
        let blocks: SmallVec<[BlockNo; 2]> =
            touched.iter().filter(visible).map(|touched| touched.page.tag().block).collect();
        if blocks.is_empty() {
            self.access.pool.change(change, touched, apply)?;
            return Ok(());
        }
        self.change_and_mark(change, touched, Mark::Clear, &blocks, apply)
    }

    /// Changes heap pages, and marks `blocks` among them in the visibility map by the same record.
    /// The map has their pages: see [`Heap::make_map_page`].
    pub(super) fn change_and_mark(
        &self,
        change: &Change<'_>,
        touched: &mut [Touched<'_, '_>],
        mark: Mark,
        blocks: &[BlockNo],
        apply: impl FnOnce(&mut Pages<'_, '_, '_>),
    ) -> Result<(), Error> {
        let mut numbers: SmallVec<[BlockNo; 2]> =
            blocks.iter().map(|block| vm::page_of(*block)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let map = self.visibility();
        let pool = &self.access.pool;
        let mut pins: SmallVec<[Pin<'_>; 2]> = SmallVec::new();
        for number in &numbers {
            pins.push(pool.read(map.tag(*number))?);
        }
        let mut pages: SmallVec<[PageWrite<'_>; 2]> = pins.iter().map(Pin::exclusive).collect();
        let data_of = |number: &BlockNo| {
            let on_it = blocks.iter().copied().filter(|block| vm::page_of(*block) == *number);
            vm::encode(mark, on_it)
        };
        let data: SmallVec<[Vec<u8>; 2]> = numbers.iter().map(data_of).collect();
        let slices: SmallVec<[[&[u8]; 1]; 2]> = data.iter().map(|data| [data.as_slice()]).collect();
        let touch = |(page, data)| touch_map(page, data);
        let mut beside: SmallVec<[Touched<'_, '_>; 2]> =
            pages.iter_mut().zip(&slices).map(touch).collect();
        pool.change_beside(change, touched, &mut beside, |pages, maps| {
            apply(pages);
            for (number, data) in data.iter().enumerate() {
                assert!(vm::apply(maps.page(number), data), "it was encoded just now");
            }
        })?;
        Ok(())
    }

    /// Makes the map's page for a heap page, if it has none. To be called with no page locked.
    pub(super) fn make_map_page(&self, block: BlockNo) -> Result<(), Error> {
        let map = self.visibility();
        if !map.has_page(vm::page_of(block))? {
            self.access.pool.read_or_create(map.tag(vm::page_of(block)))?;
        }
        Ok(())
    }

    /// The table's visibility map.
    pub fn visibility(&self) -> VisibilityMap<'a> {
        VisibilityMap::new(self.access, self.rel)
    }
}

fn touch_map<'t, 'p>(page: &'t mut PageWrite<'p>, data: &'t [&'t [u8]; 1]) -> Touched<'t, 'p> {
    let flags = BlockFlags { will_init: page.page().is_new(), ..BlockFlags::default() };
    Touched { page, flags, data }
}
