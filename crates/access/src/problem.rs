//! What a checker of a relation's pages has found.

use types::BlockNo;

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The page.
    pub block: BlockNo,
    /// The line pointer, from 1; 0: it is about the page.
    pub offset: u16,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.offset {
            0 => write!(f, "block {}: {}", self.block, self.what),
            offset => write!(f, "block {}, offset {offset}: {}", self.block, self.what),
        }
    }
}
