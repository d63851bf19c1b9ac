//! The rows of the views of relations: what each has been through.

use catalog::Relation;
use txn::Transaction;
use txn::statistics::{Count, Counts};
use types::{Datum, Row};

use super::rows::moment;
use super::text;
use crate::engine::{Rooms, told};
use crate::error::Result;

/// The schema of the system tables.
const SYSTEM: &str = "pg_catalog";

/// The rows of the view of that name, if it is one of this file.
pub(crate) fn rows_of(rooms: &Rooms, tx: &Transaction, name: &str) -> Result<Option<Vec<Row>>> {
    let wanted: fn(&Relation) -> bool = match name {
        "pg_stat_all_tables" => |_| true,
        "pg_stat_user_tables" => |relation| relation.schema != SYSTEM,
        "pg_stat_sys_tables" => |relation| relation.schema == SYSTEM,
        _ => return Ok(None),
    };
    let relations = rooms.catalog.relations(tx).map_err(told)?;
    let tables = relations.iter().filter(|relation| relation.kind == "r" && wanted(relation));
    let rows = tables.map(|table| table_row(table, &rooms.txn.statistics().of(table.relfile)));
    Ok(Some(rows.collect()))
}

fn table_row(table: &Relation, counts: &Counts) -> Row {
    use Count as C;
    let number = |count| Datum::Int8(counts.get(count));
    let time = |count| moment(counts.get(count));
    vec![
        Datum::Oid(table.oid.0),
        text(&table.schema),
        text(&table.name),
        number(C::SeqScan),
        number(C::SeqRead),
        number(C::Inserted),
        number(C::Updated),
        number(C::Deleted),
        number(C::HotUpdated),
        number(C::Live),
        number(C::Dead),
        number(C::ModifiedSinceAnalyze),
        number(C::InsertedSinceVacuum),
        time(C::LastVacuum),
        time(C::LastAutovacuum),
        time(C::LastAnalyze),
        time(C::LastAutoanalyze),
        number(C::Vacuums),
        number(C::Autovacuums),
        number(C::Analyzes),
        number(C::Autoanalyzes),
    ]
}
