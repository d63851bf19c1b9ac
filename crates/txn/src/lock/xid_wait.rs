//! Waiting for the end of a transaction.
//!
//! ```text
//!  waiter                                   ender
//!  waiters += 1, waiting_xid = X            status of X becomes final (ring, flush)
//!  fence                                    slot.xid = 0
//!  status final?  -> go on                  fence
//!  sleep on the latch                       waiters != 0? -> set the latch of all that wait for X
//! ```
//!
//! No wake-up is lost: of the two fences one comes first. If the waiter's does, the ender sees the
//! waiter; if the ender's does, the waiter sees the status. The ender pays one load when nobody
//! waits for anything.
//!
//! If the waiter dies, `waiters` stays too high: enders look at the slots in vain, no more. If the
//! ender dies before it has set the latch, whoever cleans up after it does so.

use std::sync::atomic::{Ordering, fence};

use shmem::{WaitEvent, proc};
use types::Xid;

use super::manager::LockManager;
use super::mode::LockMode;
use super::tag::LockTag;
use crate::error::{Error, Result};

impl LockManager {
    /// Sleeps until `ended` says that the transaction has ended. Errors: as
    /// [`LockManager::acquire`], and what `ended` returns.
    pub(crate) fn wait_for_xid(
        &self,
        xid: Xid,
        mut ended: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        if ended()? {
            return Ok(());
        }
        if proc::me().xid.load(Ordering::Relaxed) == xid.0 {
            return Err(Error::WaitForSelf {
                tag: LockTag::Transaction(xid),
                mode: LockMode::Share,
            });
        }
        self.announce_xid_wait(xid);
        let done = self.sleep_until(WaitEvent::TransactionEnd, ended);
        self.withdraw_xid_wait();
        self.table.head.xid_waiters.fetch_sub(1, Ordering::SeqCst);
        done
    }

    pub(super) fn announce_xid_wait(&self, xid: Xid) {
        self.table.head.xid_waiters.fetch_add(1, Ordering::SeqCst);
        self.table.waiter(self.process()).xid_wait.fetch_add(1, Ordering::SeqCst);
        proc::me().waiting_xid.store(xid.0, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Says that this process does not wait for a transaction any more. May be repeated.
    pub(crate) fn withdraw_xid_wait(&self) {
        if proc::me().waiting_xid.swap(0, Ordering::SeqCst) != 0 {
            self.table.waiter(self.process()).xid_wait.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Wakes whoever waits for the transaction. After its status is final and its owner's slot
    /// does not show it any more.
    pub(crate) fn wake_xid_waiters(&self, xid: Xid) {
        fence(Ordering::SeqCst);
        if self.table.head.xid_waiters.load(Ordering::SeqCst) == 0 {
            return;
        }
        let waits = |slot: &&shmem::ProcSlot| slot.waiting_xid.load(Ordering::SeqCst) == xid.0;
        self.procs.iter().filter(waits).for_each(|slot| slot.latch.set());
    }
}
