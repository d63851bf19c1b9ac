//! FROM: one table or view, one query, or `generate_series`.

use std::rc::Rc;

use catalog::{TableDef, TableKind};
use sqlparser::ast::{
    self, ObjectName, Spanned, TableAlias, TableAliasColumnDef, TableFactor, TableFunctionArgs,
    TableWithJoins,
};
use txn::LockMode;
use types::{ColumnType, Datum};

use super::clauses::refuse;
use super::names::{fold, object_name, relation_name};
use super::scope::ScopeColumn;
use super::select::{Unknowns, bind_query};
use super::stored::{Names, stored_relation};
use super::view::bind_view;
use super::{Aggregates, BindContext, Scope, TableName};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::plan::path::Path;
use crate::planned::{Derived, RowSource, TableSource};

pub(super) fn bind_from(
    context: &BindContext<'_>,
    from: &[TableWithJoins],
    mode: LockMode,
) -> Result<(RowSource, Scope)> {
    let (relation, joins) = match from {
        [] => return Ok((RowSource::One, Scope::default())),
        [TableWithJoins { relation, joins }] => (relation, joins),
        _ => return Err(Error::unsupported("more than one table in FROM")),
    };
    if !joins.is_empty() {
        return Err(Error::unsupported("JOIN"));
    }
    match relation {
        TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            refuse(&[
                (!with_hints.is_empty(), "WITH behind a table"),
                (version.is_some(), "a version of a table"),
                (*with_ordinality, "WITH ORDINALITY"),
                (!partitions.is_empty(), "PARTITION"),
                (json_path.is_some(), "a path behind a table"),
                (sample.is_some(), "TABLESAMPLE"),
                (!index_hints.is_empty(), "an index hint"),
            ])?;
            bind_named(context, (name, args.as_ref()), full_alias(alias.as_ref())?, mode)
        }
        TableFactor::Derived { lateral, subquery, alias, sample } => {
            refuse(&[(*lateral, "LATERAL"), (sample.is_some(), "TABLESAMPLE")])?;
            bind_derived(context, subquery, full_alias(alias.as_ref())?, mode)
        }
        TableFactor::NestedJoin { .. } => Err(Error::unsupported("JOIN")),
        _ => Err(Error::unsupported("a function in FROM")),
    }
}

/// What stands behind a table in FROM.
struct Alias {
    name: Option<String>,
    /// Names for its first columns.
    columns: Vec<String>,
}

fn full_alias(alias: Option<&TableAlias>) -> Result<Alias> {
    let Some(TableAlias { explicit: _, name, columns, at }) = alias else {
        return Ok(Alias { name: None, columns: Vec::new() });
    };
    if at.is_some() {
        return Err(Error::unsupported("AT behind an alias"));
    }
    let columns = columns.iter().map(|TableAliasColumnDef { name, data_type }| match data_type {
        None => Ok(fold(name)),
        Some(_) => Err(Error::unsupported("types of columns behind an alias")),
    });
    Ok(Alias { name: Some(fold(name)), columns: columns.collect::<Result<_>>()? })
}

/// What has a name in FROM: a table, a view, or a function with its arguments.
fn bind_named(
    context: &BindContext<'_>,
    (name, args): (&ObjectName, Option<&TableFunctionArgs>),
    Alias { name: alias, columns }: Alias,
    mode: LockMode,
) -> Result<(RowSource, Scope)> {
    let (source, mut scope) = match args {
        Some(args) => bind_series(context, name, args, alias)?,
        None => {
            let table = find_table(context, name, mode)?;
            open_table(context, table, alias, mode)?
        }
    };
    scope.rename(columns)?;
    Ok((source, scope))
}

/// A query in FROM.
fn bind_derived(
    context: &BindContext<'_>,
    query: &ast::Query,
    Alias { name, columns }: Alias,
    mode: LockMode,
) -> Result<(RowSource, Scope)> {
    let Some(alias) = name else {
        let is_values = matches!(query.body.as_ref(), ast::SetExpr::Values(_));
        let (what, example) = match is_values {
            true => ("VALUES", "VALUES ..."),
            false => ("subquery", "SELECT ..."),
        };
        return Err(Error::syntax(format!("{what} in FROM must have an alias"))
            .hint(format!("For example, FROM ({example}) [AS] foo.")));
    };
    let inner = BindContext { mode, ..*context };
    let query = bind_query(&inner, query, Unknowns::Text)?;
    let mut scope = Scope::of_query(&query.columns, alias.clone());
    scope.rename(columns)?;
    Ok((RowSource::Query(Box::new(Derived::new(query, alias))), scope))
}

/// The alias of a table, without names for columns.
pub(super) fn alias_of(alias: Option<&TableAlias>) -> Result<Option<String>> {
    let Some(TableAlias { explicit: _, name, columns, at }) = alias else { return Ok(None) };
    if !columns.is_empty() || at.is_some() {
        return Err(Error::unsupported("names for columns behind an alias"));
    }
    Ok(Some(fold(name)))
}

/// The table or view of that name, locked.
fn find_table(
    context: &BindContext<'_>,
    name: &ObjectName,
    mode: LockMode,
) -> Result<Rc<TableDef>> {
    let span = name.span();
    let parts = match context.names {
        Names::Stored => object_name(name)?,
        _ => relation_name(name).map_err(|e| e.at(context.source.position(span.start)))?,
    };
    if let (Names::Stored, Some(oid)) = (context.names, stored_relation(&parts)) {
        return context.tables.table_by_oid(oid, mode);
    }
    let name = TableName::from_parts(parts, context.source.place(span.start))?;
    let table = context.tables.table(&name, mode)?;
    if let Names::Noted(notes) = context.names {
        notes.relation(context.source, span, &table);
    }
    Ok(table)
}

fn open_table(
    context: &BindContext<'_>,
    table: Rc<TableDef>,
    alias: Option<String>,
    mode: LockMode,
) -> Result<(RowSource, Scope)> {
    let scope = Scope::of_table(&table, alias.clone());
    if table.kind == TableKind::View {
        let inner = BindContext { mode, ..*context };
        let query = bind_view(&inner, &table)?;
        let alias = alias.unwrap_or_else(|| table.name.clone());
        return Ok((RowSource::Query(Box::new(Derived::new(query, alias))), scope));
    }
    let source =
        TableSource { table, alias, wanted: Vec::new(), system: false, path: Path::unplanned() };
    Ok((RowSource::Table(source), scope))
}

/// `generate_series(start, stop [, step])` of integers.
fn bind_series(
    context: &BindContext<'_>,
    name: &ObjectName,
    args: &TableFunctionArgs,
    alias: Option<String>,
) -> Result<(RowSource, Scope)> {
    let TableFunctionArgs { args, settings } = args;
    let parts = object_name(name)?;
    let position = context.source.position(name.span().start);
    if parts != ["generate_series"] || settings.is_some() {
        let what = format!("the function {} in FROM", parts.join("."));
        return Err(Error::unsupported(what).at(position));
    }
    let mut binder = context.binder(Scope::default());
    binder.aggregates_here = Aggregates::Forbidden("functions in FROM");
    let mut bound = Vec::new();
    for arg in args {
        match arg {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => {
                bound.push(binder.bind(expr)?);
            }
            _ => return Err(Error::unsupported("a named argument").at(position)),
        }
    }
    if bound.len() == 2 {
        bound.push(Expr::constant(Datum::Int4(1), ColumnType::Int4));
    }
    let integers = |ty: ColumnType| {
        matches!(ty, ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 | ColumnType::Unknown)
    };
    if bound.len() != 3 || !bound.iter().all(|expr| integers(expr.ty)) {
        return Err(Error::unsupported("generate_series of anything but two or three integers")
            .at(position));
    }
    let common = binder.common_type(&bound, "generate_series")?;
    let ty = if common == ColumnType::Int8 { ColumnType::Int8 } else { ColumnType::Int4 };
    let mut bound = binder.coerce_all(bound, ty, "generate_series")?.into_iter();
    let (Some(start), Some(stop), Some(step)) = (bound.next(), bound.next(), bound.next()) else {
        return Err(Error::internal("generate_series without its arguments"));
    };
    let name = alias.unwrap_or_else(|| "generate_series".to_owned());
    let scope = Scope {
        table: Some(name.clone()),
        columns: vec![ScopeColumn::new(name, ty)],
        wanted: vec![false],
        ..Scope::default()
    };
    Ok((RowSource::Series { start, stop, step, ty }, scope))
}
