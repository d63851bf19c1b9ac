//! How far a CREATE INDEX or REINDEX is, in the process's slot: `pg_stat_progress_create_index`.

use std::sync::atomic::Ordering::Relaxed;

use access::btree::{BuildPhase, BuildProgress};
use shmem::{ProcSlot, proc};
use types::{BlockNo, Oid};

use super::progress::{COMMAND, NUMBERS, RELATION};

/// What makes an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Builder {
    CreateIndex,
    Reindex,
}

/// In the word of the command; and PostgreSQL's names.
const COMMANDS: [(Builder, u64, &str); 2] =
    [(Builder::CreateIndex, 16, "CREATE INDEX"), (Builder::Reindex, 17, "REINDEX")];

/// PostgreSQL's names of the phases, in the order of the numbers in the slot.
const PHASES: [&str; 4] = [
    "initializing",
    "building index: scanning table",
    "building index: sorting live tuples",
    "building index: loading tuples in tree",
];

// The words behind that of the table.
const INDEX: usize = NUMBERS;
const PHASE: usize = NUMBERS + 1;
/// Pages in all and read, entries in all and written.
const COUNTS: usize = NUMBERS + 2;

/// Shows that this process builds an index until it is dropped.
pub(crate) struct Building(&'static ProcSlot);

impl Building {
    /// An index of a table is begun.
    pub(crate) fn begin(by: Builder, table: Oid, index: Oid) -> Building {
        let words = &proc::me().progress;
        words[NUMBERS..].iter().for_each(|word| word.store(0, Relaxed));
        words[RELATION].store(u64::from(table.0), Relaxed);
        words[INDEX].store(u64::from(index.0), Relaxed);
        let number =
            COMMANDS.iter().find(|(builder, ..)| *builder == by).map_or(0, |found| found.1);
        words[COMMAND].store(number, Relaxed);
        Building(proc::me())
    }

    /// The table is being read: pages read, and pages in all.
    pub(crate) fn scanned(&self, (done, total): (BlockNo, BlockNo)) {
        self.show(1, [u64::from(total), u64::from(done), 0, 0]);
    }

    /// The entries are being sorted and written.
    pub(crate) fn built(&self, at: BuildProgress) {
        let [total, done] = [0, 1].map(|count| self.0.progress[COUNTS + count].load(Relaxed));
        let phase = match at.phase {
            BuildPhase::Scanning => 1,
            BuildPhase::Sorting => 2,
            BuildPhase::Loading => 3,
        };
        self.show(phase, [total, done, at.total, at.done]);
    }

    fn show(&self, phase: u64, counts: [u64; 4]) {
        for (word, count) in self.0.progress[COUNTS..].iter().zip(counts) {
            word.store(count, Relaxed);
        }
        self.0.progress[PHASE].store(phase, Relaxed);
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.0.progress[COMMAND].store(0, Relaxed);
    }
}

/// An index that some process builds.
pub(crate) struct Built {
    pub table: Oid,
    pub index: Oid,
    pub command: &'static str,
    pub phase: &'static str,
    /// Pages in all and read, entries in all and written.
    pub counts: [u64; 4],
}

/// The index that a process builds, if it does.
pub(crate) fn building_of(slot: &ProcSlot) -> Option<Built> {
    let word = |at: usize| slot.progress[at].load(Relaxed);
    let (_, _, command) = COMMANDS.iter().find(|(_, number, _)| *number == word(COMMAND))?;
    Some(Built {
        table: Oid(u32::try_from(word(RELATION)).ok()?),
        index: Oid(u32::try_from(word(INDEX)).ok()?),
        command,
        phase: PHASES.get(word(PHASE) as usize)?,
        counts: std::array::from_fn(|count| word(COUNTS + count)),
    })
}
