//! Subtransactions: parts of a transaction that can be rolled back by themselves.
//!
//! ```text
//!  BEGIN      SAVEPOINT a     SAVEPOINT b         ROLLBACK TO a
//!  ──┬────────────┬───────────────┬────────────────────┬──────────> one Transaction
//!    xid 7        │ level 0       │ level 1            │ level 0 begins anew
//!    created []   │ xid 8         │ xid 9              │ xid 11, if it writes again
//!    parts   []   │ [8]           │ [8, 9]             │ []           9 and 8 have aborted
//! ```
//!
//! Everything that a transaction notes is a list that only grows: ids, files made and dropped,
//! invalidations, locks. A level is a mark in each of these lists. Releasing it forgets the mark, so
//! what it did belongs to the level around it; rolling it back undoes what lies behind the mark.
//!
//! - A level gets an id at its first write, and again after it was rolled back. The transaction
//!   gets its own first, so an id is above that of the transaction it is a part of.
//! - In shared memory an id's entry in the commit sequence says which transaction it is a part of
//!   (`sequence.rs`). Nothing else there knows of levels: if the process dies, one store into the
//!   entry of the transaction ends all of them.
//! - Rolling back begins the next command: a version that a command of the level deleted has lost
//!   the number of the command that made it, which must be an earlier one than the current.
//!
//! # Limits
//! A COMMIT record names the status page of each id, all pinned and locked before its critical
//! section: at most [`STATUS_PAGES_MAX`] pages, so many of 32640 ids each. It lists all the ids: at
//! most [`PARTS_MAX`]. Both are asked for when an id is handed out, not at the end.
//!
//! What if the process dies: everything it noted is aborted with its transaction.

use types::Xid;

use crate::error::{Error, Result};
use crate::sequence::Fate;
use crate::status::Place;
use crate::transaction::Transaction;
use crate::txn::Txn;

/// Status pages that a COMMIT may touch: one pin each, of the 32 that a process may have.
pub(crate) const STATUS_PAGES_MAX: usize = 28;
/// Ids of live subtransactions that a transaction may have: a COMMIT spends 10 bytes on each.
pub(crate) const PARTS_MAX: usize = 1 << 18;

const _: () = assert!(PARTS_MAX as u64 * 10 + ((STATUS_PAGES_MAX as u64 * 9) << 10) < 4 << 20);

/// An open subtransaction: where its share in each list begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// What it writes goes by this id, once it has written.
    pub xid: Option<Xid>,
    parts: usize,
    status_pages: usize,
    created: usize,
    dropped: usize,
    invalidations: usize,
    locks: usize,
}

impl Transaction {
    /// How many subtransactions are open, each within the one before it.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The id that a change made now goes by, if there is one already.
    pub fn writing_xid(&self) -> Option<Xid> {
        match self.levels.last() {
            Some(level) => level.xid,
            None => self.xid(),
        }
    }

    /// Whether the id of a new subtransaction can be on this page besides those there are.
    pub(crate) fn check_room_for_part(&self, place: Place) -> Result<usize> {
        if self.own.parts() >= PARTS_MAX {
            return Err(Error::TooManySubtransactions);
        }
        let last = self.own.last_part().or(self.xid()).map(|xid| Place::of(xid).block);
        let pages = self.status_pages.max(1) + usize::from(last != Some(place.block));
        if pages > STATUS_PAGES_MAX { Err(Error::SubtransactionsTooFarApart) } else { Ok(pages) }
    }
}

impl Txn {
    /// Begins a subtransaction within the innermost one.
    pub fn begin_subtransaction(&self, transaction: &mut Transaction) {
        let level = Level {
            xid: None,
            parts: transaction.own.parts(),
            status_pages: transaction.status_pages,
            created: transaction.created.len(),
            dropped: transaction.dropped.len(),
            invalidations: transaction.invalidations.len(),
            locks: self.locks().mark(),
        };
        transaction.levels.push(level);
        self.statistics().begin_part();
    }

    /// Ends the subtransaction at `depth` (from 0) and those within it: what they did belongs to
    /// the one around it.
    pub fn release_subtransaction(&self, transaction: &mut Transaction, depth: usize) {
        transaction.levels.truncate(depth);
        self.statistics().release_part(depth);
    }

    /// Undoes what the subtransaction at `depth` (from 0) and those within it did; it stays open and
    /// begins anew. Cannot fail.
    pub fn rollback_subtransaction(&self, transaction: &mut Transaction, depth: usize) {
        let Some(&level) = transaction.levels.get(depth) else { return };
        transaction.levels.truncate(depth + 1);
        transaction.levels[depth].xid = None;
        let xids = transaction.own.parts_from(level.parts);
        let created = transaction.created[level.created..].to_vec();
        let logged = self.log_abort_of_parts(&xids, &created);
        xids.iter().for_each(|&xid| self.sequence().close(xid, Fate::Aborted));
        transaction.own.forget_parts_from(level.parts);
        transaction.status_pages = level.status_pages;
        if let Some(top) = transaction.xid().filter(|_| !xids.is_empty()) {
            self.locks().wake_xid_waiters(top);
        }
        self.remove_created(&created, logged);
        self.statistics().rollback_part(depth, &created);
        transaction.forget_created(level.created);
        transaction.dropped.truncate(level.dropped);
        transaction.invalidations.truncate(level.invalidations);
        self.locks().release_since(level.locks);
        // At the last number the end of the next command fails, before it is used twice.
        let _last = transaction.next_command();
    }
}
