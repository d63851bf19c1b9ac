//! Vacuum: removes from a table what nobody can see any more, and tells the maps what is left.
//!
//! ```text
//!  for each page that is not all-visible:  prune; dead roots stay as dead line pointers, noted
//!       │ the list is full, or the table is at its end
//!       v
//!  the caller removes the index entries that lead to them     (Hooks::remove_from_indexes)
//!       v
//!  for each page with such line pointers:  they become unused; perhaps the page is all-visible now
//!       v
//!  go on with the next pages, with an empty list
//! ```
//!
//! In a table without indexes dead roots are free at once, and the first pass is the only one.
//!
//! On the way each page is *settled*: an `xmax` that means nothing, because it aborted or only
//! locked the row, is taken away. What is left then is: versions whose makers committed before the
//! horizon, and what ended or began at the horizon or later. So when all pages have been looked at
//! or skipped as all-visible, [`Report::settled_before`] can become the table's `relfrozenxid`.
//!
//! # Rules
//! 1. The caller holds SHARE UPDATE EXCLUSIVE on the table: there is one vacuum at a time, and no
//!    CREATE INDEX. Readers and writers go on.
//! 2. No page is locked while a hook runs. One page of the heap is locked at a time.
//! 3. The second pass frees only line pointers that are dead under the page's lock, and that the
//!    indexes have been told of.
//! 4. A page is marked all-visible only if every snapshot was taken after its line pointers were
//!    freed: see `vm`.
//!
//! What if the process dies: before the second pass, dead line pointers stay, and the next vacuum
//! finds them again; index entries that are gone do no harm.

mod dead;
#[cfg(test)]
mod model;
mod rewrite;
mod settle;
mod sweep;
mod truncate;

pub use dead::DeadItems;
pub use rewrite::{RewriteProgress, Rewritten, rewrite};
pub use truncate::{empty_tail, truncate};

use buffer::Ring;
use types::{BlockNo, Lsn, Xid};

use super::Heap;
use crate::error::Error;

/// The horizon is computed anew after so many pages.
const HORIZON_PAGES: u32 = 64;
/// What one page may add to the list of dead line pointers.
const PAGE_SHARE: usize = 1024;

/// What a vacuum is to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many bytes the list of dead line pointers may take.
    pub memory: usize,
    /// Look at pages that the visibility map says need no look, too.
    pub all_pages: bool,
}

/// What a vacuum leaves to its caller.
pub trait Hooks {
    /// What the caller's part can fail with.
    type Error: From<Error>;

    /// Called before each page, with none locked: the place to be interrupted, to sleep, to show
    /// progress.
    fn before_page(&mut self, progress: &Progress) -> Result<(), Self::Error>;

    /// Removes every entry that leads to one of these places from every index of the table.
    fn remove_from_indexes(&mut self, dead: &DeadItems) -> Result<(), Self::Error>;
}

/// What a vacuum is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    /// Pages are looked at for the first time.
    #[default]
    ScanningHeap,
    /// Index entries are removed.
    VacuumingIndexes,
    /// Line pointers are freed.
    VacuumingHeap,
}

/// How far a vacuum is: what `pg_stat_progress_vacuum` shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Pages of the table when it began.
    pub pages: BlockNo,
    /// Pages passed, those that were skipped too.
    pub scanned: BlockNo,
    /// Pages whose line pointers have been freed.
    pub vacuumed: BlockNo,
    /// How often the indexes have been gone through.
    pub index_passes: u32,
    /// Line pointers on the list, and how many it can take.
    pub dead_items: usize,
    /// As the memory allows.
    pub dead_items_max: usize,
    /// Pages changed so far, for the cost of it.
    pub dirtied: u64,
}

/// What a vacuum has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Pages of the table when it began.
    pub pages: BlockNo,
    /// Pages looked at.
    pub scanned: BlockNo,
    /// Pages skipped as all-visible.
    pub skipped: BlockNo,
    /// Pages, counted from the first, behind which all were empty.
    pub nonempty: BlockNo,
    /// Dead versions removed.
    pub removed: u64,
    /// Line pointers freed that index entries could lead to.
    pub freed: u64,
    /// Pages of which these were freed.
    pub freed_pages: BlockNo,
    /// Of the pages looked at: versions that are there to everybody who comes now.
    pub live: u64,
    /// Of the pages looked at: versions that are dead, but not yet to everybody.
    pub recently_dead: u64,
    /// Pages that are newly all-visible.
    pub newly_visible: BlockNo,
    /// How often the indexes were gone through.
    pub index_passes: u32,
    /// Everything that transactions below it have left is committed, and ended by none of them.
    pub settled_before: Xid,
}

/// A vacuum in progress.
struct Vacuum<'h, H> {
    heap: Heap<'h>,
    hooks: &'h mut H,
    options: Options,
    ring: Ring,
    dead: DeadItems,
    progress: Progress,
    report: Report,
}

/// Vacuums a table whose shape the heap knows. See the rules of this module.
pub fn vacuum<H: Hooks>(
    heap: &Heap<'_>,
    options: Options,
    hooks: &mut H,
) -> Result<Report, H::Error> {
    let settled_before = heap.access.renew_horizon();
    let pages = heap.nblocks()?;
    let dead_items_max = options.memory / size_of::<u16>();
    let mut vacuum = Vacuum {
        heap: *heap,
        hooks,
        options,
        ring: Ring::vacuum(heap.access.pool.buffers()),
        dead: DeadItems::default(),
        progress: Progress { pages, dead_items_max, ..Progress::default() },
        report: Report { pages, settled_before, ..Report::default() },
    };
    vacuum.run()?;
    Ok(vacuum.report)
}

impl<H: Hooks> Vacuum<'_, H> {
    fn run(&mut self) -> Result<(), H::Error> {
        let map = self.heap.visibility();
        for block in 0..self.progress.pages {
            self.hooks.before_page(&self.progress)?;
            if block.is_multiple_of(HORIZON_PAGES) {
                self.heap.access.renew_horizon();
            }
            if self.dead.size() + PAGE_SHARE > self.options.memory && !self.dead.is_empty() {
                self.remove_dead()?;
            }
            if !self.options.all_pages && map.is_all_visible(block)? {
                self.report.skipped += 1;
                self.report.nonempty = block + 1;
            } else {
                self.sweep(block)?;
            }
            self.progress.scanned += 1;
            self.progress.dead_items = self.dead.len();
        }
        if self.dead.is_empty() { Ok(()) } else { self.remove_dead() }
    }

    /// Has the index entries removed that lead to the places on the list, and frees them.
    fn remove_dead(&mut self) -> Result<(), H::Error> {
        self.progress.phase = Phase::VacuumingIndexes;
        self.hooks.before_page(&self.progress)?;
        self.hooks.remove_from_indexes(&self.dead)?;
        self.report.index_passes += 1;
        self.progress.index_passes += 1;
        self.progress.phase = Phase::VacuumingHeap;
        let entries_gone = self.flushed_log()?;
        let mut dead = std::mem::take(&mut self.dead);
        for (block, offsets) in dead.by_block() {
            self.hooks.before_page(&self.progress)?;
            self.free(block, offsets, entries_gone)?;
            self.progress.vacuumed += 1;
        }
        dead.clear();
        self.dead = dead;
        self.progress.dead_items = 0;
        self.progress.phase = Phase::ScanningHeap;
        Ok(())
    }

    /// The end of the log, after it has been flushed: snapshots taken from now on see it.
    fn flushed_log(&self) -> Result<Lsn, Error> {
        let wal = &self.heap.access.wal;
        let end = wal.insert_lsn();
        wal.flush(end)?;
        Ok(end)
    }
}
