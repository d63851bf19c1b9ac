//! Queries: SELECT over one source or none, VALUES, TABLE.

use sqlparser::ast::{
    Distinct as AstDistinct, Expr as AstExpr, GroupByExpr, Query as AstQuery, Select, SelectFlavor,
    SelectItem, SetExpr, TableWithJoins, Values,
};
use txn::LockMode;
use types::{ColumnType, SqlState};

use super::clauses::refuse;
use super::from::bind_from;
use super::locking::{self, Wanted, locking_of};
use super::order::Clauses;
use super::scope::ScopeColumn;
use super::targets::Target;
use super::{Aggregates, BindContext, Binder, Context, Scope};
use crate::error::{Error, Result};
use crate::expr::{Expr, Node};
use crate::output::OutputColumn;
use crate::plan::flatten::flatten;
use crate::planned::{Distinct, First, Query, RowSource, TableSource};
use crate::values::names::base;

/// Whether literals without a type become text in a query's result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknowns {
    /// They become text.
    Text,
    /// They wait for the column that they are inserted into.
    Keep,
}

/// A query.
pub(crate) fn bind_query(
    context: &BindContext<'_>,
    query: &AstQuery,
    unknowns: Unknowns,
) -> Result<Query> {
    let AstQuery {
        with,
        body,
        order_by,
        limit_clause,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    refuse(&[(with.is_some(), "WITH")])?;
    let _ = locks;
    let wanted = locking_of(query)?;
    if for_clause.is_some()
        || settings.is_some()
        || format_clause.is_some()
        || !pipe_operators.is_empty()
    {
        return Err(Error::unsupported("a clause behind the query"));
    }
    let clauses = Clauses {
        order_by: order_by.as_ref(),
        limit: limit_clause.as_ref(),
        fetch: fetch.as_ref(),
    };
    bind_body(context, body, clauses, unknowns, wanted)
}

/// The body of a query, with the clauses behind it.
fn bind_body(
    context: &BindContext<'_>,
    body: &SetExpr,
    clauses: Clauses<'_>,
    unknowns: Unknowns,
    wanted: Option<Wanted<'_>>,
) -> Result<Query> {
    // As in PostgreSQL, who locks rows locks their table a little more strongly.
    let least = if wanted.is_some() { LockMode::RowShare } else { LockMode::AccessShare };
    let mode = context.mode.max(least);
    match body {
        SetExpr::Select(select) => {
            let bound = bind_select(context, select, clauses, unknowns, mode)?;
            if let Some(wanted) = &wanted {
                locking::check(context, wanted, &bound)?;
            }
            locking::apply(wanted, flatten(bound))
        }
        SetExpr::Values(values) => bind_values(context, values, clauses, unknowns),
        SetExpr::Query(inner) if clauses.is_empty() && wanted.is_none() => {
            bind_query(context, inner, unknowns)
        }
        SetExpr::Query(_) => Err(Error::unsupported("a query in parentheses with more behind it")),
        SetExpr::SetOperation { left: _, op, set_quantifier: _, right: _ } => {
            Err(Error::unsupported(op))
        }
        SetExpr::Table(_) => Err(Error::unsupported("TABLE inside of a query")),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            Err(Error::unsupported("a data-modifying statement in a query"))
        }
    }
}

/// The parts of a SELECT between the targets and ORDER BY.
#[derive(Default)]
pub(super) struct Parts<'a> {
    filter: Option<&'a AstExpr>,
    group_by: &'a [AstExpr],
    having: Option<&'a AstExpr>,
    distinct: Option<&'a AstDistinct>,
}

fn bind_select(
    context: &BindContext<'_>,
    select: &Select,
    clauses: Clauses<'_>,
    unknowns: Unknowns,
    mode: LockMode,
) -> Result<Query> {
    let (parts, projection, from) = take_apart(select)?;
    let (source, scope) = bind_from(context, from, mode)?;
    let mut binder = context.binder(scope);
    binder.aggregates_here = Aggregates::Allowed;
    let targets = binder.bind_targets(projection, unknowns)?;
    binder.note_targets(targets.iter().map(|target| target.name.clone()));
    finish(binder, source, targets, parts, clauses)
}

type TakenApart<'a> = (Parts<'a>, &'a [SelectItem], &'a [TableWithJoins]);

/// Looks at every clause of a SELECT.
fn take_apart(select: &Select) -> Result<TakenApart<'_>> {
    let Select {
        select_token: _,
        optimizer_hints: _,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from,
        lateral_views,
        prewhere,
        selection,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    refuse(&[
        (into.is_some(), "SELECT INTO"),
        (!named_window.is_empty(), "WINDOW"),
        (top.is_some(), "TOP"),
        (exclude.is_some(), "EXCLUDE"),
        (qualify.is_some(), "QUALIFY"),
        (prewhere.is_some(), "PREWHERE"),
        (!connect_by.is_empty(), "CONNECT BY"),
        (!lateral_views.is_empty(), "LATERAL VIEW"),
        (!cluster_by.is_empty(), "CLUSTER BY"),
        (!distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!sort_by.is_empty(), "SORT BY"),
        (select_modifiers.is_some(), "a modifier of SELECT"),
        (value_table_mode.is_some(), "SELECT AS"),
        (*flavor != SelectFlavor::Standard, "FROM before SELECT"),
    ])?;
    let group_by = match group_by {
        GroupByExpr::Expressions(exprs, modifiers) if modifiers.is_empty() => exprs.as_slice(),
        GroupByExpr::Expressions(..) => return Err(Error::unsupported("GROUP BY … WITH")),
        GroupByExpr::All(_) => return Err(Error::unsupported("GROUP BY ALL")),
    };
    let parts = Parts {
        filter: selection.as_ref(),
        group_by,
        having: having.as_ref(),
        distinct: distinct.as_ref(),
    };
    Ok((parts, projection, from))
}

/// The rest of a query once its targets are known.
fn finish(
    mut binder: Binder<'_>,
    source: RowSource,
    targets: Vec<Target>,
    parts: Parts<'_>,
    clauses: Clauses<'_>,
) -> Result<Query> {
    let filter = match parts.filter {
        Some(filter) => Some(binder.bind_condition(filter, "WHERE")?),
        None => None,
    };
    let columns: Vec<OutputColumn> = targets
        .iter()
        .map(|target| OutputColumn { name: target.name.clone(), ty: target.expr.ty })
        .collect();
    let mut exprs: Vec<Expr> = targets.into_iter().map(|target| target.expr).collect();
    let keys = binder.bind_group_by(parts.group_by, &columns, &exprs)?;
    let having = binder.bind_having(parts.having)?;
    let mut sort = binder.bind_order_by(clauses.order_by, &columns, &mut exprs)?;
    let distinct = binder.bind_distinct_clause(parts.distinct, &columns, &mut exprs, &mut sort)?;
    let grouped = !parts.group_by.is_empty();
    let grouping = binder.finish_grouping(keys, grouped, having, &mut exprs)?;
    let (limit, offset) = binder.bind_limit(clauses.limit, clauses.fetch)?;
    let names = binder.scope.names();
    let source = with_used(source, binder.scope);
    let qualifier = match &source {
        RowSource::Query(derived) => Some(derived.alias.clone()),
        _ => None,
    };
    Ok(Query {
        source,
        qualifier,
        names,
        filter,
        grouping,
        targets: exprs,
        columns,
        distinct,
        sort,
        limit,
        offset,
        first: First::All,
        locking: None,
    })
}

/// A source that knows which of its columns were used.
fn with_used(source: RowSource, scope: Scope) -> RowSource {
    match source {
        RowSource::Table(table) => RowSource::Table(TableSource {
            wanted: scope.wanted,
            system: scope.uses_system,
            ..table
        }),
        other => other,
    }
}

fn bind_values(
    context: &BindContext<'_>,
    values: &Values,
    clauses: Clauses<'_>,
    unknowns: Unknowns,
) -> Result<Query> {
    let Values { explicit_row, value_keyword, rows } = values;
    if *explicit_row || *value_keyword {
        return Err(Error::syntax("VALUES takes lists in parentheses"));
    }
    let mut binder = context.binder(Scope::default());
    binder.aggregates_here = Aggregates::Forbidden("VALUES");
    let mut bound: Vec<Vec<Expr>> = Vec::with_capacity(rows.len());
    for row in rows {
        let exprs: Result<Vec<Expr>> = row.content.iter().map(|expr| binder.bind(expr)).collect();
        let exprs = exprs?;
        if bound.first().is_some_and(|first| first.len() != exprs.len()) {
            return Err(Error::syntax("VALUES lists must all be the same length"));
        }
        bound.push(exprs);
    }
    let width = bound.first().map_or(0, Vec::len);
    let mut columns = Vec::with_capacity(width);
    for place in 0..width {
        let column: Vec<Expr> = bound.iter().map(|row| row[place].clone()).collect();
        let keep =
            unknowns == Unknowns::Keep && column.iter().all(|expr| expr.ty == ColumnType::Unknown);
        let ty = if keep { ColumnType::Unknown } else { binder.common_type(&column, "VALUES")? };
        if !keep {
            let coerced = binder.coerce_all(column, ty, "VALUES")?;
            for (row, expr) in bound.iter_mut().zip(coerced) {
                row[place] = expr;
            }
        }
        columns.push(ScopeColumn::new(format!("column{}", place + 1), ty));
    }
    let mut binder = context.binder(Scope {
        table: None,
        wanted: vec![false; columns.len()],
        columns,
        ..Scope::default()
    });
    let targets = binder.all_columns();
    finish(binder, RowSource::Values(bound), targets, Parts::default(), clauses)
}

impl Binder<'_> {
    /// A condition that may not have aggregates.
    pub(super) fn bind_condition(
        &mut self,
        condition: &AstExpr,
        clause: &'static str,
    ) -> Result<Expr> {
        self.aggregates_here = Aggregates::Forbidden(clause);
        let bound = self.bind(condition)?;
        self.as_boolean(bound, clause)
    }

    /// HAVING; from here on aggregates may be called.
    fn bind_having(&mut self, having: Option<&AstExpr>) -> Result<Option<Expr>> {
        self.aggregates_here = Aggregates::Allowed;
        let Some(having) = having else { return Ok(None) };
        let bound = self.bind(having)?;
        Ok(Some(self.as_boolean(bound, "HAVING")?))
    }

    /// A constant count of rows, as LIMIT and OFFSET take it.
    pub(super) fn bind_count(&mut self, expr: &AstExpr, clause: &'static str) -> Result<Expr> {
        self.aggregates_here = Aggregates::Forbidden(clause);
        let bound = self.bind(expr)?;
        let position = bound.position();
        if bound.any(&mut |part| matches!(part.node, Node::Column(_))) {
            let message = format!("argument of {clause} must not contain variables");
            return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(position));
        }
        let from = bound.ty;
        match self.coerce(bound, ColumnType::Int8.into(), Context::Assignment)? {
            Some(expr) => Ok(expr),
            None => Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "argument of {clause} must be type bigint, not type {}",
                    crate::values::type_name(base(from))
                ),
            )
            .at(position)),
        }
    }

    /// DISTINCT and DISTINCT ON.
    fn bind_distinct_clause(
        &mut self,
        distinct: Option<&AstDistinct>,
        columns: &[OutputColumn],
        targets: &mut Vec<Expr>,
        sort: &mut [crate::planned::SortKey],
    ) -> Result<Distinct> {
        match distinct {
            None | Some(AstDistinct::All) => Ok(Distinct::No),
            Some(AstDistinct::Distinct) => {
                if let Some(key) = sort.iter().find(|key| key.target >= columns.len()) {
                    let message =
                        "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                    return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
                        .at(targets[key.target].position()));
                }
                Ok(Distinct::All)
            }
            Some(AstDistinct::On(exprs)) => {
                self.aggregates_here = Aggregates::Allowed;
                let mut on = Vec::with_capacity(exprs.len());
                for expr in exprs {
                    let target = self.target_for(expr, "DISTINCT ON", columns, targets)?;
                    if !on.contains(&target) {
                        on.push(target);
                    }
                }
                let leading = sort.iter().take(on.len());
                if leading.clone().any(|key| !on.contains(&key.target)) {
                    let message =
                        "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
                    return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
                }
                Ok(Distinct::On(on))
            }
        }
    }
}
