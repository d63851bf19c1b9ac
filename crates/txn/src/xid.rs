//! Handing out transaction ids, and what is still running.
//!
//! An id is handed out in this order: its place on a status page exists; then, under `XidGen`, its
//! entry in the ring says "running", its owner's slot shows it, and `next` passes it. So whoever
//! meets the id in a row finds it in a slot or finds it ended, and its status page is there.
//!
//! If the process dies under `XidGen`, shared memory is reset: an id that no record of the log
//! names may be handed out again, for nothing on disk knows it.

use std::sync::atomic::{AtomicU64, Ordering};

use shmem::{Rank, proc};
use types::Xid;

use crate::error::{Error, Result};
use crate::lock::assert_no_lwlock;
use crate::sequence::Word;
use crate::status::Place;
use crate::transaction::Transaction;
use crate::txn::Txn;

impl Txn {
    /// The id that what the transaction writes now goes by: its own, or that of its innermost
    /// subtransaction; a new one if there is none yet. To be called before any page is locked.
    ///
    /// Errors: the log or the disk has no room for a status page; so many transactions began since
    /// the oldest one that is still needed that the commit sequence is full (`53000`); it has too
    /// many subtransactions (`54000`, `53000`).
    pub fn assign_xid(&self, transaction: &mut Transaction) -> Result<Xid> {
        if let Some(xid) = transaction.writing_xid() {
            return Ok(xid);
        }
        let top = self.assign_top_xid(transaction)?;
        let Some(depth) = transaction.depth().checked_sub(1) else { return Ok(top) };
        let (xid, pages) = self.next_place(|next| {
            let pages = transaction.check_room_for_part(Place::of(next))?;
            let xid = self.sequence().open_part(top, || self.horizon());
            Ok((xid.ok_or_else(|| self.full())?, pages))
        })?;
        transaction.own.push_part(xid);
        transaction.status_pages = pages;
        transaction.levels[depth].xid = Some(xid);
        Ok(xid)
    }

    /// The transaction's own id, also within a subtransaction; a new one if it has none yet.
    /// Errors: as [`Txn::assign_xid`].
    pub fn assign_top_xid(&self, transaction: &mut Transaction) -> Result<Xid> {
        if let Some(xid) = transaction.xid() {
            return Ok(xid);
        }
        let own = &proc::me().xid;
        let open = |_| self.sequence().open(own, || self.horizon()).ok_or_else(|| self.full());
        let xid = self.next_place(open)?;
        transaction.own.set_top(xid);
        Ok(xid)
    }

    /// Does something with the next id under `XidGen`, once its place on a status page is there.
    fn next_place<T>(&self, open: impl FnOnce(Xid) -> Result<T>) -> Result<T> {
        assert_no_lwlock();
        loop {
            self.ensure_status_page(self.next_xid())?;
            let _lock = self.shared.xid_gen.exclusive(Rank::XidGen);
            let next = self.next_xid();
            if self.has_status_page(next) {
                return open(next);
            }
        }
    }

    fn full(&self) -> Error {
        let oldest = self.horizon();
        let needs = |slot: &&shmem::ProcSlot| {
            [&slot.xid, &slot.snapshot_xmin].iter().any(|word| word.get() == oldest.0)
        };
        let pid = self.procs.iter().find(needs).map(|slot| slot.pid.load(Ordering::Relaxed));
        Error::SequenceFull { oldest, pid }
    }

    /// The next id to be handed out. A checkpoint records it, read after its redo position was
    /// fixed: then each transaction that wrote before that position lies below it.
    pub fn next_xid(&self) -> Xid {
        Xid(self.shared.next_xid.0.get())
    }

    /// Every id below it has ended, and if it committed, every new snapshot sees it.
    pub fn oldest_running(&self) -> Xid {
        Xid(self.shared.oldest_xid.0.get())
    }

    /// The ids of transactions that run, and the next id: an id below it that is not listed, nor
    /// one of a subtransaction of those listed, has ended. For checkpoints.
    pub fn running(&self) -> (Xid, Vec<Xid>) {
        let _lock = self.shared.xid_gen.shared(Rank::XidGen);
        let xids = self.procs.iter().map(|slot| Xid(slot.xid.get()));
        (self.next_xid(), xids.filter(|xid| xid.is_valid()).collect())
    }

    /// What died before this id is needed by no snapshot, held or yet to be taken: if a
    /// transaction below it deleted a row version and committed, that version can go.
    pub fn horizon(&self) -> Xid {
        self.advance_oldest();
        let own = [&proc::me().snapshot_xmin];
        let published = self.procs.iter().map(|slot| &slot.snapshot_xmin);
        self.sequence().horizon(published.chain(own))
    }

    /// Raises the oldest running id past what has ended and is durable.
    pub(crate) fn advance_oldest(&self) {
        self.sequence().advance(self.wal.flush_lsn());
    }

    /// Recovery has met this id in the log: it began, and is over. Only during recovery.
    pub fn saw_xid(&self, xid: Xid) {
        if xid >= self.next_xid() {
            self.sequence().start(Xid(xid.0 + 1));
        }
    }

    pub(crate) fn has_status_page(&self, xid: Xid) -> bool {
        xid.0 < AtomicU64::load(&self.shared.status_ready, Ordering::SeqCst)
    }
}
