//! The eight lock modes and PostgreSQL's table of which conflict.

use std::fmt;

/// A heavyweight lock's mode, weakest first; the number is PostgreSQL's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum LockMode {
    /// `SELECT`
    AccessShare = 1,
    /// `SELECT … FOR UPDATE`
    RowShare = 2,
    /// `INSERT`, `UPDATE`, `DELETE`, `COPY FROM`
    RowExclusive = 3,
    /// `VACUUM`, `ANALYZE`
    ShareUpdateExclusive = 4,
    /// `CREATE INDEX`
    Share = 5,
    /// `CREATE TRIGGER`
    ShareRowExclusive = 6,
    /// `REFRESH MATERIALIZED VIEW CONCURRENTLY`
    Exclusive = 7,
    /// `DROP TABLE`, `TRUNCATE`, `ALTER TABLE`
    AccessExclusive = 8,
}

use LockMode::*;

/// Row by mode: the modes that conflict with it.
const CONFLICTS: [&[LockMode]; 8] = [
    &[AccessExclusive],
    &[Exclusive, AccessExclusive],
    &[Share, ShareRowExclusive, Exclusive, AccessExclusive],
    &[ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive],
    &[RowExclusive, ShareUpdateExclusive, ShareRowExclusive, Exclusive, AccessExclusive],
    &[RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive],
    &[
        RowShare,
        RowExclusive,
        ShareUpdateExclusive,
        Share,
        ShareRowExclusive,
        Exclusive,
        AccessExclusive,
    ],
    &LockMode::ALL,
];

impl LockMode {
    /// Every mode, weakest first.
    pub const ALL: [LockMode; 8] = [
        AccessShare,
        RowShare,
        RowExclusive,
        ShareUpdateExclusive,
        Share,
        ShareRowExclusive,
        Exclusive,
        AccessExclusive,
    ];

    /// The name in `pg_locks`.
    pub fn name(self) -> &'static str {
        [
            "AccessShareLock",
            "RowShareLock",
            "RowExclusiveLock",
            "ShareUpdateExclusiveLock",
            "ShareLock",
            "ShareRowExclusiveLock",
            "ExclusiveLock",
            "AccessExclusiveLock",
        ][self.index()]
    }

    /// Whether two processes cannot hold these modes of one lock at once.
    pub fn conflicts_with(self, other: LockMode) -> bool {
        self.conflicts().has(other)
    }

    /// The mode of that number, if there is one.
    pub fn from_number(number: u8) -> Option<LockMode> {
        LockMode::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    pub(crate) fn index(self) -> usize {
        self as usize - 1
    }

    /// The modes that conflict with this one.
    pub(crate) fn conflicts(self) -> Modes {
        const TABLE: [Modes; 8] = {
            let mut table = [Modes(0); 8];
            let mut row = 0;
            while row < 8 {
                let mut column = 0;
                while column < CONFLICTS[row].len() {
                    table[row].0 |= 1 << (CONFLICTS[row][column] as u8 - 1);
                    column += 1;
                }
                row += 1;
            }
            table
        };
        TABLE[self.index()]
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of modes, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Modes(pub u32);

impl Modes {
    pub fn has(self, mode: LockMode) -> bool {
        self.0 & 1 << mode.index() != 0
    }

    pub fn with(self, mode: LockMode) -> Modes {
        Modes(self.0 | 1 << mode.index())
    }

    pub fn without(self, mode: LockMode) -> Modes {
        self.minus(Modes::default().with(mode))
    }

    pub fn minus(self, other: Modes) -> Modes {
        Modes(self.0 & !other.0)
    }

    pub fn meets(self, other: Modes) -> bool {
        self.0 & other.0 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = LockMode> {
        LockMode::ALL.into_iter().filter(move |mode| self.has(*mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manual's table 13.2, row by row; `X` conflicts.
    const MANUAL: [&str; 8] = [
        ".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX",
        "XXXXXXXX",
    ];

    #[test]
    fn conflicts_are_those_of_the_manual() {
        for (mode, row) in LockMode::ALL.into_iter().zip(MANUAL) {
            for (other, cell) in LockMode::ALL.into_iter().zip(row.chars()) {
                assert_eq!(mode.conflicts_with(other), cell == 'X', "{mode} and {other}");
                assert_eq!(mode.conflicts_with(other), other.conflicts_with(mode));
            }
        }
    }

    #[test]
    fn numbers_round_trip() {
        for mode in LockMode::ALL {
            assert_eq!(LockMode::from_number(mode as u8), Some(mode));
            assert_eq!(Modes::default().with(mode).iter().collect::<Vec<_>>(), [mode]);
        }
        assert_eq!(LockMode::from_number(0), None);
        assert_eq!(LockMode::from_number(9), None);
    }
}
