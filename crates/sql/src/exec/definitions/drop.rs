//! DROP of things of every kind.

use catalog::{Object, TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

use super::super::Execution;
use super::super::define_index::open_index;
use super::notice;
use crate::bind::TableName;
use crate::error::{Error, Report, Result};
use crate::output::Output;
use crate::parse::{Drop, DropKind};
use crate::session::Weight;

/// DROP
pub(super) fn drop_things(
    execution: &Execution<'_>,
    drop: &Drop,
    out: &mut dyn Output,
) -> Result<()> {
    let mut targets = Vec::with_capacity(drop.names.len());
    for name in &drop.names {
        match find(execution, drop.kind, name) {
            Ok(object) if targets.contains(&object) => {}
            Ok(object) => targets.push(object),
            Err(error) if drop.if_exists && is_missing(&error) => {
                let Error::Report(report) = error else { continue };
                let message = format!("{}, skipping", report.message);
                notice(execution, out, SqlState::SUCCESSFUL_COMPLETION, message)?;
            }
            Err(error) => return Err(error),
        }
    }
    if targets.is_empty() {
        return Ok(());
    }
    let storage = &execution.session.storage;
    let taken = storage.define(|catalog, tx| catalog.drop_objects(tx, &targets, drop.cascade))?;
    tell_cascaded(execution, &taken, out)
}

fn is_missing(error: &Error) -> bool {
    matches!(
        error.sqlstate(),
        Some(
            SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME | SqlState::UNDEFINED_OBJECT
        )
    )
}

/// The thing of that name, locked.
fn find(execution: &Execution<'_>, kind: DropKind, name: &TableName) -> Result<Object> {
    let storage = &execution.session.storage;
    let missing_schema = |schema: &str| {
        let message = format!("schema \"{schema}\" does not exist");
        Error::new(SqlState::INVALID_SCHEMA_NAME, message)
    };
    if kind == DropKind::Schema {
        if name.schema.is_some() {
            return Err(Error::syntax("a schema's name has no schema"));
        }
        let found = storage.define(|catalog, tx| catalog.lock_schema(tx, &name.name))?;
        return found.ok_or_else(|| missing_schema(&name.name));
    }
    if kind == DropKind::Index {
        if let Some((_, index)) = open_index(execution, name)? {
            return Ok(Object::relation(index.oid));
        }
    } else if let Some(table) = storage.open(name, LockMode::AccessExclusive)? {
        check_kind(&table, kind)?;
        return Ok(Object::relation(table.oid));
    }
    if let Some(schema) = &name.schema
        && storage.define(|catalog, tx| catalog.schema_oid(tx, schema))?.is_none()
    {
        return Err(missing_schema(schema));
    }
    let message = format!("{} \"{}\" does not exist", kind.name(), name.name);
    let index = kind == DropKind::Index;
    let code = if index { SqlState::UNDEFINED_OBJECT } else { SqlState::UNDEFINED_TABLE };
    Err(Error::new(code, message))
}

/// `42809` for a relation of another kind.
fn check_kind(table: &TableDef, kind: DropKind) -> Result<()> {
    match (table.kind, kind) {
        (TableKind::Table, DropKind::Table)
        | (TableKind::View, DropKind::View)
        | (TableKind::Sequence(_), DropKind::Sequence) => Ok(()),
        (TableKind::System, _) => Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied: \"{}\" is a system catalog", table.name),
        )),
        _ => {
            let message = format!("\"{}\" is not a {}", table.name, kind.name());
            let error = Error::new(SqlState::WRONG_OBJECT_TYPE, message);
            Err(match table.kind {
                TableKind::Index(_) => error.hint("Use DROP INDEX to remove an index."),
                TableKind::View => error.hint("Use DROP VIEW to remove a view."),
                TableKind::Sequence(_) => error.hint("Use DROP SEQUENCE to remove a sequence."),
                TableKind::Table => error.hint("Use DROP TABLE to remove a table."),
                _ => error,
            })
        }
    }
}

/// Tells the client what CASCADE took along.
pub(super) fn tell_cascaded(
    execution: &Execution<'_>,
    taken: &[String],
    out: &mut dyn Output,
) -> Result<()> {
    let lines: Vec<String> = taken.iter().map(|what| format!("drop cascades to {what}")).collect();
    let report = match lines.as_slice() {
        [] => return Ok(()),
        [one] => Report::new(SqlState::SUCCESSFUL_COMPLETION, one),
        many => Report {
            detail: Some(catalog::listed(many)),
            ..Report::new(
                SqlState::SUCCESSFUL_COMPLETION,
                format!("drop cascades to {} other objects", many.len()),
            )
        },
    };
    execution.session.notice(out, Weight::Notice, &report)
}
