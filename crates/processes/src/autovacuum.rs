//! What the autovacuum launcher, its workers and the postmaster tell each other through shared
//! memory.
//!
//! ```text
//!  launcher ── request = 1, USR1 ──► postmaster ── fork ──► worker
//!                                                              │ claims[slot] = table
//!                                                              v
//!                                            other workers: that table is taken
//! ```
//!
//! Protected by nothing: single atomic words. A claim is published first and compared with those of
//! others then, so of two workers that want one table at least one sees the other, and leaves it. If a
//! worker dies, shared memory is reset, and its claim with it.

use std::sync::atomic::{AtomicU64, Ordering};

use shmem::{Layout, ProcArray, ProcKind, RegionId, Segment};
use types::Oid;
use zerocopy::FromZeros;

/// A word for the request, and one for each process slot.
#[derive(FromZeros)]
#[repr(C, align(128))]
struct Head {
    /// 1: a worker is wanted.
    request: AtomicU64,
}

/// Where it lies in the segment.
#[derive(Clone, Copy)]
pub(crate) struct AutovacuumRegions {
    head: RegionId<Head>,
    claims: RegionId<AtomicU64>,
}

impl AutovacuumRegions {
    pub(crate) fn reserve(layout: &mut Layout, slots: usize) -> AutovacuumRegions {
        AutovacuumRegions {
            head: layout.region("AutoVacuum Data", 1),
            claims: layout.region("AutoVacuum Claims", slots),
        }
    }
}

/// The words in the segment.
pub struct Autovacuum {
    head: &'static Head,
    /// The table that the worker in each slot works on; 0: none.
    claims: &'static [AtomicU64],
}

impl Autovacuum {
    pub(crate) fn new(segment: &Segment, regions: AutovacuumRegions) -> Autovacuum {
        Autovacuum { head: segment.one(regions.head), claims: segment.slice(regions.claims) }
    }

    /// Asks for a worker; the postmaster must be told by USR1 then.
    pub(crate) fn request(&self) {
        self.head.request.store(1, Ordering::SeqCst);
    }

    /// Whether a worker was asked for since the last time. For the postmaster.
    pub fn take_request(&self) -> bool {
        self.head.request.swap(0, Ordering::SeqCst) != 0
    }

    /// How many workers there are.
    pub(crate) fn workers(procs: ProcArray) -> usize {
        procs.used().filter(|(_, slot)| slot.kind() == ProcKind::AutovacuumWorker).count()
    }

    /// Claims a table for the worker in that slot; `false`: another has it.
    pub(crate) fn claim(&self, slot: usize, relation: Oid) -> bool {
        self.claims[slot].store(u64::from(relation.0), Ordering::SeqCst);
        let others = self.claims.iter().enumerate().filter(|(other, _)| *other != slot);
        let mut others = others.map(|(_, claim)| claim.load(Ordering::SeqCst));
        let free = others.all(|claim| claim != u64::from(relation.0));
        if !free {
            self.give_up(slot);
        }
        free
    }

    /// The worker in that slot is done with its table.
    pub(crate) fn give_up(&self, slot: usize) {
        self.claims[slot].store(0, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_one_worker_at_a_time() {
        let head = Box::leak(Box::new(Head::new_zeroed()));
        let claims = Vec::leak((0..3).map(|_| AtomicU64::new(0)).collect());
        let shared = Autovacuum { head, claims };
        assert!(shared.claim(0, Oid(7)));
        assert!(!shared.claim(1, Oid(7)));
        assert!(shared.claim(1, Oid(8)));
        shared.give_up(0);
        assert!(shared.claim(2, Oid(7)));
        assert!(!shared.take_request());
        shared.request();
        assert!(shared.take_request() && !shared.take_request());
    }
}
