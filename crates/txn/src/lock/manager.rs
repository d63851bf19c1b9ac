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
//!     | deadlock_timeout            | TERM, INT
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

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shmem::{HEAVY_LOCK_SLOTS, ProcSlot, Rank, Segment, WaitEvent, Woken, proc};
use sys::signal::Pending;

use super::mode::{LockMode, Modes};
use super::queue::{Granted, Place};
use super::table::{LockRegions, Table};
use super::tag::LockTag;
use crate::error::{Error, Result};

/// One look for a deadlock should do; a waiter looks again in case, ever less often.
const PATIENCE_MAX: Duration = Duration::from_secs(60);

/// Heavyweight locks, as one process works with them.
pub struct LockManager {
    pub(crate) table: Table,
    pub(crate) procs: &'static [ProcSlot],
    /// How long to wait before looking for a deadlock.
    deadlock_timeout: Cell<Duration>,
    /// What this process holds. The truth is in the table; this spares looking there.
    held: RefCell<HashMap<LockTag, Held>>,
}

#[derive(Clone, Copy)]
struct Held {
    holder: u32,
    modes: Modes,
    /// Its place in the slot's list, if it found room there.
    in_slot: usize,
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
            held: RefCell::default(),
        }
    }

    /// Changes how long a waiter waits before it looks for a deadlock.
    pub fn set_deadlock_timeout(&self, timeout: Duration) {
        self.deadlock_timeout.set(timeout);
    }

    /// This process's number in the table: that of its slot. A process without one (a tool, a
    /// test) takes the number behind the last; there can be only one such.
    pub(crate) fn process(&self) -> u32 {
        proc::my_index().min(self.procs.len()) as u32
    }

    pub(crate) fn slot(&self, process: u32) -> &'static ProcSlot {
        self.procs.get(process as usize).unwrap_or_else(|| proc::me())
    }

    /// Takes a lock, waiting for it if need be, and keeps it until the end of the transaction.
    ///
    /// Errors: the table is full (`53200`), a deadlock (`40P01`), TERM (`57P01`) or INT (`57014`)
    /// while waiting.
    pub fn acquire(&self, tag: LockTag, mode: LockMode) -> Result<()> {
        if self.held.borrow().get(&tag).is_some_and(|held| held.modes.has(mode)) {
            return Ok(());
        }
        let (holder, granted) = self.request(tag, mode)?;
        if !granted {
            self.sleep(tag, mode, holder)?;
        }
        self.note(tag, mode, holder);
        Ok(())
    }

    /// Whether this process holds the lock in that mode.
    pub fn holds(&self, tag: LockTag, mode: LockMode) -> bool {
        self.held.borrow().get(&tag).is_some_and(|held| held.modes.has(mode))
    }

    /// Asks; returns the process's share, and whether the mode was granted. Else it is queued.
    pub(crate) fn request(&self, tag: LockTag, mode: LockMode) -> Result<(u32, bool)> {
        assert_no_lwlock();
        let (table, process) = (&self.table, self.process());
        let _partition = table.partition(tag).exclusive(Rank::LockPartition);
        let (lock, holder) = table.join(tag, process).ok_or(Error::LockTableFull)?;
        let own = table.holder(holder).modes();
        let before = match table.place(lock, own, mode) {
            Place::Now => {
                table.grant(holder, mode);
                return Ok((holder, true));
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
        Ok((holder, false))
    }

    fn sleep(&self, tag: LockTag, mode: LockMode, holder: u32) -> Result<()> {
        let event = match tag {
            LockTag::Relation(_) => WaitEvent::LockRelation,
            _ => WaitEvent::Lock,
        };
        let waiter = self.table.waiter(self.process());
        let done = self.sleep_until(event, || Ok(waiter.granted.load(Ordering::Acquire) != 0));
        if done.is_err() && self.give_up(tag) {
            self.note(tag, mode, holder);
        }
        proc::me().waiting_lock.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        done
    }

    /// Sleeps until `done`, TERM, INT, or until it is the victim of a deadlock.
    pub(crate) fn sleep_until(
        &self,
        event: WaitEvent,
        mut done: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        assert_no_lwlock();
        let slot = proc::me();
        let _wait = slot.waiting(event);
        let mut patience = self.deadlock_timeout.get();
        let mut look_at = sys::clock::monotonic().saturating_add(patience);
        loop {
            slot.latch.reset();
            if done()? {
                return Ok(());
            }
            if Pending::term() {
                return Err(Error::Terminated);
            }
            if Pending::take_int() {
                return Err(Error::Canceled);
            }
            let left = look_at.saturating_sub(sys::clock::monotonic());
            if slot.latch.wait(Some(left)) == Woken::TimedOut {
                self.check_deadlock()?;
                patience = (patience * 2).min(PATIENCE_MAX.max(patience));
                look_at = sys::clock::monotonic().saturating_add(patience);
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
        let share = table.holder_of(lock, process);
        if let Some(share) = share.filter(|&share| table.holder(share).modes().is_empty()) {
            table.leave(share);
        }
    }

    pub(crate) fn wake(&self, granted: &Granted) {
        granted.iter().for_each(|&process| self.slot(process).latch.set());
    }

    /// Notes, here and in the slot, that a mode was granted.
    pub(super) fn note(&self, tag: LockTag, mode: LockMode, holder: u32) {
        let slot = proc::me();
        let mut held = self.held.borrow_mut();
        let count = held.len();
        let entry = held.entry(tag).or_insert_with(|| {
            slot.heavy_lock_count.store(count as u32 + 1, Ordering::Relaxed);
            Held { holder, modes: Modes::default(), in_slot: count }
        });
        entry.modes = entry.modes.with(mode);
        if let Some(place) = slot.heavy_locks.get(entry.in_slot) {
            let [kind, number] = tag.words();
            place.tag_high.store(kind, Ordering::Relaxed);
            place.tag_low.store(number, Ordering::Relaxed);
            place.modes.store(u64::from(entry.modes.0), Ordering::Release);
        }
    }

    /// Releases everything this process holds: the end of its transaction.
    pub fn release_all(&self) {
        let mut held = self.held.borrow_mut();
        if held.is_empty() {
            return;
        }
        for (tag, held) in held.drain() {
            self.release(tag, held.holder);
        }
        let slot = proc::me();
        let noted = slot.heavy_lock_count.swap(0, Ordering::Relaxed) as usize;
        for place in &slot.heavy_locks[..noted.min(HEAVY_LOCK_SLOTS)] {
            place.modes.store(0, Ordering::Relaxed);
        }
    }

    fn release(&self, tag: LockTag, holder: u32) {
        let table = &self.table;
        let _partition = table.partition(tag).exclusive(Rank::LockPartition);
        let lock = table.holder(holder).lock.load(Ordering::Relaxed);
        table.revoke_all(holder);
        self.wake(&table.grant_next(lock));
        table.leave(holder);
    }
}

/// Who may sleep for another transaction must not hold what that one may need.
pub(crate) fn assert_no_lwlock() {
    let held = proc::me().lwlock_count.load(Ordering::Relaxed);
    debug_assert!(held == 0, "an LWLock is held across a wait for another transaction");
}
