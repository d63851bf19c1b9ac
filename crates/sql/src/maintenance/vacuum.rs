//! VACUUM of one table.

use std::time::Instant;

use access::{Heap, Shape};
use buffer::Ring;
use catalog::{RelationSize, TableDef};
use txn::Transaction;
use txn::statistics::Found;

use super::Work;
use super::pacing::Pages;
use super::progress::{Phase, Progress};
use crate::engine::{Rooms, told};
use crate::error::Result;
use crate::functions::DATABASE;

/// What has been done to the pages of a table.
#[derive(Default)]
struct Swept {
    pages: u32,
    live: u64,
    dead: u64,
    removed: u64,
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
    let (began, pages_before) = (Instant::now(), Pages::used(&rooms.pool));
    let wal_before = rooms.wal.own_insertions();
    let swept = sweep(rooms, table, work)?;
    let before = rooms.catalog.relation_size(tx, table.oid).map_err(told)?;
    let size = RelationSize { pages: swept.pages, rows: Some(swept.live as f32), ..before };
    rooms.catalog.set_relation_size(tx, table.oid, size, None).map_err(told)?;
    let found = Found { live: swept.live, dead: swept.dead, auto: work.job.auto };
    rooms.txn.statistics().vacuumed(table.relfile, found);
    work.tell(|| {
        let used = Pages::used(&rooms.pool).since(pages_before);
        let wal = rooms.wal.own_insertions();
        let Swept { pages, live, dead, removed } = swept;
        format!(
            "finished vacuuming \"{name}\": index scans: 0\n\
             pages: 0 removed, {pages} remain, {pages} scanned (100.00% of total)\n\
             tuples: {removed} removed, {live} remain, {dead} are dead but not yet removable\n\
             buffer usage: {} hits, {} misses, {} dirtied\n\
             WAL usage: {} records, {} full page images, {} bytes\n\
             elapsed: {:.2} s",
            used.hit,
            used.read,
            used.dirtied,
            wal.records - wal_before.records,
            wal.images - wal_before.images,
            wal.bytes - wal_before.bytes,
            began.elapsed().as_secs_f64(),
        )
    })
}

fn sweep(rooms: &Rooms, table: &TableDef, work: &mut Work<'_, '_>) -> Result<Swept> {
    // In a table with indexes what is dead keeps its line pointer: entries lead to it.
    let shape = Shape { indexed: &table.indexed, fill_factor: table.fill_factor() };
    let heap = Heap::new(&rooms.access, table.relfile, &table.types).with(shape);
    let ring = Ring::bulk_read(rooms.pool.buffers());
    let pages = heap.nblocks().map_err(told)?;
    let progress = Progress::vacuum(table.oid, pages);
    progress.enter(Phase::ScanningHeap);
    let mut swept = Swept { pages, ..Swept::default() };
    for block in 0..pages {
        let page = heap.sweep(block, &ring).map_err(told)?;
        swept.live += page.live;
        swept.dead += page.dead;
        swept.removed += page.removed;
        progress.scanned(block + 1);
        work.pacer.pace(&rooms.pool)?;
    }
    Ok(swept)
}
