//! The dead line pointers that a vacuum has found, until their index entries are gone.

use types::{BlockNo, TupleId};

/// Places of dead rows, in their order. What it holds is bounded by the vacuum that fills it.
#[derive(Debug, Default)]
pub struct DeadItems {
    /// Each block, and where its offsets begin in `offsets`.
    blocks: Vec<(BlockNo, u32)>,
    offsets: Vec<u16>,
}

impl DeadItems {
    /// Whether the row at a place is dead: index entries that lead there are to be removed.
    pub fn contains(&self, place: TupleId) -> bool {
        let found = self.blocks.binary_search_by_key(&place.block, |(block, _)| *block);
        found.is_ok_and(|at| self.offsets_of(at).binary_search(&place.offset).is_ok())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Bytes that they take.
    pub(super) fn size(&self) -> usize {
        self.blocks.len() * size_of::<(BlockNo, u32)>() + self.offsets.len() * size_of::<u16>()
    }

    /// Adds those of a block behind all others, in their order.
    pub(super) fn push(&mut self, block: BlockNo, offsets: impl Iterator<Item = u16>) {
        debug_assert!(self.blocks.last().is_none_or(|(last, _)| *last < block), "in order");
        let start = self.offsets.len();
        self.offsets.extend(offsets);
        if self.offsets.len() > start {
            self.blocks.push((block, start as u32));
        }
    }

    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        self.offsets.clear();
    }

    /// Each block, and its offsets.
    pub(super) fn by_block(&self) -> impl Iterator<Item = (BlockNo, &[u16])> {
        self.blocks.iter().enumerate().map(|(at, (block, _))| (*block, self.offsets_of(at)))
    }

    fn offsets_of(&self, at: usize) -> &[u16] {
        let end = self.blocks.get(at + 1).map_or(self.offsets.len(), |(_, start)| *start as usize);
        &self.offsets[self.blocks[at].1 as usize..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_in_and_nothing_else_is() {
        let mut dead = DeadItems::default();
        dead.push(3, [1, 7].into_iter());
        dead.push(4, [].into_iter());
        dead.push(9, [7].into_iter());
        let all = (0..12).flat_map(|block| (0..9).map(move |offset| TupleId { block, offset }));
        let found: Vec<_> = all.filter(|place| dead.contains(*place)).collect();
        let place = |block, offset| TupleId { block, offset };
        assert_eq!(found, [place(3, 1), place(3, 7), place(9, 7)]);
        assert_eq!((dead.len(), dead.is_empty()), (3, false));
        let blocks: Vec<_> = dead.by_block().collect();
        assert_eq!(blocks, [(3, &[1, 7][..]), (9, &[7][..])]);
        dead.clear();
        assert!(dead.is_empty() && dead.size() == 0);
    }
}
