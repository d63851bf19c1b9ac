//! FROM: one table, or `generate_series`.

use sqlparser::ast::{
    self, ObjectName, Spanned, TableAlias, TableFactor, TableFunctionArgs, TableWithJoins,
};
use txn::LockMode;
use types::{ColumnType, Datum};

use super::names::{fold, object_name, relation_name};
use super::scope::ScopeColumn;
use super::{Aggregates, BindContext, Scope, TableName};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::plan::path::Path;
use crate::planned::{RowSource, TableSource};

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
            for (present, construct) in [
                (!with_hints.is_empty(), "WITH behind a table"),
                (version.is_some(), "a version of a table"),
                (*with_ordinality, "WITH ORDINALITY"),
                (!partitions.is_empty(), "PARTITION"),
                (json_path.is_some(), "a path behind a table"),
                (sample.is_some(), "TABLESAMPLE"),
                (!index_hints.is_empty(), "an index hint"),
            ] {
                if present {
                    return Err(Error::unsupported(construct));
                }
            }
            let alias = alias_of(alias.as_ref())?;
            match args {
                Some(args) => bind_series(context, name, args, alias),
                None => {
                    let at = context.source.place(name.span().start);
                    let position = context.source.position(name.span().start);
                    let parts = relation_name(name).map_err(|error| error.at(position))?;
                    let name = TableName::from_parts(parts, at)?;
                    open_table(context, &name, alias, mode)
                }
            }
        }
        TableFactor::Derived { .. } => Err(Error::unsupported("a subquery in FROM")),
        TableFactor::NestedJoin { .. } => Err(Error::unsupported("JOIN")),
        _ => Err(Error::unsupported("a function in FROM")),
    }
}

/// The alias of a table, without names for columns.
pub(super) fn alias_of(alias: Option<&TableAlias>) -> Result<Option<String>> {
    let Some(TableAlias { explicit: _, name, columns, at }) = alias else { return Ok(None) };
    if !columns.is_empty() || at.is_some() {
        return Err(Error::unsupported("names for columns behind an alias"));
    }
    Ok(Some(fold(name)))
}

fn open_table(
    context: &BindContext<'_>,
    name: &TableName,
    alias: Option<String>,
    mode: LockMode,
) -> Result<(RowSource, Scope)> {
    let table = context.tables.table(name, mode)?;
    let scope = Scope::of_table(&table, alias.clone());
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
