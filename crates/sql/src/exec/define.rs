//! CREATE TABLE, DROP TABLE, TRUNCATE.

use std::rc::Rc;

use catalog::{TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

use super::Execution;
use crate::bind::TableName;
use crate::error::{Error, Report, Result};
use crate::output::Output;
use crate::planned::{Create, Drop};
use crate::session::Weight;

/// CREATE TABLE
pub(super) fn create(
    execution: &Execution<'_>,
    create: &Create,
    out: &mut dyn Output,
) -> Result<String> {
    let storage = &execution.session.storage;
    match storage.create(&create.name, create.columns.clone()) {
        Ok(()) => {}
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
fn check_table(table: &TableDef, verb: &str) -> Result<()> {
    match table.kind {
        TableKind::Table => Ok(()),
        TableKind::System => Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied: \"{}\" is a system catalog", table.name),
        )),
        TableKind::Index(_) => {
            let message = format!("\"{}\" is not a table", table.name);
            let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message);
            Err(if verb == "drop" {
                error.hint("Use DROP INDEX to remove an index.")
            } else {
                error
            })
        }
        TableKind::View => {
            let message = format!("\"{}\" is not a table: cannot {verb} it", table.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
    }
}

/// DROP TABLE
pub(super) fn drop_tables(
    execution: &Execution<'_>,
    drop: &Drop,
    out: &mut dyn Output,
) -> Result<String> {
    let storage = &execution.session.storage;
    let mut tables: Vec<Rc<TableDef>> = Vec::with_capacity(drop.names.len());
    for name in &drop.names {
        match storage.open(name, LockMode::AccessExclusive)? {
            Some(table) => {
                check_table(&table, "drop")?;
                if !tables.iter().any(|known| known.oid == table.oid) {
                    tables.push(table);
                }
            }
            None if drop.if_exists => {
                let message = format!("table \"{}\" does not exist, skipping", name.name);
                let notice = Report::new(SqlState::SUCCESSFUL_COMPLETION, message);
                execution.session.notice(out, Weight::Notice, &notice)?;
            }
            None => {
                let message = format!("table \"{}\" does not exist", name.name);
                return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
            }
        }
    }
    for table in tables {
        storage.drop_table(&table)?;
    }
    Ok("DROP TABLE".to_owned())
}

/// TRUNCATE
pub(super) fn truncate(execution: &Execution<'_>, names: &[TableName]) -> Result<String> {
    let storage = &execution.session.storage;
    let mut done = Vec::with_capacity(names.len());
    for name in names {
        let Some(table) = storage.open(name, LockMode::AccessExclusive)? else {
            return Err(undefined_table(name).at(None));
        };
        check_table(&table, "truncate")?;
        if !done.contains(&table.oid) {
            storage.truncate(&table)?;
            done.push(table.oid);
        }
    }
    Ok("TRUNCATE TABLE".to_owned())
}

/// `42P01`
pub(crate) fn undefined_table(name: &TableName) -> Error {
    let message = format!("relation \"{}\" does not exist", name.shown());
    let position = (name.at != 0).then_some(name.at as usize);
    Error::new(SqlState::UNDEFINED_TABLE, message).at(position)
}
