//! The log records of B-trees, byte by byte.
//!
//! ```text
//! kind        main data                       blocks and their data
//! CREATE                                      0 meta page, 1 root: made anew
//! INSERT                                      0 leaf: number u16, entry
//! INSERT_UPPER                                0 page: number u16, pivot   1 child: split completed
//! SPLIT       flags u8, reused u64, at u64    0 left: see LeftHalf   1 right, made anew: see RightHalf
//!                                             [flag 1: the sibling behind, its left link changes]
//!                                             [flag 2: a child whose split this completes]
//! NEW_ROOT    level u16, reused u64           0 root, made anew: right child u32, its key
//!                                             1 left child: split completed   2 meta page
//! DELETE      horizon u64                     0 leaf: numbers u16…
//! HALF_DEAD                                   0 ancestor: number u16   1… the pages below, half-dead
//! UNLINK      left u32, right u32, next u64   0 the page, deleted   1 right sibling   [2 left sibling]
//! ```
//!
//! The blocks become visible in their order. Redo of each needs nothing of the others: which
//! blocks they are stands in their references.
//!
//! `horizon`: every entry removed was dead for transactions from it on. `reused`: the xid on the
//! deleted page that was made anew, or 0: nobody who began before it may still look there. A standby
//! must end older snapshots before it redoes either.

use types::{BlockNo, Lsn, Xid};

use crate::codec::{Fields, Short};

/// Kinds of records of `Rmgr::Btree`.
pub mod kind {
    /// An empty tree.
    pub const CREATE: u8 = 0;
    /// An entry was added to a leaf.
    pub const INSERT: u8 = 1;
    /// A pivot was added to a page above the leaves.
    pub const INSERT_UPPER: u8 = 2;
    /// A page became two.
    pub const SPLIT: u8 = 3;
    /// The tree grew by a level.
    pub const NEW_ROOT: u8 = 4;
    /// Entries were removed from a leaf.
    pub const DELETE: u8 = 5;
    /// A page was taken out of the level above.
    pub const HALF_DEAD: u8 = 6;
    /// A half-dead page was taken out of its level.
    pub const UNLINK: u8 = 7;

    /// The name of a kind for `waldump`.
    pub fn name(kind: u8) -> &'static str {
        match kind {
            CREATE => "CREATE",
            INSERT => "INSERT",
            INSERT_UPPER => "INSERT_UPPER",
            SPLIT => "SPLIT",
            NEW_ROOT => "NEW_ROOT",
            DELETE => "DELETE",
            HALF_DEAD => "HALF_DEAD",
            UNLINK => "UNLINK",
            _ => "UNKNOWN",
        }
    }
}

/// A row and the number it gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewRow<'a> {
    pub number: u16,
    pub row: &'a [u8],
}

impl<'a> NewRow<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, Short> {
        let mut fields = Fields(bytes);
        Ok(NewRow { number: fields.u16()?, row: fields.rest() })
    }
}

/// Main data of SPLIT.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub has_sibling: bool,
    pub has_child: bool,
    pub reused: Xid,
    /// Where the log ended shortly before.
    pub at: Lsn,
}

impl Split {
    pub fn encode(&self) -> [u8; 17] {
        let mut bytes = [0; 17];
        bytes[0] = u8::from(self.has_sibling) | u8::from(self.has_child) << 1;
        bytes[1..9].copy_from_slice(&self.reused.0.to_le_bytes());
        bytes[9..].copy_from_slice(&self.at.0.to_le_bytes());
        bytes
    }

    pub fn read(bytes: &[u8]) -> Result<Split, Short> {
        let mut fields = Fields(bytes);
        let flags = fields.u8()?;
        let (reused, at) = (Xid(fields.u64()?), Lsn(fields.u64()?));
        Ok(Split { has_sibling: flags & 1 != 0, has_child: flags & 2 != 0, reused, at })
    }
}

/// What stays on the page that is split: of its rows, the high key aside, with the new one put in,
/// the first `keep`.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) struct LeftHalf<'a> {
    pub keep: u16,
    /// Number of the new row, if it stays here.
    pub new_number: u16,
    /// Empty if it goes to the right.
    pub new_row: &'a [u8],
    pub high_key: &'a [u8],
}

impl<'a> LeftHalf<'a> {
    pub fn head(&self) -> [u8; 6] {
        let mut bytes = [0; 6];
        bytes[..2].copy_from_slice(&self.keep.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.new_number.to_le_bytes());
        bytes[4..].copy_from_slice(&(self.new_row.len() as u16).to_le_bytes());
        bytes
    }

    pub fn read(bytes: &'a [u8]) -> Result<Self, Short> {
        let mut fields = Fields(bytes);
        let (keep, new_number) = (fields.u16()?, fields.u16()?);
        let length = usize::from(fields.u16()?);
        let new_row = fields.bytes(length)?;
        Ok(LeftHalf { keep, new_number, new_row, high_key: fields.rest() })
    }
}

/// The new page of a split: its level, its right sibling, and its rows from the high key on, each
/// behind its length. Its left sibling is the page that was split.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(super) struct RightHalf {
    pub level: u16,
    pub right: BlockNo,
    /// Length u16 and bytes, again and again.
    pub rows: Vec<u8>,
}

impl RightHalf {
    pub fn head(&self) -> [u8; 6] {
        let mut bytes = [0; 6];
        bytes[..2].copy_from_slice(&self.level.to_le_bytes());
        bytes[2..].copy_from_slice(&self.right.to_le_bytes());
        bytes
    }

    pub fn read(bytes: &[u8]) -> Result<Self, Short> {
        let mut fields = Fields(bytes);
        let (level, right) = (fields.u16()?, fields.u32()?);
        Ok(RightHalf { level, right, rows: fields.rest().to_vec() })
    }

    pub fn push(&mut self, row: &[u8]) {
        self.rows.extend_from_slice(&(row.len() as u16).to_le_bytes());
        self.rows.extend_from_slice(row);
    }

    /// Calls `each` for every row; `None` where the bytes end within one.
    pub fn for_each(&self, mut each: impl FnMut(&[u8]) -> bool) -> Option<bool> {
        let mut fields = Fields(&self.rows);
        while !fields.is_empty() {
            let length = usize::from(fields.u16().ok()?);
            if !each(fields.bytes(length).ok()?) {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// Main data of NEW_ROOT.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewRoot {
    pub level: u16,
    pub reused: Xid,
}

impl NewRoot {
    pub fn encode(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..2].copy_from_slice(&self.level.to_le_bytes());
        bytes[2..].copy_from_slice(&self.reused.0.to_le_bytes());
        bytes
    }

    pub fn read(bytes: &[u8]) -> Result<NewRoot, Short> {
        let mut fields = Fields(bytes);
        Ok(NewRoot { level: fields.u16()?, reused: Xid(fields.u64()?) })
    }
}

/// Main data of UNLINK.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unlink {
    pub left: BlockNo,
    pub right: BlockNo,
    /// Nobody who begins from this id on can come to the page.
    pub next_xid: Xid,
}

impl Unlink {
    pub fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.left.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.right.to_le_bytes());
        bytes[8..].copy_from_slice(&self.next_xid.0.to_le_bytes());
        bytes
    }

    pub fn read(bytes: &[u8]) -> Result<Unlink, Short> {
        let mut fields = Fields(bytes);
        Ok(Unlink { left: fields.u32()?, right: fields.u32()?, next_xid: Xid(fields.u64()?) })
    }
}

/// Main data of DELETE.
pub(super) fn delete(horizon: Xid) -> [u8; 8] {
    horizon.0.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let split = Split { has_sibling: true, has_child: false, reused: Xid(9), at: Lsn(7) };
        assert_eq!(Split::read(&split.encode()), Ok(split));
        assert_eq!(Split::read(&[0; 16]), Err(Short));
        let unlink = Unlink { left: 1, right: 2, next_xid: Xid(1 << 33) };
        assert_eq!(Unlink::read(&unlink.encode()), Ok(unlink));
        let root = NewRoot { level: 3, reused: Xid(1 << 40) };
        assert_eq!(NewRoot::read(&root.encode()), Ok(root));
        let left = LeftHalf { keep: 4, new_number: 3, new_row: b"row", high_key: b"high" };
        let bytes = [&left.head()[..], left.new_row, left.high_key].concat();
        assert_eq!(LeftHalf::read(&bytes), Ok(left));
        let mut right = RightHalf { level: 1, right: 7, rows: Vec::new() };
        right.push(b"");
        right.push(b"row");
        let bytes = [&right.head()[..], &right.rows].concat();
        let read = RightHalf::read(&bytes).expect("whole");
        assert_eq!(read, right);
        let mut rows = Vec::new();
        assert_eq!(
            read.for_each(|row| {
                rows.push(row.to_vec());
                true
            }),
            Some(true)
        );
        assert_eq!(rows, [&b""[..], b"row"]);
        right.rows.pop();
        assert_eq!(right.for_each(|_| true), None);
    }
}
