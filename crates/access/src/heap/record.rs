//! The heap's log records, byte by byte.
//!
//! ```text
//! kind          main data                                      data of the blocks
//! INSERT        offset u16, cid u32                            0: version
//! MULTI_INSERT  cid u32                                        0: (offset u16, length u16, version)…
//! DELETE        offset u16, cid u32, [old version]             0: nothing
//! UPDATE        old offset u16, new offset u16, cid u32,       0 (new page): version
//!               hold u8, [old version]                         1 (old page, if another): nothing
//! HOT_UPDATE    as UPDATE                                      0: version
//! LOCK          offset u16, hold u8, holder u64 or 0           0: nothing
//! PRUNE         newest removed xid u64, next prune xid u64,    0: lists
//!               visible xid u64
//!
//! lists: redirects u16, dead u16, unused u16 (how many of each), then (root offset u16, target
//!        offset u16) for each redirect, dead offset u16…, unused offset u16…, settled offset u16…
//!
//! version: infomask u16, natts u16, hoff u8, then the null bitmap and the values
//! ```
//!
//! The transaction that makes or ends a version is the record's own. A version's infomask has its
//! shape and what was known of its maker when it was made, nothing of its end. Old versions are there under
//! `wal_level = logical`; then the new ones stay in the record also beside an image of their page.
//!
//! What PRUNE does to the line pointers is told in `plan`: roots are redirected or become dead,
//! others become unused; of settled versions the end is taken away, as it means nothing.
//!
//! Hold: how strongly, 2 bits; 4: others may hold locks of the version besides. LOCK without a holder
//! adds that mark only. Locks end with a crash: these are logged so that redo makes the pages that
//! there were, and so that no xid on a page is unknown to the log.
//!
//! An UPDATE must become visible on the new page first, then on the old one: block 0 before
//! block 1. Redo of either needs nothing of the other: the new place of the row stands in the
//! record (block reference 0 and the new offset).
//!
//! A block of the visibility map may stand behind the others of any record: its data is a mark u8 (0
//! clear, 1 set) and heap blocks u32…. It is cleared with what ends a page's being all-visible, and
//! set by PRUNE: then the visible xid is that of the page's youngest version, else 0. Redo of the
//! heap's block comes first, so that the map never says more than the page's flag.
//!
//! What PRUNE removes could still be seen by snapshots older than its xid: a standby must end
//! those first.

use smallvec::SmallVec;
use txn::RowLockMode;
use types::{TupleId, Xid};

use super::page;
use super::plan::Plan;
use crate::codec::{Fields, Short};
use crate::tuple::{HEADER_SIZE, Header};

/// Kinds of records of `Rmgr::Heap`.
pub mod kind {
    /// A row version was added.
    pub const INSERT: u8 = 0;
    /// Several row versions were added to one page.
    pub const MULTI_INSERT: u8 = 1;
    /// A row version was deleted.
    pub const DELETE: u8 = 2;
    /// A row version was replaced by another.
    pub const UPDATE: u8 = 3;
    /// Versions that nobody can see were removed.
    pub const PRUNE: u8 = 4;
    /// A row version was replaced by a heap-only one on the same page.
    pub const HOT_UPDATE: u8 = 5;
    /// A row version was locked.
    pub const LOCK: u8 = 6;

    /// The name of a kind for `waldump`.
    pub fn name(kind: u8) -> &'static str {
        match kind {
            INSERT => "INSERT",
            MULTI_INSERT => "MULTI_INSERT",
            DELETE => "DELETE",
            UPDATE => "UPDATE",
            PRUNE => "PRUNE",
            HOT_UPDATE => "HOT_UPDATE",
            LOCK => "LOCK",
            _ => "UNKNOWN",
        }
    }
}

/// Bytes before the null bitmap of a version in a record.
pub(crate) const VERSION_PREFIX: usize = 5;

/// The first bytes of a version as records have them; the version's own bytes from
/// [`HEADER_SIZE`] on follow.
pub(crate) fn version_prefix(header: &Header) -> [u8; VERSION_PREFIX] {
    let [mask_low, mask_high] = header.infomask.to_le_bytes();
    let [natts_low, natts_high] = header.natts.to_le_bytes();
    [mask_low, mask_high, natts_low, natts_high, header.hoff]
}

/// A version as it stands in a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version<'a> {
    infomask: u16,
    natts: u16,
    hoff: u8,
    rest: &'a [u8],
}

impl<'a> Version<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Version<'a>, Short> {
        let mut fields = Fields(bytes);
        let (infomask, natts, hoff) = (fields.u16()?, fields.u16()?, fields.u8()?);
        Ok(Version { infomask, natts, hoff, rest: fields.rest() })
    }

    /// The bytes for the page.
    pub fn build(&self, xmin: Xid, cid: u32, place: TupleId, out: &mut Vec<u8>) {
        let header = Header {
            xmin,
            xmax: Xid::INVALID,
            cid,
            ctid: place,
            infomask: self.infomask,
            natts: self.natts,
            hoff: self.hoff,
        };
        let mut fixed = [0; HEADER_SIZE];
        header.write(&mut fixed);
        out.clear();
        out.extend_from_slice(&fixed);
        out.extend_from_slice(self.rest);
    }
}

/// Main data of INSERT.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Insert {
    pub offset: u16,
    pub cid: u32,
}

impl Insert {
    pub fn encode(&self) -> [u8; 6] {
        let mut bytes = [0; 6];
        bytes[..2].copy_from_slice(&self.offset.to_le_bytes());
        bytes[2..].copy_from_slice(&self.cid.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Insert, Short> {
        let mut fields = Fields(bytes);
        Ok(Insert { offset: fields.u16()?, cid: fields.u32()? })
    }
}

/// One version of a MULTI_INSERT, appended to the block's data.
pub(crate) fn push_multi(data: &mut Vec<u8>, offset: u16, header: &Header, tuple: &[u8]) {
    let rest = &tuple[HEADER_SIZE..];
    let length = (VERSION_PREFIX + rest.len()) as u16;
    data.extend_from_slice(&offset.to_le_bytes());
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(&version_prefix(header));
    data.extend_from_slice(rest);
}

/// Takes the next version off a MULTI_INSERT's block data.
pub(crate) fn next_multi<'a>(fields: &mut Fields<'a>) -> Result<Option<(u16, Version<'a>)>, Short> {
    if fields.is_empty() {
        return Ok(None);
    }
    let offset = fields.u16()?;
    let length = usize::from(fields.u16()?);
    Ok(Some((offset, Version::read(fields.bytes(length)?)?)))
}

/// Main data of DELETE without the old version.
pub(crate) type Delete = Insert;

/// Main data of UPDATE without the old version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub old_offset: u16,
    pub new_offset: u16,
    pub cid: u32,
    pub hold: Hold,
}

impl Update {
    pub fn encode(&self) -> [u8; 9] {
        let mut bytes = [0; 9];
        bytes[..2].copy_from_slice(&self.old_offset.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.new_offset.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.cid.to_le_bytes());
        bytes[8] = self.hold.encode();
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Update, Short> {
        let mut fields = Fields(bytes);
        let (old_offset, new_offset, cid) = (fields.u16()?, fields.u16()?, fields.u32()?);
        Ok(Update { old_offset, new_offset, cid, hold: Hold::decode(fields.u8()?) })
    }
}

/// How a version is held by who stands in it, and whether by others besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub strength: RowLockMode,
    pub more_lockers: bool,
}

const MORE_LOCKERS: u8 = 4;

impl Hold {
    fn encode(self) -> u8 {
        self.strength as u8 | if self.more_lockers { MORE_LOCKERS } else { 0 }
    }

    fn decode(byte: u8) -> Hold {
        let strength = RowLockMode::from_bits(u16::from(byte));
        Hold { strength, more_lockers: byte & MORE_LOCKERS != 0 }
    }
}

/// Main data of LOCK.
pub(crate) fn encode_lock(offset: u16, lock: page::Lock) -> [u8; 11] {
    let (holder, strength) = lock.holder.unwrap_or((Xid::INVALID, RowLockMode::KeyShare));
    let mut bytes = [0; 11];
    bytes[..2].copy_from_slice(&offset.to_le_bytes());
    bytes[2] = Hold { strength, more_lockers: lock.more_lockers }.encode();
    bytes[3..].copy_from_slice(&holder.0.to_le_bytes());
    bytes
}

/// The offset, and what [`encode_lock`] was told.
pub(crate) fn decode_lock(bytes: &[u8]) -> Result<(u16, page::Lock), Short> {
    let mut fields = Fields(bytes);
    let (offset, hold, holder) = (fields.u16()?, Hold::decode(fields.u8()?), Xid(fields.u64()?));
    let holder = holder.is_valid().then_some((holder, hold.strength));
    Ok((offset, page::Lock { holder, more_lockers: hold.more_lockers }))
}

/// Main data of PRUNE.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prune {
    /// The youngest transaction that deleted one of the versions removed.
    pub newest_removed: Xid,
    /// The page's `prune_xid` afterwards.
    pub prune_xid: Xid,
    /// The youngest transaction that made one of the versions left, if everybody sees them all.
    pub visible: Xid,
}

impl Prune {
    pub fn of(plan: &Plan) -> Prune {
        let Plan { newest_removed, prune_xid, visible, .. } = *plan;
        Prune { newest_removed, prune_xid, visible }
    }

    pub fn encode(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.newest_removed.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.prune_xid.0.to_le_bytes());
        bytes[16..].copy_from_slice(&self.visible.0.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Prune, Short> {
        let mut fields = Fields(bytes);
        let [newest_removed, prune_xid, visible] = [fields.u64()?, fields.u64()?, fields.u64()?];
        let (newest_removed, prune_xid) = (Xid(newest_removed), Xid(prune_xid));
        Ok(Prune { newest_removed, prune_xid, visible: Xid(visible) })
    }
}

/// What PRUNE does to its page's line pointers, as block data.
pub(crate) fn encode_lists(plan: &Plan) -> SmallVec<[u8; 128]> {
    let mut bytes = SmallVec::new();
    let mut push = |word: u16| bytes.extend_from_slice(&word.to_le_bytes());
    // A page has a few hundred line pointers.
    push(plan.redirects.len() as u16);
    push(plan.dead.len() as u16);
    push(plan.unused.len() as u16);
    plan.redirects.iter().flat_map(|&(root, target)| [root, target]).for_each(&mut push);
    plan.dead.iter().chain(&plan.unused).chain(&plan.settled).for_each(|&offset| push(offset));
    bytes
}

/// Reads what [`encode_lists`] wrote into a plan.
pub(crate) fn decode_lists(main: &Prune, bytes: &[u8]) -> Result<Plan, Short> {
    let mut fields = Fields(bytes);
    let counts = [fields.u16()?, fields.u16()?, fields.u16()?];
    let mut plan = Plan {
        newest_removed: main.newest_removed,
        prune_xid: main.prune_xid,
        visible: main.visible,
        ..Plan::default()
    };
    for _ in 0..counts[0] {
        plan.redirects.push((fields.u16()?, fields.u16()?));
    }
    for _ in 0..counts[1] {
        plan.dead.push(fields.u16()?);
    }
    for _ in 0..counts[2] {
        plan.unused.push(fields.u16()?);
    }
    while !fields.is_empty() {
        plan.settled.push(fields.u16()?);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuple::infomask;

    fn header() -> Header {
        Header {
            xmin: Xid(9),
            xmax: Xid::INVALID,
            cid: 4,
            ctid: TupleId { block: 3, offset: 2 },
            infomask: infomask::HAS_NULL,
            natts: 2,
            hoff: 33,
        }
    }

    #[test]
    fn a_version_is_built_anew_as_it_was() {
        let mut tuple = vec![0; HEADER_SIZE];
        header().write((&mut tuple[..]).try_into().expect("32 bytes"));
        tuple.extend_from_slice(&[1, 2, 3]);
        let mut data = Vec::new();
        push_multi(&mut data, 2, &header(), &tuple);
        let mut fields = Fields(&data);
        let (offset, version) = next_multi(&mut fields).expect("whole").expect("one");
        let mut built = Vec::new();
        version.build(Xid(9), 4, TupleId { block: 3, offset }, &mut built);
        assert_eq!(built, tuple);
        assert_eq!(next_multi(&mut fields), Ok(None));
        for length in 1..data.len() {
            assert_eq!(next_multi(&mut Fields(&data[..length])), Err(Short), "{length}");
        }
    }

    #[test]
    fn main_data_reads_back() {
        let hold = Hold { strength: RowLockMode::NoKeyUpdate, more_lockers: true };
        let update = Update { old_offset: 1, new_offset: 500, cid: u32::MAX, hold };
        assert_eq!(Update::decode(&update.encode()), Ok(update));
        for holder in [None, Some((Xid(1 << 40), RowLockMode::Share))] {
            let lock = page::Lock { holder, more_lockers: holder.is_none() };
            assert_eq!(decode_lock(&encode_lock(7, lock)), Ok((7, lock)));
        }
        assert_eq!(decode_lock(&[0; 10]), Err(Short));
        let insert = Insert { offset: 7, cid: 1 };
        assert_eq!(Insert::decode(&insert.encode()), Ok(insert));
        let prune = Prune { newest_removed: Xid(1), prune_xid: Xid(u64::MAX), visible: Xid(7) };
        assert_eq!(Prune::decode(&prune.encode()), Ok(prune));
        let plan = Plan {
            redirects: [(1, 4)].into_iter().collect(),
            dead: [7, 9].into_iter().collect(),
            unused: [2, 3, 5].into_iter().collect(),
            settled: [6].into_iter().collect(),
            removed: 0,
            newest_removed: Xid(8),
            prune_xid: Xid(9),
            visible: Xid(7),
        };
        let lists = encode_lists(&plan);
        assert_eq!(decode_lists(&Prune::of(&plan), &lists).as_ref(), Ok(&plan));
        for length in (0..lists.len() - 2).chain([lists.len() - 1]) {
            assert_eq!(decode_lists(&Prune::of(&plan), &lists[..length]), Err(Short), "{length}");
        }
        assert_eq!(Prune::decode(&[0; 23]), Err(Short));
        assert_eq!(Update::decode(&[0; 8]), Err(Short));
        assert_eq!(Insert::decode(&[0; 5]), Err(Short));
    }
}
