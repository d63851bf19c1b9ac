//! Estimates for EXPLAIN, with PostgreSQL's default constants.

use catalog::Counted;
use types::ColumnType;

use crate::expr::{Expr, Node};

const SEQ_PAGE_COST: f64 = 1.0;
const CPU_TUPLE_COST: f64 = 0.01;
const CPU_OPERATOR_COST: f64 = 0.0025;
/// Bytes of a row version besides its values: header and line pointer.
const TUPLE_OVERHEAD: u32 = 32 + 4;
const PAGE_USABLE: u32 = types::PAGE_SIZE as u32 - 32;

/// The average width of a value of a type, in bytes.
pub(super) fn width(ty: ColumnType) -> u32 {
    match ty {
        ColumnType::Bool => 1,
        ColumnType::Int2 => 2,
        ColumnType::Int4 | ColumnType::Float4 | ColumnType::Date | ColumnType::Oid => 4,
        ColumnType::Int8
        | ColumnType::Float8
        | ColumnType::Timestamp
        | ColumnType::Timestamptz
        | ColumnType::PgLsn => 8,
        ColumnType::Bpchar(length) if length > 0 => length + 2,
        ColumnType::Varchar(Some(limit)) if limit < 32 => limit + 2,
        ColumnType::Numeric
        | ColumnType::Text
        | ColumnType::Varchar(_)
        | ColumnType::Bpchar(_)
        | ColumnType::Bytea
        | ColumnType::Unknown => 32,
    }
}

/// How many rows so many pages hold: as densely as when they were counted last, or, if they never
/// were, as many of that width as fit.
pub(super) fn tuples(counted: Counted, pages: u32, width: u32) -> f64 {
    if counted.tuples >= 0.0 && counted.pages > 0 {
        return (f64::from(counted.tuples) / f64::from(counted.pages) * f64::from(pages)).round();
    }
    let per_page = (PAGE_USABLE / (TUPLE_OVERHEAD + width)).max(1);
    f64::from(pages) * f64::from(per_page)
}

/// The cost of reading a table and computing so many operators for each row.
pub(super) fn scan(pages: u32, tuples: f64, operators: usize) -> f64 {
    SEQ_PAGE_COST * f64::from(pages)
        + tuples * (CPU_TUPLE_COST + CPU_OPERATOR_COST * operators as f64)
}

/// The cost of sorting so many rows, besides reading them.
pub(super) fn sort(rows: f64) -> f64 {
    let rows = rows.max(2.0);
    2.0 * CPU_OPERATOR_COST * rows * rows.log2()
}

/// How many operators and functions an expression has.
pub(super) fn operators(expr: &Expr) -> usize {
    let own = matches!(
        expr.node,
        Node::Call { .. } | Node::InList { .. } | Node::Distinct { .. } | Node::Convert { .. }
    );
    let mut count = usize::from(own);
    expr.for_each_child(&mut |child| count += operators(child));
    count
}
