//! What a heavyweight lock is on.

use std::fmt;

use types::{Oid, Xid};

/// The thing that a heavyweight lock protects.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LockTag {
    /// A table.
    Relation(Oid),
    /// A name that someone is about to give to a thing: [`LockTag::name`].
    Name(u64),
    /// A transaction: its owner holds it, and whoever waits for its end waits for it. Such locks
    /// appear in the views and in reports of deadlocks; they need no entry in the lock table.
    Transaction(Xid),
}

const RELATION: u64 = 1;
const NAME: u64 = 2;
const TRANSACTION: u64 = 3;

impl LockTag {
    /// The tag of the name of a thing in a schema. Two names may share one; that costs a wait.
    pub fn name(schema: &str, name: &str) -> LockTag {
        // FNV-1a; the zero byte cannot stand in a name.
        let bytes = schema.bytes().chain([0]).chain(name.bytes());
        LockTag::Name(bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        }))
    }

    /// The `locktype` column of `pg_locks`.
    pub fn type_name(self) -> &'static str {
        match self {
            LockTag::Relation(_) => "relation",
            LockTag::Name(_) => "object",
            LockTag::Transaction(_) => "transactionid",
        }
    }

    /// As two words of shared memory: kind, then number.
    pub(crate) fn words(self) -> [u64; 2] {
        match self {
            LockTag::Relation(oid) => [RELATION, u64::from(oid.0)],
            LockTag::Name(hash) => [NAME, hash],
            LockTag::Transaction(xid) => [TRANSACTION, xid.0],
        }
    }

    /// The tag of two words that [`LockTag::words`] made.
    pub(crate) fn from_words([kind, number]: [u64; 2]) -> Option<LockTag> {
        match kind {
            RELATION => Some(LockTag::Relation(Oid(u32::try_from(number).ok()?))),
            NAME => Some(LockTag::Name(number)),
            TRANSACTION => Some(LockTag::Transaction(Xid(number))),
            _ => None,
        }
    }

    pub(crate) fn hash(self) -> u64 {
        let [kind, number] = self.words();
        // Fibonacci hashing; the high bits are the well mixed ones.
        let mixed = (number ^ kind << 61).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ mixed >> 32
    }
}

impl fmt::Display for LockTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockTag::Relation(oid) => write!(f, "relation {}", oid.0),
            LockTag::Name(hash) => write!(f, "name {hash:016x}"),
            LockTag::Transaction(xid) => write!(f, "transaction {xid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_nothing_else_is_a_tag() {
        for tag in [
            LockTag::Relation(Oid(u32::MAX)),
            LockTag::name("public", "t"),
            LockTag::Transaction(Xid(1 << 40)),
        ] {
            assert_eq!(LockTag::from_words(tag.words()), Some(tag));
        }
        assert_eq!(LockTag::from_words([0, 0]), None);
        assert_eq!(LockTag::from_words([RELATION, 1 << 32]), None);
    }

    #[test]
    fn schema_and_name_do_not_run_together() {
        assert_ne!(LockTag::name("a", "bc"), LockTag::name("ab", "c"));
    }
}
