//! The log records of transactions.
//!
//! ```text
//! COMMIT       a block for each status page: its data lists the places (u16 each) that committed
//! ABORT        no block
//!   main data of both, little-endian
//!     0  time           i64   microseconds since 2000-01-01 UTC
//!     8  dropped        u32   how many of each follow:
//!    12  created        u32
//!    16  subxids        u32
//!    20  invalidations  u32
//!    24  flushed        u64   up to where the log was durable when the transaction ended
//!    32  relation files to remove (u64 each): those dropped, then those created
//!        subtransactions (u64 each)
//!        relations whose entries in the system tables changed (u32 each)
//! STATUS_PAGE  one block, made anew: a status page without any transaction
//! STATUS_BEGINS one block, the first status page; main data: where the status begins, xid u64
//! COUNTERS     no block; main data: next object identifier u64, next relation file number u64
//! ```
//!
//! Redo of COMMIT removes the files dropped, redo of ABORT those created. The flush position is for
//! a log that turns out damaged: a record behind the damage proves with it that the log had been
//! durable there.

use types::{BlockNo, Lsn, Oid, RelFileNumber, Xid};
use wal::DecodedRecord;

use crate::status::Place;

/// Kinds of records of [`wal::Rmgr::Xact`].
pub mod kind {
    /// A transaction committed.
    pub const COMMIT: u8 = 0;
    /// A transaction rolled back.
    pub const ABORT: u8 = 1;
    /// A status page was made.
    pub const STATUS_PAGE: u8 = 2;
    /// Object identifiers and relation file numbers below these may have been handed out.
    pub const COUNTERS: u8 = 3;
    /// The status of transactions below this one is not needed any more.
    pub const STATUS_BEGINS: u8 = 4;
}

/// The name of a kind of record, as `waldump` prints it.
pub fn kind_name(number: u8) -> &'static str {
    match number {
        kind::COMMIT => "COMMIT",
        kind::ABORT => "ABORT",
        kind::STATUS_PAGE => "STATUS_PAGE",
        kind::COUNTERS => "COUNTERS",
        kind::STATUS_BEGINS => "STATUS_BEGINS",
        _ => "UNKNOWN",
    }
}

const FIXED: usize = 32;

/// What the end of a transaction says in the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ending {
    /// When, in microseconds since 2000-01-01 UTC.
    pub time: i64,
    /// Up to where the log was durable then.
    pub flushed: Lsn,
    /// Relation files that go away with a commit.
    pub dropped: Vec<RelFileNumber>,
    /// Relation files that go away with an abort.
    pub created: Vec<RelFileNumber>,
    /// Subtransactions that end the same way.
    pub subxids: Vec<Xid>,
    /// Relations whose entries in the system tables changed.
    pub invalidations: Vec<Oid>,
}

impl Ending {
    /// The main data of a COMMIT or ABORT record.
    pub fn encode(&self) -> Vec<u8> {
        let counts =
            [self.dropped.len(), self.created.len(), self.subxids.len(), self.invalidations.len()];
        let mut bytes = Vec::with_capacity(FIXED + 8 * counts.iter().sum::<usize>());
        bytes.extend_from_slice(&self.time.to_le_bytes());
        counts.iter().for_each(|&n| bytes.extend_from_slice(&(n as u32).to_le_bytes()));
        bytes.extend_from_slice(&self.flushed.0.to_le_bytes());
        let files = self.dropped.iter().chain(&self.created).map(|file| file.0);
        let wide = files.chain(self.subxids.iter().map(|xid| xid.0));
        wide.for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        self.invalidations.iter().for_each(|oid| bytes.extend_from_slice(&oid.0.to_le_bytes()));
        bytes
    }

    /// Reads what [`Ending::encode`] wrote; `None`: it is something else.
    pub fn decode(data: &[u8]) -> Option<Ending> {
        let (fixed, rest) = data.split_at_checked(FIXED)?;
        let count = |at| Some(u32_of(fixed.get(at..at + 4)?) as usize);
        let (dropped, created) = (count(8)?, count(12)?);
        let (subxids, invalidations) = (count(16)?, count(20)?);
        let wide = dropped.checked_add(created)?.checked_add(subxids)?.checked_mul(8)?;
        let (wide, narrow) = rest.split_at_checked(wide)?;
        if narrow.len() != invalidations.checked_mul(4)? {
            return None;
        }
        let mut numbers = wide.chunks_exact(8).map(u64_of);
        Some(Ending {
            time: u64_of(&fixed[..8]) as i64,
            flushed: Lsn(u64_of(&fixed[24..32])),
            dropped: numbers.by_ref().take(dropped).map(RelFileNumber).collect(),
            created: numbers.by_ref().take(created).map(RelFileNumber).collect(),
            subxids: numbers.map(Xid).collect(),
            invalidations: narrow.chunks_exact(4).map(|oid| Oid(u32_of(oid))).collect(),
        })
    }
}

/// The places on a status page that a COMMIT's block lists.
pub(crate) fn places(record: &DecodedRecord, number: usize) -> Vec<u16> {
    let two = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    record.block_data(number).chunks_exact(2).map(two).collect()
}

/// The main data of a COUNTERS record.
pub(crate) fn encode_counters(oid: u64, relfile: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&oid.to_le_bytes());
    bytes[8..].copy_from_slice(&relfile.to_le_bytes());
    bytes
}

/// The next object identifier and relation file number of a COUNTERS record.
pub(crate) fn decode_counters(data: &[u8]) -> Option<(u64, u64)> {
    (data.len() == 16).then(|| (u64_of(&data[..8]), u64_of(&data[8..])))
}

/// Where the status begins by a STATUS_BEGINS record.
pub(crate) fn status_begins(record: &DecodedRecord) -> Option<Xid> {
    let data = record.data();
    (record.kind() == kind::STATUS_BEGINS && data.len() == 8).then(|| Xid(u64_of(data)))
}

/// The status pages from 1 up to this one are gone from a STATUS_BEGINS record on.
pub fn status_cut(record: &DecodedRecord) -> Option<BlockNo> {
    Some(Place::of(status_begins(record)?).tag().ok()?.block)
}

/// What a record of this room says, for `waldump`.
pub fn describe(record: &DecodedRecord) -> String {
    match record.kind() {
        kind::COMMIT | kind::ABORT => match Ending::decode(record.data()) {
            Some(ending) => describe_ending(&ending),
            None => "damaged".to_owned(),
        },
        kind::COUNTERS => match decode_counters(record.data()) {
            Some((oid, relfile)) => format!("next oid {oid}, next relation file {relfile}"),
            None => "damaged".to_owned(),
        },
        kind::STATUS_BEGINS => match status_begins(record) {
            Some(begins) => format!("at transaction {begins}"),
            None => "damaged".to_owned(),
        },
        _ => String::new(),
    }
}

fn describe_ending(ending: &Ending) -> String {
    let mut text = format!("time {}", ending.time);
    let mut list = |name: &str, numbers: Vec<String>| {
        if !numbers.is_empty() {
            text.push_str(&format!("; {name}: {}", numbers.join(" ")));
        }
    };
    list("dropped", ending.dropped.iter().map(ToString::to_string).collect());
    list("created", ending.created.iter().map(ToString::to_string).collect());
    list("subxids", ending.subxids.iter().map(ToString::to_string).collect());
    list("invalidations", ending.invalidations.iter().map(|oid| oid.0.to_string()).collect());
    text
}

fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("the caller cut 4 bytes"))
}

fn u64_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("the caller cut 8 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Ending {
        Ending {
            time: -5,
            flushed: Lsn(77),
            dropped: vec![RelFileNumber(100), RelFileNumber(1 << 40)],
            created: vec![RelFileNumber(7)],
            subxids: vec![Xid(9), Xid(10)],
            invalidations: vec![Oid(16384)],
        }
    }

    #[test]
    fn an_ending_round_trips() {
        for ending in [Ending::default(), example()] {
            assert_eq!(Ending::decode(&ending.encode()), Some(ending));
        }
        assert_eq!(
            describe_ending(&example()),
            "time -5; dropped: 100 1099511627776; created: 7; subxids: 9 10; invalidations: 16384"
        );
    }

    #[test]
    fn a_damaged_ending_is_refused() {
        let bytes = example().encode();
        for length in 0..bytes.len() {
            assert_eq!(Ending::decode(&bytes[..length]), None, "{length}");
        }
        for at in 8..24 {
            let mut bytes = bytes.clone();
            bytes[at] = 0xFF;
            assert_eq!(Ending::decode(&bytes), None, "{at}");
        }
    }

    #[test]
    fn counters_round_trip() {
        assert_eq!(decode_counters(&encode_counters(16384, 1 << 50)), Some((16384, 1 << 50)));
        assert_eq!(decode_counters(&[0; 15]), None);
    }
}
