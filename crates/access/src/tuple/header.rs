//! The 32 bytes before the values of a row version.

use txn::RowLockMode;
use types::{TupleId, Xid};

use super::Malformed;

/// Bytes of the header, before the null bitmap.
pub const HEADER_SIZE: usize = 32;

/// Where the fields stand, from the start of the row version.
pub(crate) mod at {
    pub const XMIN: usize = 0;
    pub const XMAX: usize = 8;
    pub const CID: usize = 16;
    pub const CTID: usize = 20;
    pub const INFOMASK: usize = 26;
    pub const NATTS: usize = 28;
    pub const HOFF: usize = 30;
}

/// The bits of a row version's `infomask`.
///
/// The first four are hints: they only repeat what the status of the transactions says, any
/// process may set them under the share lock, and losing them loses nothing.
pub mod infomask {
    /// Hint: `xmin` has committed.
    pub const XMIN_COMMITTED: u16 = 1;
    /// Hint: `xmin` has aborted.
    pub const XMIN_ABORTED: u16 = 2;
    /// Hint: `xmax` has committed.
    pub const XMAX_COMMITTED: u16 = 4;
    /// Hint: `xmax` has aborted, or there is none.
    pub const XMAX_ABORTED: u16 = 8;
    /// There is a null bitmap.
    pub const HAS_NULL: u16 = 16;
    /// An UPDATE made this version.
    pub const UPDATED: u16 = 32;
    /// `xmax` only locked the row.
    pub const LOCK_ONLY: u16 = 64;
    /// How strongly `xmax` locks, deleted or replaced the row: a [`RowLockMode`](txn::RowLockMode)
    /// in two bits.
    pub const STRENGTH: u16 = 3 << STRENGTH_SHIFT;
    /// Where the two bits stand.
    pub const STRENGTH_SHIFT: u32 = 7;
    /// The row may be locked by others than `xmax`: shared memory knows.
    pub const MORE_LOCKERS: u16 = 1 << 9;
    /// The next version stands on the same page, and no index entry leads to it but by this one.
    pub const HOT_UPDATED: u16 = 1 << 14;
    /// No index entry leads here: indexes know an earlier version of the row on this page.
    pub const HEAP_ONLY: u16 = 1 << 15;

    /// All hints.
    pub const HINTS: u16 = XMIN_COMMITTED | XMIN_ABORTED | XMAX_COMMITTED | XMAX_ABORTED;
    /// The hints about `xmax`.
    pub const XMAX_HINTS: u16 = XMAX_COMMITTED | XMAX_ABORTED;
}

/// A row version's header, taken out of its page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Who made this version.
    pub xmin: Xid,
    /// Who deleted, replaced or locked it, or [`Xid::INVALID`].
    pub xmax: Xid,
    /// The command of `xmin` that made it, or that of `xmax` that deleted it.
    pub cid: u32,
    /// The next version of the row, or this one itself.
    pub ctid: TupleId,
    /// See [`infomask`].
    pub infomask: u16,
    /// Number of columns stored.
    pub natts: u16,
    /// Where the values start.
    pub hoff: u8,
}

impl Header {
    /// Reads the header at the start of a row version.
    pub fn read(bytes: &[u8]) -> Result<Header, Malformed> {
        let fixed: &[u8; HEADER_SIZE] =
            bytes.first_chunk().ok_or(Malformed("row version is shorter than its header"))?;
        let infomask = u16_at(fixed, at::INFOMASK);
        Ok(Header::with_infomask(fixed, infomask))
    }

    /// The header whose bytes are `fixed`, but for its `infomask`, which may change meanwhile and
    /// was read atomically.
    pub(crate) fn with_infomask(fixed: &[u8; HEADER_SIZE], infomask: u16) -> Header {
        Header {
            xmin: Xid(u64_at(fixed, at::XMIN)),
            xmax: Xid(u64_at(fixed, at::XMAX)),
            cid: u32_at(fixed, at::CID),
            ctid: TupleId { block: u32_at(fixed, at::CTID), offset: u16_at(fixed, at::CTID + 4) },
            infomask,
            natts: u16_at(fixed, at::NATTS),
            hoff: fixed[at::HOFF],
        }
    }

    /// Writes the header over the first bytes of a row version.
    pub fn write(&self, bytes: &mut [u8; HEADER_SIZE]) {
        bytes[at::XMIN..at::XMIN + 8].copy_from_slice(&self.xmin.0.to_le_bytes());
        bytes[at::XMAX..at::XMAX + 8].copy_from_slice(&self.xmax.0.to_le_bytes());
        bytes[at::CID..at::CID + 4].copy_from_slice(&self.cid.to_le_bytes());
        bytes[at::CTID..at::CTID + 4].copy_from_slice(&self.ctid.block.to_le_bytes());
        bytes[at::CTID + 4..at::CTID + 6].copy_from_slice(&self.ctid.offset.to_le_bytes());
        bytes[at::INFOMASK..at::INFOMASK + 2].copy_from_slice(&self.infomask.to_le_bytes());
        bytes[at::NATTS..at::NATTS + 2].copy_from_slice(&self.natts.to_le_bytes());
        bytes[at::HOFF] = self.hoff;
        bytes[at::HOFF + 1] = 0;
    }

    /// How strongly `xmax` holds the row.
    pub fn strength(&self) -> RowLockMode {
        RowLockMode::from_bits(self.infomask >> infomask::STRENGTH_SHIFT)
    }

    /// Whether all the bits of `mask` are set.
    pub fn has(&self, mask: u16) -> bool {
        self.infomask & mask == mask
    }
}

fn u16_at(bytes: &[u8; HEADER_SIZE], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8; HEADER_SIZE], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("every field lies in the header"))
}

fn u64_at(bytes: &[u8; HEADER_SIZE], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("every field lies in the header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let header = Header {
            xmin: Xid(0x0102_0304_0506_0708),
            xmax: Xid(u64::MAX),
            cid: 7,
            ctid: TupleId { block: 0xdead_beef, offset: 513 },
            infomask: infomask::HAS_NULL | infomask::XMIN_COMMITTED,
            natts: 1600,
            hoff: 232,
        };
        let mut bytes = [0xff; HEADER_SIZE];
        header.write(&mut bytes);
        assert_eq!(Header::read(&bytes), Ok(header));
        assert_eq!(bytes[HEADER_SIZE - 1], 0);
        assert!(Header::read(&bytes[..HEADER_SIZE - 1]).is_err());
    }
}
