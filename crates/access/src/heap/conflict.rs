//! Two transactions want to change or lock the same row.
//!
//! The later one waits for the earlier, with no lock on any page, and then looks again:
//!
//! - The earlier aborted, or had only locked the row: go on with the same version.
//! - It deleted the row: nothing is left to change.
//! - It replaced the row: under read committed the statement goes on with the newest version, if
//!   that still satisfies its WHERE. Only the executor can tell, so it gets the newest version and
//!   calls again with that one's place.
//!
//! The newest version is locked before it is given out, as strongly as it was wanted: so nobody is
//! faster in between who stands in line behind this one ([`super::line`]), and as in PostgreSQL the
//! lock stays though the WHERE may not be satisfied any more.
//!
//! What a transaction has come to is asked once for a decision: it may end at any moment, and two
//! answers would make no sense together. So the answer tells all that is needed of it ([`Held`]).
//!
//! Under repeatable read the transaction sees the row as it was when its snapshot was taken, and must
//! not change it as it is now: where the earlier one has deleted or replaced it, that is the error
//! 40001, at once. What its own snapshot does not see but this transaction made is no such case.

use buffer::PageBytes;
use txn::RowLockMode;
use types::{TupleId, Xid};

use super::Heap;
use super::line::Line;
use super::view::View;
use super::visibility::{Changeable, is_changeable};
use crate::error::Error;
use crate::tuple::{Header, infomask};

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

/// A version that may be held as strongly as was asked.
pub(super) struct Held {
    pub header: Header,
    /// Its `xmax`, if that is the own transaction or was running when it was asked for.
    pub occupant: Option<Xid>,
}

impl Held {
    /// The version that replaces it, and who makes that, if a transaction in progress does.
    pub fn successor(&self) -> Option<(TupleId, Xid)> {
        let replaced = self.occupant.is_some() && !self.header.has(infomask::LOCK_ONLY);
        replaced.then_some((self.header.ctid, self.header.xmax))
    }

    /// Whether `xid` may stand in the version as its `xmax` in the place of who stands there.
    pub fn has_room_for(&self, xid: Xid) -> bool {
        self.occupant.is_none_or(|occupant| occupant == xid) && self.successor().is_none()
    }
}

/// Who is in the way.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    /// The transaction.
    pub xid: Xid,
    /// The version it holds.
    pub place: TupleId,
    /// The own transaction holds that version too, more weakly than it wants to.
    pub beside_own: bool,
}

/// Why a version can't be changed now.
pub(super) enum Obstacle {
    /// Someone is at it.
    HeldBy(Holder),
    /// This command has changed it already.
    SelfModified,
    /// Another transaction deleted it.
    Deleted,
    /// `maker` replaced it by the version at `next`, and held it so strongly for that.
    ReplacedBy { next: TupleId, maker: Xid, strength: RowLockMode },
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
    ) -> Result<Result<Held, Obstacle>, Error> {
        let (header, _) = self.version(page, place)?.ok_or(Error::Invisible(place))?;
        Ok(match self.may_hold(view, &header, place, mode)? {
            Changeable::Yes { occupant } => Ok(Held { header, occupant }),
            Changeable::Invisible => return Err(Error::Invisible(place)),
            Changeable::SelfModified => Err(Obstacle::SelfModified),
            Changeable::Deleted => Err(Obstacle::Deleted),
            Changeable::HeldBy(xid) => {
                Err(Obstacle::HeldBy(self.holder(view, &header, place, xid)))
            }
            Changeable::Replaced => {
                let (next, maker, strength) = (header.ctid, header.xmax, header.strength());
                Err(Obstacle::ReplacedBy { next, maker, strength })
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
        if matches!(changeable, Changeable::Yes { .. })
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
        (xid, mode): (Xid, RowLockMode),
        line: &mut Line<'_>,
        obstacle: Obstacle,
    ) -> Result<Option<Outcome>, Error> {
        match obstacle {
            Obstacle::SelfModified => Ok(Some(Outcome::Gone)),
            Obstacle::Deleted if view.keeps_snapshot() => Err(Error::ConcurrentDelete),
            Obstacle::Deleted => Ok(Some(Outcome::Gone)),
            Obstacle::HeldBy(holder) => {
                line.wait_for(holder, mode)?;
                Ok(None)
            }
            Obstacle::ReplacedBy { .. } if view.keeps_snapshot() => Err(Error::ConcurrentUpdate),
            Obstacle::ReplacedBy { next, maker, .. } => {
                Ok(Some(match self.newest(view, (xid, mode), line, (next, maker))? {
                    Some(version) => Outcome::Changed(version),
                    None => Outcome::Gone,
                }))
            }
        }
    }

    /// Follows a row from the version that a transaction put at a place to the newest one, waiting
    /// for whoever is at it, and locks that. `None`: the row is gone.
    fn newest(
        &self,
        view: &View<'_>,
        (xid, mode): (Xid, RowLockMode),
        line: &mut Line<'_>,
        mut next: (TupleId, Xid),
    ) -> Result<Option<NewVersion>, Error> {
        loop {
            let (place, maker) = next;
            let holder = {
                let pin = self.access.pool.read(self.tag(place.block))?;
                let mut page = pin.exclusive();
                let Some((header, bytes)) = self.version(page.page(), place)? else {
                    return Ok(None);
                };
                if header.xmin != maker {
                    return Ok(None);
                }
                match self.may_hold(view, &header, place, mode)? {
                    Changeable::Yes { occupant } => {
                        let tuple = bytes.to_vec();
                        self.hold(view, &mut page, place, &Held { header, occupant }, (xid, mode))?;
                        return Ok(Some(NewVersion { place, tuple }));
                    }
                    Changeable::HeldBy(by) => self.holder(view, &header, place, by),
                    Changeable::Replaced => {
                        next = (header.ctid, header.xmax);
                        continue;
                    }
                    Changeable::Invisible | Changeable::SelfModified | Changeable::Deleted => {
                        return Ok(None);
                    }
                }
            };
            line.wait_for(holder, mode)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::heap::visibility::{Ending, Transactions};

    /// Transaction 8 has replaced a version, and commits when it has been asked for once.
    #[derive(Default)]
    struct CommitsMeanwhile(Cell<bool>);

    impl Transactions for CommitsMeanwhile {
        fn is_own(&self, _: Xid) -> bool {
            false
        }
        fn command(&self) -> u32 {
            0
        }
        fn ending(&self, xid: Xid) -> Result<Ending, Error> {
            let runs = xid == Xid(8) && !self.0.replace(true);
            Ok(if runs { Ending::InProgress } else { Ending::Committed { durable: true } })
        }
    }

    /// The story: KEY SHARE found that an update in progress lets it in; asked a second time, the update
    /// had committed, and so the version counted as free. The lock was written over the end of the
    /// version: the old row was back, beside the new one.
    #[test]
    fn a_lock_does_not_bring_back_what_an_update_replaced_that_commits_meanwhile() {
        let place = TupleId { block: 0, offset: 1 };
        let next = TupleId { block: 0, offset: 2 };
        let strength = (RowLockMode::NoKeyUpdate as u16) << infomask::STRENGTH_SHIFT;
        let header = Header {
            xmin: Xid(7),
            xmax: Xid(8),
            cid: 0,
            ctid: next,
            infomask: infomask::XMIN_COMMITTED | strength,
            natts: 0,
            hoff: 32,
        };
        let world = CommitsMeanwhile::default();
        let answer = is_changeable(&world, &header, place, RowLockMode::KeyShare).expect("no I/O");
        let Changeable::Yes { occupant } = answer else { panic!("{answer:?}") };
        let held = Held { header, occupant };
        assert!(!held.has_room_for(Xid(9)));
        assert_eq!(held.successor(), Some((next, Xid(8))));
        let answer = is_changeable(&world, &header, place, RowLockMode::KeyShare).expect("no I/O");
        assert_eq!(answer, Changeable::Replaced, "it has committed by now");
    }
}
