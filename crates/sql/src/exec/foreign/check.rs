//! A row that refers to another: is that there?

use catalog::{ConstraintDef, TableDef};
use txn::LockMode;
use types::{Datum, Row, SqlState};

use super::Run;
use super::events::Event;
use super::key::as_parent;
use super::rows::{Rows, Values};
use crate::error::{Error, Result};
use crate::key::describe;

/// What a row refers to.
pub(super) enum Reference {
    /// Nothing: it has NULL there.
    Nothing,
    /// What cannot be: the other column's type does not have the value.
    Impossible,
    /// A key, as values of the columns that it refers to.
    To(Values),
}

/// Looks at a row that is new, or refers to another one than before, and locks the row that it refers
/// to.
pub(super) fn look(
    run: &Run<'_, '_>,
    table: &TableDef,
    key: &ConstraintDef,
    event: Event,
) -> Result<()> {
    let mut row = Row::new();
    if !run.storage().own_version(table, event.new, &mut row)? {
        return Ok(());
    }
    let parent = run.open(key.foreign_table, LockMode::RowShare)?;
    let values = match reference(table, &parent, key, &row)? {
        Reference::Nothing => return Ok(()),
        Reference::Impossible => return Err(missing(table, &parent, key, &row)),
        Reference::To(values) => values,
    };
    let again =
        matches!(&*run.found.borrow(), Some((last, found)) if *last == key.oid && *found == values);
    if again {
        return Ok(());
    }
    if !is_there(run, &parent, key, &values)? {
        return Err(missing(table, &parent, key, &row));
    }
    *run.found.borrow_mut() = Some((key.oid, values));
    Ok(())
}

/// Whether a parent has these values, which is locked then.
///
/// A snapshot that is older than the key's index may see a parent as it was before an update that,
/// without the index, did not count as one of a key. So it must be there as of now, too.
fn is_there(
    run: &Run<'_, '_>,
    parent: &TableDef,
    key: &ConstraintDef,
    values: &Values,
) -> Result<bool> {
    run.begin_command(false)?;
    if !Rows::of_parent(parent, key, values).in_own_sight().any(run.storage(), true)? {
        return Ok(false);
    }
    let seen = parent.index(key.index).map_or(Ok(true), |index| run.storage().sees_index(index))?;
    if seen {
        return Ok(true);
    }
    run.begin_command(true)?;
    Rows::of_parent(parent, key, values).any(run.storage(), true)
}

/// What a row refers to; `23503` if MATCH FULL does not let it have NULL beside other values.
pub(super) fn reference(
    table: &TableDef,
    parent: &TableDef,
    key: &ConstraintDef,
    row: &[Datum],
) -> Result<Reference> {
    let nulls = key.columns.iter().filter(|column| row[**column].is_null()).count();
    if nulls > 0 {
        if key.match_full && nulls < key.columns.len() {
            return Err(violation(table, key)
                .detail("MATCH FULL does not allow mixing of null and nonnull key values."));
        }
        return Ok(Reference::Nothing);
    }
    let pairs = key.columns.iter().zip(&key.foreign_columns);
    let values: Option<Values> = pairs
        .map(|(&column, &other)| {
            as_parent(&row[column], table.columns[column].ty, parent.columns[other].ty)
        })
        .collect();
    Ok(values.map_or(Reference::Impossible, Reference::To))
}

fn violation(table: &TableDef, key: &ConstraintDef) -> Error {
    let message = format!(
        "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
        table.name, key.name
    );
    Error::new(SqlState::FOREIGN_KEY_VIOLATION, message)
}

/// `23503` for a row that refers to nothing.
pub(super) fn missing(
    table: &TableDef,
    parent: &TableDef,
    key: &ConstraintDef,
    row: &[Datum],
) -> Error {
    let values = key.columns.iter().map(|column| &row[*column]);
    let shown = describe(table, key.columns.iter().copied(), values);
    violation(table, key)
        .detail(format!("Key {shown} is not present in table \"{}\".", parent.name))
}
