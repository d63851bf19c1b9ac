//! The clauses of INSERT: those that there can be, and a refusal of the others.

use sqlparser::ast::{
    Insert as AstInsert, ObjectName, OnInsert, Query as AstQuery, SelectItem, Spanned,
    TableAliasWithoutColumns, TableObject,
};

use super::changed::position_of;
use super::clauses::refuse;
use super::names::{fold, relation_name};
use super::{BindContext, TableName};
use crate::error::{Error, Result};
use crate::parse::{Overriding, mark_of};

/// The clauses of an INSERT that are supported.
pub(super) struct InsertParts<'a> {
    pub name: TableName,
    pub alias: Option<String>,
    pub columns: &'a [ObjectName],
    pub overriding: Option<Overriding>,
    pub source: Option<&'a AstQuery>,
    pub on: Option<&'a OnInsert>,
    pub returning: Option<&'a [SelectItem]>,
}

/// Refuses the clauses of an INSERT that are not supported.
fn refuse_others(insert: &AstInsert) -> Result<()> {
    let AstInsert {
        insert_token: _,
        optimizer_hints: _,
        or,
        ignore,
        into: _,
        table: _,
        table_alias: _,
        columns: _,
        overwrite,
        source: _,
        assignments,
        partitioned,
        after_columns,
        has_table_keyword,
        on: _,
        returning: _,
        output,
        replace_into,
        priority,
        insert_alias,
        settings,
        format_clause,
        multi_table_insert_type,
        multi_table_into_clauses,
        multi_table_when_clauses,
        multi_table_else_clause,
    } = insert;
    let several = "INSERT into several tables";
    refuse(&[
        (or.is_some() || *ignore, "INSERT OR"),
        (*overwrite, "OVERWRITE"),
        (!assignments.is_empty(), "INSERT … SET"),
        (partitioned.is_some(), "PARTITION"),
        (!after_columns.is_empty(), "columns behind PARTITION"),
        (*has_table_keyword, "INSERT INTO TABLE"),
        (output.is_some(), "OUTPUT"),
        (*replace_into, "REPLACE"),
        (priority.is_some(), "a priority of INSERT"),
        (insert_alias.is_some(), "an alias behind VALUES"),
        (settings.is_some() || format_clause.is_some(), "a clause behind INSERT"),
        (multi_table_insert_type.is_some() || !multi_table_into_clauses.is_empty(), several),
        (!multi_table_when_clauses.is_empty() || multi_table_else_clause.is_some(), several),
    ])
}

/// Looks at every clause of an INSERT.
pub(super) fn take_apart<'a>(
    context: &BindContext<'_>,
    insert: &'a AstInsert,
) -> Result<InsertParts<'a>> {
    refuse_others(insert)?;
    let TableObject::TableName(name) = &insert.table else {
        return Err(Error::unsupported("INSERT into something other than a table"));
    };
    let at = context.source.place(name.span().start);
    let (columns, overriding) = without_mark(&insert.columns);
    let alias = insert.table_alias.as_ref();
    let alias = alias.map(|TableAliasWithoutColumns { explicit: _, alias }| fold(alias));
    Ok(InsertParts {
        name: TableName::from_parts(
            relation_name(name).map_err(|e| e.at(position_of(context, name)))?,
            at,
        )?,
        alias,
        columns,
        overriding,
        source: insert.source.as_deref(),
        on: insert.on.as_ref(),
        returning: insert.returning.as_deref(),
    })
}

/// The columns that were named, and what OVERRIDING says, which stands behind them.
fn without_mark(columns: &[ObjectName]) -> (&[ObjectName], Option<Overriding>) {
    if let Some((ObjectName(parts), before)) = columns.split_last()
        && let [part] = parts.as_slice()
        && let Some(overriding) = part.as_ident().and_then(|ident| mark_of(&ident.value))
    {
        return (before, Some(overriding));
    }
    (columns, None)
}
