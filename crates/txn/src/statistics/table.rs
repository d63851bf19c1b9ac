//! The table of counts in shared memory: open addressing, keys under a lock, counts without.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use shmem::{LwLock, Rank};
use types::RelFileNumber;
use zerocopy::FromZeros;

/// What is counted of a relation, and when things were done to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// Sequential scans.
    SeqScan,
    /// Live rows that these read.
    SeqRead,
    /// Scans of this index.
    IndexScan,
    /// Entries that these read; of a table: live rows that index scans fetched.
    IndexFetch,
    /// Rows inserted.
    Inserted,
    /// Rows updated.
    Updated,
    /// Rows deleted.
    Deleted,
    /// Rows updated by a version on the same page that no index needs to know of.
    HotUpdated,
    /// Rows that live, as far as is known.
    Live,
    /// Versions that are dead and still there, as far as is known.
    Dead,
    /// Rows changed since the last ANALYZE.
    ModifiedSinceAnalyze,
    /// Rows inserted since the last vacuum.
    InsertedSinceVacuum,
    /// When it was vacuumed by command, in microseconds since 2000; 0 is never.
    LastVacuum,
    /// When it was vacuumed by autovacuum.
    LastAutovacuum,
    /// When it was analyzed by command.
    LastAnalyze,
    /// When it was analyzed by autovacuum.
    LastAutoanalyze,
    /// Vacuums by command.
    Vacuums,
    /// Vacuums by autovacuum.
    Autovacuums,
    /// ANALYZEs by command.
    Analyzes,
    /// ANALYZEs by autovacuum.
    Autoanalyzes,
}

/// How many there are.
pub(crate) const COUNTS: usize = Count::Autoanalyzes as usize + 1;

/// The history of a relation, which a new file of it inherits: all but what is in the file.
pub(crate) const OF_THE_FILE: [Count; 4] =
    [Count::Live, Count::Dead, Count::ModifiedSinceAnalyze, Count::InsertedSinceVacuum];

/// The counts of one relation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts([i64; COUNTS]);

impl Counts {
    /// One of them. Rows are never fewer than none.
    pub fn get(&self, count: Count) -> i64 {
        self.0[count as usize].max(0)
    }

    /// All of them, in the order of [`Count`].
    pub fn words(&self) -> &[i64] {
        &self.0
    }

    /// The counts of these words; `None` if it is not as many.
    pub fn from_words(words: &[i64]) -> Option<Counts> {
        Some(Counts(words.try_into().ok()?))
    }
}

/// No relation has it, nor did any: a search ends here.
const FREE: u64 = 0;
/// The relation it was of is gone: a search goes on.
const FORGOTTEN: u64 = u64::MAX;

/// The counts of one relation, in the segment.
#[derive(FromZeros)]
#[repr(C, align(64))]
pub(crate) struct Entry {
    /// The relation file, [`FREE`] or [`FORGOTTEN`]. Written under the lock of the keys.
    key: AtomicU64,
    counts: [AtomicI64; COUNTS],
}

impl Entry {
    pub fn read(&self) -> Counts {
        Counts(std::array::from_fn(|index| self.counts[index].load(Ordering::Relaxed)))
    }

    pub fn write(&self, counts: &Counts) {
        for (word, value) in self.counts.iter().zip(counts.0) {
            word.store(value, Ordering::Relaxed);
        }
    }

    pub fn set(&self, count: Count, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.counts[count as usize].store(value, Ordering::Relaxed);
    }

    pub fn raise(&self, count: Count, by: i64) {
        if by != 0 {
            self.counts[count as usize].fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Takes so many away, but not below zero: who put them there may not have added them yet.
    pub fn lower(&self, count: Count, by: u64) {
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        let lowered = |value: i64| Some(value.saturating_sub(by).max(0));
        let word = &self.counts[count as usize];
        // It always answers a value, so it cannot fail.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lowered);
    }
}

/// The table.
pub(crate) struct Table {
    pub lock: &'static LwLock,
    pub entries: &'static [Entry],
}

impl Table {
    /// The entries in the order in which a relation's is looked for.
    fn way(&self, rel: RelFileNumber) -> impl Iterator<Item = &'static Entry> + use<> {
        let entries = self.entries;
        let first = (rel.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize;
        (0..entries.len()).map(move |step| &entries[first.wrapping_add(step) % entries.len()])
    }

    /// The entry of a relation, if it has one.
    pub fn find(&self, rel: RelFileNumber) -> Option<&'static Entry> {
        for entry in self.way(rel) {
            match entry.key.load(Ordering::Acquire) {
                FREE => return None,
                key if key == rel.0 => return Some(entry),
                _ => {}
            }
        }
        None
    }

    /// The entry of a relation; `None`: the table is full.
    pub fn find_or_make(&self, rel: RelFileNumber) -> Option<&'static Entry> {
        if let Some(entry) = self.find(rel) {
            return Some(entry);
        }
        let _lock = self.lock.exclusive(Rank::Misc);
        // Somebody else may have made it meanwhile.
        if let Some(entry) = self.find(rel) {
            return Some(entry);
        }
        let unused = |entry: &&Entry| matches!(entry.key.load(Ordering::Relaxed), FREE | FORGOTTEN);
        let entry = self.way(rel).find(unused)?;
        // Who still held the forgotten one may have added to it.
        entry.write(&Counts::default());
        entry.key.store(rel.0, Ordering::Release);
        Some(entry)
    }

    /// The relation is gone.
    pub fn forget(&self, rel: RelFileNumber) {
        if self.find(rel).is_none() {
            return;
        }
        let _lock = self.lock.exclusive(Rank::Misc);
        if let Some(entry) = self.find(rel) {
            entry.key.store(FORGOTTEN, Ordering::Release);
        }
    }

    /// Every relation with its counts.
    pub fn all(&self) -> Vec<(RelFileNumber, Counts)> {
        let used = self.entries.iter().filter_map(|entry| {
            let key = entry.key.load(Ordering::Acquire);
            (key != FREE && key != FORGOTTEN).then(|| (RelFileNumber(key), entry.read()))
        });
        used.collect()
    }
}
