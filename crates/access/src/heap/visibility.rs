//! Who sees a row version, who may change it, and who could still need it.
//!
//! | version                              | snapshot sees it if …                                |
//! |--------------------------------------|------------------------------------------------------|
//! | made by another transaction          | the snapshot sees that transaction                   |
//! | made by this one                     | an earlier command made it (`cid < current`)         |
//! | … and not deleted, or only locked    | (as above)                                           |
//! | … deleted by another transaction     | the snapshot does not see the deleter                |
//! | … deleted by this one                | no earlier command deleted it (`cid >= current`)     |
//!
//! The order of the questions is a rule: hints first, then the own transaction, then whether it is
//! in progress, and only then the durable status, which is set before a commit is done. The last
//! two are one question to `txn` here.
//!
//! A version made *and* deleted by the own transaction has lost the number of the command that
//! made it: `cid` tells who deleted it. That is enough while statements run one after the other:
//! whoever deleted it had seen it, so the maker is an earlier command than the deleter. If the
//! deleter was a subtransaction that rolled back, the number is still there; but rolling back begins
//! a new command, so the maker is an earlier one than the current, too.
//!
//! Nothing here touches a page. Each answer comes with the hints that it would justify; whoever
//! holds the page decides whether to set them.

use txn::RowLockMode;
use types::{TupleId, Xid};

use crate::error::Error;
use crate::tuple::{Header, infomask as mask};

/// How a transaction ended, if it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// Not yet.
    InProgress,
    /// It committed; `durable` tells whether a hint may say so.
    Committed {
        /// The commit record has been flushed.
        durable: bool,
    },
    /// It aborted, or crashed.
    Aborted,
}

/// What visibility needs to know of transactions.
pub(crate) trait Transactions {
    /// Whether this session's own transaction goes by this id: as a whole, or as one of its
    /// subtransactions that have not rolled back.
    fn is_own(&self, xid: Xid) -> bool;
    /// The number of the current command of the own transaction.
    fn command(&self) -> u32;
    /// How another transaction ended.
    fn ending(&self, xid: Xid) -> Result<Ending, Error>;
}

/// What a snapshot sees, besides.
pub(crate) trait SnapshotView: Transactions {
    /// Everything before this id has ended, and is seen if it committed.
    fn everything_before(&self) -> Xid;
    /// Whether the snapshot sees what another transaction did, which has committed.
    fn sees_committed(&self, xid: Xid) -> Result<bool, Error>;
}

/// Whether the snapshot sees the version. Adds hints to `hints`.
pub(crate) fn is_visible(
    view: &impl SnapshotView,
    version: &Header,
    hints: &mut u16,
) -> Result<bool, Error> {
    if version.has(mask::XMIN_ABORTED) {
        return Ok(false);
    }
    if !version.has(mask::XMIN_COMMITTED) && view.is_own(version.xmin) {
        let deleted = !version.has(mask::LOCK_ONLY) && view.is_own(version.xmax);
        return Ok((version.cid < view.command()) != deleted);
    }
    if !sees_maker(view, version, hints)? {
        return Ok(false);
    }
    if !version.xmax.is_valid()
        || version.has(mask::LOCK_ONLY)
        || version.infomask & mask::XMAX_ABORTED != 0
    {
        return Ok(true);
    }
    if !version.has(mask::XMAX_COMMITTED) && view.is_own(version.xmax) {
        return Ok(version.cid >= view.command());
    }
    Ok(!sees_deleter(view, version, hints)?)
}

fn sees_maker(view: &impl SnapshotView, version: &Header, hints: &mut u16) -> Result<bool, Error> {
    if version.has(mask::XMIN_COMMITTED) {
        return sees_committed(view, version.xmin);
    }
    match view.ending(version.xmin)? {
        Ending::InProgress => Ok(false),
        Ending::Aborted => {
            *hints |= mask::XMIN_ABORTED;
            Ok(false)
        }
        Ending::Committed { durable } => {
            *hints |= if durable { mask::XMIN_COMMITTED } else { 0 };
            sees_committed(view, version.xmin)
        }
    }
}

fn sees_deleter(
    view: &impl SnapshotView,
    version: &Header,
    hints: &mut u16,
) -> Result<bool, Error> {
    if version.has(mask::XMAX_COMMITTED) {
        return sees_committed(view, version.xmax);
    }
    match view.ending(version.xmax)? {
        Ending::InProgress => Ok(false),
        Ending::Aborted => {
            *hints |= mask::XMAX_ABORTED;
            Ok(false)
        }
        Ending::Committed { durable } => {
            *hints |= if durable { mask::XMAX_COMMITTED } else { 0 };
            sees_committed(view, version.xmax)
        }
    }
}

fn sees_committed(view: &impl SnapshotView, xid: Xid) -> Result<bool, Error> {
    if xid < view.everything_before() { Ok(true) } else { view.sees_committed(xid) }
}

/// Whether the current command may change a version that it has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Changeable {
    /// Nobody holds it too strongly. It is the newest version, or another transaction in progress
    /// has replaced it and left its key as it was.
    Yes {
        /// Its `xmax`, if that is the own transaction or runs: who stands in the version and must not
        /// be overwritten. It is told with the answer, because the answer rests on it: asked again, a
        /// transaction may have ended, and a version that it has replaced would count as free.
        occupant: Option<Xid>,
    },
    /// This command cannot have seen it.
    Invisible,
    /// This very command has changed it already.
    SelfModified,
    /// A transaction in progress has deleted, replaced or locked it.
    HeldBy(Xid),
    /// Another transaction deleted it and has committed.
    Deleted,
    /// Another transaction replaced it by the version at its `ctid` and has committed.
    Replaced,
}

impl Changeable {
    const FREE: Changeable = Changeable::Yes { occupant: None };
}

/// Asks whether the current command may hold the version at `place` so strongly: change it, or lock
/// it. Whether others than its `xmax` hold it is not asked here.
pub(crate) fn is_changeable(
    view: &impl Transactions,
    version: &Header,
    place: TupleId,
    mode: RowLockMode,
) -> Result<Changeable, Error> {
    let mine = |xid: Xid| view.is_own(xid);
    let deleted_by_me = mine(version.xmax) && !version.has(mask::LOCK_ONLY);
    let by_this_command = version.cid >= view.command();
    if version.has(mask::XMIN_ABORTED) {
        return Ok(Changeable::Invisible);
    }
    if mine(version.xmin) {
        if !deleted_by_me && by_this_command {
            return Ok(Changeable::Invisible);
        }
    } else if !version.has(mask::XMIN_COMMITTED)
        && !matches!(view.ending(version.xmin)?, Ending::Committed { .. })
    {
        return Ok(Changeable::Invisible);
    }
    if deleted_by_me {
        return Ok(if by_this_command { Changeable::SelfModified } else { Changeable::Invisible });
    }
    if !version.xmax.is_valid() || version.has(mask::XMAX_ABORTED) {
        return Ok(Changeable::FREE);
    }
    let shared = Changeable::Yes { occupant: Some(version.xmax) };
    if mine(version.xmax) {
        return Ok(shared);
    }
    Ok(match maker_or_ender(view, version.xmax, version.has(mask::XMAX_COMMITTED))? {
        Ending::InProgress if !mode.conflicts_with(version.strength()) => shared,
        Ending::InProgress => Changeable::HeldBy(version.xmax),
        Ending::Aborted => Changeable::FREE,
        Ending::Committed { .. } if version.has(mask::LOCK_ONLY) => Changeable::FREE,
        Ending::Committed { .. } if version.ctid == place => Changeable::Deleted,
        Ending::Committed { .. } => Changeable::Replaced,
    })
}

/// How a transaction ended, when a hint may have told already that it committed.
fn maker_or_ender(view: &impl Transactions, xid: Xid, hinted: bool) -> Result<Ending, Error> {
    if hinted { Ok(Ending::Committed { durable: true }) } else { view.ending(xid) }
}

/// What a version is to someone who wants to know what there is now, whatever his snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Liveness {
    /// It is there: committed, or made by the own transaction.
    Live,
    /// It is there or not, depending on how this transaction ends.
    Depends(Xid),
    /// It never came to be, or has been deleted or replaced.
    Gone,
}

/// Asks what there is now: what unique indexes go by.
pub(crate) fn liveness(view: &impl Transactions, version: &Header) -> Result<Liveness, Error> {
    let mine = |xid: Xid| view.is_own(xid);
    if version.has(mask::XMIN_ABORTED) {
        return Ok(Liveness::Gone);
    }
    if !version.has(mask::XMIN_COMMITTED) && !mine(version.xmin) {
        match view.ending(version.xmin)? {
            Ending::InProgress => return Ok(Liveness::Depends(version.xmin)),
            Ending::Aborted => return Ok(Liveness::Gone),
            Ending::Committed { .. } => {}
        }
    }
    if !version.xmax.is_valid() || version.has(mask::LOCK_ONLY) || version.has(mask::XMAX_ABORTED) {
        return Ok(Liveness::Live);
    }
    if mine(version.xmax) {
        return Ok(Liveness::Gone);
    }
    Ok(match maker_or_ender(view, version.xmax, version.has(mask::XMAX_COMMITTED))? {
        Ending::InProgress => Liveness::Depends(version.xmax),
        Ending::Aborted => Liveness::Live,
        Ending::Committed { .. } => Liveness::Gone,
    })
}

/// Whether anyone can still need a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// It is the newest version of its row, or in progress.
    Live,
    /// Nobody sees it any more, nor ever will: `by` made it so.
    Dead {
        /// The deleter, or [`Xid::INVALID`] if the maker aborted.
        by: Xid,
    },
    /// It will be dead once every snapshot is younger than this transaction, if it commits.
    Until(Xid),
}

/// Asks whether anyone can still need a version. `horizon`: every snapshot, held now or taken
/// later, sees what transactions before it committed.
pub(crate) fn need(
    view: &impl Transactions,
    version: &Header,
    horizon: Xid,
) -> Result<Need, Error> {
    if version.has(mask::XMIN_ABORTED) {
        return Ok(Need::Dead { by: Xid::INVALID });
    }
    if !version.has(mask::XMIN_COMMITTED) && !view.is_own(version.xmin) {
        match view.ending(version.xmin)? {
            Ending::InProgress => return Ok(Need::Live),
            Ending::Aborted => return Ok(Need::Dead { by: Xid::INVALID }),
            Ending::Committed { .. } => {}
        }
    }
    if !version.xmax.is_valid()
        || version.has(mask::LOCK_ONLY)
        || version.infomask & mask::XMAX_ABORTED != 0
    {
        return Ok(Need::Live);
    }
    if view.is_own(version.xmax) {
        return Ok(Need::Until(version.xmax));
    }
    match maker_or_ender(view, version.xmax, version.has(mask::XMAX_COMMITTED))? {
        Ending::Aborted => Ok(Need::Live),
        Ending::Committed { .. } if version.xmax < horizon => Ok(Need::Dead { by: version.xmax }),
        Ending::Committed { .. } | Ending::InProgress => Ok(Need::Until(version.xmax)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Xid = Xid(100);
    const OWN_PART: Xid = Xid(103);
    const OLD: Xid = Xid(10);
    const SEEN: Xid = Xid(50);
    const UNSEEN: Xid = Xid(51);
    const ASYNC: Xid = Xid(52);
    const RUNNING: Xid = Xid(60);
    const ABORTED: Xid = Xid(61);
    const HERE: TupleId = TupleId { block: 0, offset: 1 };
    const THERE: TupleId = TupleId { block: 0, offset: 2 };

    /// The fifth command of transaction 100, among the transactions above.
    struct World;

    impl Transactions for World {
        fn is_own(&self, xid: Xid) -> bool {
            xid == OWN || xid == OWN_PART
        }
        fn command(&self) -> u32 {
            5
        }
        fn ending(&self, xid: Xid) -> Result<Ending, Error> {
            assert_ne!(xid, OWN, "the own transaction is asked for before status");
            Ok(match xid {
                RUNNING => Ending::InProgress,
                ABORTED => Ending::Aborted,
                ASYNC => Ending::Committed { durable: false },
                _ => Ending::Committed { durable: true },
            })
        }
    }

    impl SnapshotView for World {
        fn everything_before(&self) -> Xid {
            Xid(20)
        }
        fn sees_committed(&self, xid: Xid) -> Result<bool, Error> {
            Ok(xid == SEEN || xid == ASYNC)
        }
    }

    fn version(xmin: Xid, xmax: Xid, cid: u32) -> Header {
        Header { xmin, xmax, cid, ctid: HERE, infomask: 0, natts: 1, hoff: 32 }
    }

    fn visible(version: Header) -> (bool, u16) {
        let mut hints = 0;
        (is_visible(&World, &version, &mut hints).expect("no I/O"), hints)
    }

    fn changeable(version: Header) -> Changeable {
        can(RowLockMode::Update, version)
    }

    fn can(mode: RowLockMode, version: Header) -> Changeable {
        is_changeable(&World, &version, HERE, mode).expect("no I/O")
    }

    fn beside(xid: Xid) -> Changeable {
        Changeable::Yes { occupant: Some(xid) }
    }

    #[test]
    fn who_holds_a_row_weakly_lets_others_in() {
        use RowLockMode::{KeyShare, NoKeyUpdate, Share, Update};
        let held = |mode: RowLockMode| {
            let strength = (mode as u16) << mask::STRENGTH_SHIFT;
            Header { infomask: mask::LOCK_ONLY | strength, ..version(OLD, RUNNING, 0) }
        };
        assert_eq!(can(NoKeyUpdate, held(KeyShare)), beside(RUNNING));
        assert_eq!(can(Update, held(KeyShare)), Changeable::HeldBy(RUNNING));
        assert_eq!(can(Share, held(Share)), beside(RUNNING));
        assert_eq!(can(NoKeyUpdate, held(Share)), Changeable::HeldBy(RUNNING));
        let replaced =
            Header { infomask: held(NoKeyUpdate).infomask & mask::STRENGTH, ..held(Share) };
        assert_eq!(can(KeyShare, replaced), beside(RUNNING));
        assert_eq!(can(Share, replaced), Changeable::HeldBy(RUNNING));
    }

    #[test]
    fn makers_decide_first() {
        let none = Xid::INVALID;
        assert_eq!(visible(version(OLD, none, 0)), (true, mask::XMIN_COMMITTED));
        assert_eq!(visible(version(SEEN, none, 0)), (true, mask::XMIN_COMMITTED));
        assert_eq!(visible(version(UNSEEN, none, 0)), (false, mask::XMIN_COMMITTED));
        assert_eq!(visible(version(ASYNC, none, 0)), (true, 0), "not durable: no hint");
        assert_eq!(visible(version(RUNNING, none, 0)), (false, 0));
        assert_eq!(visible(version(ABORTED, none, 0)), (false, mask::XMIN_ABORTED));
        assert_eq!(visible(version(OWN, none, 4)), (true, 0));
        assert_eq!(visible(version(OWN, none, 5)), (false, 0), "never its own changes");
    }

    #[test]
    fn deleters_decide_second() {
        let deleted_by = |xmax, cid| visible(version(OLD, xmax, cid)).0;
        assert!(!deleted_by(SEEN, 0));
        assert!(deleted_by(UNSEEN, 0));
        assert!(deleted_by(RUNNING, 0));
        assert!(deleted_by(ABORTED, 0));
        assert!(!deleted_by(OWN, 4));
        assert!(deleted_by(OWN, 5));
        assert!(!visible(version(OWN, OWN, 4)).0);
        assert!(visible(version(OWN, OWN, 5)).0, "made before, deleted by this command");
        assert!(visible(version(OWN_PART, Xid::INVALID, 4)).0, "a subtransaction's is own");
        assert!(!visible(version(OWN_PART, Xid::INVALID, 5)).0);
        assert!(!visible(version(OWN, OWN_PART, 4)).0);
        assert!(visible(version(OWN, ABORTED, 4)).0, "deleted by a part that rolled back");
        assert!(!visible(version(ABORTED, OWN, 4)).0, "made by one");
        let locked = Header { infomask: mask::LOCK_ONLY, ..version(OLD, SEEN, 0) };
        assert!(visible(locked).0);
    }

    #[test]
    fn a_committed_hint_does_not_replace_the_snapshot() {
        let hinted = Header { infomask: mask::XMIN_COMMITTED, ..version(UNSEEN, Xid::INVALID, 0) };
        assert!(!visible(hinted).0);
        let hinted = Header {
            infomask: mask::XMIN_COMMITTED | mask::XMAX_COMMITTED,
            ..version(OLD, UNSEEN, 0)
        };
        assert!(visible(hinted).0);
    }

    #[test]
    fn a_change_waits_for_holders_and_notices_who_was_faster() {
        let held_by = |xmax| changeable(version(OLD, xmax, 0));
        assert_eq!(held_by(Xid::INVALID), Changeable::FREE);
        assert_eq!(held_by(RUNNING), Changeable::HeldBy(RUNNING));
        assert_eq!(held_by(ABORTED), Changeable::FREE);
        assert_eq!(held_by(UNSEEN), Changeable::Deleted);
        let replaced = Header { ctid: THERE, ..version(OLD, UNSEEN, 0) };
        assert_eq!(changeable(replaced), Changeable::Replaced);
        let locked = |xmax| Header { infomask: mask::LOCK_ONLY, ..version(OLD, xmax, 0) };
        assert_eq!(changeable(locked(RUNNING)), Changeable::HeldBy(RUNNING));
        assert_eq!(changeable(locked(UNSEEN)), Changeable::FREE);
        assert_eq!(changeable(locked(OWN)), beside(OWN));
    }

    #[test]
    fn a_command_changes_a_row_once() {
        assert_eq!(changeable(version(OLD, OWN, 5)), Changeable::SelfModified);
        assert_eq!(changeable(version(OLD, OWN, 4)), Changeable::Invisible);
        assert_eq!(changeable(version(OWN, Xid::INVALID, 4)), Changeable::FREE);
        assert_eq!(changeable(version(OWN, Xid::INVALID, 5)), Changeable::Invisible);
        assert_eq!(changeable(version(OWN, OWN, 5)), Changeable::SelfModified);
        assert_eq!(changeable(version(OWN, OWN_PART, 5)), Changeable::SelfModified);
        assert_eq!(changeable(version(OWN, ABORTED, 4)), Changeable::FREE);
        assert_eq!(changeable(version(RUNNING, Xid::INVALID, 0)), Changeable::Invisible);
    }

    #[test]
    fn uniqueness_goes_by_what_there_is_now() {
        let now = |version: Header| liveness(&World, &version).expect("no I/O");
        let none = Xid::INVALID;
        assert_eq!(now(version(UNSEEN, none, 0)), Liveness::Live, "whatever the snapshot");
        assert_eq!(now(version(OWN, none, 5)), Liveness::Live, "own command too");
        assert_eq!(now(version(RUNNING, none, 0)), Liveness::Depends(RUNNING));
        assert_eq!(now(version(ABORTED, none, 0)), Liveness::Gone);
        assert_eq!(now(version(OLD, UNSEEN, 0)), Liveness::Gone);
        assert_eq!(now(version(OLD, OWN, 5)), Liveness::Gone);
        assert_eq!(now(version(OLD, RUNNING, 0)), Liveness::Depends(RUNNING));
        assert_eq!(now(version(OLD, ABORTED, 0)), Liveness::Live);
        let locked = Header { infomask: mask::LOCK_ONLY, ..version(OLD, RUNNING, 0) };
        assert_eq!(now(locked), Liveness::Live);
    }

    #[test]
    fn only_what_nobody_can_see_is_dead() {
        let horizon = Xid(51);
        let need = |version: Header| need(&World, &version, horizon).expect("no I/O");
        assert_eq!(need(version(OLD, Xid::INVALID, 0)), Need::Live);
        assert_eq!(need(version(OLD, SEEN, 0)), Need::Dead { by: SEEN });
        assert_eq!(need(version(OLD, UNSEEN, 0)), Need::Until(UNSEEN), "at the horizon");
        assert_eq!(need(version(OLD, RUNNING, 0)), Need::Until(RUNNING));
        assert_eq!(need(version(OLD, ABORTED, 0)), Need::Live);
        assert_eq!(need(version(OLD, OWN, 0)), Need::Until(OWN));
        assert_eq!(need(version(ABORTED, Xid::INVALID, 0)), Need::Dead { by: Xid::INVALID });
        assert_eq!(need(version(RUNNING, Xid::INVALID, 0)), Need::Live);
        assert_eq!(need(version(OWN, Xid::INVALID, 0)), Need::Live);
        let locked = Header { infomask: mask::LOCK_ONLY, ..version(OLD, SEEN, 0) };
        assert_eq!(need(locked), Need::Live);
    }
}
