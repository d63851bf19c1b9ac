//! What a heavyweight lock is on.

use std::fmt;
use std::hash::{Hash, Hasher};

use types::{Oid, TupleId, Xid};

/// The oid of the only database, as views and reports show it.
pub const DATABASE_OID: Oid = Oid(5);

/// The thing that a heavyweight lock protects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockTag {
    /// A table.
    Relation(Oid),
    /// A version of a row of a table: a place in the line of those who wait for whoever holds it.
    Tuple(Oid, TupleId),
    /// A name that someone is about to give to a thing: [`LockTag::name`].
    Name(u64),
    /// A transaction: its owner holds it, and whoever waits for its end waits for it. Such locks
    /// appear in the views and in reports of deadlocks; they need no entry in the lock table.
    Transaction(Xid),
    /// A number that applications have agreed upon.
    Advisory(AdvisoryKey),
}

/// What an advisory lock is on. Those of one number and those of two never meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdvisoryKey {
    /// One number.
    One(i64),
    /// Two.
    Two(i32, i32),
}

impl AdvisoryKey {
    /// As `pg_locks` shows it: `classid`, `objid`, `objsubid`.
    pub fn columns(self) -> (u32, u32, i16) {
        match self {
            AdvisoryKey::One(key) => ((key as u64 >> 32) as u32, key as u32, 1),
            AdvisoryKey::Two(first, second) => (first as u32, second as u32, 2),
        }
    }
}

const RELATION: u64 = 1;
const NAME: u64 = 2;
const TRANSACTION: u64 = 3;
const TUPLE: u64 = 4;
const ADVISORY_ONE: u64 = 5;
const ADVISORY_TWO: u64 = 6;

/// Where the first word of a tuple's tag has the number of its line pointer, besides the kind.
const OFFSET_SHIFT: u32 = 16;

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
            LockTag::Tuple(..) => "tuple",
            LockTag::Name(_) => "object",
            LockTag::Transaction(_) => "transactionid",
            LockTag::Advisory(_) => "advisory",
        }
    }

    /// As two words of shared memory: kind, then number.
    pub(crate) fn words(self) -> [u64; 2] {
        match self {
            LockTag::Relation(oid) => [RELATION, u64::from(oid.0)],
            LockTag::Tuple(oid, TupleId { block, offset }) => {
                let first = TUPLE | u64::from(offset) << OFFSET_SHIFT;
                [first, u64::from(oid.0) << 32 | u64::from(block)]
            }
            LockTag::Name(hash) => [NAME, hash],
            LockTag::Transaction(xid) => [TRANSACTION, xid.0],
            LockTag::Advisory(AdvisoryKey::One(key)) => [ADVISORY_ONE, key as u64],
            LockTag::Advisory(AdvisoryKey::Two(first, second)) => {
                [ADVISORY_TWO, u64::from(first as u32) << 32 | u64::from(second as u32)]
            }
        }
    }

    /// The tag of two words that [`LockTag::words`] made.
    pub(crate) fn from_words([kind, number]: [u64; 2]) -> Option<LockTag> {
        match kind {
            RELATION => Some(LockTag::Relation(Oid(u32::try_from(number).ok()?))),
            NAME => Some(LockTag::Name(number)),
            TRANSACTION => Some(LockTag::Transaction(Xid(number))),
            ADVISORY_ONE => Some(LockTag::Advisory(AdvisoryKey::One(number as i64))),
            ADVISORY_TWO => {
                let key = AdvisoryKey::Two((number >> 32) as i32, number as i32);
                Some(LockTag::Advisory(key))
            }
            _ if kind & ((1 << OFFSET_SHIFT) - 1) == TUPLE => {
                let offset = u16::try_from(kind >> OFFSET_SHIFT).ok()?;
                let place = TupleId { block: number as u32, offset };
                Some(LockTag::Tuple(Oid((number >> 32) as u32), place))
            }
            _ => None,
        }
    }

    pub(crate) fn hash(self) -> u64 {
        let [kind, number] = self.words();
        // Fibonacci hashing; the high bits are the well mixed ones.
        let mixed = (number ^ kind.rotate_right(3)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ mixed >> 32
    }
}

impl Hash for LockTag {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(LockTag::hash(*self));
    }
}

impl fmt::Display for LockTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockTag::Relation(oid) => {
                write!(f, "relation {} of database {}", oid.0, DATABASE_OID.0)
            }
            LockTag::Tuple(oid, TupleId { block, offset }) => {
                let (oid, database) = (oid.0, DATABASE_OID.0);
                write!(f, "tuple ({block},{offset}) of relation {oid} of database {database}")
            }
            LockTag::Name(hash) => write!(f, "name {hash:016x}"),
            LockTag::Transaction(xid) => write!(f, "transaction {xid}"),
            LockTag::Advisory(key) => {
                let (class, object, sub) = key.columns();
                write!(f, "advisory lock [{},{class},{object},{sub}]", DATABASE_OID.0)
            }
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
            LockTag::Tuple(Oid(u32::MAX), TupleId { block: u32::MAX, offset: u16::MAX }),
            LockTag::Tuple(Oid(16384), TupleId { block: 0, offset: 1 }),
            LockTag::name("public", "t"),
            LockTag::Transaction(Xid(1 << 40)),
            LockTag::Advisory(AdvisoryKey::One(i64::MIN)),
            LockTag::Advisory(AdvisoryKey::One(-1)),
            LockTag::Advisory(AdvisoryKey::Two(-1, i32::MIN)),
            LockTag::Advisory(AdvisoryKey::Two(7, -1)),
        ] {
            assert_eq!(LockTag::from_words(tag.words()), Some(tag));
        }
        assert_eq!(LockTag::from_words([0, 0]), None);
        assert_eq!(LockTag::from_words([RELATION, 1 << 32]), None);
        assert_eq!(LockTag::from_words([TUPLE | 1 << 32, 0]), None);
        let tuple = LockTag::Tuple(Oid(16384), TupleId { block: 3, offset: 7 });
        assert_eq!(tuple.to_string(), "tuple (3,7) of relation 16384 of database 5");
    }

    #[test]
    fn advisory_locks_are_shown_as_postgresql_shows_them() {
        let shown = |key| LockTag::Advisory(key).to_string();
        assert_eq!(shown(AdvisoryKey::One(7)), "advisory lock [5,0,7,1]");
        assert_eq!(shown(AdvisoryKey::One(-1)), "advisory lock [5,4294967295,4294967295,1]");
        assert_eq!(shown(AdvisoryKey::Two(0, 7)), "advisory lock [5,0,7,2]");
    }

    #[test]
    fn schema_and_name_do_not_run_together() {
        assert_ne!(LockTag::name("a", "bc"), LockTag::name("ab", "c"));
    }
}
