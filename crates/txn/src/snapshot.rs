//! Snapshots, and what has become of a transaction.
//!
//! How a snapshot works, and why nothing can slip past one, is told in `sequence.rs`.
//!
//! A process publishes in its slot the xmin of the oldest snapshot it holds, and takes it back when
//! the last is dropped. `snapshot_flush` and `snapshot_async` show where in the log that one, or a
//! still older one, was taken. If the process dies, its published xmin holds the horizon back until its slot is cleared.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use shmem::proc;
use smallvec::SmallVec;
use sys::mutant::{self, Mutant};
use types::{Lsn, Xid};

use crate::error::{Error, Result};
use crate::own::OwnXids;
use crate::sequence::{Fate, Numbers, Word};
use crate::transaction::Transaction;
use crate::txn::Txn;

/// What has become of a transaction, as of now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XidStatus {
    /// It runs, or its commit is not visible to anybody yet.
    InProgress,
    /// It committed: new snapshots see it. The end of its COMMIT record, or `None` if that was
    /// durable long ago.
    Committed(Option<Lsn>),
    /// It rolled back, or a crash ended it.
    Aborted,
}

impl XidStatus {
    /// Whether a hint may say so: nothing about it can change, not even by a crash, when the log
    /// is durable up to `flushed` ([`Txn::flush_lsn`]).
    pub fn is_durable(self, flushed: Lsn) -> bool {
        match self {
            XidStatus::InProgress => false,
            XidStatus::Committed(lsn) => lsn.is_none_or(|lsn| lsn <= flushed),
            XidStatus::Aborted => true,
        }
    }
}

/// Which transactions one sees. While it lives, what it needs is kept: drop it soon.
#[derive(Debug)]
pub struct Snapshot {
    numbers: Numbers,
    own: Rc<OwnXids>,
    command: u32,
    registry: Rc<Registry>,
}

impl Snapshot {
    /// Every transaction below it has ended, and is visible if it committed.
    pub fn xmin(&self) -> Xid {
        self.numbers.xmin
    }

    /// No transaction from it on is visible.
    pub fn xmax(&self) -> Xid {
        self.numbers.xmax
    }

    /// The ids of the transaction that took it, as they are now. They are not
    /// [visible](Txn::visible): what its own commands did is decided by their numbers.
    pub fn own(&self) -> &Rc<OwnXids> {
        &self.own
    }

    /// The command that took it: it sees what earlier commands of its transaction did.
    pub fn command(&self) -> u32 {
        self.command
    }

    /// The same sight of other transactions for a later command of the own one, which sees what
    /// earlier commands did.
    pub fn renewed(&self, transaction: &Transaction) -> Snapshot {
        self.registry.hold(self.numbers.xmin);
        Snapshot {
            numbers: self.numbers,
            own: Rc::clone(transaction.own()),
            command: transaction.command(),
            registry: Rc::clone(&self.registry),
        }
    }

    /// Up to where in the log it sees commits.
    pub fn flush_lsn(&self) -> Lsn {
        self.numbers.sight.flush
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.registry.release(self.numbers.xmin);
    }
}

/// The snapshots that this process holds: their xmins, in the order in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Registry(RefCell<SmallVec<[Xid; 8]>>);

impl Registry {
    fn hold(&self, xmin: Xid) {
        self.0.borrow_mut().push(xmin);
    }

    fn release(&self, xmin: Xid) {
        let mut held = self.0.borrow_mut();
        if let Some(at) = held.iter().rposition(|&other| other == xmin) {
            held.remove(at);
        }
        let oldest = held.iter().min().copied().unwrap_or(Xid::INVALID);
        proc::me().snapshot_xmin.set(oldest.0);
    }
}

impl Txn {
    /// A snapshot of now, for the transaction's current command.
    pub fn snapshot(&self, transaction: &Transaction) -> Snapshot {
        self.advance_oldest();
        let slot = proc::me();
        let alone = slot.snapshot_xmin.get() == 0;
        let numbers = self.sequence().snapshot(&slot.snapshot_xmin, || self.sight());
        self.snapshots.hold(numbers.xmin);
        if alone {
            slot.snapshot_flush.store(numbers.sight.flush.0, Ordering::SeqCst);
            slot.snapshot_async.store(numbers.sight.asynchronous.0, Ordering::Relaxed);
        }
        Snapshot {
            numbers,
            own: Rc::clone(transaction.own()),
            command: transaction.command(),
            registry: Rc::clone(&self.snapshots),
        }
    }

    /// Whether every snapshot that other processes hold was taken when the log was durable up to
    /// `lsn`: then whoever holds one has read nothing as it was before that position. May be false
    /// for a moment when it is true.
    pub fn held_snapshots_see(&self, lsn: Lsn) -> bool {
        let me = proc::me();
        // A snapshot in the making shows its xmin first, and an earlier one's position until it has
        // its own. One that is missed here begins to read after this.
        self.procs.iter().filter(|slot| !std::ptr::eq(*slot, me)).all(|slot| {
            slot.snapshot_xmin.get() == 0 || slot.snapshot_flush.load(Ordering::SeqCst) >= lsn.0
        })
    }

    /// Whether the snapshot sees what the transaction `xid` did. Of its own transaction: no.
    ///
    /// Errors: a status page can't be read.
    pub fn visible(&self, snapshot: &Snapshot, xid: Xid) -> Result<bool> {
        if mutant::on(Mutant::SnapshotChangesItsMind) {
            return Ok(matches!(self.status(xid)?, XidStatus::Committed(_)));
        }
        let Numbers { xmin, xmax, sight } = snapshot.numbers;
        if xid >= xmax {
            return Ok(false);
        }
        if xid < xmin {
            return self.committed_long_ago(xid);
        }
        match self.sequence().fate(xid, xmin) {
            Some(fate) => Ok(fate.visible(sight)),
            None => self.committed_long_ago(xid),
        }
    }

    /// What has become of a transaction, as of now. A commit that is not yet visible to new
    /// snapshots counts as in progress.
    ///
    /// Errors: `xid` was never handed out, or a status page can't be read.
    pub fn status(&self, xid: Xid) -> Result<XidStatus> {
        let Some(fate) = self.sequence().recent(xid) else {
            let committed = self.committed_long_ago(xid)?;
            return Ok(if committed { XidStatus::Committed(None) } else { XidStatus::Aborted });
        };
        let next = self.next_xid();
        if xid >= next {
            return Err(Error::UnknownXid { xid, next });
        }
        Ok(match fate {
            Fate::Aborted => XidStatus::Aborted,
            Fate::Committed { lsn, .. } if fate.visible(self.sight()) => {
                XidStatus::Committed(Some(lsn))
            }
            Fate::Running | Fate::Committed { .. } | Fate::PartOf(_) => XidStatus::InProgress,
        })
    }

    /// Waits until the transaction has ended, one way or the other: of a subtransaction, until it
    /// has rolled back or its transaction has ended. Such a wait is for its transaction, as the
    /// views and the search for deadlocks see it.
    ///
    /// Errors: a deadlock (`40P01`), TERM (`57P01`) or INT (`57014`) while waiting, or what
    /// [`Txn::status`] returns.
    pub fn wait_for(&self, xid: Xid) -> Result<()> {
        let ended = || Ok(self.status(xid)? != XidStatus::InProgress);
        let top = self.sequence().top(xid).unwrap_or(xid);
        self.locks().wait_for_xid(top, ended)
    }

    /// Whether a transaction below the oldest running one committed.
    fn committed_long_ago(&self, xid: Xid) -> Result<bool> {
        if xid < Xid::FIRST_NORMAL {
            return Ok(xid.is_valid());
        }
        if let (known, committed) = self.last_status.get()
            && known == xid
        {
            return Ok(committed);
        }
        let committed = self.read_status(xid)?;
        self.last_status.set((xid, committed));
        Ok(committed)
    }
}
