//! How far a VACUUM is, in the process's slot: `pg_stat_progress_vacuum`.

use std::sync::atomic::Ordering::Relaxed;

use shmem::{ProcSlot, proc};
use types::{BlockNo, Oid};

/// What a vacuum is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum Phase {
    Initializing = 1,
    ScanningHeap,
}

impl Phase {
    fn from_number(number: u64) -> Option<Phase> {
        [Phase::Initializing, Phase::ScanningHeap].into_iter().find(|phase| *phase as u64 == number)
    }

    /// PostgreSQL's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Initializing => "initializing",
            Phase::ScanningHeap => "scanning heap",
        }
    }
}

/// The words of the slot.
const COMMAND: usize = 0;
const RELATION: usize = 1;
const PHASE: usize = 2;
const TOTAL: usize = 3;
const SCANNED: usize = 4;

/// In the word of the command: a vacuum.
const VACUUM: u64 = 1;

/// Shows what this process does until it is dropped.
pub(crate) struct Progress(&'static ProcSlot);

impl Progress {
    /// A vacuum of a table of so many pages begins.
    pub(crate) fn vacuum(relation: Oid, pages: BlockNo) -> Progress {
        let slot = proc::me();
        let words =
            [VACUUM, u64::from(relation.0), Phase::Initializing as u64, u64::from(pages), 0];
        for (word, value) in slot.progress.iter().zip(words) {
            word.store(value, Relaxed);
        }
        Progress(slot)
    }

    /// It does this now.
    pub(crate) fn enter(&self, phase: Phase) {
        self.0.progress[PHASE].store(phase as u64, Relaxed);
    }

    /// So many pages of the table are done with.
    pub(crate) fn scanned(&self, pages: BlockNo) {
        self.0.progress[SCANNED].store(u64::from(pages), Relaxed);
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
    pub phase: Phase,
    pub total: u64,
    pub scanned: u64,
}

/// The vacuum that a process runs, if it does.
pub(crate) fn vacuum_of(slot: &ProcSlot) -> Option<Running> {
    let word = |at: usize| slot.progress[at].load(Relaxed);
    if word(COMMAND) != VACUUM {
        return None;
    }
    Some(Running {
        relation: Oid(u32::try_from(word(RELATION)).ok()?),
        phase: Phase::from_number(word(PHASE))?,
        total: word(TOTAL),
        scanned: word(SCANNED),
    })
}
