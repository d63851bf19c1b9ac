//! Where the pages of the free space map stand in their fork.
//!
//! Three levels of pages: a slot of a page on level 0 tells how much room one heap page has, a slot
//! of a higher level the most that one page of the level below offers. The root is block 0, and
//! every page stands directly before its children:
//!
//! ```text
//! block 0   level 2, page 0 (root)
//! block 1   level 1, page 0
//! block 2   level 0, page 0          heap blocks 0 .. SLOTS
//! block 3   level 0, page 1          heap blocks SLOTS .. 2 SLOTS
//! ```
//!
//! So a small table has three pages of map, and the map grows at its end.

use types::BlockNo;

use super::tree::SLOTS;

/// The level of the root.
pub const ROOT_LEVEL: u8 = 2;

const WIDTH: u64 = SLOTS as u64;

/// A page of the map by its place in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// 0 for the pages that tell of heap pages.
    pub level: u8,
    /// Which page of the level, from 0.
    pub page: u64,
}

impl Address {
    /// The page everything starts from.
    pub const ROOT: Address = Address { level: ROOT_LEVEL, page: 0 };

    /// The page that tells of a heap page, and the slot in it.
    pub fn of_heap_block(block: BlockNo) -> (Address, usize) {
        let block = u64::from(block);
        (Address { level: 0, page: block / WIDTH }, (block % WIDTH) as usize)
    }

    /// The page above, and this page's slot in it.
    pub fn parent(self) -> (Address, usize) {
        let above = Address { level: self.level + 1, page: self.page / WIDTH };
        (above, (self.page % WIDTH) as usize)
    }

    /// The page that a slot of an upper page tells of.
    pub fn child(self, slot: usize) -> Address {
        Address { level: self.level - 1, page: self.page * WIDTH + slot as u64 }
    }

    /// The heap page that a slot of a page on level 0 tells of. `None`: no table is that large.
    pub fn heap_block(self, slot: usize) -> Option<BlockNo> {
        BlockNo::try_from(self.page * WIDTH + slot as u64).ok()
    }

    /// Its block in the fork. `None`: no fork is that large.
    pub fn block(self) -> Option<BlockNo> {
        // The first page of level 0 under this one, then the pages of all levels up to it.
        let mut leaf = (0..self.level).fold(self.page, |page, _| page * WIDTH);
        let mut pages = 0;
        for _ in 0..=ROOT_LEVEL {
            pages += leaf + 1;
            leaf /= WIDTH;
        }
        BlockNo::try_from(pages - 1 - u64::from(self.level)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_stand_before_their_children_without_holes() {
        assert_eq!(Address::ROOT.block(), Some(0));
        assert_eq!(Address { level: 1, page: 0 }.block(), Some(1));
        let mut next = 2;
        for page in 0..2 * WIDTH {
            if page == WIDTH {
                assert_eq!(Address { level: 1, page: 1 }.block(), Some(next));
                next += 1;
            }
            assert_eq!(Address { level: 0, page }.block(), Some(next));
            next += 1;
        }
    }

    #[test]
    fn up_and_down_are_inverse() {
        for block in [0, 1, 4056, 4057, 1 << 24, BlockNo::MAX] {
            let (leaf, slot) = Address::of_heap_block(block);
            assert_eq!(leaf.heap_block(slot), Some(block));
            let (middle, middle_slot) = leaf.parent();
            let (root, root_slot) = middle.parent();
            assert_eq!(root, Address::ROOT);
            assert_eq!(root.child(root_slot), middle);
            assert_eq!(middle.child(middle_slot), leaf);
            assert!(leaf.block().is_some());
        }
    }
}
