//! The ids that a transaction goes by: its own and those of its subtransactions.
//!
//! A subtransaction that rolls back takes its ids away; one that is released leaves them. Snapshots
//! share this with their transaction, and so tell at any time what is their own. An id that came
//! after a snapshot belongs to a command that is not earlier than the snapshot's, whose doings the
//! snapshot does not see by their numbers.

use std::cell::{Cell, RefCell};

use types::Xid;

/// The live ids of a transaction.
#[derive(Debug, Default)]
pub struct OwnXids {
    top: Cell<Xid>,
    /// Of subtransactions, in the order in which they were handed out: rising.
    parts: RefCell<Vec<Xid>>,
}

impl OwnXids {
    /// Whether the transaction goes by this id.
    pub fn has(&self, xid: Xid) -> bool {
        if xid == self.top.get() {
            return xid.is_valid();
        }
        let parts = self.parts.borrow();
        parts.first().is_some_and(|first| *first <= xid) && parts.binary_search(&xid).is_ok()
    }

    /// The transaction's own id, if it has one.
    pub fn top(&self) -> Option<Xid> {
        Some(self.top.get()).filter(|top| top.is_valid())
    }

    pub(crate) fn set_top(&self, xid: Xid) {
        self.top.set(xid);
    }

    /// How many ids of subtransactions there are.
    pub(crate) fn parts(&self) -> usize {
        self.parts.borrow().len()
    }

    pub(crate) fn last_part(&self) -> Option<Xid> {
        self.parts.borrow().last().copied()
    }

    pub(crate) fn push_part(&self, xid: Xid) {
        let mut parts = self.parts.borrow_mut();
        debug_assert!(parts.last().is_none_or(|last| *last < xid) && self.top.get() < xid);
        parts.push(xid);
    }

    /// The ids of subtransactions from a place on.
    pub(crate) fn parts_from(&self, place: usize) -> Vec<Xid> {
        self.parts.borrow()[place..].to_vec()
    }

    pub(crate) fn forget_parts_from(&self, place: usize) {
        self.parts.borrow_mut().truncate(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_own_from_when_it_came_until_its_part_is_undone() {
        let own = OwnXids::default();
        assert!(!own.has(Xid::INVALID) && own.top().is_none());
        own.set_top(Xid(10));
        [12, 15, 20].into_iter().for_each(|xid| own.push_part(Xid(xid)));
        let known = [9, 10, 11, 12, 15, 16, 20, 21].map(|xid| own.has(Xid(xid)));
        assert_eq!(known, [false, true, false, true, true, false, true, false]);
        assert_eq!(own.parts_from(1), [Xid(15), Xid(20)]);
        own.forget_parts_from(1);
        assert!(own.has(Xid(12)) && !own.has(Xid(15)) && !own.has(Xid(20)));
    }
}
