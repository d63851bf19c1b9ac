//! `pg_views` and `pg_get_viewdef`: the views of users, each as the query that makes it.

use std::rc::Rc;

use catalog::{TableDef, TableKind};
use types::{Datum, Oid, Row};

use crate::bind::TableName;
use crate::bind::stored;
use crate::error::{Error, Result};
use crate::storage::Storage;

/// How a view is asked for.
#[derive(Debug)]
pub(crate) enum WhichView {
    /// By its name.
    Name(TableName),
    /// By its oid.
    Oid(Oid),
}

/// The rows of `pg_views`. Relations have no owners yet.
pub(crate) fn rows(storage: &dyn Storage) -> Result<Vec<Row>> {
    let relations = storage.define(|catalog, tx| catalog.relations(tx))?;
    let mut rows = Vec::new();
    for relation in relations.into_iter().filter(|relation| relation.kind == "v") {
        let found = storage.define(|catalog, tx| catalog.find_by_oid(tx, relation.oid))?;
        // It was dropped since the list was made.
        let Some(view) = found else { continue };
        rows.push(vec![
            Datum::Text(view.schema.clone()),
            Datum::Text(view.name.clone()),
            Datum::Null,
            Datum::Text(text_of(storage, &view)?),
        ]);
    }
    Ok(rows)
}

/// The query of a view; NULL for a relation of another kind. `None`: there is no such relation.
pub(crate) fn definition(storage: &dyn Storage, which: &WhichView) -> Result<Option<Datum>> {
    let found = storage.define(|catalog, tx| match which {
        WhichView::Name(name) => catalog.lookup(tx, name.schema.as_deref(), &name.name),
        WhichView::Oid(oid) => catalog.find_by_oid(tx, *oid),
    })?;
    Ok(match found {
        Some(view) if view.kind == TableKind::View => Some(Datum::Text(text_of(storage, &view)?)),
        other => other.map(|_| Datum::Null),
    })
}

fn text_of(storage: &dyn Storage, view: &TableDef) -> Result<String> {
    stored::definition(view, &|oid| {
        let found = storage.define(|catalog, tx| {
            let Some(table) = catalog.find_by_oid(tx, oid)? else { return Ok(None) };
            let by_name = catalog.lookup(tx, None, &table.name)?;
            Ok(Some((Rc::clone(&table), by_name.is_some_and(|found| found.oid == oid))))
        })?;
        found.ok_or_else(|| {
            Error::internal(format!("view uses relation {}, which is not there", oid.0))
        })
    })
}
