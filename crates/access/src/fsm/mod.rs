//! The free space map: which page of a table has room for a row.
//!
//! A map of a byte per heap page, in a fork of its own, as a tree of pages (`address`) that hold
//! a tree of bytes each (`tree`): so both the question "who has this much room" and the update
//! of one page cost three pages at most. A byte counts room in steps of 32 bytes.
//!
//! The map is a hint. It is not logged; a page of it that is damaged or missing comes as zeros,
//! that is "no room"; what it says may be too much or too little. Whoever follows it looks at the
//! heap page itself and corrects the map. After a DELETE or UPDATE it tells the room that the page
//! *will* have once the dead versions are pruned.
//!
//! Locks: one page of the map at a time, no heap page's lock held meanwhile. What if the process
//! dies: an upper page may promise too much or too little until the next correction.

mod address;
mod tree;

use buffer::{BufferPool, PageAccess, PageBytes};
use types::{BlockNo, BufferTag, Fork, PAGE_SIZE, RelFileNumber};

use self::address::Address;
use crate::error::Error;
use crate::tuple::MAX_TUPLE_SIZE;

/// Bytes of room that one step of the map stands for.
const STEP: usize = 32;
/// How many broken promises one search follows.
const RESTARTS_MAX: usize = 100;

/// A table without a map has at most so many pages: looking at each costs less than a map.
pub const BLOCKS_WITHOUT_MAP: BlockNo = 4;

/// The free space map of one relation.
pub struct FreeSpaceMap<'a> {
    pool: &'a BufferPool,
    rel: RelFileNumber,
}

/// Room rounded down: what a page surely has. An empty page has room for anything.
fn steps_of_room(bytes: usize) -> u8 {
    if bytes >= MAX_TUPLE_SIZE {
        return u8::MAX;
    }
    u8::try_from(bytes / STEP).unwrap_or(u8::MAX)
}

/// Need rounded up: what surely suffices.
fn steps_of_need(bytes: usize) -> u8 {
    u8::try_from(bytes.div_ceil(STEP)).unwrap_or(u8::MAX)
}

fn nodes(page: &PageBytes) -> &[u8] {
    &page.0[tree::NODES_START..]
}

fn nodes_mut(page: &mut PageBytes) -> &mut [u8] {
    &mut page.0[tree::NODES_START..]
}

impl<'a> FreeSpaceMap<'a> {
    /// The map of the table in that file.
    pub fn new(pool: &'a BufferPool, rel: RelFileNumber) -> Self {
        FreeSpaceMap { pool, rel }
    }

    /// Notes that `block` has room for a version of `room` bytes.
    pub fn record(&self, block: BlockNo, room: usize) -> Result<(), Error> {
        if block < BLOCKS_WITHOUT_MAP && self.pool.nblocks(self.rel, Fork::Fsm)? == 0 {
            return Ok(());
        }
        let (address, slot) = Address::of_heap_block(block);
        self.store(address, slot, steps_of_room(room))
    }

    /// A page at or behind `start`, or else from the beginning, that should have room for a
    /// version of `need` bytes.
    pub fn search(&self, need: usize, start: BlockNo) -> Result<Option<BlockNo>, Error> {
        let need = steps_of_need(need);
        let mut address = Address::ROOT;
        for _ in 0..RESTARTS_MAX {
            let (found, root) = self.search_page(address, need, start)?;
            match found {
                Some(slot) if address.level == 0 => return Ok(address.heap_block(slot)),
                Some(slot) => address = address.child(slot),
                None if address == Address::ROOT => return Ok(None),
                None => {
                    // The page above promised too much.
                    let (above, slot) = address.parent();
                    self.store(above, slot, root)?;
                    address = Address::ROOT;
                }
            }
        }
        Ok(None)
    }

    /// The slot of one page to go on with, and the greatest value in the page.
    fn search_page(
        &self,
        address: Address,
        need: u8,
        start: BlockNo,
    ) -> Result<(Option<usize>, u8), Error> {
        let Some(tag) = self.tag(address) else { return Ok((None, 0)) };
        let pin = self.pool.read(tag)?;
        let found = {
            let page = pin.shared();
            let nodes = page.bytes(tree::NODES_START..PAGE_SIZE);
            tree::search(nodes, need, start_slot(address, start))
                .map(|found| (found, tree::root(nodes)))
        };
        found.or_else(|tree::Inconsistent| {
            let mut page = pin.exclusive();
            self.pool.change_unlogged(&mut page, |page| tree::rebuild(nodes_mut(page)));
            let nodes = nodes(page.page());
            Ok((tree::search(nodes, need, 0).unwrap_or(None), tree::root(nodes)))
        })
    }

    /// Sets a slot, and the slots above it where the page's greatest value changed.
    fn store(&self, mut address: Address, mut slot: usize, mut value: u8) -> Result<(), Error> {
        while let Some(tag) = self.tag(address) {
            let pin = self.pool.read_or_create(tag)?;
            let mut page = pin.exclusive();
            if tree::get(nodes(page.page()), slot) == value {
                break;
            }
            let mut changed = false;
            self.pool.change_unlogged(&mut page, |page| {
                if page.is_new() {
                    page.init_raw();
                }
                changed = tree::set(nodes_mut(page), slot, value);
            });
            if !changed || address == Address::ROOT {
                break;
            }
            value = tree::root(nodes(page.page()));
            (address, slot) = address.parent();
        }
        Ok(())
    }

    fn tag(&self, address: Address) -> Option<BufferTag> {
        let block = address.block()?;
        Some(BufferTag { rel: self.rel, fork: Fork::Fsm, block })
    }
}

/// Where the search of one page begins so that it leads to `start` or behind it.
fn start_slot(address: Address, start: BlockNo) -> usize {
    let (mut on_path, mut slot) = Address::of_heap_block(start);
    while on_path.level < address.level {
        (on_path, slot) = on_path.parent();
    }
    if on_path == address { slot } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_empty_has_room_for_the_largest_row() {
        assert!(steps_of_room(MAX_TUPLE_SIZE) >= steps_of_need(MAX_TUPLE_SIZE));
        assert!(steps_of_room(MAX_TUPLE_SIZE - 8) < steps_of_need(MAX_TUPLE_SIZE));
        assert!(steps_of_room(64) == steps_of_need(64) && steps_of_room(63) < steps_of_need(63));
    }

    #[test]
    fn the_search_starts_on_the_path_to_its_start() {
        let (leaf, slot) = Address::of_heap_block(5000);
        assert_eq!(start_slot(leaf, 5000), slot);
        assert_eq!(start_slot(Address { level: 1, page: 0 }, 5000), 1);
        assert_eq!(start_slot(Address { level: 0, page: 0 }, 5000), 0);
    }
}
