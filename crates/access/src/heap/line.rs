//! Standing in line for a row.
//!
//! Who finds a row held waits for the end of the holder's transaction. If several did no more than
//! that, all would wake at once, and chance would tell who comes next. So each first takes a heavyweight
//! lock on the row version, and only who has that waits for the holder:
//!
//! ```text
//!  holder    xid 90 stands in the version
//!  first     has tuple lock, waits for transaction 90
//!  second    waits for the tuple lock                      first come, first served
//!  third     waits for the tuple lock
//! ```
//!
//! The lock is let go when the row is held, or is another's for good; never is it held by who does not
//! stand in line, and a process stands in one line at a time. So the table of locks holds one entry for
//! each waiting process, however many rows are locked.
//!
//! A request that no holder excludes does not look at the line, as in PostgreSQL: lockers FOR SHARE join
//! others of their kind though somebody waits to update. And a transaction that holds the row weakly
//! already, and wants more, does not stand in line: the first there may be waiting for it.
//!
//! If the process dies, the lock goes as all its locks do.

use txn::{LockMode, LockTag, RowLockMode, Txn};
use types::{Oid, TupleId};

use super::Heap;
use super::conflict::Holder;
use crate::error::Error;

/// A place in the line for a row, if one was needed. It is left when this is dropped.
pub(super) struct Line<'a> {
    txn: &'a Txn,
    relation: Option<Oid>,
    /// Where it stands, and the locks that the transaction had taken before.
    at: Option<(TupleId, usize)>,
}

impl<'a> Line<'a> {
    pub(super) fn of(heap: &Heap<'a>) -> Self {
        Line { txn: &heap.access.txn, relation: heap.relation, at: None }
    }

    /// Waits for a holder of a row, behind those who came before. No page is locked.
    pub(super) fn wait_for(&mut self, holder: Holder, mode: RowLockMode) -> Result<(), Error> {
        if !holder.beside_own {
            self.stand(holder.place, mode)?;
        }
        Ok(self.txn.wait_for(holder.xid)?)
    }

    fn stand(&mut self, place: TupleId, mode: RowLockMode) -> Result<(), Error> {
        let Some(relation) = self.relation else { return Ok(()) };
        if self.at.is_some_and(|(there, _)| there == place) {
            return Ok(());
        }
        self.leave();
        let locks = self.txn.locks();
        self.at = Some((place, locks.mark()));
        Ok(locks.acquire(LockTag::Tuple(relation, place), lock_mode(mode))?)
    }

    fn leave(&mut self) {
        if let Some((_, mark)) = self.at.take() {
            self.txn.locks().release_since(mark);
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Who stands in line for a row excludes whom he will exclude when he has it. PostgreSQL's modes.
fn lock_mode(mode: RowLockMode) -> LockMode {
    match mode {
        RowLockMode::KeyShare => LockMode::AccessShare,
        RowLockMode::Share => LockMode::RowShare,
        RowLockMode::NoKeyUpdate => LockMode::Exclusive,
        RowLockMode::Update => LockMode::AccessExclusive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_in_line_exclude_each_other_as_the_row_locks_do() {
        for one in RowLockMode::ALL {
            for other in RowLockMode::ALL {
                let in_line = lock_mode(one).conflicts_with(lock_mode(other));
                assert_eq!(in_line, one.conflicts_with(other), "{one:?} and {other:?}");
            }
        }
    }
}
