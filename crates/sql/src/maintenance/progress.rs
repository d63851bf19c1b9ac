//! How far a VACUUM is, in the process's slot: `pg_stat_progress_vacuum`.

use std::sync::atomic::Ordering::Relaxed;

use access::vacuum::{self, Phase};
use shmem::{ProcSlot, proc};
use types::Oid;

/// PostgreSQL's names of the phases, in the order of the numbers in the slot.
const PHASES: [(Phase, &str); 3] = [
    (Phase::ScanningHeap, "scanning heap"),
    (Phase::VacuumingIndexes, "vacuuming indexes"),
    (Phase::VacuumingHeap, "vacuuming heap"),
];

/// The words of the slot: what runs, on which relation, and what `Running` tells of it.
pub(super) const COMMAND: usize = 0;
pub(super) const RELATION: usize = 1;
pub(super) const NUMBERS: usize = 2;

/// In the word of the command: a vacuum.
const VACUUM: u64 = 1;

/// Shows what this process does until it is dropped.
pub(crate) struct Progress(&'static ProcSlot);

impl Progress {
    /// A vacuum of a table begins.
    pub(crate) fn vacuum(relation: Oid) -> Progress {
        let progress = Progress(proc::me());
        progress.show(&vacuum::Progress::default());
        progress.0.progress[RELATION].store(u64::from(relation.0), Relaxed);
        progress.0.progress[COMMAND].store(VACUUM, Relaxed);
        progress
    }

    /// It is so far now.
    pub(crate) fn show(&self, at: &vacuum::Progress) {
        let phase = PHASES.iter().position(|(phase, _)| *phase == at.phase).unwrap_or(0);
        let numbers = [
            phase as u64,
            u64::from(at.pages),
            u64::from(at.scanned),
            u64::from(at.vacuumed),
            u64::from(at.index_passes),
            at.dead_items_max as u64,
            at.dead_items as u64,
        ];
        for (word, number) in self.0.progress[NUMBERS..].iter().zip(numbers) {
            word.store(number, Relaxed);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.progress[COMMAND].store(0, Relaxed);
    }
}

/// A vacuum of some process.
pub(crate) struct Running {
    pub relation: Oid,
    pub phase: &'static str,
    /// Pages in all, scanned and vacuumed, passes over the indexes, room for dead items, dead items.
    pub numbers: [u64; 6],
}

/// The vacuum that a process runs, if it does.
pub(crate) fn vacuum_of(slot: &ProcSlot) -> Option<Running> {
    let word = |at: usize| slot.progress[at].load(Relaxed);
    if word(COMMAND) != VACUUM {
        return None;
    }
    Some(Running {
        relation: Oid(u32::try_from(word(RELATION)).ok()?),
        phase: PHASES.get(word(NUMBERS) as usize)?.1,
        numbers: std::array::from_fn(|number| word(NUMBERS + 1 + number)),
    })
}
