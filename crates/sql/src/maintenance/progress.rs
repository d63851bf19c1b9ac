//! How far a VACUUM is, in the process's slot: `pg_stat_progress_vacuum`; and a VACUUM FULL:
//! `pg_stat_progress_cluster`.

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
/// A VACUUM FULL.
const FULL: u64 = 3;

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

/// What a VACUUM FULL is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum FullPhase {
    /// It has not begun yet.
    #[default]
    Initializing,
    /// Rows are copied.
    ScanningHeap,
    /// An index is built.
    RebuildingIndex,
    /// The system tables hear of it.
    CleaningUp,
}

/// PostgreSQL's names of the phases.
const FULL_PHASES: [(FullPhase, &str); 4] = [
    (FullPhase::Initializing, "initializing"),
    (FullPhase::ScanningHeap, "seq scanning heap"),
    (FullPhase::RebuildingIndex, "rebuilding index"),
    (FullPhase::CleaningUp, "performing final cleanup"),
];

/// How far a VACUUM FULL is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunningFull {
    pub phase: FullPhase,
    /// Versions met and copied, pages in all and scanned, indexes built.
    pub numbers: [u64; 5],
}

/// Shows what this process does until it is dropped.
pub(super) struct FullProgress(Progress);

impl FullProgress {
    /// A VACUUM FULL of a table begins.
    pub(super) fn begin(relation: Oid) -> FullProgress {
        let progress = FullProgress(Progress(proc::me()));
        progress.show(&RunningFull::default());
        let words = &progress.0.0.progress;
        words[RELATION].store(u64::from(relation.0), Relaxed);
        words[COMMAND].store(FULL, Relaxed);
        progress
    }

    /// It is so far now.
    pub(super) fn show(&self, at: &RunningFull) {
        let phase = FULL_PHASES.iter().position(|(phase, _)| *phase == at.phase).unwrap_or(0);
        let words = std::iter::once(phase as u64).chain(at.numbers);
        for (word, number) in self.0.0.progress[NUMBERS..].iter().zip(words) {
            word.store(number, Relaxed);
        }
    }
}

/// The VACUUM FULL that a process runs, if it does: relation, phase and numbers.
pub(crate) fn full_of(slot: &ProcSlot) -> Option<(Oid, &'static str, [u64; 5])> {
    let word = |at: usize| slot.progress[at].load(Relaxed);
    if word(COMMAND) != FULL {
        return None;
    }
    let relation = Oid(u32::try_from(word(RELATION)).ok()?);
    let phase = FULL_PHASES.get(word(NUMBERS) as usize)?.1;
    Some((relation, phase, std::array::from_fn(|number| word(NUMBERS + 1 + number))))
}
