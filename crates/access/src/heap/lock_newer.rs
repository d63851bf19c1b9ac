//! Row locks on the versions that follow one which keeps its key.
//!
//! ```text
//!  a (seen, locked first) ──> b ──> c         each replaced by an UPDATE that left the key as it was
//! ```
//!
//! Whether the makers of `b` and `c` commit is not known, or they have and the statement's snapshot does not
//! see them. One of the three is the row in the end, so KEY SHARE takes all. Each version is looked at under
//! its page's lock, one page at a time.

use txn::RowLockMode;
use types::{TupleId, Xid};

use super::conflict::Holder;
use super::view::View;
use super::visibility::{Ending, Transactions};
use super::{Heap, page};
use crate::error::Error;
use crate::tuple::{Header, infomask};

impl Heap<'_> {
    /// Locks a version that follows one which keeps its key, and those that follow it.
    pub(super) fn lock_newer(
        &self,
        view: &View<'_>,
        xid: Xid,
        first: (TupleId, Xid),
        mode: RowLockMode,
    ) -> Result<Newer, Error> {
        let mut next = Some(first);
        while let Some((place, maker)) = next {
            let pin = self.access.pool.read(self.tag(place.block))?;
            let mut page = pin.exclusive();
            // Its maker has rolled back, and it was pruned: what was locked before it is the row.
            let Some((header, _)) = self.version(page.page(), place)? else { break };
            if header.xmin != maker {
                break;
            }
            let standing = standing(view, &header)?;
            let conflicts = mode.conflicts_with(header.strength());
            let ends = !header.has(infomask::LOCK_ONLY);
            match standing {
                Standing::Ender(_) if conflicts => return Ok(Newer::Ended),
                Standing::Runs(by) if conflicts && !view.is_own(by) => {
                    return Ok(Newer::HeldBy(self.holder(view, &header, place, by)));
                }
                Standing::Runs(_) if conflicts && ends => return Ok(Newer::EndedByOwn),
                _ => {}
            }
            if let Some(by) = self.locker_against(view, &header, place, mode) {
                return Ok(Newer::HeldBy(self.holder(view, &header, place, by)));
            }
            self.access.txn.add_locker(self.row_version(place, &header), xid, mode)?;
            let mark = page::Lock { holder: None, more_lockers: true };
            self.log_lock(&mut page, place, &header, xid, mark)?;
            next = match standing {
                Standing::Runs(by) | Standing::Ender(by) if ends => Some((header.ctid, by)),
                _ => None,
            };
        }
        Ok(Newer::Locked)
    }
}

/// What came of locking the versions that follow.
pub(super) enum Newer {
    Locked,
    /// One of them is no more: the row is another by now, or none.
    Ended,
    /// The own transaction has ended one.
    EndedByOwn,
    HeldBy(Holder),
}

/// Who stands in a version as its `xmax`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// Nobody who matters any more.
    Nobody,
    /// One that has not ended: it locks the version, or ends it.
    Runs(Xid),
    /// One that has deleted or replaced it and committed.
    Ender(Xid),
}

fn standing(view: &impl Transactions, header: &Header) -> Result<Standing, Error> {
    let xmax = header.xmax;
    if !xmax.is_valid() || header.has(infomask::XMAX_ABORTED) {
        return Ok(Standing::Nobody);
    }
    if !header.has(infomask::XMAX_COMMITTED) {
        if view.is_own(xmax) {
            return Ok(Standing::Runs(xmax));
        }
        match view.ending(xmax)? {
            Ending::InProgress => return Ok(Standing::Runs(xmax)),
            Ending::Aborted => return Ok(Standing::Nobody),
            Ending::Committed { .. } => {}
        }
    }
    let only_locked = header.has(infomask::LOCK_ONLY);
    Ok(if only_locked { Standing::Nobody } else { Standing::Ender(xmax) })
}
