//! `pg_indexes`: the indexes of all tables, each as the statement that makes it.

use catalog::{IndexDef, TableDef, quote_identifier};
use txn::Transaction;
use types::{Datum, Row};

use super::text;
use crate::engine::{Rooms, told};
use crate::error::Result;

/// The rows of `pg_indexes`.
pub(crate) fn rows_of(rooms: &Rooms, tx: &Transaction) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for relation in rooms.catalog.relations(tx).map_err(told)? {
        if relation.kind != "r" {
            continue;
        }
        let schema = Some(relation.schema.as_str());
        let table = rooms.catalog.lookup(tx, schema, &relation.name).map_err(told)?;
        let Some(table) = table else { continue };
        rows.extend(table.indexes.iter().map(|index| row(&table, index)));
    }
    Ok(rows)
}

fn row(table: &TableDef, index: &IndexDef) -> Row {
    vec![
        text(&table.schema),
        text(&table.name),
        text(&index.name),
        Datum::Null,
        Datum::Text(definition(table, index)),
    ]
}

/// The statement that makes an index.
pub(crate) fn definition(table: &TableDef, index: &IndexDef) -> String {
    let columns: Vec<String> = index
        .columns
        .iter()
        .map(|column| {
            let mut text = quote_identifier(&table.columns[column.column].name);
            if column.descending {
                text.push_str(" DESC");
            }
            if column.nulls_first != column.descending {
                text.push_str(if column.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
            }
            text
        })
        .collect();
    format!(
        "CREATE {}INDEX {} ON {}.{} USING btree ({})",
        if index.unique { "UNIQUE " } else { "" },
        quote_identifier(&index.name),
        quote_identifier(&table.schema),
        quote_identifier(&table.name),
        columns.join(", ")
    )
}
