//! Two transactions want to change or lock the same row.
//!
//! The later one waits for the earlier, with no lock on any page, and then looks again:
//!
//! - The earlier aborted, or had only locked the row: go on with the same version.
//! - It deleted the row: nothing is left to change.
//! - It replaced the row: under read committed the statement goes on with the newest version, if
//!   that still satisfies its WHERE. Only the executor can tell, so it gets the newest version and
//!   calls again with that one's place. In between someone may be faster again; then it gets the
//!   next one. Each round means that somebody committed, so somebody always makes progress.
//!
//! Under repeatable read the transaction sees the row as it was when its snapshot was taken, and must
//! not change it as it is now: where the earlier one has deleted or replaced it, that is the error
//! 40001, at once. What its own snapshot does not see but this transaction made is no such case.

use buffer::PageBytes;
use txn::RowLockMode;
use types::{TupleId, Xid};

use super::Heap;
use super::view::View;
use super::visibility::{Changeable, is_changeable};
use crate::error::Error;
use crate::tuple::Header;

/// What became of an attempt to change a row.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done(Stored),
    /// The row is gone, or this command has changed it already.
    Gone,
    /// Another transaction replaced the row and committed: look at the newest version and decide.
    Changed(NewVersion),
}

/// Where a version came to stand. After DELETE: where the deleted one stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its place.
    pub place: TupleId,
    /// The index entries that lead to the version before lead to it too, so no index needs a new
    /// one. Otherwise each index needs one that leads to `place`.
    pub heap_only: bool,
}

/// The newest version of a row, for a new look.
#[derive(Debug)]
pub struct NewVersion {
    /// Where it stands.
    pub place: TupleId,
    /// Its bytes, for [`Heap::decode`].
    pub tuple: Vec<u8>,
}

/// Why a version can't be changed now.
pub(super) enum Obstacle {
    /// Someone is at it.
    HeldBy(Xid),
    /// This command has changed it already.
    SelfModified,
    /// Another transaction deleted it.
    Deleted,
    /// `maker` replaced it by the version at `next`; `keeps_key`: with the same key.
    ReplacedBy { next: TupleId, maker: Xid, keeps_key: bool },
}

impl Heap<'_> {
    /// Whether the version at `place` may be held so strongly: changed, or locked. The page is
    /// locked.
    pub(super) fn judge(
        &self,
        view: &View<'_>,
        page: &PageBytes,
        place: TupleId,
        mode: RowLockMode,
    ) -> Result<Result<Header, Obstacle>, Error> {
        let (header, _) = self.version(page, place)?.ok_or(Error::Invisible(place))?;
        Ok(match self.may_hold(view, &header, place, mode)? {
            Changeable::Yes => Ok(header),
            Changeable::Invisible => return Err(Error::Invisible(place)),
            Changeable::SelfModified => Err(Obstacle::SelfModified),
            Changeable::Deleted => Err(Obstacle::Deleted),
            Changeable::HeldBy(xid) => Err(Obstacle::HeldBy(xid)),
            Changeable::Replaced => {
                let keeps_key = header.strength() == RowLockMode::NoKeyUpdate;
                Err(Obstacle::ReplacedBy { next: header.ctid, maker: header.xmax, keeps_key })
            }
        })
    }

    /// As [`is_changeable`], and with those in view that hold locks besides `xmax`.
    fn may_hold(
        &self,
        view: &View<'_>,
        header: &Header,
        place: TupleId,
        mode: RowLockMode,
    ) -> Result<Changeable, Error> {
        let changeable = is_changeable(view, header, place, mode)?;
        if changeable == Changeable::Yes
            && let Some(xid) = self.locker_against(view, header, place, mode)
        {
            return Ok(Changeable::HeldBy(xid));
        }
        Ok(changeable)
    }

    /// Does what can be done about an obstacle to holding the version so strongly, with no page
    /// locked. `None`: look again.
    pub(super) fn overcome(
        &self,
        view: &View<'_>,
        obstacle: Obstacle,
        mode: RowLockMode,
    ) -> Result<Option<Outcome>, Error> {
        match obstacle {
            Obstacle::SelfModified => Ok(Some(Outcome::Gone)),
            Obstacle::Deleted if view.keeps_snapshot() => Err(Error::ConcurrentDelete),
            Obstacle::Deleted => Ok(Some(Outcome::Gone)),
            Obstacle::HeldBy(xid) => {
                self.access.txn.wait_for(xid)?;
                Ok(None)
            }
            Obstacle::ReplacedBy { .. } if view.keeps_snapshot() => Err(Error::ConcurrentUpdate),
            Obstacle::ReplacedBy { next, maker, keeps_key: _ } => {
                Ok(Some(match self.newest(view, next, maker, mode)? {
                    Some(version) => Outcome::Changed(version),
                    None => Outcome::Gone,
                }))
            }
        }
    }

    /// Follows a row from the version that `maker` put at `place` to the newest one, waiting for
    /// whoever is at it. `None`: the row is gone.
    fn newest(
        &self,
        view: &View<'_>,
        mut place: TupleId,
        mut maker: Xid,
        mode: RowLockMode,
    ) -> Result<Option<NewVersion>, Error> {
        loop {
            let holder = {
                let pin = self.access.pool.read(self.tag(place.block))?;
                let page = pin.exclusive();
                let Some((header, bytes)) = self.version(page.page(), place)? else {
                    return Ok(None);
                };
                if header.xmin != maker {
                    return Ok(None);
                }
                match self.may_hold(view, &header, place, mode)? {
                    Changeable::Yes => {
                        return Ok(Some(NewVersion { place, tuple: bytes.to_vec() }));
                    }
                    Changeable::HeldBy(xid) => Some(xid),
                    Changeable::Replaced => {
                        (place, maker) = (header.ctid, header.xmax);
                        None
                    }
                    Changeable::Invisible | Changeable::SelfModified | Changeable::Deleted => {
                        return Ok(None);
                    }
                }
            };
            if let Some(xid) = holder {
                self.access.txn.wait_for(xid)?;
            }
        }
    }
}
