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
//! follow it ([`Heap::lock_newer`]): whichever of them is the row in the end is locked. One that comes
//! when the update has committed, by a statement that still sees the old version, locks those that
//! follow, and the statement goes on with what it saw: the key is the same. As in PostgreSQL that is no
//! serialization failure under repeatable read.
//!
//! No lock on a page is held while waiting, and after waiting everything is looked at anew. What if
//! the process dies: its locks end with its transaction.

use buffer::{BlockFlags, Change, PageWrite, Touched};
use smallvec::SmallVec;
use sys::mutant::{self, Mutant};
use txn::{RowLockMode, RowVersion, Transaction};
use types::{TupleId, Xid};
use wal::Rmgr;

use super::conflict::{Held, Holder, NewVersion, Obstacle, Outcome};
use super::line::Line;
use super::lock_newer::Newer;
use super::view::View;
use super::visibility::Transactions as _;
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
        place: TupleId,
        mode: RowLockMode,
        wait: bool,
    ) -> Result<Locked, Error> {
        let xid = self.access.txn.assign_xid(tx)?;
        let view = View::new(&self.access.txn, tx);
        let mut line = Line::of(self);
        loop {
            let obstacle = match self.try_lock_all(&view, xid, place, mode)? {
                Ok(locked) => return Ok(locked),
                Err(Obstacle::HeldBy(_)) if !wait => return Ok(Locked::WouldBlock),
                // Who only wants to hold the row is told of any change in the same words.
                Err(Obstacle::Deleted) if view.keeps_snapshot() => {
                    return Err(Error::ConcurrentUpdate);
                }
                Err(obstacle) => obstacle,
            };
            match self.overcome(&view, (xid, mode), &mut line, obstacle)? {
                None => {}
                Some(Outcome::Done(_)) => return Ok(Locked::Done),
                Some(Outcome::Gone) => return Ok(Locked::Gone),
                Some(Outcome::Changed(newest)) => return Ok(Locked::Changed(newest)),
            }
        }
    }

    /// Locks the version at a place, and all that follow it if its key stays what it is.
    fn try_lock_all(
        &self,
        view: &View<'_>,
        xid: Xid,
        place: TupleId,
        mode: RowLockMode,
    ) -> Result<Result<Locked, Obstacle>, Error> {
        let successor = match self.try_lock(view, xid, place, mode)? {
            Ok(successor) => successor,
            Err(Obstacle::ReplacedBy { next, maker, strength })
                if !mode.conflicts_with(strength) =>
            {
                Some((next, maker))
            }
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        let Some((next, maker)) = successor else { return Ok(Ok(Locked::Done)) };
        Ok(match self.lock_newer(view, xid, (next, maker), mode)? {
            Newer::Locked => Ok(Locked::Done),
            Newer::EndedByOwn => Ok(Locked::Gone),
            Newer::HeldBy(holder) => Err(Obstacle::HeldBy(holder)),
            // Then the version looked at first was replaced for good.
            Newer::Ended => {
                Err(Obstacle::ReplacedBy { next, maker, strength: RowLockMode::Update })
            }
        })
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
        let held = match self.judge(view, page.page(), place, mode)? {
            Ok(held) => held,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        self.hold(view, &mut page, place, &held, (xid, mode))?;
        Ok(Ok(held.successor()))
    }

    /// Notes a lock of a version that may be locked. Its page has been locked since that was found.
    pub(super) fn hold(
        &self,
        view: &View<'_>,
        page: &mut PageWrite<'_>,
        place: TupleId,
        held: &Held,
        (xid, mode): (Xid, RowLockMode),
    ) -> Result<(), Error> {
        let header = &held.header;
        if self.is_held_by_own(view, header, place, mode) || mutant::on(Mutant::RowLockForgotten) {
            return Ok(());
        }
        let lock = if held.has_room_for(xid) {
            page::Lock { holder: Some((xid, mode)), more_lockers: false }
        } else {
            self.access.txn.add_locker(self.row_version(place, header), xid, mode)?;
            page::Lock { holder: None, more_lockers: true }
        };
        self.log_lock(page, place, header, xid, lock)
    }

    /// Writes a lock into the version, unless it says so already.
    pub(super) fn log_lock(
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

    pub(super) fn row_version(&self, place: TupleId, header: &Header) -> RowVersion {
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

    /// One who is in the way of the own transaction.
    pub(super) fn holder(
        &self,
        view: &View<'_>,
        header: &Header,
        place: TupleId,
        xid: Xid,
    ) -> Holder {
        let stands = header.has(infomask::LOCK_ONLY) && view.is_own(header.xmax);
        let lockers = self.lockers(header, place);
        let beside_own = stands || lockers.iter().any(|(locker, _)| view.is_own(*locker));
        Holder { xid, place, beside_own }
    }

    /// The version is about to be ended by `xid`, which has found that it may: a lock that stands in
    /// it goes to the table.
    pub(super) fn displace(
        &self,
        view: &View<'_>,
        held: &Held,
        place: TupleId,
        xid: Xid,
    ) -> Result<Displaced, Error> {
        let header = &held.header;
        let mut lockers = self.lockers(header, place);
        if let Some(occupant) = held.occupant
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
