//! INSERT … ON CONFLICT.
//!
//! In DO UPDATE two rows can be named: the one that is in the way, by the table's name or alias, and
//! the one that was to be inserted, as `excluded`. At execution they stand one behind the other:
//!
//! ```text
//! columns of the row in the way | its system columns | columns of the row excluded
//! ```

use catalog::{ConstraintKind, IndexDef, TableDef};
use sqlparser::ast::{
    ConflictTarget, DoUpdate, Ident, OnConflict as AstOnConflict, OnConflictAction, OnInsert,
};
use types::{Oid, SqlState};

use super::modify::bind_assignment;
use super::names::{name_of, object_name};
use super::{BindContext, Scope};
use crate::error::{Error, Result};
use crate::planned::{ConflictAction, OnConflict};

/// ON CONFLICT
pub(super) fn bind_on_conflict(
    context: &BindContext<'_>,
    on: &OnInsert,
    table: &TableDef,
    alias: Option<String>,
) -> Result<OnConflict> {
    let AstOnConflict { conflict_target, action } = match on {
        OnInsert::OnConflict(on) => on,
        _ => return Err(Error::unsupported("ON DUPLICATE KEY")),
    };
    let arbiters = match conflict_target {
        None => table.indexes.iter().filter(|index| index.unique).map(|index| index.oid).collect(),
        Some(ConflictTarget::Columns(columns)) => by_columns(context, table, columns)?,
        Some(ConflictTarget::OnConstraint(name)) => {
            let name = object_name(name)?.join(".");
            vec![by_constraint(table, &name)?]
        }
    };
    let action = match action {
        OnConflictAction::DoNothing => ConflictAction::Nothing,
        OnConflictAction::DoUpdate(_) if conflict_target.is_none() => {
            let message =
                "ON CONFLICT DO UPDATE requires inference specification or constraint name";
            return Err(Error::syntax(message).hint("For example, ON CONFLICT (column_name)."));
        }
        OnConflictAction::DoUpdate(update) => bind_update(context, update, table, alias)?,
    };
    Ok(OnConflict { arbiters, action })
}

fn bind_update(
    context: &BindContext<'_>,
    update: &DoUpdate,
    table: &TableDef,
    alias: Option<String>,
) -> Result<ConflictAction> {
    let DoUpdate { assignments, selection } = update;
    let mut scope = Scope::of_table(table, alias);
    scope.has_excluded = true;
    let mut binder = context.binder(scope);
    let mut bound = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        bind_assignment(context, &mut binder, table, assignment, &mut bound)?;
    }
    let filter = match selection {
        Some(filter) => Some(binder.bind_condition(filter, "WHERE")?),
        None => None,
    };
    let names = binder.scope.names();
    Ok(ConflictAction::Update { assignments: bound, filter, names })
}

/// The unique indexes on just these columns, in any order.
fn by_columns(context: &BindContext<'_>, table: &TableDef, names: &[Ident]) -> Result<Vec<Oid>> {
    let mut columns = Vec::with_capacity(names.len());
    for ident in names {
        let position = context.source.position(ident.span.start);
        let name = name_of(ident).map_err(|error| error.at(position))?;
        let column = table.column_index(&name).ok_or_else(|| {
            let message = format!("column \"{name}\" does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message).at(position)
        })?;
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns.sort_unstable();
    let fits = |index: &IndexDef| {
        let mut own: Vec<usize> = index.columns.iter().map(|column| column.column).collect();
        own.sort_unstable();
        own.dedup();
        index.unique && own == columns
    };
    let found: Vec<Oid> =
        table.indexes.iter().filter(|index| fits(index)).map(|index| index.oid).collect();
    if found.is_empty() {
        let message =
            "there is no unique or exclusion constraint matching the ON CONFLICT specification";
        return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
    }
    Ok(found)
}

fn by_constraint(table: &TableDef, name: &str) -> Result<Oid> {
    let found = table.constraints.iter().find(|constraint| constraint.name == name);
    match found.map(|constraint| (constraint.kind, constraint.index)) {
        Some((ConstraintKind::PrimaryKey | ConstraintKind::Unique, index)) => Ok(index),
        Some(_) => Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            "constraint in ON CONFLICT clause has no associated index",
        )),
        None => {
            let message =
                format!("constraint \"{name}\" for table \"{}\" does not exist", table.name);
            Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
        }
    }
}
