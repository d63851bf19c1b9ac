//! The rows of `pg_locks`.

use std::sync::atomic::Ordering;

use shmem::{ProcKind, ProcSlot, Rank};
use types::Xid;

use super::manager::LockManager;
use super::mode::LockMode;
use super::table::PARTITIONS;
use super::tag::LockTag;

/// What a row of `pg_locks` is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locked {
    /// What a lock can be taken on.
    Tag(LockTag),
    /// The transaction that the process is in, whether it has an id or not.
    Own,
}

/// A lock that a process holds or awaits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockRow {
    /// The process.
    pub pid: i32,
    /// Its place among the slots, and the number of its transaction there; 0: it has none. Together
    /// they name the transaction.
    pub virtual_xid: (u32, u64),
    /// What the lock is on.
    pub on: Locked,
    /// How.
    pub mode: LockMode,
    /// Whether it holds it; else it waits for it.
    pub granted: bool,
    /// When the wait began, in microseconds since 2000.
    pub wait_start: Option<i64>,
}

impl LockManager {
    /// Every lock held or awaited: those of the table, one partition after the other, then those
    /// on transactions, as the slots tell. The whole need never have been true at one moment.
    pub fn locks(&self) -> impl Iterator<Item = LockRow> + use<> {
        let mut rows = Vec::new();
        for partition in 0..PARTITIONS {
            self.rows_of_partition(partition, &mut rows);
        }
        for (process, slot) in self.procs.iter().enumerate() {
            if slot.kind() != ProcKind::None {
                self.rows_of_slot(process as u32, slot, &mut rows);
            }
        }
        rows.into_iter()
    }

    fn rows_of_partition(&self, partition: usize, rows: &mut Vec<LockRow>) {
        let table = &self.table;
        let _guard = table.head.partitions[partition].shared(Rank::LockPartition);
        for lock in table.locks_of(partition) {
            let Some(tag) = table.lock(lock).tag() else { continue };
            let on = Locked::Tag(tag);
            for holder in table.holders_of(lock).map(|index| table.holder(index)) {
                let process = holder.process.load(Ordering::Relaxed);
                let row = |mode| self.row(process, on, mode, true);
                rows.extend(holder.modes().iter().map(row));
            }
            for process in table.waiters_of(lock) {
                if let Some((_, mode)) = table.waiter(process).wanted() {
                    rows.push(self.row(process, on, mode, false));
                }
            }
        }
    }

    fn rows_of_slot(&self, process: u32, slot: &ProcSlot, rows: &mut Vec<LockRow>) {
        if slot.xact_start.load(Ordering::Relaxed) != 0 {
            rows.push(self.row(process, Locked::Own, LockMode::Exclusive, true));
        }
        let mut add = |xid: u64, mode, granted| {
            if xid != 0 {
                let on = Locked::Tag(LockTag::Transaction(Xid(xid)));
                rows.push(self.row(process, on, mode, granted));
            }
        };
        add(slot.xid.load(Ordering::Relaxed), LockMode::Exclusive, true);
        add(slot.waiting_xid.load(Ordering::Relaxed), LockMode::Share, false);
    }

    fn row(&self, process: u32, on: Locked, mode: LockMode, granted: bool) -> LockRow {
        let slot = self.slot(process);
        let in_transaction = slot.xact_start.load(Ordering::Relaxed) != 0;
        let number = if in_transaction { slot.local_xid.load(Ordering::Relaxed) } else { 0 };
        let since = self.table.waiter(process).since.load(Ordering::Relaxed);
        LockRow {
            pid: slot.pid.load(Ordering::Relaxed),
            virtual_xid: (process, number),
            on,
            mode,
            granted,
            wait_start: (!granted).then_some(since),
        }
    }
}
