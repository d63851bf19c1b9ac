//! What relations have been through: rows inserted, updated and deleted, scans, vacuums.
//!
//! ```text
//!  insert, update, delete, scan ──► pending, private: one line for each relation of the transaction
//!                                       │ commit or abort
//!                                       v
//!  table in shared memory: one entry for each relation file ──► views, autovacuum
//!                                       ^
//!  vacuum, analyze, pruning ────────────┘ at once: they are no part of a transaction
//! ```
//!
//! What a transaction counts is added when it ends, since only then it is known what became of its
//! rows:
//!
//! | counted | committed | aborted |
//! |---|---|---|
//! | row inserted | one live, one changed | one dead |
//! | row updated | one dead, one changed | one dead |
//! | row deleted | one live less, one dead, one changed | |
//!
//! What a subtransaction counts is added as aborted when that rolls back by itself.
//!
//! The key is the relation file: a file that goes away takes its entry along, and what CREATE or
//! TRUNCATE did to files decides of itself whose counts remain.
//!
//! Nothing depends on these numbers but when autovacuum comes and what views show. They begin anew
//! after a crash. A relation that finds no room in the table is not counted.
//!
//! Protected by: an entry's key changes under the `statistics` lock (rank `Misc`); everything else
//! is atomic, and read and added to without a lock. If the process dies, what it had not added is
//! lost with it.

mod pending;
mod table;

use std::cell::RefCell;

use shmem::{Layout, LwLock, RegionId, Segment};
use types::RelFileNumber;
use zerocopy::FromZeros;

use pending::Pending;
use table::{Entry, Table};

pub use table::{Count, Counts};

/// Relations that are counted at a time.
const RELATIONS_MAX: usize = 8192;

/// Guards the keys of the table.
#[derive(FromZeros)]
#[repr(C, align(128))]
pub(crate) struct Head {
    keys: LwLock,
}

/// Where the statistics lie in the segment.
#[derive(Clone, Copy)]
pub(crate) struct StatisticsRegions {
    head: RegionId<Head>,
    entries: RegionId<Entry>,
}

impl StatisticsRegions {
    pub fn reserve(layout: &mut Layout) -> StatisticsRegions {
        StatisticsRegions {
            head: layout.region("relation statistics lock", 1),
            entries: layout.region("relation statistics", RELATIONS_MAX),
        }
    }
}

/// The statistics of relations, as one process works with them.
pub struct Statistics {
    table: Table,
    /// The transaction's, and those of its open subtransactions, each within the one before it.
    pending: RefCell<Vec<Pending>>,
}

/// What a vacuum or an ANALYZE found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Rows that live.
    pub live: u64,
    /// Versions that are dead and could not be removed.
    pub dead: u64,
    /// Whether it was autovacuum's.
    pub auto: bool,
}

impl Statistics {
    pub(crate) fn new(segment: &Segment, regions: StatisticsRegions) -> Statistics {
        let head: &'static Head = segment.one(regions.head);
        let entries: &'static [Entry] = segment.slice(regions.entries);
        Statistics { table: Table { lock: &head.keys, entries }, pending: pending() }
    }

    fn innermost(&self, work: impl FnOnce(&mut Pending)) {
        if let Some(pending) = self.pending.borrow_mut().last_mut() {
            work(pending);
        }
    }

    fn pend(&self, rel: RelFileNumber, count: Count, number: u64) {
        self.innermost(|pending| pending.add(rel, count, number));
    }

    /// A sequential scan has begun.
    pub fn scanned(&self, rel: RelFileNumber) {
        self.pend(rel, Count::SeqScan, 1);
    }

    /// A sequential scan has read live rows.
    pub fn read(&self, rel: RelFileNumber, rows: u64) {
        self.pend(rel, Count::SeqRead, rows);
    }

    /// An index scan has begun. `rel` is the index.
    pub fn index_scanned(&self, rel: RelFileNumber) {
        self.pend(rel, Count::IndexScan, 1);
    }

    /// An index scan has read entries (`rel` is the index), or fetched live rows (the table).
    pub fn index_fetched(&self, rel: RelFileNumber, number: u64) {
        self.pend(rel, Count::IndexFetch, number);
    }

    /// Rows have been inserted.
    pub fn inserted(&self, rel: RelFileNumber, rows: u64) {
        self.pend(rel, Count::Inserted, rows);
    }

    /// A row has been updated; `hot`: by a version that no index needs to know of.
    pub fn updated(&self, rel: RelFileNumber, hot: bool) {
        self.pend(rel, Count::Updated, 1);
        if hot {
            self.pend(rel, Count::HotUpdated, 1);
        }
    }

    /// A row has been deleted.
    pub fn deleted(&self, rel: RelFileNumber) {
        self.pend(rel, Count::Deleted, 1);
    }

    /// Pruning has removed dead versions.
    pub fn pruned(&self, rel: RelFileNumber, versions: u64) {
        if let Some(entry) = self.table.find(rel) {
            entry.lower(Count::Dead, versions);
        }
    }

    /// The transaction has given a relation a new file.
    pub fn moved(&self, from: RelFileNumber, to: RelFileNumber) {
        self.innermost(|pending| pending.moved(from, to));
    }

    /// A relation's new file, which its transaction has made, has so many rows. If the transaction
    /// does not commit, the file and this are forgotten.
    pub fn filled(&self, rel: RelFileNumber, live: u64, dead: u64) {
        if let Some(entry) = self.table.find_or_make(rel) {
            entry.set(Count::Live, live);
            entry.set(Count::Dead, dead);
        }
    }

    /// A vacuum is done with a table.
    pub fn vacuumed(&self, rel: RelFileNumber, found: Found) {
        let (last, number) = match found.auto {
            false => (Count::LastVacuum, Count::Vacuums),
            true => (Count::LastAutovacuum, Count::Autovacuums),
        };
        if let Some(entry) = self.table.find_or_make(rel) {
            entry.set(Count::InsertedSinceVacuum, 0);
            Self::found(entry, found, last, number);
        }
    }

    /// An ANALYZE is done with a table; `all`: with all its columns.
    pub fn analyzed(&self, rel: RelFileNumber, found: Found, all: bool) {
        let (last, number) = match found.auto {
            false => (Count::LastAnalyze, Count::Analyzes),
            true => (Count::LastAutoanalyze, Count::Autoanalyzes),
        };
        if let Some(entry) = self.table.find_or_make(rel) {
            if all {
                entry.set(Count::ModifiedSinceAnalyze, 0);
            }
            Self::found(entry, found, last, number);
        }
    }

    fn found(entry: &Entry, found: Found, last: Count, number: Count) {
        entry.set(Count::Live, found.live);
        entry.set(Count::Dead, found.dead);
        entry.set(last, sys::clock::wall_micros_since_2000().unsigned_abs());
        entry.raise(number, 1);
    }

    /// What is known of a relation; all zeros if nothing is.
    pub fn of(&self, rel: RelFileNumber) -> Counts {
        self.table.find(rel).map(Entry::read).unwrap_or_default()
    }

    /// The transaction has ended: adds what it counted, forgets the files that went with it.
    pub(crate) fn end(&self, committed: bool, gone: &[RelFileNumber]) {
        self.release_part(0);
        self.innermost(|pending| pending.drain(&self.table, committed));
        gone.iter().for_each(|rel| self.table.forget(*rel));
    }

    /// A subtransaction begins within the innermost one.
    pub(crate) fn begin_part(&self) {
        self.pending.borrow_mut().push(Pending::default());
    }

    /// The subtransaction at `depth` (from 0), and those within it, join the one around it.
    pub(crate) fn release_part(&self, depth: usize) {
        let mut pending = self.pending.borrow_mut();
        while pending.len() > depth + 1
            && let Some(part) = pending.pop()
        {
            pending.last_mut().into_iter().for_each(|around| around.join(&part));
        }
    }

    /// The subtransaction at `depth` (from 0), and those within it, roll back; it begins anew.
    pub(crate) fn rollback_part(&self, depth: usize, gone: &[RelFileNumber]) {
        self.release_part(depth + 1);
        self.innermost(|pending| pending.drain(&self.table, false));
        gone.iter().for_each(|rel| self.table.forget(*rel));
    }

    /// All that is known, to be kept over a shutdown: nobody counts any more.
    pub fn all(&self) -> Vec<(RelFileNumber, Counts)> {
        self.table.all()
    }

    /// Takes back what an earlier run had kept: nobody counts yet.
    pub fn restore(&self, kept: &[(RelFileNumber, Counts)]) {
        for (rel, counts) in kept {
            if let Some(entry) = self.table.find_or_make(*rel) {
                entry.write(counts);
            }
        }
    }
}

/// What a transaction begins with.
fn pending() -> RefCell<Vec<Pending>> {
    RefCell::new(vec![Pending::default()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics() -> Statistics {
        let head = Box::leak(Box::new(Head::new_zeroed()));
        let entries: Vec<Entry> = (0..8).map(|_| Entry::new_zeroed()).collect();
        let entries: &'static [Entry] = Vec::leak(entries);
        Statistics { table: Table { lock: &head.keys, entries }, pending: pending() }
    }

    const T: RelFileNumber = RelFileNumber(20);
    const U: RelFileNumber = RelFileNumber(28);

    fn counted(counts: &Counts) -> [i64; 5] {
        [Count::Live, Count::Dead, Count::ModifiedSinceAnalyze, Count::Inserted, Count::Updated]
            .map(|count| counts.get(count))
    }

    fn change(statistics: &Statistics) {
        statistics.inserted(T, 5);
        statistics.updated(T, true);
        statistics.updated(T, false);
        statistics.deleted(T);
    }

    #[test]
    fn a_commit_makes_rows_live_and_what_they_replaced_dead() {
        let statistics = statistics();
        change(&statistics);
        assert_eq!(counted(&statistics.of(T)), [0; 5], "not before the end");
        statistics.end(true, &[]);
        let now = statistics.of(T);
        assert_eq!(counted(&now), [4, 3, 8, 5, 2]);
        assert_eq!((now.get(Count::HotUpdated), now.get(Count::Deleted)), (1, 1));
        assert_eq!(now.get(Count::InsertedSinceVacuum), 5);
    }

    #[test]
    fn an_abort_leaves_dead_rows_alone() {
        let statistics = statistics();
        change(&statistics);
        statistics.end(false, &[]);
        assert_eq!(counted(&statistics.of(T)), [0, 7, 0, 5, 2]);
    }

    #[test]
    fn what_a_part_did_lives_or_dies_with_it() {
        let statistics = statistics();
        statistics.inserted(T, 100);
        statistics.begin_part();
        change(&statistics);
        statistics.begin_part();
        statistics.inserted(T, 1);
        statistics.rollback_part(0, &[]);
        assert_eq!(counted(&statistics.of(T)), [0, 8, 0, 6, 2]);
        statistics.inserted(T, 10);
        statistics.begin_part();
        statistics.inserted(T, 1000);
        statistics.release_part(1);
        statistics.end(true, &[]);
        assert_eq!(counted(&statistics.of(T)), [1110, 8, 1110, 1116, 2]);
        statistics.begin_part();
        statistics.inserted(T, 1);
        statistics.end(false, &[]);
        assert_eq!(counted(&statistics.of(T)), [1110, 9, 1110, 1117, 2]);
    }

    #[test]
    fn scans_count_whatever_becomes_of_the_transaction() {
        let statistics = statistics();
        statistics.scanned(T);
        statistics.read(T, 9);
        statistics.index_scanned(U);
        statistics.index_fetched(U, 3);
        statistics.end(false, &[]);
        let (t, u) = (statistics.of(T), statistics.of(U));
        assert_eq!((t.get(Count::SeqScan), t.get(Count::SeqRead)), (1, 9));
        assert_eq!((u.get(Count::IndexScan), u.get(Count::IndexFetch)), (1, 3));
    }

    #[test]
    fn vacuum_and_analyze_say_what_they_found() {
        let statistics = statistics();
        change(&statistics);
        statistics.end(true, &[]);
        statistics.vacuumed(T, Found { live: 4, dead: 1, auto: false });
        let now = statistics.of(T);
        assert_eq!(counted(&now), [4, 1, 8, 5, 2]);
        assert_eq!(now.get(Count::InsertedSinceVacuum), 0);
        assert_eq!((now.get(Count::Vacuums), now.get(Count::Autovacuums)), (1, 0));
        assert!(now.get(Count::LastVacuum) > 0);
        statistics.pruned(T, 5);
        assert_eq!(statistics.of(T).get(Count::Dead), 0, "never below zero");
        statistics.analyzed(T, Found { live: 7, dead: 2, auto: true }, false);
        assert_eq!(counted(&statistics.of(T)), [7, 2, 8, 5, 2], "some columns only");
        statistics.analyzed(T, Found { live: 7, dead: 2, auto: true }, true);
        assert_eq!(counted(&statistics.of(T)), [7, 2, 0, 5, 2]);
        assert_eq!(statistics.of(T).get(Count::Autoanalyzes), 2);
    }

    #[test]
    fn a_new_file_inherits_the_history_but_not_the_rows() {
        let statistics = statistics();
        change(&statistics);
        statistics.end(true, &[]);
        statistics.moved(T, U);
        statistics.inserted(U, 1);
        statistics.end(true, &[T]);
        assert_eq!(counted(&statistics.of(T)), [0; 5]);
        assert_eq!(counted(&statistics.of(U)), [1, 0, 1, 6, 2]);
        statistics.moved(U, T);
        statistics.end(false, &[T]);
        assert_eq!(counted(&statistics.of(U)), [1, 0, 1, 6, 2], "not if it is undone");
    }

    #[test]
    fn a_file_that_was_filled_has_its_rows_and_the_history() {
        let statistics = statistics();
        change(&statistics);
        statistics.end(true, &[]);
        statistics.moved(T, U);
        statistics.filled(U, 4, 1);
        statistics.end(false, &[U]);
        assert_eq!(counted(&statistics.of(T)), [4, 3, 8, 5, 2], "undone");
        assert_eq!(counted(&statistics.of(U)), [0; 5]);
        statistics.moved(T, U);
        statistics.filled(U, 4, 1);
        statistics.end(true, &[T]);
        assert_eq!(counted(&statistics.of(U)), [4, 1, 0, 5, 2]);
    }

    #[test]
    fn a_full_table_counts_no_more_and_makes_room_when_files_go() {
        let statistics = statistics();
        for number in 100..110 {
            statistics.inserted(RelFileNumber(number), 1);
        }
        statistics.end(true, &[]);
        let kept = statistics.all();
        assert_eq!(kept.len(), 8);
        statistics.end(true, &[kept[0].0]);
        statistics.inserted(T, 2);
        statistics.end(true, &[]);
        assert_eq!(statistics.of(T).get(Count::Live), 2);
        assert_eq!(statistics.of(kept[1].0).get(Count::Live), 1);
    }

    #[test]
    fn what_was_kept_comes_back() {
        let (before, after) = (statistics(), statistics());
        change(&before);
        before.end(true, &[]);
        after.restore(&before.all());
        assert_eq!(after.all(), before.all());
    }
}
