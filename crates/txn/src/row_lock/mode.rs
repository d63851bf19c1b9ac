//! The four strengths of a row lock, and which exclude each other.

/// How strongly a row is locked, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum RowLockMode {
    /// `FOR KEY SHARE`: the row stays, and so does its key. What a foreign key needs.
    KeyShare = 0,
    /// `FOR SHARE`: the row stays as it is.
    Share = 1,
    /// `FOR NO KEY UPDATE`, and an UPDATE that leaves the key as it is.
    NoKeyUpdate = 2,
    /// `FOR UPDATE`, DELETE, and an UPDATE of the key.
    Update = 3,
}

use RowLockMode::*;

impl RowLockMode {
    /// Every mode, weakest first.
    pub const ALL: [RowLockMode; 4] = [KeyShare, Share, NoKeyUpdate, Update];

    /// The mode of the lowest two bits.
    pub fn from_bits(bits: u16) -> RowLockMode {
        RowLockMode::ALL[usize::from(bits & 3)]
    }

    /// Whether two transactions cannot hold these on one row at once: the manual's table 13.3.
    pub fn conflicts_with(self, other: RowLockMode) -> bool {
        self as u8 + other as u8 >= 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manual's table 13.3, row by row; `X` conflicts.
    const MANUAL: [&str; 4] = ["...X", "..XX", ".XXX", "XXXX"];

    #[test]
    fn conflicts_are_those_of_the_manual() {
        for (mode, row) in RowLockMode::ALL.into_iter().zip(MANUAL) {
            for (other, cell) in RowLockMode::ALL.into_iter().zip(row.chars()) {
                assert_eq!(mode.conflicts_with(other), cell == 'X', "{mode:?} and {other:?}");
            }
            assert_eq!(RowLockMode::from_bits(mode as u16 | 4), mode);
        }
    }
}
