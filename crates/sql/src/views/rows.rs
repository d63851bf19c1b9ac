//! The rows of the views, from what the rooms publish in shared memory.

use std::sync::atomic::Ordering::Relaxed;

use types::{Datum, Row};

use super::text;
use crate::engine::Rooms;
use crate::functions::DATABASE;
use crate::maintenance;
use crate::values::numeric;
use shmem::{ProcKind, ProcSlot};
use txn::{DATABASE_OID, LockRow, LockTag, Locked};

/// The rows of the view of that name, if it is one of this file.
pub(crate) fn rows_of(rooms: &Rooms, name: &str) -> Option<Vec<Row>> {
    Some(match name {
        "pg_stat_activity" => activity(rooms),
        "pg_locks" => locks(rooms),
        "pg_buffercache" => buffers(rooms),
        "pg_stat_bgwriter" => vec![bgwriter(rooms)],
        "pg_stat_checkpointer" => vec![checkpointer(rooms)],
        "pg_stat_progress_checkpoint" => progress(rooms),
        "pg_stat_progress_create_index" => builds(rooms),
        "pg_stat_progress_vacuum" => vacuums(rooms),
        "pg_stat_progress_cluster" => rewrites(rooms),
        "pg_stat_wal" => vec![wal(rooms)],
        "pg_shmem_allocations" => allocations(rooms),
        _ => return None,
    })
}

fn int8(value: u64) -> Datum {
    Datum::Int8(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A number that 0 means none of.
fn nonzero(value: u64) -> Datum {
    if value == 0 { Datum::Null } else { int8(value) }
}

pub(super) fn moment(micros: i64) -> Datum {
    if micros == 0 { Datum::Null } else { Datum::Timestamptz(micros) }
}

fn milliseconds(micros: u64) -> Datum {
    Datum::Float8(micros as f64 / 1000.0)
}

fn activity(rooms: &Rooms) -> Vec<Row> {
    let used = rooms.procs.iter().filter(|slot| slot.kind() != ProcKind::None);
    used.map(activity_row).collect()
}

fn activity_row(slot: &ProcSlot) -> Row {
    let kind = slot.kind();
    let backend = kind == ProcKind::Backend;
    let has_statements = backend || kind == ProcKind::AutovacuumWorker;
    let event = slot.wait_event();
    let waits = event != shmem::WaitEvent::None;
    let state = if has_statements { text(slot.state().name()) } else { Datum::Null };
    let kind_name = if backend { "client backend" } else { kind.name() };
    vec![
        if backend { text(DATABASE) } else { Datum::Null },
        Datum::Int4(slot.pid.load(Relaxed)),
        text(slot.user()),
        if backend { Datum::Text(slot.application()) } else { Datum::Null },
        text(slot.client()),
        moment(slot.backend_start.load(Relaxed)),
        moment(slot.xact_start.load(Relaxed)),
        moment(slot.query_start.load(Relaxed)),
        moment(slot.state_change.load(Relaxed)),
        if waits { text(event.type_name()) } else { Datum::Null },
        if waits { text(event.name()) } else { Datum::Null },
        state,
        nonzero(slot.xid.load(Relaxed)),
        nonzero(slot.snapshot_xmin.load(Relaxed)),
        if has_statements { Datum::Text(slot.query()) } else { Datum::Null },
        text(kind_name),
    ]
}

fn locks(rooms: &Rooms) -> Vec<Row> {
    rooms.txn.locks().locks().map(|lock| lock_row(&lock)).collect()
}

/// Where the columns stand that depend on what is locked.
mod lock_column {
    pub const DATABASE: usize = 1;
    pub const RELATION: usize = 2;
    pub const PAGE: usize = 3;
    pub const TUPLE: usize = 4;
    pub const VIRTUAL_XID: usize = 5;
    pub const XID: usize = 6;
    pub const CLASS: usize = 7;
    pub const OBJECT: usize = 8;
    pub const SUB_OBJECT: usize = 9;
}

fn lock_row(lock: &LockRow) -> Row {
    use lock_column::*;
    let (slot, number) = lock.virtual_xid;
    let virtual_xid = Datum::Text(format!("{slot}/{number}"));
    let (name, own) = match lock.on {
        Locked::Own => ("virtualxid", true),
        Locked::Tag(tag) => (tag.type_name(), false),
    };
    let mut row = vec![Datum::Null; 10];
    row[0] = text(name);
    if own {
        row[VIRTUAL_XID] = virtual_xid.clone();
    }
    if let Locked::Tag(tag) = lock.on {
        if !matches!(tag, LockTag::Transaction(_)) {
            row[DATABASE] = Datum::Oid(DATABASE_OID.0);
        }
        match tag {
            LockTag::Relation(oid) => row[RELATION] = Datum::Oid(oid.0),
            LockTag::Tuple(oid, place) => {
                row[RELATION] = Datum::Oid(oid.0);
                row[PAGE] = Datum::Int4(place.block as i32);
                row[TUPLE] = Datum::Int2(place.offset as i16);
            }
            LockTag::Transaction(id) => row[XID] = int8(id.0),
            LockTag::Advisory(key) => {
                let (class, object, sub) = key.columns();
                row[CLASS] = Datum::Oid(class);
                row[OBJECT] = Datum::Oid(object);
                row[SUB_OBJECT] = Datum::Int2(sub);
            }
            LockTag::Name(_) => {}
        }
    }
    row.extend([
        virtual_xid,
        Datum::Int4(lock.pid),
        text(lock.mode.name()),
        Datum::Bool(lock.granted),
        // What has no entry in the table of locks, as PostgreSQL has it.
        Datum::Bool(own),
        lock.wait_start.map_or(Datum::Null, moment),
    ]);
    row
}

fn buffers(rooms: &Rooms) -> Vec<Row> {
    let rows = rooms.pool.infos().map(|info| {
        let (rel, fork, block) = match info.tag {
            Some(tag) => {
                (int8(tag.rel.0), Datum::Int2(tag.fork as i16), Datum::Int8(i64::from(tag.block)))
            }
            None => (Datum::Null, Datum::Null, Datum::Null),
        };
        vec![
            // Buffers are numbered from 1 there.
            Datum::Int4(i32::try_from(info.id + 1).unwrap_or(i32::MAX)),
            rel,
            fork,
            block,
            Datum::Bool(info.dirty),
            Datum::Int2(i16::from(info.usage_count)),
            Datum::Int4(i32::from(info.pins)),
            Datum::Bool(info.valid),
            Datum::Bool(info.io_in_progress),
        ]
    });
    rows.collect()
}

fn bgwriter(rooms: &Rooms) -> Row {
    let stats = rooms.pool.stats();
    vec![
        int8(stats.buffers_checkpoint.get()),
        int8(stats.buffers_clean.get()),
        int8(stats.maxwritten_clean.get()),
        int8(stats.buffers_backend.get()),
        int8(stats.buffers_backend_fsync.get()),
        int8(stats.backend_wal_waits.get()),
        int8(stats.allocated.get()),
    ]
}

fn checkpointer(rooms: &Rooms) -> Row {
    let stats = rooms.host.checkpoints();
    vec![
        int8(stats.timed),
        int8(stats.requested),
        int8(stats.done),
        int8(stats.failed),
        milliseconds(stats.write_us),
        milliseconds(stats.sync_us),
        int8(stats.buffers_written),
    ]
}

fn progress(rooms: &Rooms) -> Vec<Row> {
    let Some(running) = rooms.host.checkpoints().running else { return Vec::new() };
    vec![vec![
        Datum::Int4(running.pid),
        text(running.phase),
        int8(running.buffers_total),
        int8(running.buffers_done),
        moment(running.started),
    ]]
}

fn vacuums(rooms: &Rooms) -> Vec<Row> {
    let used = rooms.procs.iter().filter(|slot| slot.kind() != ProcKind::None);
    let running = used.filter_map(|slot| Some((slot, maintenance::vacuum_of(slot)?)));
    let rows = running.map(|(slot, vacuum)| {
        let mut row = vec![
            Datum::Int4(slot.pid.load(Relaxed)),
            text(DATABASE),
            Datum::Oid(vacuum.relation.0),
            text(vacuum.phase),
        ];
        row.extend(vacuum.numbers.map(int8));
        row
    });
    rows.collect()
}

fn rewrites(rooms: &Rooms) -> Vec<Row> {
    let used = rooms.procs.iter().filter(|slot| slot.kind() != ProcKind::None);
    let running = used.filter_map(|slot| Some((slot, maintenance::full_of(slot)?)));
    let rows = running.map(|(slot, (relation, phase, numbers))| {
        let mut row = vec![
            Datum::Int4(slot.pid.load(Relaxed)),
            text(DATABASE),
            Datum::Oid(relation.0),
            text("VACUUM FULL"),
            text(phase),
            // No index that the rows would be sorted by.
            Datum::Oid(0),
        ];
        row.extend(numbers.map(int8));
        row
    });
    rows.collect()
}

fn builds(rooms: &Rooms) -> Vec<Row> {
    let used = rooms.procs.iter().filter(|slot| slot.kind() != ProcKind::None);
    let running = used.filter_map(|slot| Some((slot, maintenance::building_of(slot)?)));
    let rows = running.map(|(slot, built)| {
        let mut row = vec![
            Datum::Int4(slot.pid.load(Relaxed)),
            text(DATABASE),
            Datum::Oid(built.table.0),
            Datum::Oid(built.index.0),
            text(built.command),
            text(built.phase),
        ];
        // Nobody is waited for: CONCURRENTLY is not there yet, nor are partitions.
        row.extend([0; 3].map(int8));
        row.extend(built.counts.map(int8));
        row.extend([0; 2].map(int8));
        row
    });
    rows.collect()
}

fn wal(rooms: &Rooms) -> Row {
    let stats = rooms.wal.stats();
    vec![
        int8(stats.records.get()),
        int8(stats.images.get()),
        Datum::Numeric(numeric::from_wide(i128::from(stats.bytes.get()))),
        int8(stats.buffers_full.get()),
        int8(stats.writes.get()),
        int8(stats.syncs.get()),
        milliseconds(stats.write_us.get()),
        milliseconds(stats.sync_us.get()),
        int8(stats.segments_created.get()),
        int8(stats.segments_recycled.get()),
        Datum::PgLsn(rooms.wal.insert_lsn().0),
        Datum::PgLsn(rooms.wal.write_lsn().0),
        Datum::PgLsn(rooms.wal.flush_lsn().0),
        Datum::PgLsn(rooms.wal.redo_lsn().0),
    ]
}

fn allocations(rooms: &Rooms) -> Vec<Row> {
    let rows = rooms.regions.iter().map(|region| {
        vec![text(region.name), int8(region.offset as u64), int8(region.size as u64)]
    });
    rows.collect()
}
