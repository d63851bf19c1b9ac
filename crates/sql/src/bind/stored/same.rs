//! Whether two queries do the same.

use types::ColumnType;

use crate::expr::Expr;
use crate::expr::deparse::deparse;
use crate::planned::{Query, RowSource};

/// Whether two queries do the same, whatever their columns are called. Expressions are compared as
/// text: a NaN is not equal to itself.
pub(super) fn same(a: &Query, b: &Query) -> bool {
    let source = match (&a.source, &b.source) {
        (RowSource::One, RowSource::One)
        | (RowSource::Values(_), RowSource::Values(_))
        | (RowSource::Series { .. }, RowSource::Series { .. }) => true,
        (RowSource::Table(a), RowSource::Table(b)) => a.table.oid == b.table.oid,
        (RowSource::Query(a), RowSource::Query(b)) => same(&a.query, &b.query),
        _ => false,
    };
    let rest = |query: &Query| {
        let types: Vec<ColumnType> = query.columns.iter().map(|column| column.ty).collect();
        let grouping = query.grouping.as_ref();
        let calls = grouping.iter().flat_map(|grouping| &grouping.aggregates);
        let calls: Vec<_> = calls.map(|call| (call.kind, call.distinct, call.ty)).collect();
        (types, grouping.map(|grouping| grouping.grouped), calls)
    };
    source
        && rest(a) == rest(b)
        && (&a.distinct, &a.sort) == (&b.distinct, &b.sort)
        && parts(a) == parts(b)
}

/// The expressions of a query as text, each with what it is for.
fn parts(query: &Query) -> Vec<(&'static str, ColumnType, String)> {
    let mut exprs: Vec<(&'static str, &Expr)> = Vec::new();
    match &query.source {
        RowSource::Values(rows) => exprs.extend(rows.iter().flatten().map(|e| ("values", e))),
        RowSource::Series { start, stop, step, ty: _ } => {
            exprs.extend([start, stop, step].map(|e| ("series", e)));
        }
        _ => {}
    }
    if let Some(grouping) = &query.grouping {
        exprs.extend(grouping.keys.iter().map(|e| ("key", e)));
        exprs.extend(grouping.having.iter().map(|e| ("having", e)));
        for call in &grouping.aggregates {
            exprs.extend(call.arg.iter().map(|e| ("call", e)));
            exprs.extend(call.filter.iter().map(|e| ("call filter", e)));
        }
    }
    exprs.extend(query.filter.iter().map(|e| ("filter", e)));
    exprs.extend(query.targets.iter().map(|e| ("target", e)));
    exprs.extend(query.limit.iter().map(|e| ("limit", e)));
    exprs.extend(query.offset.iter().map(|e| ("offset", e)));
    let numbered: Vec<String> = (0..catalog::COLUMNS_MAX + 8).map(|n| format!("${n}")).collect();
    exprs.into_iter().map(|(what, expr)| (what, expr.ty, deparse(expr, &numbered))).collect()
}
