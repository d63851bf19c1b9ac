//! The rows of `pg_locks`.

use std::sync::atomic::Ordering;

use shmem::{ProcKind, ProcSlot, Rank};
use types::Xid;

use super::manager::LockManager;
use super::mode::LockMode;
use super::table::PARTITIONS;
use super::tag::LockTag;

/// A lock that a process holds or awaits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockRow {
    /// The process.
    pub pid: i32,
    /// What the lock is on.
    pub tag: LockTag,
    /// How.
    pub mode: LockMode,
    /// Whether it holds it; else it waits for it.
    pub granted: bool,
}

impl LockManager {
    /// Every lock held or awaited: those of the table, one partition after the other, then those
    /// on transactions, as the slots tell. The whole need never have been true at one moment.
    pub fn locks(&self) -> impl Iterator<Item = LockRow> + use<> {
        let mut rows = Vec::new();
        for partition in 0..PARTITIONS {
            self.rows_of_partition(partition, &mut rows);
        }
        for slot in self.procs.iter().filter(|slot| slot.kind() != ProcKind::None) {
            rows_of_slot(slot, &mut rows);
        }
        rows.into_iter()
    }

    fn rows_of_partition(&self, partition: usize, rows: &mut Vec<LockRow>) {
        let table = &self.table;
        let _guard = table.head.partitions[partition].shared(Rank::LockPartition);
        for lock in table.locks_of(partition) {
            let Some(tag) = table.lock(lock).tag() else { continue };
            let pid = |process| self.slot(process).pid.load(Ordering::Relaxed);
            for holder in table.holders_of(lock).map(|index| table.holder(index)) {
                let pid = pid(holder.process.load(Ordering::Relaxed));
                let row = |mode| LockRow { pid, tag, mode, granted: true };
                rows.extend(holder.modes().iter().map(row));
            }
            for process in table.waiters_of(lock) {
                if let Some((_, mode)) = table.waiter(process).wanted() {
                    rows.push(LockRow { pid: pid(process), tag, mode, granted: false });
                }
            }
        }
    }
}

fn rows_of_slot(slot: &ProcSlot, rows: &mut Vec<LockRow>) {
    let pid = slot.pid.load(Ordering::Relaxed);
    let mut add = |xid: u64, mode, granted| {
        if xid != 0 {
            rows.push(LockRow { pid, tag: LockTag::Transaction(Xid(xid)), mode, granted });
        }
    };
    add(slot.xid.load(Ordering::Relaxed), LockMode::Exclusive, true);
    add(slot.waiting_xid.load(Ordering::Relaxed), LockMode::Share, false);
}
