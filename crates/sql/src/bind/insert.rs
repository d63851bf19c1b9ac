//! INSERT: its values, for the columns that it names, and defaults for the others.

use catalog::TableDef;
use sqlparser::ast::{Insert as AstInsert, Query as AstQuery, SetExpr, Spanned, Values};
use types::ColumnType;

use super::changed::{Change, open_changed, position_of, target_columns};
use super::checks::bind_checks;
use super::conflict::bind_on_conflict;
use super::defaults::{default_of, is_default};
use super::insert_clauses::{InsertParts, take_apart};
use super::select::{Unknowns, bind_query};
use super::sequences::generated_always;
use super::updatable::{Changeable, Through};
use super::{Aggregates, BindContext, Binder, Scope};
use crate::error::{Error, Result};
use crate::expr::{Expr, Node};
use crate::parse::Overriding;
use crate::planned::{ColumnSource, Insert, InsertSource, Query};

/// Whether the value that an INSERT has for a column is passed over; `428C9` if it may not have
/// one.
fn passes_over(table: &TableDef, column: usize, overriding: Option<Overriding>) -> Result<bool> {
    let Some(identity) = table.columns[column].identity else { return Ok(false) };
    match overriding {
        Some(Overriding::User) => Ok(true),
        None if identity.always => {
            let name = &table.columns[column].name;
            let message = format!("cannot insert a non-DEFAULT value into column \"{name}\"");
            let hint = "Use OVERRIDING SYSTEM VALUE to override.";
            Err(generated_always(name, message).hint(hint))
        }
        None | Some(Overriding::System) => Ok(false),
    }
}

/// INSERT
pub(crate) fn bind_insert(context: &BindContext<'_>, insert: &AstInsert) -> Result<Insert> {
    let parts = take_apart(context, insert)?;
    let Changeable { table, through } = open_changed(context, &parts.name, Change::Insert)?;
    let targets = target_columns(context, &table, parts.columns)?;
    let source = match parts.source {
        None => InsertSource::Values(vec![Vec::new()]),
        Some(query) => match values_of(query) {
            Some(values) => bind_rows(context, &table, (&targets, parts.overriding), values)?,
            None => bind_inserted_query(context, &table, &targets, query)?,
        },
    };
    let given = match &source {
        InsertSource::Values(rows) => rows.first().map_or(0, Vec::len),
        InsertSource::Query(_, values) => values.len(),
    };
    if !parts.columns.is_empty() && given < targets.len() {
        return Err(Error::syntax("INSERT has more target columns than expressions")
            .at(position_of(context, &parts.columns[given])));
    }
    let given: Vec<usize> = targets.iter().copied().take(given).collect();
    if let Some(through) = through {
        return insert_through(context, &through, (&table, parts), &given, source);
    }
    let query = matches!(source, InsertSource::Query(..));
    let columns = column_sources(context, &table, &given, (query, parts.overriding))?;
    let on_conflict = match parts.on {
        Some(on) => Some(bind_on_conflict(context, on, &table, parts.alias.clone())?),
        None => None,
    };
    let scope = Scope::of_table(&table, parts.alias);
    let returning = context.binder(scope).bind_returning(parts.returning)?;
    let checks = bind_checks(context, &table)?;
    Ok(Insert { table, columns, source, on_conflict, checks, returning })
}

/// INSERT into a view, as one into its table.
fn insert_through(
    context: &BindContext<'_>,
    through: &Through,
    (view, parts): (&TableDef, InsertParts<'_>),
    given: &[usize],
    source: InsertSource,
) -> Result<Insert> {
    if parts.on.is_some() {
        return Err(Error::unsupported("ON CONFLICT on a view"));
    }
    for column in given {
        let query = matches!(source, InsertSource::Query(..));
        if query && passes_over(view, *column, parts.overriding)? {
            return Err(Error::unsupported("OVERRIDING USER VALUE on a view"));
        }
    }
    let columns = through.columns(context, given)?;
    let returning =
        context.binder(Scope::of_table(view, parts.alias)).bind_returning(parts.returning)?;
    let (table, returning) = through.insert(returning);
    let checks = bind_checks(context, &table)?;
    Ok(Insert { table, columns, source, on_conflict: None, checks, returning })
}

/// Where each column of a table gets its value, if values are given for these columns: by a query,
/// or by VALUES, where each row has its own default already.
fn column_sources(
    context: &BindContext<'_>,
    table: &TableDef,
    given: &[usize],
    (query, overriding): (bool, Option<Overriding>),
) -> Result<Vec<ColumnSource>> {
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in 0..table.columns.len() {
        let place = given.iter().position(|target| *target == column);
        let place = match place {
            Some(_) if query && passes_over(table, column, overriding)? => None,
            place => place,
        };
        columns.push(match place {
            Some(place) => ColumnSource::Given(place),
            None => ColumnSource::Default(default_of(context, table, column)?),
        });
    }
    Ok(columns)
}

/// The lists of a VALUES with nothing else around it.
fn values_of(query: &AstQuery) -> Option<&Values> {
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty();
    match query.body.as_ref() {
        SetExpr::Values(values) if plain => Some(values),
        _ => None,
    }
}

fn too_many(position: Option<usize>) -> Error {
    Error::syntax("INSERT has more expressions than target columns").at(position)
}

fn bind_rows(
    context: &BindContext<'_>,
    table: &TableDef,
    (targets, overriding): (&[usize], Option<Overriding>),
    values: &Values,
) -> Result<InsertSource> {
    let Values { explicit_row, value_keyword, rows } = values;
    if *explicit_row || *value_keyword {
        return Err(Error::syntax("VALUES takes lists in parentheses"));
    }
    let mut binder = context.binder(Scope::default());
    binder.aggregates_here = Aggregates::Forbidden("VALUES");
    let mut bound: Vec<Vec<Expr>> = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(extra) = row.content.get(targets.len()) {
            return Err(too_many(binder.position(extra.span())));
        }
        let mut exprs = Vec::with_capacity(row.content.len());
        for (expr, column) in row.content.iter().zip(targets.iter().copied()) {
            let given = match is_default(expr) {
                true => None,
                false => {
                    let value = binder.bind(expr)?;
                    let value = binder.assign(value, table, column)?;
                    (!passes_over(table, column, overriding)?).then_some(value)
                }
            };
            exprs.push(match given {
                Some(value) => value,
                None => default_of(context, table, column)?,
            });
        }
        if bound.first().is_some_and(|first| first.len() != exprs.len()) {
            let position = row.content.first().and_then(|expr| binder.position(expr.span()));
            let message = "VALUES lists must all be the same length";
            return Err(Error::syntax(message).at(position));
        }
        bound.push(exprs);
    }
    Ok(InsertSource::Values(bound))
}

fn bind_inserted_query(
    context: &BindContext<'_>,
    table: &TableDef,
    targets: &[usize],
    query: &AstQuery,
) -> Result<InsertSource> {
    let mut query = bind_query(context, query, Unknowns::Keep)?;
    if query.columns.len() > targets.len() {
        return Err(too_many(query.targets[targets.len()].position()));
    }
    let mut binder = context.binder(Scope::default());
    let mut values = Vec::with_capacity(query.columns.len());
    for (place, target) in targets.iter().take(query.columns.len()).enumerate() {
        let produced = produced_column(&mut binder, &mut query, table, place, *target)?;
        values.push(binder.assign(produced, table, *target)?);
    }
    Ok(InsertSource::Query(Box::new(query), values))
}

/// The value of a column of the query; a literal without a type takes that of the target.
fn produced_column(
    binder: &mut Binder<'_>,
    query: &mut Query,
    table: &TableDef,
    place: usize,
    target: usize,
) -> Result<Expr> {
    let at = query.targets[place].at;
    if query.targets[place].ty == ColumnType::Unknown {
        if matches!(query.targets[place].node, Node::Column(_)) {
            return Err(Error::unsupported("VALUES of untyped literals with other clauses"));
        }
        let literal = query.targets[place].clone();
        query.targets[place] = binder.assign(literal, table, target)?;
        query.columns[place].ty = query.targets[place].ty;
    }
    Ok(Expr::new(Node::Column(place), query.targets[place].ty).at(at))
}
