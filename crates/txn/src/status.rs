//! Status pages: two bits for each transaction, durable, in ordinary pages of relation file 1.
//!
//! ```text
//!  page header (32 bytes) | 8160 bytes: 4 transactions each, lowest bits first
//!
//!  xid / 32640 = block      0 absent: runs, or aborted      1 committed
//!  xid % 32640 = place      2 aborted (not written now)     3 damage
//! ```
//!
//! Asked only about transactions below the oldest running one, since a page says "committed"
//! before the commit is flushed. A page that is all zeros though ids of it have been handed out is
//! damaged: read as "absent" it would take back their commits without a word.
//!
//! Pages are made ahead of the ids that need them, under `StatusExtend`, by a record of their own;
//! so a COMMIT always finds its page, and after a crash redo does too: that record lies before the
//! first one that names such an id. If the process dies between extending the file and logging, the
//! page stays zeros, and the next to need it makes it.
//!
//! The pages of transactions that nobody asks for any more are given back: `status_end`.

use std::sync::atomic::Ordering;

use buffer::{BlockFlags, Change, PageAccess, PageBytes, Touched};
use shmem::Rank;
use smallvec::SmallVec;
use types::{BlockNo, BufferTag, PAGE_SIZE, RelFileNumber, Xid};
use wal::Rmgr;

use crate::error::{Error, Result};
use crate::record::kind;
use crate::txn::Txn;

/// The relation file that holds the status pages.
pub const STATUS_RELATION: RelFileNumber = RelFileNumber(1);

const HEADER: usize = buffer::page::PAGE_HEADER_SIZE;
const PER_BYTE: u64 = 4;
const PER_PAGE: u64 = (PAGE_SIZE - HEADER) as u64 * PER_BYTE;
const COMMITTED: u8 = 1;
const DAMAGE: u8 = 3;

const _: () = assert!(PER_PAGE <= 1 << 16, "a place fits in 16 bits");

/// Where a transaction's two bits are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub block: u64,
    pub index: u16,
}

impl Place {
    pub fn of(xid: Xid) -> Place {
        Place { block: xid.0 / PER_PAGE, index: (xid.0 % PER_PAGE) as u16 }
    }

    /// The page; ids beyond 140 billion billion do not fit in a relation.
    pub fn tag(self) -> Result<BufferTag> {
        let too_far = Error::StatusPage { block: BlockNo::MAX, why: "transaction id is too high" };
        let block = BlockNo::try_from(self.block).map_err(|_| too_far)?;
        Ok(BufferTag::main(STATUS_RELATION, block))
    }

    /// Byte in the page, and shift in the byte. An index from a damaged record may lie outside.
    fn bits(self) -> Option<(usize, u32)> {
        let byte = HEADER + usize::from(self.index) / PER_BYTE as usize;
        (byte < PAGE_SIZE).then_some((byte, u32::from(self.index) % PER_BYTE as u32 * 2))
    }
}

/// Places on one page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OnPage {
    pub block: u64,
    pub indexes: SmallVec<[u16; 4]>,
}

impl OnPage {
    pub fn tag(&self) -> Result<BufferTag> {
        Place { block: self.block, index: 0 }.tag()
    }

    /// As a COMMIT's block lists them.
    pub fn encode(&self) -> Vec<u8> {
        self.indexes.iter().flat_map(|index| index.to_le_bytes()).collect()
    }
}

/// The places of a transaction and of its subtransactions, whose ids rise, page by page.
pub(crate) fn places_of(xid: Xid, parts: &[Xid]) -> SmallVec<[OnPage; 2]> {
    let mut pages = SmallVec::<[OnPage; 2]>::new();
    for Place { block, index } in [xid].iter().chain(parts).map(|&xid| Place::of(xid)) {
        match pages.last_mut() {
            Some(page) if page.block == block => page.indexes.push(index),
            _ => pages.push(OnPage { block, indexes: SmallVec::from_slice(&[index]) }),
        }
    }
    pages
}

/// Notes on a page that the transactions in these places committed. `false`: no such place.
#[must_use]
pub(crate) fn set_committed(page: &mut PageBytes, block: u64, indexes: &[u16]) -> bool {
    indexes.iter().all(|&index| match (Place { block, index }).bits() {
        Some((byte, shift)) => {
            page.0[byte] = page.0[byte] & !(3 << shift) | COMMITTED << shift;
            true
        }
        None => false,
    })
}

/// The page of the status relation that tells of a transaction, for who reads it from a file.
pub fn status_block(xid: Xid) -> Option<BlockNo> {
    BlockNo::try_from(Place::of(xid).block).ok()
}

/// Whether that page says that the transaction committed.
pub fn is_committed_on(page: &PageBytes, xid: Xid) -> bool {
    let bits = Place::of(xid).bits();
    bits.is_some_and(|(byte, shift)| page.0[byte] >> shift & 3 == COMMITTED)
}

impl Txn {
    /// Makes sure that the id's place exists.
    pub(crate) fn ensure_status_page(&self, xid: Xid) -> Result<()> {
        if self.has_status_page(xid) {
            return Ok(());
        }
        let place = Place::of(xid);
        let _lock = self.shared.status_extend.exclusive(Rank::StatusExtend);
        if self.has_status_page(xid) {
            return Ok(());
        }
        let pin = self.pool.read_or_create(place.tag()?)?;
        let mut page = pin.exclusive();
        if page.page().is_new() {
            if xid.0 > (place.block * PER_PAGE).max(Xid::FIRST_NORMAL.0) {
                return Err(zeros(place.tag()?));
            }
            let change =
                Change { rmgr: Rmgr::Xact, kind: kind::STATUS_PAGE, xid: Xid::INVALID, data: &[] };
            let flags = BlockFlags { will_init: true, ..BlockFlags::default() };
            let touched = Touched { page: &mut page, flags, data: &[] };
            self.pool.change(&change, &mut [touched], |pages| pages.page(0).init_raw())?;
        }
        self.shared.status_ready.store((place.block + 1) * PER_PAGE, Ordering::SeqCst);
        Ok(())
    }

    /// Whether a transaction committed, by the status pages, or because nobody else would be asked
    /// for any more.
    pub(crate) fn read_status(&self, xid: Xid) -> Result<bool> {
        if xid < self.status_begins()? {
            return Ok(true);
        }
        match self.read_status_page(xid) {
            Ok(true) => Ok(true),
            // The page may just have gone.
            _ if xid < self.status_begins()? => Ok(true),
            read => read,
        }
    }

    fn read_status_page(&self, xid: Xid) -> Result<bool> {
        let place = Place::of(xid);
        let tag = place.tag()?;
        let pin = self.pool.read_aside(tag)?;
        let page = pin.shared();
        if page.is_new() {
            return Err(zeros(tag));
        }
        let (byte, shift) = place.bits().expect("the index of an id lies in the page");
        match page.bytes(byte..byte + 1)[0] >> shift & 3 {
            DAMAGE => Err(Error::StatusPage { block: tag.block, why: "impossible status" }),
            status => Ok(status == COMMITTED),
        }
    }
}

/// The page is all zeros, and cannot be: the first of its ids has been handed out.
pub(crate) fn zeros(tag: BufferTag) -> Error {
    Error::StatusPage { block: tag.block, why: "it is all zeros" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_has_two_bits_of_its_own() {
        let mut page = PageBytes::default();
        page.init_raw();
        let empty = page.clone();
        for xid in [0, 1, 3, 4, 5, PER_PAGE - 1] {
            let Place { block, index } = Place::of(Xid(xid));
            assert!(set_committed(&mut page, block, &[index]));
            assert!(set_committed(&mut page, block, &[index]), "redo may repeat it");
        }
        assert_eq!(page.0[HEADER], 0b01_00_01_01);
        assert_eq!(page.0[HEADER + 1], 0b00_00_01_01);
        assert_eq!(page.0[PAGE_SIZE - 1], 0b01_00_00_00);
        assert_eq!(page.0[..HEADER], empty.0[..HEADER]);
        assert!(!set_committed(&mut page, 0, &[PER_PAGE as u16]), "outside of the page");
    }

    #[test]
    fn places_are_gathered_by_page() {
        let parts = [8, PER_PAGE + 1, PER_PAGE + 9].map(Xid);
        let pages = places_of(Xid(7), &parts);
        let gathered: Vec<_> = pages.iter().map(|page| (page.block, &page.indexes[..])).collect();
        assert_eq!(gathered, [(0, &[7u16, 8][..]), (1, &[1, 9][..])]);
        assert_eq!(pages[1].encode(), [1, 0, 9, 0]);
    }

    #[test]
    fn pages_follow_each_other() {
        assert_eq!(Place::of(Xid(PER_PAGE - 1)), Place { block: 0, index: PER_PAGE as u16 - 1 });
        assert_eq!(Place::of(Xid(PER_PAGE)), Place { block: 1, index: 0 });
        assert!(Place::of(Xid(u64::MAX)).tag().is_err());
    }
}
