//! What a heap must know of its table besides the columns.

/// The least fill factor that a table may have.
pub const FILL_FACTOR_MIN: u8 = 10;

/// What a heap must know of its table besides the columns: which columns its indexes look at, and
/// how full its pages are to become.
///
/// The caller has read it under the table's lock, and keeps that lock as long as it uses the heap.
/// Whoever changes rows holds ROW EXCLUSIVE, which keeps CREATE INDEX out: so for a writer, no
/// indexed column means that no index entry can lead into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape<'a> {
    /// The columns that any index looks at, its predicate and included columns too; counted from
    /// 0, in any order. None: the table has no index.
    pub indexed: &'a [usize],
    /// Those of them that a unique index looks at: what foreign keys refer to. An UPDATE that leaves
    /// them as they are goes along with KEY SHARE.
    pub keys: &'a [usize],
    /// How full, in percent, an insert may make a page; what is left is for updates.
    pub fill_factor: u8,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Shape { indexed: &[], keys: &[], fill_factor: 100 }
    }
}

impl Shape<'_> {
    /// Whether index entries may lead into the table.
    pub(super) fn is_indexed(&self) -> bool {
        !self.indexed.is_empty()
    }

    /// Bytes that an insert leaves free on a page that has rows already.
    pub(super) fn reserve(&self) -> usize {
        let full = usize::from(self.fill_factor.clamp(FILL_FACTOR_MIN, 100));
        types::PAGE_SIZE * (100 - full) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_factor_keeps_its_part_of_the_page_free() {
        let reserve = |fill_factor| Shape { fill_factor, ..Shape::default() }.reserve();
        assert_eq!(Shape::default().reserve(), 0);
        assert_eq!(reserve(50), types::PAGE_SIZE / 2);
        assert_eq!(reserve(0), reserve(FILL_FACTOR_MIN));
    }
}
