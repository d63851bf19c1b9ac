//! The table or view that a statement changes, and the columns of it that are named.

use std::rc::Rc;

use catalog::{TableDef, TableKind};
use sqlparser::ast::{ObjectName, Spanned};
use txn::LockMode;
use types::SqlState;

use super::names::relation_name;
use super::updatable::Changeable;
use super::{BindContext, TableName};
use crate::error::{Error, Result};

/// Opens a table or view that is to be changed.
pub(super) fn open_changed(
    context: &BindContext<'_>,
    name: &TableName,
    change: Change,
) -> Result<Changeable> {
    let table = context.tables.table(name, LockMode::RowExclusive)?;
    Changeable::of(context, table, change)
}

/// Opens a table that COPY is to fill.
pub(crate) fn open_for_copy(context: &BindContext<'_>, name: &TableName) -> Result<Rc<TableDef>> {
    Ok(open_changed(context, name, Change::Copy)?.table)
}

/// What is to be done to rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Insert,
    Update,
    Delete,
    Copy,
}

/// Refuses to change what only the server changes.
pub(crate) fn check_changeable(table: &TableDef) -> Result<()> {
    match table.kind {
        TableKind::Table => Ok(()),
        TableKind::Index(_) => Err(Error::internal("an index where a table is to be")),
        TableKind::View => Err(Error::internal("a view where a table is to be")),
        TableKind::Sequence(_) => {
            let message = format!("cannot change sequence \"{}\"", table.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
        TableKind::System => Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied: \"{}\" is a system catalog", table.name),
        )),
        TableKind::Virtual => Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("cannot change view \"{}\"", table.name),
        )
        .detail("Its rows are made by the server at the moment of reading.")),
    }
}

pub(super) fn position_of(context: &BindContext<'_>, name: &ObjectName) -> Option<usize> {
    context.source.position(name.span().start)
}

/// The columns that values are given for, in the order of the values.
pub(super) fn target_columns(
    context: &BindContext<'_>,
    table: &TableDef,
    names: &[ObjectName],
) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok(table.live_columns().collect());
    }
    let mut targets = Vec::with_capacity(names.len());
    for name in names {
        let position = position_of(context, name);
        let parts = relation_name(name).map_err(|error| error.at(position))?;
        let [column] = parts.as_slice() else {
            return Err(Error::unsupported("a field of a column").at(position));
        };
        let index = table.column_index(column).ok_or_else(|| {
            Error::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{column}\" of relation \"{}\" does not exist", table.name),
            )
            .at(position)
        })?;
        if targets.contains(&index) {
            let message = format!("column \"{column}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(position));
        }
        targets.push(index);
    }
    Ok(targets)
}

/// The columns that COPY names; all if it names none.
pub(crate) fn copy_columns(
    table: &TableDef,
    names: &[(String, Option<usize>)],
) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok(table.live_columns().collect());
    }
    let mut columns = Vec::with_capacity(names.len());
    for (name, position) in names {
        let index = table.column_index(name).ok_or_else(|| {
            let message =
                format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
            Error::new(SqlState::UNDEFINED_COLUMN, message).at(*position)
        })?;
        if columns.contains(&index) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(*position));
        }
        columns.push(index);
    }
    Ok(columns)
}
