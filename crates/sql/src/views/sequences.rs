//! `pg_sequences`: all sequences, and where they are. There are no owners.

use access::Sequence;
use catalog::{SequenceDef, TableKind};
use txn::Transaction;
use types::{Datum, Row};

use super::text;
use crate::engine::{Rooms, told};
use crate::error::Result;
use crate::values::type_name;

/// The rows of `pg_sequences`.
pub(crate) fn rows_of(rooms: &Rooms, tx: &Transaction) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for relation in rooms.catalog.relations(tx).map_err(told)? {
        if relation.kind != "S" {
            continue;
        }
        let schema = Some(relation.schema.as_str());
        // Locked, so that its file stays while it is read.
        let mode = txn::LockMode::AccessShare;
        let found = rooms.catalog.open(tx, schema, &relation.name, mode).map_err(told)?;
        let Some(table) = found else { continue };
        let TableKind::Sequence(SequenceDef { ty, start, numbering }) = table.kind else {
            continue;
        };
        let state = Sequence::new(&rooms.access, table.relfile).state().map_err(told)?;
        rows.push(vec![
            text(&table.schema),
            text(&table.name),
            Datum::Null,
            Datum::Text(type_name(ty)),
            Datum::Int8(start),
            Datum::Int8(numbering.min),
            Datum::Int8(numbering.max),
            Datum::Int8(numbering.increment),
            Datum::Bool(numbering.cycle),
            Datum::Int8(numbering.cache),
            if state.is_called { Datum::Int8(state.last_value) } else { Datum::Null },
        ]);
    }
    Ok(rows)
}
