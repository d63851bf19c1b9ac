//! A query over a simple query becomes one query.
//!
//! ```text
//!  SELECT s * 2 FROM (SELECT a + b AS s FROM t WHERE a > 1) x WHERE s < 9
//!  SELECT (a + b) * 2 FROM t WHERE a > 1 AND a + b < 9
//! ```
//!
//! Simple is a query that only chooses rows and computes columns: without groups, DISTINCT, ORDER BY,
//! LIMIT, OFFSET and locks, and with no column that is volatile, since that would be computed more
//! often, or less often, than it is asked for. So what the outer query wants reaches the indexes of
//! the table, and EXPLAIN shows what PostgreSQL shows.
//!
//! What a column is computed of comes into each place where it is named: views upon views could grow
//! without bound that way. A query that would become too large stays as it is.

use super::conditions::{all, parts_of};
use crate::expr::{Expr, MAX_DEPTH, Node};
use crate::planned::{Distinct, Query, RowSource};

/// How many parts the expressions of a query may have for what is put into each other.
const PARTS_MAX: usize = 10_000;

/// The query without the one that it reads, if that is simple.
pub(crate) fn flatten(mut query: Query) -> Query {
    let RowSource::Query(derived) = &query.source else { return query };
    if !is_simple(&derived.query) || grows_too_large(&query, &derived.query) {
        return query;
    }
    let RowSource::Query(derived) = std::mem::replace(&mut query.source, RowSource::One) else {
        return query;
    };
    let inner = derived.query;
    for expr in over_rows_mut(&mut query) {
        put_in(expr, &inner.targets);
    }
    let conditions =
        parts_of(inner.filter.as_ref()).into_iter().chain(parts_of(query.filter.as_ref()));
    query.filter = all(conditions.collect());
    query.qualifier = match &inner.source {
        RowSource::Table(table) => Some(table.known_as().to_owned()),
        _ => inner.qualifier,
    };
    query.source = inner.source;
    query.names = inner.names;
    want_what_is_used(&mut query);
    query
}

fn is_simple(query: &Query) -> bool {
    query.grouping.is_none()
        && query.distinct == Distinct::No
        && query.sort.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && query.locking.is_none()
        && !query.targets.iter().any(Expr::is_volatile)
}

/// The expressions over the rows of the source.
fn over_rows(query: &Query) -> Vec<&Expr> {
    let mut exprs: Vec<&Expr> = query.filter.iter().collect();
    match &query.grouping {
        None => exprs.extend(&query.targets),
        Some(grouping) => {
            exprs.extend(&grouping.keys);
            for call in &grouping.aggregates {
                exprs.extend(call.arg.iter().chain(&call.filter));
            }
        }
    }
    exprs
}

fn over_rows_mut(query: &mut Query) -> Vec<&mut Expr> {
    let mut exprs: Vec<&mut Expr> = query.filter.iter_mut().collect();
    match &mut query.grouping {
        None => exprs.extend(&mut query.targets),
        Some(grouping) => {
            exprs.extend(&mut grouping.keys);
            for call in &mut grouping.aggregates {
                exprs.extend(call.arg.iter_mut().chain(&mut call.filter));
            }
        }
    }
    exprs
}

/// How deep an expression is, and how many parts it has.
fn measure(expr: &Expr) -> (usize, usize) {
    let (mut depth, mut parts) = (0, 1usize);
    expr.for_each_child(&mut |child| {
        let (deep, many) = measure(child);
        depth = depth.max(deep);
        parts = parts.saturating_add(many);
    });
    (depth + 1, parts)
}

fn grows_too_large(outer: &Query, inner: &Query) -> bool {
    let sizes: Vec<(usize, usize)> = inner.targets.iter().map(measure).collect();
    if sizes.iter().all(|size| *size == (1, 1)) {
        return false;
    }
    let deepest = sizes.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
    let mut parts = inner.filter.as_ref().map_or(0, |filter| measure(filter).1);
    for expr in over_rows(outer) {
        if measure(expr).0 + deepest > MAX_DEPTH {
            return true;
        }
        expr.any(&mut |part| {
            parts += match part.node {
                Node::Column(index) => sizes.get(index).map_or(1, |(_, parts)| *parts),
                _ => 1,
            };
            parts > PARTS_MAX
        });
    }
    parts > PARTS_MAX
}

/// Puts what columns are computed of into the places of the columns.
pub(crate) fn put_in(expr: &mut Expr, columns: &[Expr]) {
    if let Node::Column(index) = expr.node {
        if let Some(column) = columns.get(index) {
            *expr = Expr { at: expr.at, ..column.clone() };
        }
        return;
    }
    expr.for_each_child_mut(&mut |child| put_in(child, columns));
}

/// Says which columns of its table a query uses by now.
fn want_what_is_used(query: &mut Query) {
    let RowSource::Table(table) = &query.source else { return };
    let mut wanted = vec![false; table.table.columns.len()];
    let mut system = false;
    for expr in over_rows(query) {
        expr.any(&mut |part| {
            if let Node::Column(index) = part.node {
                match wanted.get_mut(index) {
                    Some(wanted) => *wanted = true,
                    None => system = true,
                }
            }
            false
        });
    }
    if let RowSource::Table(table) = &mut query.source {
        (table.wanted, table.system) = (wanted, system);
    }
}
