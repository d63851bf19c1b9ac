//! ADD FOREIGN KEY, and TRUNCATE of a table that others refer to.

use std::rc::Rc;

use catalog::{ConstraintDef, IndexDef, NewForeignKey, TableDef, TableKind};
use txn::LockMode;
use types::{Oid, SqlState};

use super::super::Execution;
use super::super::define::undefined_table;
use super::check::{Reference, missing, reference};
use super::key::can_refer;
use super::rows::Rows;
use crate::error::{Error, Result};
use crate::planned::ForeignKey;
use crate::storage::Flow;
use crate::values::names::base;
use crate::values::type_name;

/// Gives a table a foreign key that its rows must satisfy. The table is locked `ShareRowExclusive`
/// or more. Answers the table as it is now.
pub(in crate::exec) fn add(
    execution: &Execution<'_>,
    table: &Rc<TableDef>,
    new: &ForeignKey,
) -> Result<Rc<TableDef>> {
    let storage = &execution.session.storage;
    let parent = open_parent(execution, table, new)?;
    let columns = positions(table, &new.columns)?;
    let (index, foreign_columns) = referred(&parent, &new.parent_columns)?;
    if columns.len() != foreign_columns.len() {
        let message = "number of referencing and referenced columns for foreign key disagree";
        return Err(Error::new(SqlState::INVALID_FOREIGN_KEY, message));
    }
    let name = storage
        .define(|catalog, tx| catalog.foreign_key_name(tx, table, new.name.as_deref(), &columns))?;
    check_types(&name, (table, &columns), (&parent, &foreign_columns))?;
    let delete_columns = delete_columns(table, new)?;
    let new = NewForeignKey {
        name: Some(name),
        columns,
        foreign_columns,
        index,
        on_update: new.on_update,
        on_delete: new.on_delete,
        match_full: new.match_full,
        delete_columns,
    };
    let (table, key) =
        storage.define(|catalog, tx| catalog.add_foreign_key(tx, table, &parent, new))?;
    check_rows(execution, &table, &parent, &key)?;
    Ok(table)
}

/// The table that is referred to, locked like the other.
fn open_parent(
    execution: &Execution<'_>,
    table: &Rc<TableDef>,
    new: &ForeignKey,
) -> Result<Rc<TableDef>> {
    let opened = execution.session.storage.open(&new.parent, LockMode::ShareRowExclusive)?;
    let parent = opened.ok_or_else(|| undefined_table(&new.parent).without_position())?;
    match parent.kind {
        TableKind::Table if parent.oid == table.oid => Ok(Rc::clone(table)),
        TableKind::Table => Ok(parent),
        TableKind::System => {
            let message = format!("permission denied: \"{}\" is a system catalog", parent.name);
            Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message))
        }
        TableKind::Index(_) => {
            let message = format!("\"{}\" is an index", parent.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
        _ => {
            let message = format!("referenced relation \"{}\" is not a table", parent.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
    }
}

/// The positions of the columns that a foreign key names.
fn positions(table: &TableDef, names: &[String]) -> Result<Vec<usize>> {
    let position = |name: &String| {
        table.column_index(name).ok_or_else(|| {
            let message =
                format!("column \"{name}\" referenced in foreign key constraint does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })
    };
    names.iter().map(position).collect()
}

/// The columns that are referred to, and the unique index that has exactly those.
fn referred(parent: &TableDef, names: &[String]) -> Result<(Rc<IndexDef>, Vec<usize>)> {
    if names.is_empty() {
        let primary = parent.indexes.iter().find(|index| index.primary).ok_or_else(|| {
            let message =
                format!("there is no primary key for referenced table \"{}\"", parent.name);
            Error::new(SqlState::UNDEFINED_OBJECT, message)
        })?;
        return Ok((Rc::clone(primary), sorted_out(primary)));
    }
    let columns = positions(parent, names)?;
    let twice = |(place, column)| columns[..place].contains(column);
    if columns.iter().enumerate().any(twice) {
        let message = "foreign key referenced-columns list must not contain duplicates";
        return Err(Error::new(SqlState::INVALID_FOREIGN_KEY, message));
    }
    let fits = |index: &&Rc<IndexDef>| {
        index.unique
            && index.columns.len() == columns.len()
            && index.columns.iter().all(|column| columns.contains(&column.column))
    };
    match parent.indexes.iter().find(fits) {
        Some(index) => Ok((Rc::clone(index), columns)),
        None => {
            let message = format!(
                "there is no unique constraint matching given keys for referenced table \"{}\"",
                parent.name
            );
            Err(Error::new(SqlState::INVALID_FOREIGN_KEY, message))
        }
    }
}

fn sorted_out(index: &IndexDef) -> Vec<usize> {
    index.columns.iter().map(|column| column.column).collect()
}

/// `42804` for columns that cannot be compared.
fn check_types(
    name: &str,
    (table, columns): (&TableDef, &[usize]),
    (parent, foreign): (&TableDef, &[usize]),
) -> Result<()> {
    for (&column, &other) in columns.iter().zip(foreign) {
        let (column, other) = (&table.columns[column], &parent.columns[other]);
        if can_refer(column.ty, other.ty) {
            continue;
        }
        let message = format!("foreign key constraint \"{name}\" cannot be implemented");
        return Err(Error::new(SqlState::DATATYPE_MISMATCH, message).detail(format!(
            "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
            column.name,
            other.name,
            type_name(base(column.ty)),
            type_name(base(other.ty))
        )));
    }
    Ok(())
}

/// The columns that ON DELETE SET NULL or SET DEFAULT sets.
fn delete_columns(table: &TableDef, new: &ForeignKey) -> Result<Vec<usize>> {
    let columns = positions(table, &new.delete_columns)?;
    for name in &new.delete_columns {
        if !new.columns.contains(name) {
            let message = format!(
                "column \"{name}\" referenced in ON DELETE SET action must be part of foreign key"
            );
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
        }
    }
    Ok(columns)
}

/// `23503` if a row refers to one that is not there. Both tables are locked against changes, so no row
/// has to be.
fn check_rows(
    execution: &Execution<'_>,
    table: &TableDef,
    parent: &TableDef,
    key: &ConstraintDef,
) -> Result<()> {
    let storage = &*execution.session.storage;
    storage.read_newest()?;
    let wanted = vec![true; table.columns.len()];
    let mut count = 0u32;
    storage.scan(table, &wanted, &mut |version| {
        if count.is_multiple_of(super::INTERRUPT_EVERY) {
            storage.check_interrupts()?;
        }
        count = count.wrapping_add(1);
        let there = match reference(table, parent, key, version.row)? {
            Reference::Nothing => true,
            Reference::Impossible => false,
            Reference::To(values) => Rows::of_parent(parent, key, &values).any(storage, false)?,
        };
        if there { Ok(Flow::Continue) } else { Err(missing(table, parent, key, version.row)) }
    })
}

/// Sees that the tables that are to be emptied are referred to by no others. With `cascade` those are
/// emptied, too: they are locked and put behind the rest, and `tell` gets their names.
pub(in crate::exec) fn truncated_together(
    execution: &Execution<'_>,
    tables: &mut Vec<Rc<TableDef>>,
    cascade: bool,
    tell: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let storage = &execution.session.storage;
    let mut next = 0;
    while let Some(table) = tables.get(next).cloned() {
        next += 1;
        let mut others: Vec<Oid> = table.referenced_by.iter().map(|key| key.table).collect();
        others.sort_unstable();
        for oid in others {
            if tables.iter().any(|known| known.oid == oid) {
                continue;
            }
            let other = storage.define(|catalog, tx| match cascade {
                true => catalog.open_oid(tx, oid, LockMode::AccessExclusive),
                false => catalog.find_by_oid(tx, oid),
            })?;
            let other = other.ok_or_else(|| Error::internal("a table that refers is not there"))?;
            if !cascade {
                return Err(is_referred_to(&table.name, &other.name));
            }
            tell(&other.name)?;
            tables.push(other);
        }
    }
    Ok(())
}

/// `0A000` for a table that is to be emptied without one that refers to it.
fn is_referred_to(table: &str, other: &str) -> Error {
    let message = "cannot truncate a table referenced in a foreign key constraint";
    Error::new(SqlState::FEATURE_NOT_SUPPORTED, message)
        .detail(format!("Table \"{other}\" references \"{table}\"."))
        .hint(format!("Truncate table \"{other}\" at the same time, or use TRUNCATE ... CASCADE."))
}
