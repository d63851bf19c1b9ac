//! Who may have a lock now, who must queue where, and who is next.
//!
//! PostgreSQL's rules (`src/backend/storage/lmgr/README`):
//! 1. A request that conflicts with nothing granted to others and with nobody in the queue is
//!    granted at once.
//! 2. Else it goes to the end of the queue, so that a stream of readers cannot starve a writer.
//! 3. But who holds the lock already and asks for more goes before the first waiter that waits for
//!    it anyway: behind it, both would wait for ever. If nothing before that place conflicts, it
//!    need not wait at all. If that waiter in turn holds what the request conflicts with, the two
//!    are a deadlock that no order of the queue resolves.
//! 4. When something is released, waiters are granted in order, each unless it conflicts with what
//!    is granted to others or with a waiter that was passed over before it.
//!
//! All of it under the partition lock of the tag.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::mode::{LockMode, Modes};
use super::table::{Field, Table};

/// Where a request belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// It is granted at once.
    Now,
    /// In the queue, before this process.
    Before(u32),
    /// At the end of the queue.
    End,
    /// It and this waiting process would wait for each other.
    DeadlockWith(u32),
}

/// Processes to be woken once their lock has been granted.
pub(crate) type Granted = SmallVec<[u32; 8]>;

impl Table {
    /// Where a request of a process that holds `own` of the lock belongs.
    pub fn place(&self, lock: u32, own: Modes, mode: LockMode) -> Place {
        let mut obstacles = self.granted_to_others(lock, own);
        for waiter in self.waiters_of(lock) {
            let Some((_, wanted)) = self.waiter(waiter).wanted() else { continue };
            if wanted.conflicts().meets(own) {
                return self.place_before(waiter, lock, mode, obstacles);
            }
            obstacles = obstacles.with(wanted);
        }
        if mode.conflicts().meets(obstacles) { Place::End } else { Place::Now }
    }

    fn place_before(&self, waiter: u32, lock: u32, mode: LockMode, obstacles: Modes) -> Place {
        let theirs = self.modes_of(lock, waiter);
        if mode.conflicts().meets(theirs) {
            Place::DeadlockWith(waiter)
        } else if mode.conflicts().meets(obstacles) {
            Place::Before(waiter)
        } else {
            Place::Now
        }
    }

    /// The modes that a process holds of a lock.
    pub fn modes_of(&self, lock: u32, process: u32) -> Modes {
        self.holder_of(lock, process).map_or(Modes::default(), |index| self.holder(index).modes())
    }

    /// Grants what can be granted to the queue, and says whom to wake.
    #[must_use]
    pub fn grant_next(&self, lock: u32) -> Granted {
        let mut granted = Granted::new();
        let mut passed_over = Modes::default();
        let queue: SmallVec<[u32; 16]> = self.waiters_of(lock).collect();
        for process in queue {
            let waiter = self.waiter(process);
            let (Some((_, mode)), Some(holder)) = (waiter.wanted(), self.holder_of(lock, process))
            else {
                continue;
            };
            let others = self.granted_to_others(lock, self.holder(holder).modes());
            if mode.conflicts().meets(others) || mode.conflicts().meets(passed_over) {
                passed_over = passed_over.with(mode);
                continue;
            }
            self.dequeue(process);
            self.grant(holder, mode);
            waiter.granted.store(1, Ordering::Release);
            granted.push(process);
        }
        granted
    }

    /// Puts a process into the queue: before another waiter, or at the end.
    pub fn enqueue(&self, process: u32, lock: u32, mode: LockMode, before: Option<u32>) {
        let (waiter, queue) = (self.waiter(process), self.lock(lock));
        let next = before.map_or(0, |process| process + 1);
        let previous = match before {
            Some(before) => self.waiter(before).previous.get(),
            None => queue.last_waiter.get(),
        };
        waiter.granted.set(0);
        waiter.mode.set(u32::from(mode as u8));
        waiter.lock.set(lock + 1);
        self.tie(lock, previous, process + 1);
        self.tie(lock, process + 1, next);
    }

    /// Takes a process out of the queue it is in.
    pub fn dequeue(&self, process: u32) {
        let waiter = self.waiter(process);
        let Some(lock) = waiter.lock.get().checked_sub(1) else { return };
        self.tie(lock, waiter.previous.get(), waiter.next.get());
        waiter.lock.set(0);
    }

    /// Makes two links (or ends, 0) neighbours in the queue.
    fn tie(&self, lock: u32, left: u32, right: u32) {
        match left.checked_sub(1) {
            Some(process) => self.waiter(process).next.set(right),
            None => self.lock(lock).first_waiter.set(right),
        }
        match right.checked_sub(1) {
            Some(process) => self.waiter(process).previous.set(left),
            None => self.lock(lock).last_waiter.set(left),
        }
    }
}
