//! UPDATE and DELETE, and the values and rows that they share with INSERT.

use catalog::TableDef;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete as AstDelete, Expr as AstExpr, FromTable, ObjectName,
    SelectItem, Spanned, TableFactor, TableWithJoins, Update as AstUpdate,
};
use types::{ColumnType, Datum, SqlState};

use super::changed::{Change, open_changed, position_of, target_columns};
use super::checks::bind_checks;
use super::clauses::refuse;
use super::defaults::{default_of, is_default};
use super::from::alias_of;
use super::names::relation_name;
use super::select::Unknowns;
use super::sequences::generated_always;
use super::updatable::Changeable;
use super::{Aggregates, BindContext, Binder, Context, Scope, TableName};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::output::OutputColumn;
use crate::plan::path::Path;
use crate::planned::{Delete, Returning, TableSource, Update};
use crate::values::names::base;
use crate::values::type_name;

impl Binder<'_> {
    /// A value that goes into a column.
    pub(super) fn assign(&mut self, value: Expr, table: &TableDef, column: usize) -> Result<Expr> {
        let column = &table.columns[column];
        let (from, position) = (value.ty, value.position());
        self.coerce(value, column.ty.into(), Context::Assignment)?.ok_or_else(|| {
            Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "column \"{}\" is of type {} but expression is of type {}",
                    column.name,
                    type_name(base(column.ty)),
                    type_name(base(from))
                ),
            )
            .hint("You will need to rewrite or cast the expression.")
            .at(position)
        })
    }

    pub(super) fn bind_returning(
        &mut self,
        items: Option<&[SelectItem]>,
    ) -> Result<Option<Returning>> {
        let Some(items) = items else { return Ok(None) };
        self.aggregates_here = Aggregates::Forbidden("RETURNING");
        let used_before = self.scope.uses_system;
        self.scope.uses_system = false;
        let targets = self.bind_targets(items, Unknowns::Text)?;
        let system = self.scope.uses_system;
        self.scope.uses_system = used_before || system;
        let columns = targets
            .iter()
            .map(|target| OutputColumn { name: target.name.clone(), ty: target.expr.ty })
            .collect();
        let targets = targets.into_iter().map(|target| target.expr).collect();
        Ok(Some(Returning { targets, columns, system }))
    }
}

/// The one table of an UPDATE or DELETE, with its alias.
fn one_table(
    context: &BindContext<'_>,
    table: &TableWithJoins,
) -> Result<(TableName, Option<String>)> {
    let TableWithJoins { relation, joins } = table;
    if !joins.is_empty() {
        return Err(Error::unsupported("JOIN"));
    }
    let TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        index_hints,
    } = relation
    else {
        return Err(Error::unsupported("changing something other than a table"));
    };
    if !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty() {
        return Err(Error::unsupported("an option behind a table"));
    }
    let at = context.source.place(name.span().start);
    Ok((
        TableName::from_parts(
            relation_name(name).map_err(|e| e.at(position_of(context, name)))?,
            at,
        )?,
        alias_of(alias.as_ref())?,
    ))
}

/// UPDATE
pub(crate) fn bind_update(context: &BindContext<'_>, update: &AstUpdate) -> Result<Update> {
    let AstUpdate {
        update_token: _,
        optimizer_hints: _,
        table,
        assignments,
        from,
        selection,
        returning,
        output,
        or,
        order_by,
        limit,
    } = update;
    refuse(&[
        (from.is_some(), "UPDATE … FROM"),
        (output.is_some(), "OUTPUT"),
        (or.is_some(), "UPDATE OR"),
        (!order_by.is_empty(), "UPDATE … ORDER BY"),
        (limit.is_some(), "UPDATE … LIMIT"),
    ])?;
    let (name, alias) = one_table(context, table)?;
    let Changeable { table, through } = open_changed(context, &name, Change::Update)?;
    let mut binder = context.binder(Scope::of_table(&table, alias.clone()));
    let assignments = bind_assignments(context, &mut binder, &table, assignments)?;
    let filter = match selection {
        Some(filter) => Some(binder.bind_condition(filter, "WHERE")?),
        None => None,
    };
    let filter_system = binder.scope.uses_system;
    let returning = binder.bind_returning(returning.as_deref())?;
    let checks = bind_checks(context, &table)?;
    let names = binder.scope.names();
    let source = TableSource {
        // The new version holds every column, also those that stay.
        wanted: vec![true; table.columns.len()],
        table,
        alias,
        system: filter_system,
        path: Path::unplanned(),
    };
    let update = Update { source, names, filter, assignments, checks, returning };
    match through {
        Some(through) => through.update(context, update),
        None => Ok(update),
    }
}

/// Which columns of a new version get which values.
fn bind_assignments(
    context: &BindContext<'_>,
    binder: &mut Binder<'_>,
    table: &TableDef,
    assignments: &[Assignment],
) -> Result<Vec<(usize, Expr)>> {
    let mut bound = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        bind_assignment(context, binder, table, assignment, &mut bound)?;
    }
    // What was dropped takes no room in the new version.
    let dropped = (0..table.columns.len()).filter(|index| table.columns[*index].dropped);
    bound.extend(dropped.map(|index| (index, Expr::constant(Datum::Null, ColumnType::Text))));
    Ok(bound)
}

pub(super) fn bind_assignment(
    context: &BindContext<'_>,
    binder: &mut Binder<'_>,
    table: &TableDef,
    assignment: &Assignment,
    bound: &mut Vec<(usize, Expr)>,
) -> Result<()> {
    let Assignment { target, value } = assignment;
    let pairs: Vec<(&ObjectName, &AstExpr)> = match (target, value) {
        (AssignmentTarget::ColumnName(name), value) => vec![(name, value)],
        (AssignmentTarget::Tuple(names), AstExpr::Tuple(values)) if names.len() == values.len() => {
            names.iter().zip(values).collect()
        }
        (AssignmentTarget::Tuple(names), AstExpr::Nested(value)) if names.len() == 1 => {
            names.iter().zip([value.as_ref()]).collect()
        }
        (AssignmentTarget::Tuple(_), AstExpr::Tuple(_)) => {
            let message = "number of columns does not match number of values";
            return Err(Error::syntax(message).at(binder.position(value.span())));
        }
        (AssignmentTarget::Tuple(_), _) => {
            return Err(Error::unsupported("UPDATE … SET (…) = (SELECT …)"));
        }
    };
    binder.aggregates_here = Aggregates::Forbidden("UPDATE");
    for (name, value) in pairs {
        let column = *target_columns(context, table, std::slice::from_ref(name))?
            .first()
            .ok_or_else(|| Error::internal("assignment without a column"))?;
        let new = if is_default(value) {
            default_of(context, table, column)?
        } else if table.columns[column].identity.is_some_and(|identity| identity.always) {
            let name = &table.columns[column].name;
            let message = format!("column \"{name}\" can only be updated to DEFAULT");
            return Err(generated_always(name, message));
        } else {
            let value = binder.bind(value)?;
            binder.assign(value, table, column)?
        };
        if bound.iter().any(|(known, _)| *known == column) {
            let message =
                format!("multiple assignments to same column \"{}\"", table.columns[column].name);
            return Err(Error::syntax(message).at(position_of(context, name)));
        }
        bound.push((column, new));
    }
    Ok(())
}

/// DELETE
pub(crate) fn bind_delete(context: &BindContext<'_>, delete: &AstDelete) -> Result<Delete> {
    let AstDelete {
        delete_token: _,
        optimizer_hints: _,
        tables,
        from,
        using,
        selection,
        returning,
        output,
        order_by,
        limit,
    } = delete;
    refuse(&[
        (!tables.is_empty(), "DELETE of several tables"),
        (using.is_some(), "DELETE … USING"),
        (output.is_some(), "OUTPUT"),
        (!order_by.is_empty(), "DELETE … ORDER BY"),
        (limit.is_some(), "DELETE … LIMIT"),
    ])?;
    let (name, alias) = one_table(context, deleted_from(from)?)?;
    let Changeable { table, through } = open_changed(context, &name, Change::Delete)?;
    let mut binder = context.binder(Scope::of_table(&table, alias.clone()));
    let filter = match selection {
        Some(filter) => Some(binder.bind_condition(filter, "WHERE")?),
        None => None,
    };
    let returning = binder.bind_returning(returning.as_deref())?;
    let names = binder.scope.names();
    let source = TableSource {
        table,
        alias,
        wanted: binder.scope.wanted,
        system: binder.scope.uses_system,
        path: Path::unplanned(),
    };
    let delete = Delete { source, names, filter, returning };
    Ok(match through {
        Some(through) => through.delete(delete),
        None => delete,
    })
}

fn deleted_from(from: &FromTable) -> Result<&TableWithJoins> {
    match from {
        FromTable::WithFromKeyword(from) => match from.as_slice() {
            [table] => Ok(table),
            _ => Err(Error::unsupported("DELETE of several tables")),
        },
        FromTable::WithoutKeyword(_) => Err(Error::syntax("DELETE without FROM")),
    }
}
