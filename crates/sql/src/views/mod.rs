//! Views whose rows the server makes at the moment of reading.
//!
//! Their columns are declared here ([`DEFINITIONS`]); `rows` makes their rows from what the rooms
//! below publish, except for `pg_settings`, which shows the settings of the session itself.
//! What they show was true at some moment while they were read, not all at the same one.

pub(crate) mod columns;
pub(crate) mod definitions;
pub(crate) mod indexes;
pub(crate) mod rows;
pub(crate) mod sequences;
pub(crate) mod tables;

use std::cell::RefCell;
use std::rc::Rc;

use catalog::{ColumnDef, TableDef, TableKind};
use config::Settings;
use types::{ColumnType, Datum, Oid, Row};

use crate::bind::TableName;

use ColumnType::{Bool, Float8, Int2, Int4, Int8, Numeric, PgLsn, Text, Timestamptz};

/// The schema of all of them.
const SCHEMA: &str = "pg_catalog";
/// The oid of the first; they are fixed, and those of no table.
const FIRST_OID: u32 = 12_000;

/// A view: its name and columns.
pub(crate) struct ViewDefinition {
    pub name: &'static str,
    pub columns: &'static [(&'static str, ColumnType)],
}

/// The columns of `pg_stat_all_tables` and of its parts.
static TABLE_COLUMNS: &[(&str, ColumnType)] = &[
    ("relid", ColumnType::Oid),
    ("schemaname", Text),
    ("relname", Text),
    ("seq_scan", Int8),
    ("seq_tup_read", Int8),
    ("n_tup_ins", Int8),
    ("n_tup_upd", Int8),
    ("n_tup_del", Int8),
    ("n_tup_hot_upd", Int8),
    ("n_live_tup", Int8),
    ("n_dead_tup", Int8),
    ("n_mod_since_analyze", Int8),
    ("n_ins_since_vacuum", Int8),
    ("last_vacuum", Timestamptz),
    ("last_autovacuum", Timestamptz),
    ("last_analyze", Timestamptz),
    ("last_autoanalyze", Timestamptz),
    ("vacuum_count", Int8),
    ("autovacuum_count", Int8),
    ("analyze_count", Int8),
    ("autoanalyze_count", Int8),
];

/// All views.
pub(crate) static DEFINITIONS: &[ViewDefinition] = &[
    ViewDefinition {
        name: "pg_stat_activity",
        columns: &[
            ("datname", Text),
            ("pid", Int4),
            ("usename", Text),
            ("application_name", Text),
            ("client_addr", Text),
            ("backend_start", Timestamptz),
            ("xact_start", Timestamptz),
            ("query_start", Timestamptz),
            ("state_change", Timestamptz),
            ("wait_event_type", Text),
            ("wait_event", Text),
            ("state", Text),
            ("backend_xid", Int8),
            ("backend_xmin", Int8),
            ("query", Text),
            ("backend_type", Text),
        ],
    },
    ViewDefinition {
        name: "pg_locks",
        columns: &[
            ("locktype", Text),
            ("database", ColumnType::Oid),
            ("relation", ColumnType::Oid),
            ("page", Int4),
            ("tuple", Int2),
            ("virtualxid", Text),
            ("transactionid", Int8),
            ("classid", ColumnType::Oid),
            ("objid", ColumnType::Oid),
            ("objsubid", Int2),
            ("virtualtransaction", Text),
            ("pid", Int4),
            ("mode", Text),
            ("granted", Bool),
            ("fastpath", Bool),
            ("waitstart", Timestamptz),
        ],
    },
    ViewDefinition {
        name: "pg_buffercache",
        columns: &[
            ("bufferid", Int4),
            ("relfilenode", Int8),
            ("relforknumber", Int2),
            ("relblocknumber", Int8),
            ("isdirty", Bool),
            ("usagecount", Int2),
            ("pinning_backends", Int4),
            ("isvalid", Bool),
            ("io_in_progress", Bool),
        ],
    },
    ViewDefinition {
        name: "pg_stat_bgwriter",
        columns: &[
            ("buffers_checkpoint", Int8),
            ("buffers_clean", Int8),
            ("maxwritten_clean", Int8),
            ("buffers_backend", Int8),
            ("buffers_backend_fsync", Int8),
            ("backend_wal_waits", Int8),
            ("buffers_alloc", Int8),
        ],
    },
    ViewDefinition {
        name: "pg_stat_checkpointer",
        columns: &[
            ("num_timed", Int8),
            ("num_requested", Int8),
            ("num_done", Int8),
            ("num_failed", Int8),
            ("write_time", Float8),
            ("sync_time", Float8),
            ("buffers_written", Int8),
        ],
    },
    ViewDefinition {
        name: "pg_stat_progress_checkpoint",
        columns: &[
            ("pid", Int4),
            ("phase", Text),
            ("buffers_total", Int8),
            ("buffers_processed", Int8),
            ("start_time", Timestamptz),
        ],
    },
    ViewDefinition {
        name: "pg_stat_wal",
        columns: &[
            ("wal_records", Int8),
            ("wal_fpi", Int8),
            ("wal_bytes", Numeric),
            ("wal_buffers_full", Int8),
            ("wal_write", Int8),
            ("wal_sync", Int8),
            ("wal_write_time", Float8),
            ("wal_sync_time", Float8),
            ("segments_created", Int8),
            ("segments_recycled", Int8),
            ("insert_lsn", PgLsn),
            ("write_lsn", PgLsn),
            ("flush_lsn", PgLsn),
            ("redo_lsn", PgLsn),
        ],
    },
    ViewDefinition {
        name: "pg_shmem_allocations",
        columns: &[("name", Text), ("off", Int8), ("size", Int8)],
    },
    ViewDefinition {
        name: "pg_indexes",
        columns: &[
            ("schemaname", Text),
            ("tablename", Text),
            ("indexname", Text),
            ("tablespace", Text),
            ("indexdef", Text),
        ],
    },
    ViewDefinition {
        name: "pg_views",
        columns: &[
            ("schemaname", Text),
            ("viewname", Text),
            ("viewowner", Text),
            ("definition", Text),
        ],
    },
    ViewDefinition {
        name: "pg_sequences",
        columns: &[
            ("schemaname", Text),
            ("sequencename", Text),
            ("sequenceowner", Text),
            ("data_type", Text),
            ("start_value", Int8),
            ("min_value", Int8),
            ("max_value", Int8),
            ("increment_by", Int8),
            ("cycle", Bool),
            ("cache_size", Int8),
            ("last_value", Int8),
        ],
    },
    ViewDefinition {
        name: "pg_settings",
        columns: &[
            ("name", Text),
            ("setting", Text),
            ("unit", Text),
            ("category", Text),
            ("short_desc", Text),
            ("context", Text),
            ("vartype", Text),
            ("source", Text),
            ("min_val", Text),
            ("max_val", Text),
            ("enumvals", Text),
            ("boot_val", Text),
            ("reset_val", Text),
            ("sourcefile", Text),
            ("sourceline", Int4),
            ("pending_restart", Bool),
        ],
    },
    ViewDefinition { name: "pg_stat_all_tables", columns: TABLE_COLUMNS },
    ViewDefinition { name: "pg_stat_user_tables", columns: TABLE_COLUMNS },
    ViewDefinition { name: "pg_stat_sys_tables", columns: TABLE_COLUMNS },
    ViewDefinition {
        name: "pg_stats",
        columns: &[
            ("schemaname", Text),
            ("tablename", Text),
            ("attname", Text),
            ("inherited", Bool),
            ("null_frac", ColumnType::Float4),
            ("avg_width", Int4),
            ("n_distinct", ColumnType::Float4),
            ("most_common_vals", Text),
            ("most_common_freqs", Text),
            ("histogram_bounds", Text),
            ("correlation", ColumnType::Float4),
        ],
    },
    ViewDefinition {
        name: "pg_stat_progress_create_index",
        columns: &[
            ("pid", Int4),
            ("datname", Text),
            ("relid", ColumnType::Oid),
            ("index_relid", ColumnType::Oid),
            ("command", Text),
            ("phase", Text),
            ("lockers_total", Int8),
            ("lockers_done", Int8),
            ("current_locker_pid", Int8),
            ("blocks_total", Int8),
            ("blocks_done", Int8),
            ("tuples_total", Int8),
            ("tuples_done", Int8),
            ("partitions_total", Int8),
            ("partitions_done", Int8),
        ],
    },
    ViewDefinition {
        name: "pg_stat_progress_vacuum",
        columns: &[
            ("pid", Int4),
            ("datname", Text),
            ("relid", ColumnType::Oid),
            ("phase", Text),
            ("heap_blks_total", Int8),
            ("heap_blks_scanned", Int8),
            ("heap_blks_vacuumed", Int8),
            ("index_vacuum_count", Int8),
            ("max_dead_tuples", Int8),
            ("num_dead_tuples", Int8),
        ],
    },
    ViewDefinition {
        name: "pg_stat_progress_cluster",
        columns: &[
            ("pid", Int4),
            ("datname", Text),
            ("relid", ColumnType::Oid),
            ("command", Text),
            ("phase", Text),
            ("cluster_index_relid", ColumnType::Oid),
            ("heap_tuples_scanned", Int8),
            ("heap_tuples_written", Int8),
            ("heap_blks_total", Int8),
            ("heap_blks_scanned", Int8),
            ("index_rebuild_count", Int8),
        ],
    },
];

/// The names of all views.
pub fn view_names() -> Vec<&'static str> {
    DEFINITIONS.iter().map(|definition| definition.name).collect()
}

/// The views as tables, made once for a session: kept plans compare them by identity.
#[derive(Default)]
pub(crate) struct Views {
    made: RefCell<Vec<Option<Rc<TableDef>>>>,
}

impl Views {
    /// The view of that name.
    pub(crate) fn find(&self, name: &TableName) -> Option<Rc<TableDef>> {
        if name.schema.as_deref().is_some_and(|schema| schema != SCHEMA) {
            return None;
        }
        let place = DEFINITIONS.iter().position(|definition| definition.name == name.name)?;
        let mut made = self.made.borrow_mut();
        made.resize(DEFINITIONS.len(), None);
        let table = made[place].get_or_insert_with(|| Rc::new(table_of(place)));
        Some(Rc::clone(table))
    }
}

fn table_of(place: usize) -> TableDef {
    let definition = &DEFINITIONS[place];
    let columns = definition.columns.iter().map(|(name, ty)| ColumnDef::new(*name, *ty)).collect();
    TableDef {
        oid: Oid(FIRST_OID + place as u32),
        ..TableDef::new(SCHEMA, definition.name, TableKind::Virtual, columns)
    }
}

/// A text, or NULL if there is none.
fn text(text: impl Into<String>) -> Datum {
    let text = text.into();
    if text.is_empty() { Datum::Null } else { Datum::Text(text) }
}

/// The rows of `pg_settings`.
pub(crate) fn settings_rows(current: &Settings, base: &Settings) -> Vec<Row> {
    let optional = |value: Option<String>| value.map_or(Datum::Null, Datum::Text);
    let full = |value: String| Datum::Text(value);
    let rows = current.rows(base).into_iter().map(|row| {
        vec![
            text(row.name),
            full(row.setting),
            row.unit.map_or(Datum::Null, text),
            text(row.category),
            text(row.short_desc),
            text(row.context),
            text(row.vartype),
            text(row.source),
            optional(row.min_val),
            optional(row.max_val),
            optional(row.enumvals),
            full(row.boot_val),
            full(row.reset_val),
            optional(row.source_file),
            row.source_line.map_or(Datum::Null, |line| Datum::Int4(line as i32)),
            Datum::Bool(row.pending_restart),
        ]
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_found_with_and_without_their_schema() {
        let views = Views::default();
        let name = |schema: Option<&str>, name: &str| TableName {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            at: 0,
        };
        let plain = views.find(&name(None, "pg_settings")).expect("there is one");
        let full = views.find(&name(Some("pg_catalog"), "pg_settings")).expect("the same");
        assert!(Rc::ptr_eq(&plain, &full));
        assert!(views.find(&name(Some("public"), "pg_settings")).is_none());
        assert!(views.find(&name(None, "nothing")).is_none());
    }

    #[test]
    fn rows_of_settings_fit_their_columns() {
        let settings = Settings::default();
        let rows = settings_rows(&settings, &settings);
        let columns = DEFINITIONS.iter().find(|d| d.name == "pg_settings").expect("declared");
        assert!(rows.iter().all(|row| row.len() == columns.columns.len()));
        assert!(rows.len() > 20);
    }
}
