//! The sequences that columns have: of `serial`, they are what the default takes its values from;
//! of an identity column, a part of how it works.

use std::rc::Rc;

use catalog::{Owner, TableDef};
use txn::LockMode;
use types::ColumnType;

use super::super::Execution;
use super::define::definition_of;
use super::options;
use crate::bind::{default_of_sequence, sequences_of};
use crate::error::{Error, Result};
use crate::parse::SequenceOptions;
use crate::planned::ColumnSequence;

/// `42601` where what the sequence of a column is called, or belongs to, is not to be said.
pub(super) fn refuse_names(options: &SequenceOptions) -> Result<()> {
    let said = options.name.is_some() || options.owned_by.is_some() || options.ty.is_some();
    if said { Err(Error::syntax("conflicting or redundant options")) } else { Ok(()) }
}

/// Makes the sequence of a column of a table; it belongs to nobody yet.
pub(crate) fn make(
    execution: &Execution<'_>,
    table: &TableDef,
    (column, ty): (&str, ColumnType),
    options: &SequenceOptions,
) -> Result<Rc<TableDef>> {
    if options.owned_by.is_some() {
        return Err(Error::syntax("conflicting or redundant options"));
    }
    let made = options::new(options, ty, true)?;
    let first = made.restart.unwrap_or(made.sequence.start);
    execution.session.storage.define(|catalog, tx| {
        let (schema, name) = match &options.name {
            Some(name) => (name.schema.clone(), name.name.clone()),
            None => (None, catalog.choose_name(tx, table, &[column], "seq")?),
        };
        let schema = schema.as_deref().unwrap_or(&table.schema);
        catalog.create_sequence(tx, Some(schema), &name, made.sequence, first)
    })
}

/// Makes the sequences of a table that was just made. Answers the table as it is now.
pub(crate) fn add_to_table(
    execution: &Execution<'_>,
    mut table: Rc<TableDef>,
    wanted: &[ColumnSequence],
) -> Result<Rc<TableDef>> {
    let storage = &execution.session.storage;
    for ColumnSequence { column, always, options } in wanted {
        let (column, identity) = (*column, always.is_some());
        let of = (table.columns[column].name.as_str(), table.columns[column].ty);
        let sequence = make(execution, &table, of, options)?.oid;
        table = storage.define(|catalog, tx| {
            let owner = Owner { table: table.oid, column, identity };
            catalog.set_owner(tx, sequence, Some(owner))?;
            if !identity {
                let default = default_of_sequence(sequence);
                catalog.set_default(tx, &table, column, Some(&default))?;
            }
            Ok(catalog.find_by_oid(tx, table.oid)?.unwrap_or_else(|| Rc::clone(&table)))
        })?;
    }
    note_defaults(execution, &table, 0..table.columns.len())?;
    Ok(table)
}

/// Notes which sequences the defaults of columns need.
pub(crate) fn note_defaults(
    execution: &Execution<'_>,
    table: &TableDef,
    columns: std::ops::Range<usize>,
) -> Result<()> {
    for column in columns {
        let Some(default) = &table.columns[column].default else { continue };
        let needed = sequences_of(default)?;
        execution
            .session
            .storage
            .define(|catalog, tx| catalog.default_needs(tx, table.oid, column, &needed))?;
    }
    Ok(())
}

/// TRUNCATE … RESTART IDENTITY: the sequences of a table begin again.
pub(crate) fn restart_all(execution: &Execution<'_>, table: &TableDef) -> Result<()> {
    let storage = &execution.session.storage;
    for (sequence, _) in storage.define(|catalog, tx| catalog.sequences_of(tx, table.oid))? {
        let locked = storage
            .define(|catalog, tx| catalog.open_oid(tx, sequence, LockMode::AccessExclusive))?;
        let Some(sequence) = locked else { continue };
        let definition = definition_of(&sequence)?;
        let begins = Some((definition.start, false));
        storage.define(|catalog, tx| catalog.alter_sequence(tx, &sequence, definition, begins))?;
    }
    Ok(())
}
