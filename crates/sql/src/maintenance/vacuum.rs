//! VACUUM of one table and its indexes: what the heap's vacuum leaves to its caller, and what is noted
//! and told afterwards.

use std::time::Instant;

use access::BTree;
use access::btree::Vacuumed;
use access::heap::{Heap, Shape};
use access::vacuum::{self, DeadItems, Hooks, Options, Report};
use catalog::{RelationSize, TableDef};
use txn::Transaction;
use txn::statistics::Found;
use types::BlockNo;

use super::Work;
use super::pacing::Pages;
use super::progress::Progress;
use super::tail;
use crate::engine::{Rooms, told};
use crate::error::{Error, Result};
use crate::functions::DATABASE;

/// The caller's part of a vacuum under way.
struct Steps<'s, 'w, 'j> {
    rooms: &'s Rooms,
    table: &'s TableDef,
    work: &'s mut Work<'w, 'j>,
    progress: Progress,
    /// What the last pass over each index found.
    indexes: Vec<Vacuumed>,
}

impl Hooks for Steps<'_, '_, '_> {
    type Error = Error;

    fn before_page(&mut self, progress: &vacuum::Progress) -> Result<()> {
        self.progress.show(progress);
        self.work.pacer.pace(&self.rooms.pool)
    }

    fn remove_from_indexes(&mut self, dead: &DeadItems) -> Result<()> {
        let Steps { rooms, table, work, indexes, .. } = self;
        indexes.clear();
        for index in &table.indexes {
            let tree = BTree::new(&rooms.access, index.relfile, &index.name);
            let mut is_dead = |place| dead.contains(place);
            let mut pause = || work.pacer.pace(&rooms.pool);
            indexes.push(tree.bulk_delete_with(&mut is_dead, &mut pause)?);
        }
        Ok(())
    }
}

/// Vacuums a table that the transaction has locked.
pub(crate) fn vacuum(
    rooms: &Rooms,
    tx: &mut Transaction,
    table: &TableDef,
    work: &mut Work<'_, '_>,
) -> Result<()> {
    let name = format!("{DATABASE}.{}.{}", table.schema, table.name);
    work.tell(|| format!("vacuuming \"{name}\""))?;
    let before = Before::now(rooms);
    let columns = table.indexes.iter().flat_map(|index| &index.columns);
    let indexed: Vec<usize> = columns.map(|column| column.column).collect();
    let shape = Shape { indexed: &indexed, ..Shape::default() };
    let heap = Heap::new(&rooms.access, table.relfile, &table.types).with(shape);
    let options = Options { memory: work.job.memory, all_pages: false };
    let progress = Progress::vacuum(table.oid);
    let mut steps = Steps { rooms, table, work, progress, indexes: Vec::new() };
    let report = vacuum::vacuum(&heap, options, &mut steps)?;
    let indexes = std::mem::take(&mut steps.indexes);
    drop(steps);
    let left = tail::give_back(rooms, table, &heap, (report.pages, report.nonempty), work)?;
    note(rooms, tx, table, (&report, left), &indexes, work.job.auto)?;
    work.tell(|| {
        let mut text = format!("finished vacuuming \"{name}\": ");
        push_report(&mut text, &report, left);
        for (index, found) in table.indexes.iter().zip(&indexes) {
            text.push_str(&format!(
                "\nindex \"{}\": pages: {} in total, {} newly deleted, {} currently deleted, {} \
                 reusable",
                index.name,
                found.pages,
                found.pages_deleted,
                found.pages_waiting + found.pages_free,
                found.pages_free,
            ));
        }
        before.push_usage(rooms, &mut text);
        text
    })
}

/// Notes in the system tables and the statistics what was found.
fn note(
    rooms: &Rooms,
    tx: &mut Transaction,
    table: &TableDef,
    (report, pages): (&Report, BlockNo),
    indexes: &[Vacuumed],
    auto: bool,
) -> Result<()> {
    let catalog = &rooms.catalog;
    let before = catalog.relation_size(tx, table.oid).map_err(told)?;
    // Pages that were skipped are as dense as the table was.
    let density = before.rows.map_or(0.0, |rows| f64::from(rows) / f64::from(before.pages.max(1)));
    let live = report.live as f64 + density * f64::from(report.skipped);
    let size = RelationSize {
        pages,
        rows: Some(live.round() as f32),
        all_visible: report.skipped + report.newly_visible,
    };
    catalog.set_relation_size(tx, table.oid, size, Some(report.settled_before)).map_err(told)?;
    for (index, found) in table.indexes.iter().zip(indexes) {
        let rows = Some(found.remaining as f32);
        let size = RelationSize { pages: found.pages, rows, all_visible: 0 };
        catalog.set_relation_size(tx, index.oid, size, None).map_err(told)?;
    }
    let found = Found { live: live.round() as u64, dead: report.recently_dead, auto };
    rooms.txn.statistics().vacuumed(table.relfile, found);
    Ok(())
}

fn push_report(text: &mut String, report: &Report, left: BlockNo) {
    let Report { pages, scanned, removed, live, recently_dead, index_passes, .. } = *report;
    let share = f64::from(scanned) * 100.0 / f64::from(pages.max(1));
    text.push_str(&format!(
        "index scans: {index_passes}\n\
         pages: {} removed, {left} remain, {scanned} scanned ({share:.2}% of total)\n\
         tuples: {removed} removed, {live} remain, {recently_dead} are dead but not yet removable\n\
         removable cutoff: {}\n\
         index scan {}: {} pages from table had {} dead item identifiers removed",
        pages.saturating_sub(left),
        report.settled_before,
        if index_passes > 0 { "needed" } else { "not needed" },
        report.freed_pages,
        report.freed,
    ));
}

/// What the process had used when the vacuum began.
pub(super) struct Before {
    began: Instant,
    pages: Pages,
    records: u64,
    images: u64,
    bytes: u64,
}

impl Before {
    pub(super) fn now(rooms: &Rooms) -> Before {
        let wal = rooms.wal.own_insertions();
        let pages = Pages::used(&rooms.pool);
        let (records, images, bytes) = (wal.records, wal.images, wal.bytes);
        Before { began: Instant::now(), pages, records, images, bytes }
    }

    /// Tells what has been used since.
    pub(super) fn push_usage(&self, rooms: &Rooms, text: &mut String) {
        let used = Pages::used(&rooms.pool).since(self.pages);
        let wal = rooms.wal.own_insertions();
        text.push_str(&format!(
            "\nbuffer usage: {} hits, {} misses, {} dirtied\n\
             WAL usage: {} records, {} full page images, {} bytes\n\
             elapsed: {:.2} s",
            used.hit,
            used.read,
            used.dirtied,
            wal.records - self.records,
            wal.images - self.images,
            wal.bytes - self.bytes,
            self.began.elapsed().as_secs_f64(),
        ));
    }
}
