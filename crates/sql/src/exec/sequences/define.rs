//! CREATE SEQUENCE and ALTER SEQUENCE.

use std::rc::Rc;

use catalog::{Owner, SequenceDef, TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

use super::super::Execution;
use super::super::define::undefined_table;
use super::super::definitions::notice;
use super::options::{self, Changed};
use crate::bind::TableName;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::parse::{AlterSequence, CreateSequence, SequenceChange, SequenceOptions};
use types::ColumnType;

/// CREATE SEQUENCE
pub(crate) fn create_sequence(
    execution: &Execution<'_>,
    create: &CreateSequence,
    out: &mut dyn Output,
) -> Result<()> {
    let CreateSequence { name, if_not_exists, options } = create;
    let made = options::new(options, ColumnType::Int8, false)?;
    let storage = &execution.session.storage;
    let schema = name.schema.as_deref();
    let first = made.restart.unwrap_or(made.sequence.start);
    let done = storage.define(|catalog, tx| {
        catalog.create_sequence(tx, schema, &name.name, made.sequence, first)
    });
    match done {
        Ok(sequence) => match &options.owned_by {
            Some(owner) => give_to(execution, &sequence, owner.as_deref()),
            None => Ok(()),
        },
        Err(error) if *if_not_exists && error.sqlstate() == Some(SqlState::DUPLICATE_TABLE) => {
            let message = format!("relation \"{}\" already exists, skipping", name.name);
            notice(execution, out, SqlState::DUPLICATE_TABLE, message)
        }
        Err(error) => Err(error),
    }
}

/// ALTER SEQUENCE
pub(crate) fn alter_sequence(
    execution: &Execution<'_>,
    alter: &AlterSequence,
    out: &mut dyn Output,
) -> Result<()> {
    let AlterSequence { name, if_exists, change } = alter;
    let storage = &execution.session.storage;
    let mode = match change {
        SequenceChange::Options(_) => LockMode::ShareRowExclusive,
        SequenceChange::Rename(_) | SequenceChange::SetSchema(_) => LockMode::AccessExclusive,
    };
    let Some(table) = storage.open(name, mode)? else {
        if *if_exists {
            let message = format!("relation \"{}\" does not exist, skipping", name.name);
            return notice(execution, out, SqlState::SUCCESSFUL_COMPLETION, message);
        }
        return Err(undefined_table(name).without_position());
    };
    definition_of(&table)?;
    match change {
        SequenceChange::Options(options) => {
            change_options(execution, &table, options)?;
            match &options.owned_by {
                Some(owner) => give_to(execution, &table, owner.as_deref()),
                None => Ok(()),
            }
        }
        SequenceChange::Rename(to) => {
            storage.define(|catalog, tx| catalog.rename_table(tx, &table, to)).map(|_| ())
        }
        SequenceChange::SetSchema(schema) => set_schema(execution, &table, schema),
    }
}

/// Moves a sequence into another schema; `0A000` if it must stay with its table.
pub(crate) fn set_schema(execution: &Execution<'_>, table: &TableDef, schema: &str) -> Result<()> {
    let storage = &execution.session.storage;
    if let Some(owner) = storage.define(|catalog, tx| catalog.owner_of(tx, table.oid))? {
        let message = "cannot move an owned sequence into another schema";
        return Err(linked(execution, table, owner, message)?);
    }
    storage.define(|catalog, tx| catalog.set_schema(tx, table, schema))
}

/// How a sequence counts; `42809` for what is none.
pub(crate) fn definition_of(table: &TableDef) -> Result<SequenceDef> {
    match table.kind {
        TableKind::Sequence(sequence) => Ok(sequence),
        _ => {
            let message = format!("\"{}\" is not a sequence", table.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
    }
}

/// Changes how a sequence counts, and where it is.
pub(super) fn change_options(
    execution: &Execution<'_>,
    table: &TableDef,
    options: &SequenceOptions,
) -> Result<()> {
    let SequenceOptions { ty, increment, min, max, start, restart, cache, cycle, .. } = options;
    let any = ty.is_some()
        || [increment, start, cache].iter().any(|option| option.is_some())
        || [min, max, restart].iter().any(|option| option.is_some())
        || cycle.is_some();
    if !any {
        return Ok(());
    }
    let storage = &execution.session.storage;
    let old = definition_of(table)?;
    let last = storage.sequence_state(table)?.last_value;
    let Changed { sequence, restart } = options::altered(options, &old, last)?;
    let restart = restart.map(|at| (at, false));
    storage.define(|catalog, tx| catalog.alter_sequence(tx, table, sequence, restart))
}

/// OWNED BY: the parts of a column's name, or NONE.
fn give_to(execution: &Execution<'_>, sequence: &TableDef, to: Option<&[String]>) -> Result<()> {
    let storage = &execution.session.storage;
    let owner = match to {
        None => None,
        Some([_] | []) => {
            let hint = "Specify OWNED BY table.column or OWNED BY NONE.";
            return Err(Error::syntax("invalid OWNED BY option").hint(hint));
        }
        Some([name @ .., column]) => Some(owner(execution, sequence, name, column)?),
    };
    let before = storage.define(|catalog, tx| catalog.owner_of(tx, sequence.oid))?;
    if let Some(before @ Owner { identity: true, .. }) = before {
        let message = "cannot change ownership of identity sequence";
        return Err(linked(execution, sequence, before, message)?);
    }
    storage.define(|catalog, tx| catalog.set_owner(tx, sequence.oid, owner))
}

/// The column that a sequence is to belong to, its table locked so that it stays.
fn owner(
    execution: &Execution<'_>,
    sequence: &TableDef,
    name: &[String],
    column: &str,
) -> Result<Owner> {
    let name = TableName::from_parts(name.to_vec(), 0)?;
    let table = execution.session.storage.open(&name, LockMode::AccessShare)?;
    let table = table.ok_or_else(|| undefined_table(&name).without_position())?;
    let detail = match table.kind {
        TableKind::Table => None,
        TableKind::System => Some("This operation is not supported for system tables."),
        TableKind::View | TableKind::Virtual => Some("This operation is not supported for views."),
        TableKind::Index(_) => Some("This operation is not supported for indexes."),
        TableKind::Sequence(_) => Some("This operation is not supported for sequences."),
    };
    if let Some(detail) = detail {
        let message = format!("sequence cannot be owned by relation \"{}\"", table.name);
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).detail(detail));
    }
    if table.namespace != sequence.namespace {
        let message = "sequence must be in same schema as table it is linked to";
        return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
    }
    let place = table.column_index(column).ok_or_else(|| {
        let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
        Error::new(SqlState::UNDEFINED_COLUMN, message)
    })?;
    Ok(Owner { table: table.oid, column: place, identity: false })
}

/// `0A000`, with the table that a sequence is linked to.
fn linked(
    execution: &Execution<'_>,
    sequence: &TableDef,
    owner: Owner,
    message: &str,
) -> Result<Error> {
    let storage = &execution.session.storage;
    let table: Option<Rc<TableDef>> =
        storage.define(|catalog, tx| catalog.find_by_oid(tx, owner.table))?;
    let table = table.map(|table| table.name.clone()).unwrap_or_default();
    let detail = format!("Sequence \"{}\" is linked to table \"{table}\".", sequence.name);
    Ok(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message).detail(detail))
}
