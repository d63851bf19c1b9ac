//! CREATE INDEX, REINDEX, and the keys of CREATE TABLE.
//!
//! The table is locked before its index: whoever uses the table has its indexes, too. CREATE INDEX
//! keeps writers out and lets readers in; what drops an index or gives it a new file keeps out all.

use std::rc::Rc;

use catalog::{ConstraintKind, IndexColumn, IndexDef, NewIndex, TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

use super::Execution;
use super::define::{check_table, undefined_table};
use crate::bind::TableName;
use crate::error::{Error, Report, Result};
use crate::output::Output;
use crate::planned::{CreateIndex, Key, Reindex};
use crate::session::Weight;
use crate::storage::Storage;

/// Makes the indexes and constraints of a table that was just made.
pub(super) fn create_keys(
    execution: &Execution<'_>,
    mut table: Rc<TableDef>,
    keys: &[Key],
) -> Result<Rc<TableDef>> {
    for key in keys {
        table = execution.session.storage.create_index(&table, new_key(&table, key))?;
    }
    Ok(table)
}

/// The index of a PRIMARY KEY or UNIQUE.
pub(super) fn new_key(table: &TableDef, key: &Key) -> NewIndex {
    let kind = if key.primary { ConstraintKind::PrimaryKey } else { ConstraintKind::Unique };
    let column = |&column: &usize| IndexColumn {
        column,
        ty: table.columns[column].ty,
        descending: false,
        nulls_first: false,
    };
    NewIndex {
        name: key.name.clone(),
        unique: true,
        constraint: Some(kind),
        columns: key.columns.iter().map(column).collect(),
    }
}

/// CREATE INDEX
pub(super) fn create_index(
    execution: &Execution<'_>,
    create: &CreateIndex,
    out: &mut dyn Output,
) -> Result<String> {
    let storage = &execution.session.storage;
    let table = storage
        .open(&create.table, LockMode::Share)?
        .ok_or_else(|| undefined_table(&create.table).without_position())?;
    if table.kind == TableKind::View {
        let message = format!("cannot create index on relation \"{}\"", table.name);
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
            .detail("This operation is not supported for views."));
    }
    check_table(&table, "index")?;
    let mut columns = Vec::with_capacity(create.columns.len());
    for column in &create.columns {
        let position = table.column_index(&column.name).ok_or_else(|| {
            let message = format!("column \"{}\" does not exist", column.name);
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })?;
        columns.push(IndexColumn {
            column: position,
            ty: table.columns[position].ty,
            descending: column.descending,
            nulls_first: column.nulls_first,
        });
    }
    let new =
        NewIndex { name: create.name.clone(), unique: create.unique, constraint: None, columns };
    match storage.create_index(&table, new) {
        Ok(_) => {}
        Err(error)
            if create.if_not_exists && error.sqlstate() == Some(SqlState::DUPLICATE_TABLE) =>
        {
            let name = create.name.as_deref().unwrap_or_default();
            let message = format!("relation \"{name}\" already exists, skipping");
            let notice = Report::new(SqlState::DUPLICATE_TABLE, message);
            execution.session.notice(out, Weight::Notice, &notice)?;
        }
        Err(error) => return Err(error),
    }
    Ok("CREATE INDEX".to_owned())
}

/// An index with its table, the table locked.
pub(super) type Opened = (Rc<TableDef>, Rc<IndexDef>);

/// Opens an index by its name: its table is locked first, then the index is looked for again.
pub(super) fn open_index(execution: &Execution<'_>, name: &TableName) -> Result<Option<Opened>> {
    open_in(&execution.session.storage, name, LockMode::AccessExclusive)
}

/// Checks an index, with its table locked SHARE: writers are kept out.
pub(crate) fn check_index(storage: &Rc<dyn Storage>, name: &TableName) -> Result<()> {
    match open_in(storage, name, LockMode::Share)? {
        Some((table, index)) => storage.check_index(&table, &index),
        None => Err(undefined_table(name).without_position()),
    }
}

/// Checks the pages of a table, locked SHARE.
pub(crate) fn check_heap(storage: &Rc<dyn Storage>, name: &TableName) -> Result<()> {
    let table = storage.open(name, LockMode::Share)?;
    let table = table.ok_or_else(|| undefined_table(name).without_position())?;
    match table.kind {
        TableKind::Table | TableKind::System => storage.check_table(&table),
        _ => {
            let message = format!("cannot check relation \"{}\"", table.name);
            let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message);
            Err(error.detail("This operation is only supported for tables."))
        }
    }
}

fn open_in(storage: &Rc<dyn Storage>, name: &TableName, mode: LockMode) -> Result<Option<Opened>> {
    loop {
        let schema = name.schema.as_deref();
        let found = storage.define(|catalog, tx| catalog.lookup(tx, schema, &name.name))?;
        let Some(found) = found else { return Ok(None) };
        let TableKind::Index(table) = found.kind else {
            let message = format!("\"{}\" is not an index", name.name);
            let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message);
            return Err(match found.kind {
                TableKind::Table => error.hint("Use DROP TABLE to remove a table."),
                TableKind::View => error.hint("Use DROP VIEW to remove a view."),
                _ => error,
            });
        };
        let table = storage.define(|catalog, tx| catalog.find_by_oid(tx, table))?;
        let Some(table) = table else { continue };
        let by_name =
            TableName { schema: Some(table.schema.clone()), name: table.name.clone(), at: 0 };
        let Some(table) = storage.open(&by_name, mode)? else { continue };
        if let Some(index) = table.index(found.oid).filter(|index| index.name == name.name) {
            let index = Rc::clone(index);
            return Ok(Some((table, index)));
        }
    }
}

fn undefined_index(name: &TableName) -> Error {
    let message = format!("index \"{}\" does not exist", name.name);
    Error::new(SqlState::UNDEFINED_OBJECT, message)
}

/// REINDEX
pub(super) fn reindex(execution: &Execution<'_>, reindex: &Reindex) -> Result<String> {
    let storage = &execution.session.storage;
    let (mut table, indexes) = if reindex.table {
        let table = storage
            .open(&reindex.name, LockMode::AccessExclusive)?
            .ok_or_else(|| undefined_table(&reindex.name).without_position())?;
        if table.kind == TableKind::View {
            let message = format!("\"{}\" is not a table or materialized view", table.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        check_table(&table, "reindex")?;
        let indexes = table.indexes.clone();
        (table, indexes)
    } else {
        let (table, index) =
            open_index(execution, &reindex.name)?.ok_or_else(|| undefined_index(&reindex.name))?;
        (table, vec![index])
    };
    for index in indexes {
        table = storage.reindex(&table, &index)?;
    }
    Ok("REINDEX".to_owned())
}
