//! VACUUM FULL of one table: a copy of its rows in a new file, and every index built anew.
//!
//! ```text
//!  new files for table and indexes, in this transaction     (catalog: move_table)
//!       │
//!  every version that somebody may still see is copied      (access: rewrite)
//!       │
//!  each index is built from the copy                        (the caller)
//!       │
//!  pages, rows and horizon are noted; COMMIT: the old files go
//! ```
//!
//! The transaction holds ACCESS EXCLUSIVE on the table throughout. A snapshot that was taken before
//! sees in the copy what it saw in the table. The indexes are this transaction's, so who keeps an
//! older snapshot reads without them.
//!
//! What if the process dies: before the COMMIT record is durable, the new files belong to nobody and
//! go, and the old ones have never been touched; after it, redo has the new ones and removes the old.

use access::heap::Heap;
use access::vacuum::{self, Rewritten};
use catalog::{RelationSize, TableDef};
use txn::Transaction;
use types::BlockNo;

use super::Work;
use super::progress::{FullPhase, FullProgress, RunningFull};
use super::vacuum::Before;
use crate::engine::{Rooms, told};
use crate::error::Result;
use crate::functions::DATABASE;

/// A VACUUM FULL under way.
pub(crate) struct Full {
    progress: FullProgress,
    at: RunningFull,
    before: Before,
    name: String,
}

impl Full {
    /// It begins.
    pub(crate) fn begin(rooms: &Rooms, table: &TableDef, work: &mut Work<'_, '_>) -> Result<Full> {
        let name = format!("{DATABASE}.{}.{}", table.schema, table.name);
        work.tell(|| format!("vacuuming \"{name}\""))?;
        let progress = FullProgress::begin(table.oid);
        Ok(Full { progress, at: RunningFull::default(), before: Before::now(rooms), name })
    }

    /// Copies the rows.
    pub(crate) fn copy(
        &mut self,
        rooms: &Rooms,
        from: &Heap<'_>,
        into: &Heap<'_>,
        work: &mut Work<'_, '_>,
    ) -> Result<Rewritten> {
        self.at.phase = FullPhase::ScanningHeap;
        vacuum::rewrite(from, into, |now| {
            self.at.numbers = [
                now.versions_scanned,
                now.versions_copied,
                u64::from(now.pages),
                u64::from(now.scanned),
                0,
            ];
            self.progress.show(&self.at);
            work.pacer.pace(&rooms.pool)
        })
    }

    /// An index is next; so many are done.
    pub(crate) fn show_index(&mut self, done: usize) {
        self.at.phase = FullPhase::RebuildingIndex;
        self.at.numbers[4] = done as u64;
        self.progress.show(&self.at);
    }

    /// Notes in the system tables and the statistics what there is now: of the table, and of each
    /// index how many pages it has.
    pub(crate) fn note(
        &mut self,
        rooms: &Rooms,
        tx: &mut Transaction,
        table: &TableDef,
        done: &Rewritten,
        indexes: &[BlockNo],
    ) -> Result<()> {
        self.at.phase = FullPhase::CleaningUp;
        self.progress.show(&self.at);
        let rows = Some(done.live as f32);
        let size = RelationSize { pages: done.pages.1, rows, all_visible: 0 };
        let catalog = &rooms.catalog;
        catalog.set_relation_size(tx, table.oid, size, Some(done.settled_before)).map_err(told)?;
        for (index, pages) in table.indexes.iter().zip(indexes) {
            let size = RelationSize { pages: *pages, ..size };
            catalog.set_relation_size(tx, index.oid, size, None).map_err(told)?;
        }
        rooms.txn.statistics().filled(table.relfile, done.live, done.recently_dead);
        Ok(())
    }

    /// It is done.
    pub(crate) fn finish(
        self,
        rooms: &Rooms,
        done: &Rewritten,
        work: &mut Work<'_, '_>,
    ) -> Result<()> {
        let Rewritten { pages: (before, after), live, recently_dead, removed, .. } = *done;
        work.tell(|| {
            let mut text = format!(
                "\"{}\": found {removed} removable, {} nonremovable row versions in {before} pages\n\
                 {recently_dead} dead row versions cannot be removed yet\n\
                 pages: {before} before, {after} now",
                self.name,
                live + recently_dead,
            );
            self.before.push_usage(rooms, &mut text);
            text
        })
    }
}
