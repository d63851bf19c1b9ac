//! CREATE TABLE and TRUNCATE.

use std::rc::Rc;

use catalog::{TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

use super::{Execution, define_index, foreign, sequences};
use crate::bind::TableName;
use crate::error::{Error, Report, Result};
use crate::output::Output;
use crate::planned::{Create, Truncate};
use crate::session::Weight;

/// CREATE TABLE
pub(super) fn create(
    execution: &Execution<'_>,
    create: &Create,
    out: &mut dyn Output,
) -> Result<String> {
    let storage = &execution.session.storage;
    let (name, columns) = (&create.name, create.columns.clone());
    let done = storage.define(|catalog, tx| {
        let schema = name.schema.as_deref();
        let mut table = catalog.create_table(tx, schema, &name.name, columns)?;
        if !create.options.is_empty() {
            table = catalog.set_options(tx, table.oid, &create.options)?;
        }
        for check in &create.checks {
            (table, _) = catalog.add_check(tx, &table, check)?;
        }
        Ok(table)
    });
    match done {
        Ok(table) => {
            let table = sequences::add_to_table(execution, table, &create.sequences)?;
            let mut table = define_index::create_keys(execution, table, &create.keys)?;
            for key in &create.foreign_keys {
                table = foreign::add(execution, &table, key)?;
            }
        }
        Err(error)
            if create.if_not_exists && error.sqlstate() == Some(SqlState::DUPLICATE_TABLE) =>
        {
            let message = format!("relation \"{}\" already exists, skipping", create.name.name);
            let notice = Report::new(SqlState::DUPLICATE_TABLE, message);
            execution.session.notice(out, Weight::Notice, &notice)?;
        }
        Err(error) => return Err(error),
    }
    Ok("CREATE TABLE".to_owned())
}

/// Refuses what is no user's table.
pub(super) fn check_table(table: &TableDef, verb: &str) -> Result<()> {
    match table.kind {
        TableKind::Table => Ok(()),
        TableKind::System => Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied: \"{}\" is a system catalog", table.name),
        )),
        TableKind::Sequence(_) if verb == "index" => {
            let message = format!("cannot create index on relation \"{}\"", table.name);
            Err(not_for_sequences(message))
        }
        TableKind::Index(_) | TableKind::View | TableKind::Sequence(_) => {
            let message = format!("\"{}\" is not a table", table.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
        TableKind::Virtual => {
            let message = format!("\"{}\" is not a table: cannot {verb} it", table.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
    }
}

/// `42809` for what is not done to sequences.
pub(super) fn not_for_sequences(message: String) -> Error {
    let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message);
    error.detail("This operation is not supported for sequences.")
}

/// TRUNCATE
pub(super) fn truncate(
    execution: &Execution<'_>,
    truncate: &Truncate,
    out: &mut dyn Output,
) -> Result<String> {
    let storage = &execution.session.storage;
    let mut tables: Vec<Rc<TableDef>> = Vec::with_capacity(truncate.names.len());
    for name in &truncate.names {
        let Some(table) = storage.open(name, LockMode::AccessExclusive)? else {
            return Err(undefined_table(name).without_position());
        };
        check_table(&table, "truncate")?;
        if tables.iter().all(|known| known.oid != table.oid) {
            tables.push(table);
        }
    }
    foreign::truncated_together(execution, &mut tables, truncate.cascade, &mut |name| {
        let message = format!("truncate cascades to table \"{name}\"");
        let notice = Report::new(SqlState::SUCCESSFUL_COMPLETION, message);
        execution.session.notice(out, Weight::Notice, &notice)
    })?;
    if truncate.restart {
        tables.iter().try_for_each(|table| sequences::restart_all(execution, table))?;
    }
    tables.iter().try_for_each(|table| storage.truncate(table))?;
    Ok("TRUNCATE TABLE".to_owned())
}

/// `42P01`
pub(crate) fn undefined_table(name: &TableName) -> Error {
    let message = format!("relation \"{}\" does not exist", name.shown());
    let position = (name.at != 0).then_some(name.at as usize);
    Error::new(SqlState::UNDEFINED_TABLE, message).at(position)
}
