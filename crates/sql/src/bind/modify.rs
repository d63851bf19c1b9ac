//! INSERT, UPDATE and DELETE.

use std::rc::Rc;

use catalog::{TableDef, TableKind};
use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete as AstDelete, Expr as AstExpr, FromTable,
    Insert as AstInsert, ObjectName, Query as AstQuery, SelectItem, SetExpr, Spanned,
    TableAliasWithoutColumns, TableFactor, TableObject, TableWithJoins, Update as AstUpdate,
    Values,
};
use txn::LockMode;
use types::{ColumnType, Datum, SqlState};

use super::names::{fold, relation_name};
use super::select::{Unknowns, alias_of, bind_query};
use super::{Aggregates, BindContext, Binder, Context, Parameters, Scope, TableName};
use crate::error::{Error, Result};
use crate::expr::{Expr, Node};
use crate::output::OutputColumn;
use crate::parse::{Source, parse_expression};
use crate::planned::{
    ColumnSource, Delete, Insert, InsertSource, Query, Returning, TableSource, Update,
};
use crate::values::names::base;
use crate::values::type_name;

/// Opens a table that is to be changed.
pub(crate) fn open_for_change(
    context: &BindContext<'_>,
    name: &TableName,
    mode: LockMode,
) -> Result<Rc<TableDef>> {
    let table = context.tables.table(name, mode)?;
    check_changeable(&table)?;
    Ok(table)
}

/// Refuses to change what only the server changes.
pub(crate) fn check_changeable(table: &TableDef) -> Result<()> {
    match table.kind {
        TableKind::Table => Ok(()),
        TableKind::System => Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("permission denied: \"{}\" is a system catalog", table.name),
        )),
        TableKind::View => Err(Error::new(
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("cannot change view \"{}\"", table.name),
        )
        .detail("Its rows are made by the server at the moment of reading.")),
    }
}

/// The default of a column, as a value of its type; NULL if it has none.
pub(crate) fn default_of(
    context: &BindContext<'_>,
    table: &TableDef,
    column: usize,
) -> Result<Expr> {
    let column = &table.columns[column];
    match &column.default {
        None => Ok(Expr::constant(Datum::Null, base(column.ty))),
        Some(text) => {
            bind_default(context, text, &column.name, column.ty).map_err(Error::without_position)
        }
    }
}

/// Binds the text of a default.
pub(crate) fn bind_default(
    context: &BindContext<'_>,
    text: &str,
    name: &str,
    ty: ColumnType,
) -> Result<Expr> {
    let source = Source::new(text);
    let params = Parameters::default();
    let inner = BindContext { source: &source, params: &params, ..*context };
    let mut binder = inner.binder(Scope::default());
    binder.aggregates_here = Aggregates::Forbidden("DEFAULT expressions");
    let bound = binder.bind(&parse_expression(text)?).map_err(|error| {
        if error.sqlstate() == Some(SqlState::UNDEFINED_COLUMN) {
            let message = "cannot use column reference in DEFAULT expression";
            return Error::new(SqlState::FEATURE_NOT_SUPPORTED, message);
        }
        error
    })?;
    let from = bound.ty;
    binder.coerce(bound, ty.into(), Context::Assignment)?.ok_or_else(|| {
        Error::new(
            SqlState::DATATYPE_MISMATCH,
            format!(
                "column \"{name}\" is of type {} but default expression is of type {}",
                type_name(base(ty)),
                type_name(base(from))
            ),
        )
        .hint("You will need to rewrite or cast the expression.")
    })
}

impl Binder<'_> {
    /// A value that goes into a column.
    fn assign(&mut self, value: Expr, table: &TableDef, column: usize) -> Result<Expr> {
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

    fn bind_returning(&mut self, items: Option<&[SelectItem]>) -> Result<Option<Returning>> {
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

fn is_default(expr: &AstExpr) -> bool {
    matches!(
        expr,
        AstExpr::Identifier(ident)
            if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default")
    )
}

/// The clauses of an INSERT that are supported.
struct InsertParts<'a> {
    name: TableName,
    alias: Option<String>,
    columns: &'a [ObjectName],
    source: Option<&'a AstQuery>,
    returning: Option<&'a [SelectItem]>,
}

fn take_apart<'a>(context: &BindContext<'_>, insert: &'a AstInsert) -> Result<InsertParts<'a>> {
    let AstInsert {
        insert_token: _,
        optimizer_hints: _,
        or,
        ignore,
        into: _,
        table,
        table_alias,
        columns,
        overwrite,
        source,
        assignments,
        partitioned,
        after_columns,
        has_table_keyword,
        on,
        returning,
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
    for (present, construct) in [
        (on.is_some(), "ON CONFLICT"),
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
        (
            multi_table_insert_type.is_some()
                || !multi_table_into_clauses.is_empty()
                || !multi_table_when_clauses.is_empty()
                || multi_table_else_clause.is_some(),
            "INSERT into several tables",
        ),
    ] {
        if present {
            return Err(Error::unsupported(construct));
        }
    }
    let TableObject::TableName(name) = table else {
        return Err(Error::unsupported("INSERT into something other than a table"));
    };
    let at = context.source.place(name.span().start);
    let alias =
        table_alias.as_ref().map(|TableAliasWithoutColumns { explicit: _, alias }| fold(alias));
    Ok(InsertParts {
        name: TableName::from_parts(
            relation_name(name).map_err(|e| e.at(position_of(context, name)))?,
            at,
        )?,
        alias,
        columns,
        source: source.as_deref(),
        returning: returning.as_deref(),
    })
}

/// INSERT
pub(crate) fn bind_insert(context: &BindContext<'_>, insert: &AstInsert) -> Result<Insert> {
    let parts = take_apart(context, insert)?;
    let table = open_for_change(context, &parts.name, LockMode::RowExclusive)?;
    let targets = target_columns(context, &table, parts.columns)?;
    let source = match parts.source {
        None => InsertSource::Values(vec![Vec::new()]),
        Some(query) => match values_of(query) {
            Some(values) => bind_rows(context, &table, &targets, values)?,
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
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in 0..table.columns.len() {
        let place = targets.iter().take(given).position(|target| *target == column);
        columns.push(match place {
            Some(place) => ColumnSource::Given(place),
            None => ColumnSource::Default(default_of(context, &table, column)?),
        });
    }
    let scope = Scope::of_table(&table, parts.alias);
    let returning = context.binder(scope).bind_returning(parts.returning)?;
    Ok(Insert { table, columns, source, returning })
}

fn position_of(context: &BindContext<'_>, name: &ObjectName) -> Option<usize> {
    context.source.position(name.span().start)
}

/// The columns that values are given for, in the order of the values.
fn target_columns(
    context: &BindContext<'_>,
    table: &TableDef,
    names: &[ObjectName],
) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..table.columns.len()).collect());
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
    targets: &[usize],
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
            exprs.push(if is_default(expr) {
                default_of(context, table, column)?
            } else {
                let value = binder.bind(expr)?;
                binder.assign(value, table, column)?
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
    for (present, construct) in [
        (from.is_some(), "UPDATE … FROM"),
        (output.is_some(), "OUTPUT"),
        (or.is_some(), "UPDATE OR"),
        (!order_by.is_empty(), "UPDATE … ORDER BY"),
        (limit.is_some(), "UPDATE … LIMIT"),
    ] {
        if present {
            return Err(Error::unsupported(construct));
        }
    }
    let (name, alias) = one_table(context, table)?;
    let table = open_for_change(context, &name, LockMode::RowExclusive)?;
    let mut binder = context.binder(Scope::of_table(&table, alias.clone()));
    let mut bound = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        bind_assignment(context, &mut binder, &table, assignment, &mut bound)?;
    }
    let filter = match selection {
        Some(filter) => Some(binder.bind_condition(filter, "WHERE")?),
        None => None,
    };
    let filter_system = binder.scope.uses_system;
    let returning = binder.bind_returning(returning.as_deref())?;
    let names = binder.scope.names();
    let source = TableSource {
        // The new version holds every column, also those that stay.
        wanted: vec![true; table.columns.len()],
        table,
        alias,
        system: filter_system,
    };
    Ok(Update { source, names, filter, assignments: bound, returning })
}

fn bind_assignment(
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
    for (present, construct) in [
        (!tables.is_empty(), "DELETE of several tables"),
        (using.is_some(), "DELETE … USING"),
        (output.is_some(), "OUTPUT"),
        (!order_by.is_empty(), "DELETE … ORDER BY"),
        (limit.is_some(), "DELETE … LIMIT"),
    ] {
        if present {
            return Err(Error::unsupported(construct));
        }
    }
    let table = match from {
        FromTable::WithFromKeyword(from) => match from.as_slice() {
            [table] => table,
            _ => return Err(Error::unsupported("DELETE of several tables")),
        },
        FromTable::WithoutKeyword(_) => return Err(Error::syntax("DELETE without FROM")),
    };
    let (name, alias) = one_table(context, table)?;
    let table = open_for_change(context, &name, LockMode::RowExclusive)?;
    let mut binder = context.binder(Scope::of_table(&table, alias.clone()));
    let filter = match selection {
        Some(filter) => Some(binder.bind_condition(filter, "WHERE")?),
        None => None,
    };
    let returning = binder.bind_returning(returning.as_deref())?;
    let names = binder.scope.names();
    let source =
        TableSource { table, alias, wanted: binder.scope.wanted, system: binder.scope.uses_system };
    Ok(Delete { source, names, filter, returning })
}

/// The columns that COPY names; all if it names none.
pub(crate) fn copy_columns(
    table: &TableDef,
    names: &[(String, Option<usize>)],
) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..table.columns.len()).collect());
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
