//! The lock manager as one process works with it: ask, sleep, give up, release.
//!
//! ```text
//!  acquire --> held already? --> done
//!     | partition lock
//!     v
//!   place --> Now: grant                                      release_all, give up:
//!     | else                                                    take it back
//!     v                                                         grant_next  --> set latches
//!   enqueue, unlock, sleep on the latch <------------------------ granted = 1
//!     | deadlock_timeout            | TERM, INT, lock_timeout, statement_timeout
//!     v                             v
//!   look for a deadlock           give up: leave the queue
//! ```
//!
//! - Locks are held until the end of the transaction ([`LockManager::release_all`]).
//! - No wake-up is lost: the granter stores `granted` and then sets the latch; the sleeper resets
//!   its latch, looks at `granted`, and sleeps only if the latch was not set since the reset.
//! - A grant and a giving-up can't cross: both are done under the partition lock. Who finds itself
//!   granted while giving up keeps the lock for the abort to release.
//! - No LWLock may be held by who calls [`LockManager::acquire`] or waits for a transaction.
//!
//! If the process dies while it waits, its entry stays in the queue and its share in the table,
//! both under its process number: whoever cleans up can do what `give_up` and `release_all` do.
//! For now shared memory is reset.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shmem::{ProcSlot, Rank, Segment, WaitEvent, proc};
use sys::clock::monotonic;
use sys::interrupt;

use super::held::HeldLocks;
use super::mode::LockMode;
use super::queue::{Granted, Place};
use super::table::{LockRegions, Table};
use super::tag::LockTag;
use crate::error::{Error, Result, check_interrupts};

/// One look for a deadlock should do; a waiter looks again in case, ever less often.
const PATIENCE_MAX: Duration = Duration::from_secs(60);

/// Heavyweight locks, as one process works with them.
pub struct LockManager {
    pub(crate) table: Table,
    pub(crate) procs: &'static [ProcSlot],
    /// How long to wait before looking for a deadlock.
    deadlock_timeout: Cell<Duration>,
    /// How long to wait at most; zero: for ever.
    lock_timeout: Cell<Duration>,
    /// What this process holds.
    held: HeldLocks,
}

/// For how long a lock is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockOwner {
    /// Until the end of the transaction.
    Transaction,
    /// Until it is let go as often as it was taken, or the session ends.
    Session,
}

/// What came of asking for a mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// It is granted; the process's share.
    Granted(u32),
    /// The process has queued up for it; its share.
    Queued(u32),
    /// It would have to wait, and did not want to.
    Refused,
}

impl LockManager {
    /// The lock manager of the segment. `procs` are all process slots.
    pub fn new(
        segment: &Segment,
        regions: LockRegions,
        procs: &'static [ProcSlot],
        deadlock_timeout: Duration,
    ) -> Self {
        LockManager {
            table: Table::new(segment, regions),
            procs,
            deadlock_timeout: Cell::new(deadlock_timeout),
            lock_timeout: Cell::default(),
            held: HeldLocks::default(),
        }
    }

    /// Changes how long a waiter waits before it looks for a deadlock.
    pub fn set_deadlock_timeout(&self, timeout: Duration) {
        self.deadlock_timeout.set(timeout);
    }

    /// Changes how long a waiter waits at most; zero: for ever.
    pub fn set_lock_timeout(&self, timeout: Duration) {
        self.lock_timeout.set(timeout);
    }

    /// This process's number in the table: that of its slot. A process without one (a tool, a
    /// test) takes the number behind the last; there can be only one such.
    pub(crate) fn process(&self) -> u32 {
        proc::my_index().min(self.procs.len()) as u32
    }

    pub(crate) fn slot(&self, process: u32) -> &'static ProcSlot {
        self.procs.get(process as usize).unwrap_or_else(|| proc::me())
    }

    /// What this process holds.
    pub(super) fn held(&self) -> &HeldLocks {
        self.held.belong_to(self.process());
        &self.held
    }

    /// Takes a lock, waiting for it if need be, and keeps it until the end of the transaction.
    ///
    /// Errors: the table is full (`53200`), a deadlock (`40P01`), the wait took longer than
    /// `lock_timeout` (`55P03`), or something else ended the statement meanwhile
    /// ([`check_interrupts`]).
    pub fn acquire(&self, tag: LockTag, mode: LockMode) -> Result<()> {
        self.acquire_for(LockOwner::Transaction, tag, mode)
    }

    /// As [`LockManager::acquire`], for that owner.
    pub fn acquire_for(&self, owner: LockOwner, tag: LockTag, mode: LockMode) -> Result<()> {
        if self.held().take_again(owner, tag, mode) {
            return Ok(());
        }
        match self.request(tag, mode, true)? {
            Asked::Granted(holder) => self.held().note(owner, tag, mode, holder),
            Asked::Queued(holder) => self.sleep(owner, tag, mode, holder)?,
            Asked::Refused => {}
        }
        Ok(())
    }

    /// Takes a lock if that needs no waiting; says whether it did. Errors: the table is full.
    pub fn try_acquire_for(&self, owner: LockOwner, tag: LockTag, mode: LockMode) -> Result<bool> {
        if self.held().take_again(owner, tag, mode) {
            return Ok(true);
        }
        let asked = self.request(tag, mode, false)?;
        if let Asked::Granted(holder) = asked {
            self.held().note(owner, tag, mode, holder);
        }
        Ok(matches!(asked, Asked::Granted(_)))
    }

    /// Whether this process holds the lock in that mode.
    pub fn holds(&self, tag: LockTag, mode: LockMode) -> bool {
        self.held().modes(tag).has(mode)
    }

    /// Asks. What is not granted is queued if `queue`, else nothing has happened.
    pub(crate) fn request(&self, tag: LockTag, mode: LockMode, queue: bool) -> Result<Asked> {
        assert_no_lwlock();
        let (table, process) = (&self.table, self.process());
        let _partition = table.partition(tag).exclusive(Rank::LockPartition);
        let (lock, holder) = table.join(tag, process).ok_or(Error::LockTableFull)?;
        let own = table.holder(holder).modes();
        let before = match table.place(lock, own, mode) {
            Place::Now => {
                table.grant(holder, mode);
                return Ok(Asked::Granted(holder));
            }
            _ if !queue => {
                table.leave_if_empty(holder);
                return Ok(Asked::Refused);
            }
            Place::DeadlockWith(other) => return Err(self.upgrade_deadlock(tag, mode, other)),
            Place::Before(other) => Some(other),
            Place::End => None,
        };
        let [kind, number] = tag.words();
        let words = [kind, number, u64::from(mode as u8)];
        for (word, value) in proc::me().waiting_lock.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        table.enqueue(process, lock, mode, before);
        Ok(Asked::Queued(holder))
    }

    /// Waits in the queue until the mode is granted, and notes it then.
    fn sleep(&self, owner: LockOwner, tag: LockTag, mode: LockMode, holder: u32) -> Result<()> {
        let event = match tag {
            LockTag::Relation(_) => WaitEvent::LockRelation,
            LockTag::Tuple(..) => WaitEvent::LockTuple,
            LockTag::Advisory(_) => WaitEvent::LockAdvisory,
            _ => WaitEvent::Lock,
        };
        let waiter = self.table.waiter(self.process());
        let done = self.sleep_until(event, || Ok(waiter.granted.load(Ordering::Acquire) != 0));
        if done.is_ok() || self.give_up(tag) {
            self.held().note(owner, tag, mode, holder);
            if done.is_err() && owner == LockOwner::Session {
                // Granted too late: what a transaction has, its abort releases; this it would not.
                self.release_for_session(tag, mode);
            }
        }
        proc::me().waiting_lock.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        done
    }

    /// Sleeps until `done`, until the time is up, until something else ends the statement, or until
    /// it is the victim of a deadlock.
    pub(crate) fn sleep_until(
        &self,
        event: WaitEvent,
        mut done: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        assert_no_lwlock();
        let slot = proc::me();
        let _wait = slot.waiting(event);
        let since = &self.table.waiter(self.process()).since;
        since.store(sys::clock::wall_micros_since_2000(), Ordering::Relaxed);
        let mut patience = self.deadlock_timeout.get();
        let begin = monotonic();
        let mut look_at = begin.saturating_add(patience);
        let limit = Some(self.lock_timeout.get()).filter(|limit| !limit.is_zero());
        let give_up_at = limit.map(|limit| begin.saturating_add(limit));
        loop {
            slot.latch.reset();
            if done()? {
                return Ok(());
            }
            // Of two times that are up, the earlier one counts.
            if give_up_at.is_some_and(|at| at <= monotonic())
                && interrupt::statement_end().is_none_or(|end| give_up_at <= Some(end))
            {
                return Err(Error::LockTimeout);
            }
            check_interrupts()?;
            let wake_at = [give_up_at, interrupt::next_look()].into_iter().flatten().min();
            let wake_at = wake_at.map_or(look_at, |at| at.min(look_at));
            slot.latch.wait(Some(wake_at.saturating_sub(monotonic())));
            if monotonic() >= look_at {
                self.check_deadlock()?;
                self.have_workers_give_way();
                patience = (patience * 2).min(PATIENCE_MAX.max(patience));
                look_at = monotonic().saturating_add(patience);
            }
        }
    }

    /// Leaves the queue of the lock; `true`: too late, it has been granted.
    pub(super) fn give_up(&self, tag: LockTag) -> bool {
        let process = self.process();
        let _partition = self.table.partition(tag).exclusive(Rank::LockPartition);
        self.leave_queue(process);
        self.table.waiter(process).granted.load(Ordering::Acquire) != 0
    }

    /// Takes a process out of the queue it waits in, if any, and lets those behind it advance.
    /// Under the lock's partition lock.
    pub(crate) fn leave_queue(&self, process: u32) {
        let table = &self.table;
        let Some((lock, _)) = table.waiter(process).wanted() else { return };
        table.dequeue(process);
        self.wake(&table.grant_next(lock));
        if let Some(share) = table.holder_of(lock, process) {
            table.leave_if_empty(share);
        }
    }

    pub(crate) fn wake(&self, granted: &Granted) {
        granted.iter().for_each(|&process| self.slot(process).latch.set());
    }

    /// Takes back those modes of the process's share that none of its owners has any more.
    pub(super) fn release_what_nobody_has(&self, tag: LockTag) {
        let held = self.held();
        let Some((holder, kept)) = held.share(tag) else { return };
        let table = &self.table;
        let gone = table.holder(holder).modes().minus(kept);
        if !gone.is_empty() {
            let _partition = table.partition(tag).exclusive(Rank::LockPartition);
            let lock = table.holder(holder).lock.load(Ordering::Relaxed);
            table.revoke(holder, gone);
            self.wake(&table.grant_next(lock));
            table.leave_if_empty(holder);
        }
        held.released(tag);
    }
}

/// Who may sleep for another transaction must not hold what that one may need.
pub(crate) fn assert_no_lwlock() {
    let held = proc::me().lwlock_count.load(Ordering::Relaxed);
    debug_assert!(held == 0, "an LWLock is held across a wait for another transaction");
}
