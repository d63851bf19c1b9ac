//! Identifiers and positions, each a type of its own so that they cannot be mixed up.

use std::fmt;
use std::str::FromStr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A byte position in the one endless stream of the write-ahead log.
///
/// Printed and parsed as PostgreSQL prints it: two hexadecimal halves, `16/B374D848`.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// No position: less than every real one.
    pub const INVALID: Lsn = Lsn(0);

    /// Whether this is a real position.
    pub fn is_valid(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 as u32)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not two hexadecimal numbers of at most eight digits with a slash between them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid log position \"{0}\"")]
pub struct ParseLsnError(String);

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseLsnError(text.to_owned());
        let half = |digits: &str| {
            let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
            if hex && digits.len() <= 8 { u32::from_str_radix(digits, 16).ok() } else { None }
        };
        let (high, low) = text.split_once('/').ok_or_else(fail)?;
        let (high, low) = (half(high).ok_or_else(fail)?, half(low).ok_or_else(fail)?);
        Ok(Lsn(u64::from(high) << 32 | u64::from(low)))
    }
}

/// A transaction id: 64 bits, never reused, so there is no wraparound.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Xid(pub u64);

impl Xid {
    /// No transaction.
    pub const INVALID: Xid = Xid(0);
    /// The transaction that wrote the system tables at `init`: committed before everything.
    pub const BOOTSTRAP: Xid = Xid(1);
    /// The first id that a session can get.
    pub const FIRST_NORMAL: Xid = Xid(3);

    /// Whether this is a real transaction.
    pub fn is_valid(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One history of a database; a later point-in-time recovery starts a new one. The first is 1.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct TimelineId(pub u32);

/// Drawn at `init`; binds control file, log and pages of one database together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct SystemId(pub u64);

/// The identity of a table, column type or other object in the system tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct Oid(pub u32);

/// The number of the file that holds a relation: 64 bits, never reused, not even after a crash.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct RelFileNumber(pub u64);

impl fmt::Display for RelFileNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The place of an 8 KB page in a fork of a relation, from 0.
pub type BlockNo = u32;

/// The files that a relation consists of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Fork {
    /// The rows themselves.
    Main = 0,
    /// The free space map: how much room each page of the main fork has.
    Fsm = 1,
    /// The visibility map.
    Vm = 2,
}

impl Fork {
    /// Every fork, in the order of its number.
    pub const ALL: [Fork; 3] = [Fork::Main, Fork::Fsm, Fork::Vm];

    /// The fork of that number, if there is one.
    pub fn from_number(number: u8) -> Option<Fork> {
        Fork::ALL.get(usize::from(number)).copied()
    }

    /// What stands behind the relation's number in the file name.
    pub fn suffix(self) -> &'static str {
        match self {
            Fork::Main => "",
            Fork::Fsm => "_fsm",
            Fork::Vm => "_vm",
        }
    }
}

/// Which page a buffer holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BufferTag {
    /// The relation's file.
    pub rel: RelFileNumber,
    /// The fork of it.
    pub fork: Fork,
    /// The page in the fork.
    pub block: BlockNo,
}

impl BufferTag {
    /// The page `block` of the main fork of `rel`.
    pub fn main(rel: RelFileNumber, block: BlockNo) -> Self {
        BufferTag { rel, fork: Fork::Main, block }
    }
}

impl fmt::Display for BufferTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} of base/{}{}", self.block, self.rel, self.fork.suffix())
    }
}

/// The place of a row version: its page, and its line pointer in it (from 1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TupleId {
    /// The page in the main fork.
    pub block: BlockNo,
    /// The line pointer in the page, from 1.
    pub offset: u16,
}

impl fmt::Display for TupleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lsn_prints_and_parses_as_postgresql_writes_it() {
        let lsn = Lsn(0x16_B374_D848);
        assert_eq!(lsn.to_string(), "16/B374D848");
        assert_eq!("16/B374D848".parse(), Ok(lsn));
        assert_eq!("0/0".parse(), Ok(Lsn::INVALID));
        for bad in ["", "/", "1", "1/", "/1", "g/1", "1/123456789", "+1/2", "1/2/3"] {
            assert!(bad.parse::<Lsn>().is_err(), "{bad}");
        }
    }

    #[test]
    fn fork_numbers_round_trip() {
        for fork in Fork::ALL {
            assert_eq!(Fork::from_number(fork as u8), Some(fork));
        }
        assert_eq!(Fork::from_number(3), None);
    }
}
