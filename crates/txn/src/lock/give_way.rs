//! Autovacuum gives way: whoever has waited for a lock for `deadlock_timeout` and finds a worker of
//! autovacuum among those who hold it interrupts that worker, which leaves its table and takes up the
//! next one. Its work is done again later; a session's work is not.
//!
//! A vacuum that holds more than it must asks now and then whether somebody waits.
//!
//! The signal is sent without any lock. The worker may have let the table go meanwhile: then it finds
//! the interruption when it takes up the next table, and forgets it.

use std::sync::atomic::Ordering;

use shmem::{ProcKind, Rank, proc};
use sys::process::{Signal, kill};

use super::manager::LockManager;
use super::tag::LockTag;

impl LockManager {
    /// Whether somebody waits for a lock.
    pub fn has_waiters(&self, tag: LockTag) -> bool {
        let table = &self.table;
        let _partition = table.partition(tag).shared(Rank::LockPartition);
        table.find(tag).is_some_and(|lock| table.waiters_of(lock).next().is_some())
    }

    /// Interrupts autovacuum workers that hold what this process waits for.
    pub(crate) fn have_workers_give_way(&self) {
        for pid in self.workers_in_the_way() {
            if let Err(error) = kill(pid, Signal::SIGINT) {
                tracing::debug!("could not interrupt autovacuum worker {pid}: {error}");
            }
        }
    }

    fn workers_in_the_way(&self) -> Vec<i32> {
        let word = |at: usize| proc::me().waiting_lock[at].load(Ordering::Relaxed);
        let Some(tag) = LockTag::from_words([word(0), word(1)]) else { return Vec::new() };
        let table = &self.table;
        let _partition = table.partition(tag).shared(Rank::LockPartition);
        let Some((lock, mode)) = table.waiter(self.process()).wanted() else { return Vec::new() };
        let holders = table.holders_of(lock).map(|index| table.holder(index));
        let in_the_way = holders.filter(|holder| mode.conflicts().meets(holder.modes()));
        let slots = in_the_way.map(|holder| self.slot(holder.process.load(Ordering::Relaxed)));
        let workers = slots.filter(|slot| slot.kind() == ProcKind::AutovacuumWorker);
        workers.map(|slot| slot.pid.load(Ordering::Relaxed)).filter(|pid| *pid > 0).collect()
    }
}
