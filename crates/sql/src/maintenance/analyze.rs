//! ANALYZE of one table: a sample of its rows, and from that what its columns hold.

use access::{Heap, Sampled};
use catalog::{RelationSize, TableDef};
use txn::Transaction;
use txn::statistics::Found;
use types::{Datum, Row, TupleId};

use super::Work;
use crate::engine::{Rooms, told};
use crate::error::Result;
use crate::statistics::{encode, gather};

/// Rows of the sample for each value that may be kept: enough for bounds of a histogram that are
/// right to a few per cent (Chaudhuri, Motwani and Narasayya, SIGMOD 1998).
const ROWS_PER_VALUE: usize = 300;

/// Analyzes a table that the transaction has locked; `columns` are the places of those to look at.
pub(crate) fn analyze(
    rooms: &Rooms,
    tx: &mut Transaction,
    table: &TableDef,
    columns: &[usize],
    work: &mut Work<'_, '_>,
) -> Result<()> {
    let name = format!("\"{}.{}\"", table.schema, table.name);
    work.tell(|| format!("analyzing {name}"))?;
    let sampled = sample(rooms, tx, table, work)?;
    let scale = f64::from(sampled.pages) / f64::from(sampled.scanned.max(1));
    let (live, dead) = (sampled.live as f64 * scale, sampled.dead as f64 * scale);
    let Sampled { pages, scanned, .. } = sampled;
    work.tell(|| {
        format!(
            "\"{}\": scanned {scanned} of {pages} pages, containing {} live rows and {} dead rows; \
             {} rows in sample, {} estimated total rows",
            table.name,
            sampled.live,
            sampled.dead,
            sampled.rows.len(),
            live.round(),
        )
    })?;
    let heap = Heap::new(&rooms.access, table.relfile, &table.types).with_missing(&table.missing);
    let found = statistics_of(&heap, table, &sampled.rows, columns, live.round(), work, rooms)?;
    rooms.catalog.set_column_statistics(tx, table.oid, &found).map_err(told)?;
    let all_visible = heap.visibility().count(pages).map_err(told)?;
    let size = RelationSize { pages, rows: Some(live.round() as f32), all_visible };
    rooms.catalog.set_relation_size(tx, table.oid, size, None).map_err(told)?;
    let all = columns.len() == table.columns.len();
    let counted =
        Found { live: live.round() as u64, dead: dead.round() as u64, auto: work.job.auto };
    rooms.txn.statistics().analyzed(table.relfile, counted, all);
    Ok(())
}

fn sample(
    rooms: &Rooms,
    tx: &Transaction,
    table: &TableDef,
    work: &mut Work<'_, '_>,
) -> Result<Sampled> {
    let heap = Heap::new(&rooms.access, table.relfile, &table.types).with_missing(&table.missing);
    let wanted = work.job.target.saturating_mul(ROWS_PER_VALUE);
    let seed = sys::clock::monotonic_ns() ^ (u64::from(table.oid.0) << 32);
    let mut sample = heap.sample(wanted, seed).map_err(told)?;
    while sample.read_page(&rooms.txn.snapshot(tx)).map_err(told)? {
        work.pacer.pace(&rooms.pool)?;
    }
    Ok(sample.finish())
}

/// The bytes of the statistics of each column.
fn statistics_of(
    heap: &Heap<'_>,
    table: &TableDef,
    rows: &[(TupleId, Vec<u8>)],
    columns: &[usize],
    total: f64,
    work: &mut Work<'_, '_>,
    rooms: &Rooms,
) -> Result<Vec<(usize, Vec<u8>)>> {
    let mut found = Vec::with_capacity(columns.len());
    let mut row = Row::new();
    for &column in columns {
        // One column at a time: the values of all of them may take much memory.
        let mut wanted = vec![false; table.columns.len()];
        wanted[column] = true;
        let mut values = Vec::with_capacity(rows.len());
        for (place, bytes) in rows {
            heap.decode(*place, bytes, Some(&wanted), &mut row).map_err(told)?;
            values.push(std::mem::replace(&mut row[column], Datum::Null));
        }
        work.pacer.pace(&rooms.pool)?;
        let statistics = gather(values, table.columns[column].ty, total, work.job.target);
        if !rows.is_empty() {
            found.push((column, encode(&statistics)));
        }
    }
    Ok(found)
}
