//! Row locks: `SELECT … FOR UPDATE | NO KEY UPDATE | SHARE | KEY SHARE`, and what foreign keys need.
//!
//! ```text
//!  who holds the version                    where a further lock goes
//!  nobody, or who has ended                 into the version: xmax, LOCK_ONLY, strength
//!  the same subtransaction, more weakly     the same, stronger
//!  another transaction, a weak lock         the table of row locks; the version gets MORE_LOCKERS
//!  another, which replaces it, key as is    the same, and on each version that follows
//!  another level of the own transaction     the table: each level's lock ends with it
//! ```
//!
//! # Updates among lockers
//! An UPDATE that leaves the key as it is goes along with KEY SHARE of others. It needs `xmax` for
//! itself: a lock that stands there moves to the table ([`Heap::displace`]), for the case that it
//! rolls back, and all locks of others are noted for the new version too ([`Heap::carry_over`]), for
//! the case that it commits. The same keeps a lock of the own transaction that it took before a
//! savepoint, when what came after the savepoint is undone.
//!
//! A KEY SHARE that comes while such an UPDATE is in progress locks the old version and all that
//! follow it ([`Heap::lock_newer`]): whichever of them is the row in the end is locked.
//!
//! Under repeatable read a row that was replaced since the snapshot is not locked, but for KEY SHARE
//! on one whose key is what it was: that locks the newest version.
//!
//! No lock on a page is held while waiting, and after waiting everything is looked at anew. What if
//! the process dies: its locks end with its transaction.

use buffer::{BlockFlags, Change, PageWrite, Touched};
use smallvec::SmallVec;
use txn::{RowLockMode, RowVersion, Transaction};
use types::{TupleId, Xid};
use wal::Rmgr;

use super::conflict::{NewVersion, Obstacle, Outcome};
use super::view::View;
use super::visibility::{Ending, Transactions as _};
use super::{Heap, page, record};
use crate::error::Error;
use crate::tuple::{Header, infomask};

/// What became of an attempt to lock a row.
#[derive(Debug)]
pub enum Locked {
    /// It is locked, until the transaction (or the subtransaction that did it) ends.
    Done,
    /// The row is gone, or this command has changed it.
    Gone,
    /// Another transaction replaced the row and committed: look at the newest version and decide.
    Changed(NewVersion),
    /// Somebody holds it, and waiting was not wanted.
    WouldBlock,
}

/// Who holds a version besides the one that is about to end it.
#[derive(Default)]
pub(super) struct Displaced {
    /// Whether anybody does.
    pub any: bool,
    /// Those of other transactions.
    pub others: SmallVec<[(Xid, RowLockMode); 4]>,
}

impl Heap<'_> {
    /// Locks the row whose version at `place` the current statement has seen, with a snapshot that
    /// it still holds. `wait`: for whoever is in the way; else says so.
    pub fn lock(
        &self,
        tx: &mut Transaction,
        mut place: TupleId,
        mode: RowLockMode,
        wait: bool,
    ) -> Result<Locked, Error> {
        let xid = self.access.txn.assign_xid(tx)?;
        let view = View::new(&self.access.txn, tx);
        loop {
            let obstacle = match self.try_lock(&view, xid, place, mode)? {
                Ok(next) => match self.lock_newer(&view, xid, next, mode)? {
                    Newer::Locked => return Ok(Locked::Done),
                    Newer::LookAgain => continue,
                    Newer::HeldBy(holder) => Obstacle::HeldBy(holder),
                },
                Err(obstacle) => obstacle,
            };
            if matches!(obstacle, Obstacle::HeldBy(_)) && !wait {
                return Ok(Locked::WouldBlock);
            }
            // What the key is about has not changed since the snapshot: that the row has is no reason
            // to refuse. Nobody prunes the versions that follow one which a snapshot sees.
            if let Obstacle::ReplacedBy { next, keeps_key: true, .. } = obstacle
                && mode == RowLockMode::KeyShare
                && view.keeps_snapshot()
            {
                place = next;
                continue;
            }
            let overcome = self.overcome(&view, obstacle, mode).map_err(|error| match error {
                // As in PostgreSQL, which tells of a deletion only who wants to change the row.
                Error::ConcurrentDelete => Error::ConcurrentUpdate,
                error => error,
            });
            match overcome? {
                None => {}
                Some(Outcome::Done(_)) => return Ok(Locked::Done),
                Some(Outcome::Gone) => return Ok(Locked::Gone),
                Some(Outcome::Changed(newest)) => return Ok(Locked::Changed(newest)),
            }
        }
    }

    /// Locks one version. `Ok`: the version that follows it, and who makes it, if it is being
    /// replaced.
    fn try_lock(
        &self,
        view: &View<'_>,
        xid: Xid,
        place: TupleId,
        mode: RowLockMode,
    ) -> Result<Result<Option<(TupleId, Xid)>, Obstacle>, Error> {
        let pin = self.access.pool.read(self.tag(place.block))?;
        let mut page = pin.exclusive();
        let header = match self.judge(view, page.page(), place, mode)? {
            Ok(header) => header,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        let occupant = occupant(view, &header)?;
        let replaced = occupant.is_some() && !header.has(infomask::LOCK_ONLY);
        if !self.is_held_by_own(view, &header, place, mode) {
            let lock = if occupant.is_none_or(|occupant| occupant == xid && !replaced) {
                page::Lock { holder: Some((xid, mode)), more_lockers: false }
            } else {
                self.access.txn.add_locker(self.row_version(place, &header), xid, mode)?;
                page::Lock { holder: None, more_lockers: true }
            };
            self.log_lock(&mut page, place, &header, xid, lock)?;
        }
        Ok(Ok(replaced.then_some((header.ctid, header.xmax))))
    }

    /// Locks the versions that follow one that is being replaced.
    fn lock_newer(
        &self,
        view: &View<'_>,
        xid: Xid,
        mut next: Option<(TupleId, Xid)>,
        mode: RowLockMode,
    ) -> Result<Newer, Error> {
        while let Some((place, maker)) = next {
            let pin = self.access.pool.read(self.tag(place.block))?;
            let mut page = pin.exclusive();
            // Its maker has rolled back, and it was pruned: what was locked before it is the row.
            let Some((header, _)) = self.version(page.page(), place)? else { break };
            if header.xmin != maker {
                break;
            }
            let occupant = occupant(view, &header)?;
            let ends = !header.has(infomask::LOCK_ONLY) && header.xmax.is_valid();
            if occupant.is_none() && ends && self.has_ended_it(view, &header)? {
                return Ok(Newer::LookAgain);
            }
            if let Some(holder) = occupant.filter(|_| mode.conflicts_with(header.strength())) {
                return Ok(Newer::HeldBy(holder));
            }
            if let Some(holder) = self.locker_against(view, &header, place, mode) {
                return Ok(Newer::HeldBy(holder));
            }
            self.access.txn.add_locker(self.row_version(place, &header), xid, mode)?;
            let mark = page::Lock { holder: None, more_lockers: true };
            self.log_lock(&mut page, place, &header, xid, mark)?;
            next = (occupant.is_some() && ends).then_some((header.ctid, header.xmax));
        }
        Ok(Newer::Locked)
    }

    /// Whether `xmax`, which has ended, has taken the version with it.
    fn has_ended_it(&self, view: &View<'_>, header: &Header) -> Result<bool, Error> {
        if header.has(infomask::XMAX_ABORTED) {
            return Ok(false);
        }
        Ok(header.has(infomask::XMAX_COMMITTED) || view.ending(header.xmax)? != Ending::Aborted)
    }

    /// Writes a lock into the version, unless it says so already.
    fn log_lock(
        &self,
        page: &mut PageWrite<'_>,
        place: TupleId,
        header: &Header,
        xid: Xid,
        lock: page::Lock,
    ) -> Result<(), Error> {
        if lock.holder.is_none() && header.has(infomask::MORE_LOCKERS) {
            return Ok(());
        }
        let main = record::encode_lock(place.offset, lock);
        let change = Change { rmgr: Rmgr::Heap, kind: record::kind::LOCK, xid, data: &[&main] };
        let touched = &mut [Touched { page, flags: BlockFlags::default(), data: &[] }];
        self.access.pool.change(&change, touched, |pages| {
            let done = page::lock(pages.page(0), place, lock);
            assert!(done, "the version was there under the same lock");
        })?;
        Ok(())
    }

    fn row_version(&self, place: TupleId, header: &Header) -> RowVersion {
        RowVersion { rel: self.rel, place, xmin: header.xmin }
    }

    fn lockers(&self, header: &Header, place: TupleId) -> SmallVec<[(Xid, RowLockMode); 4]> {
        if !header.has(infomask::MORE_LOCKERS) {
            return SmallVec::new();
        }
        self.access.txn.lockers_of(self.row_version(place, header))
    }

    /// Somebody besides `xmax` who holds the version too strongly.
    pub(super) fn locker_against(
        &self,
        view: &View<'_>,
        header: &Header,
        place: TupleId,
        mode: RowLockMode,
    ) -> Option<Xid> {
        let against =
            |(xid, held): &(Xid, RowLockMode)| mode.conflicts_with(*held) && !view.is_own(*xid);
        self.lockers(header, place).into_iter().find(against).map(|(xid, _)| xid)
    }

    /// Whether the own transaction holds the version as strongly already.
    fn is_held_by_own(
        &self,
        view: &View<'_>,
        header: &Header,
        place: TupleId,
        mode: RowLockMode,
    ) -> bool {
        let enough = |xid, held| held >= mode && view.is_own(xid);
        (header.has(infomask::LOCK_ONLY) && enough(header.xmax, header.strength()))
            || self.lockers(header, place).into_iter().any(|(xid, held)| enough(xid, held))
    }

    /// The version is about to be ended by `xid`, which has found that it may: a lock that stands in
    /// it goes to the table.
    pub(super) fn displace(
        &self,
        view: &View<'_>,
        header: &Header,
        place: TupleId,
        xid: Xid,
    ) -> Result<Displaced, Error> {
        let mut lockers = self.lockers(header, place);
        if let Some(occupant) = occupant(view, header)?
            && occupant != xid
        {
            let held = (occupant, header.strength());
            self.access.txn.add_locker(self.row_version(place, header), held.0, held.1)?;
            lockers.push(held);
        }
        let any = !lockers.is_empty();
        lockers.retain(|(holder, _)| !view.is_own(*holder));
        Ok(Displaced { any, others: lockers })
    }

    /// Notes the locks of others for the version that is about to be put at `place`.
    pub(super) fn carry_over(
        &self,
        displaced: &Displaced,
        place: TupleId,
        xmin: Xid,
    ) -> Result<(), Error> {
        let version = RowVersion { rel: self.rel, place, xmin };
        displaced
            .others
            .iter()
            .try_for_each(|&(xid, mode)| Ok(self.access.txn.add_locker(version, xid, mode)?))
    }
}

/// What came of locking the versions that follow.
enum Newer {
    Locked,
    /// One of them has ended since: the row is another by now.
    LookAgain,
    HeldBy(Xid),
}

/// Who stands in the version as its `xmax` and has not ended.
fn occupant(view: &View<'_>, header: &Header) -> Result<Option<Xid>, Error> {
    let xmax = header.xmax;
    if !xmax.is_valid() || header.infomask & infomask::XMAX_HINTS != 0 {
        return Ok(None);
    }
    let runs = view.is_own(xmax) || view.ending(xmax)? == Ending::InProgress;
    Ok(runs.then_some(xmax))
}
