//! What a command sees of other transactions: the bridge from the rules to `txn`.

use std::cell::Cell;

use sys::mutant::{self, Mutant};
use txn::{OwnXids, Snapshot, Transaction, Txn, XidStatus};
use types::Xid;

use super::visibility::{Ending, SnapshotView, Transactions};
use crate::error::Error;

/// The own transaction and command (by all the ids that it goes by), and how other transactions ended.
pub(super) struct View<'a> {
    txn: &'a Txn,
    own: Option<&'a OwnXids>,
    command: u32,
    /// Whether the transaction has one snapshot for all of its commands.
    keeps_snapshot: bool,
    /// The last transaction asked for that had ended: pages are full of the same few.
    last: Cell<Option<(Xid, Ending)>>,
}

impl<'a> View<'a> {
    /// As the current command of the transaction sees it.
    pub fn new(txn: &'a Txn, tx: &'a Transaction) -> Self {
        let (command, keeps_snapshot) = (tx.command(), tx.keeps_snapshot());
        View { txn, own: Some(tx.own()), command, keeps_snapshot, last: Cell::new(None) }
    }

    /// Whether what others have changed since the transaction's snapshot must not be changed.
    pub fn keeps_snapshot(&self) -> bool {
        self.keeps_snapshot && !mutant::on(Mutant::ConcurrentUpdateIgnored)
    }

    /// As the process as a whole sees it: its transaction, if it has one, is in progress.
    pub fn outside(txn: &'a Txn) -> Self {
        View { txn, own: None, command: 0, keeps_snapshot: false, last: Cell::new(None) }
    }
}

impl Transactions for View<'_> {
    fn is_own(&self, xid: Xid) -> bool {
        self.own.is_some_and(|own| own.has(xid))
    }

    fn command(&self) -> u32 {
        self.command
    }

    fn ending(&self, xid: Xid) -> Result<Ending, Error> {
        if let Some((last, ending)) = self.last.get()
            && last == xid
        {
            return Ok(ending);
        }
        let status = self.txn.status(xid)?;
        let durable = status.is_durable(self.txn.flush_lsn());
        let ending = match status {
            XidStatus::InProgress => return Ok(Ending::InProgress),
            XidStatus::Aborted => Ending::Aborted,
            XidStatus::Committed(_) => Ending::Committed { durable },
        };
        self.last.set(Some((xid, ending)));
        Ok(ending)
    }
}

/// What a command sees with its snapshot.
pub(super) struct Sight<'a> {
    view: View<'a>,
    snapshot: &'a Snapshot,
    /// The last committed transaction asked for, and whether the snapshot sees it.
    last: Cell<Option<(Xid, bool)>>,
}

impl<'a> Sight<'a> {
    /// The sight of the command that took the snapshot.
    pub fn new(txn: &'a Txn, snapshot: &'a Snapshot) -> Self {
        let own = Some(&**snapshot.own());
        let (command, last) = (snapshot.command(), Cell::new(None));
        let view = View { txn, own, command, keeps_snapshot: false, last };
        Sight { view, snapshot, last: Cell::new(None) }
    }
}

impl Transactions for Sight<'_> {
    fn is_own(&self, xid: Xid) -> bool {
        self.view.is_own(xid)
    }

    fn command(&self) -> u32 {
        self.view.command()
    }

    fn ending(&self, xid: Xid) -> Result<Ending, Error> {
        self.view.ending(xid)
    }
}

impl SnapshotView for Sight<'_> {
    fn everything_before(&self) -> Xid {
        self.snapshot.xmin()
    }

    fn sees_committed(&self, xid: Xid) -> Result<bool, Error> {
        if let Some((last, sees)) = self.last.get()
            && last == xid
        {
            return Ok(sees);
        }
        let sees = self.view.txn.visible(self.snapshot, xid)?;
        self.last.set(Some((xid, sees)));
        Ok(sees)
    }
}
