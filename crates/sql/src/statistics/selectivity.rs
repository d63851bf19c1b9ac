//! Which share of a table's rows a condition is expected to let through.
//!
//! | condition | estimate |
//! |---|---|
//! | column = value | its share if it is common; else what the others leave, by the number of others |
//! | column < value, … | common values that satisfy it, and the part of the histogram before it |
//! | two bounds of one column, ANDed | what lies between: the shares added, less the whole |
//! | column IN (…) | the sum of the equalities |
//! | column IS NULL | the share of NULLs |
//! | column LIKE 'abc%…' | common values that match; of the histogram what begins so, times a guess for the rest |
//! | AND, OR, NOT | as if the parts were independent |
//!
//! A value that is not known yet (a parameter) is taken for an average one. Without statistics the
//! guesses are PostgreSQL's.

use std::cmp::Ordering;

use types::{ColumnType, Datum};

use super::{ColumnStatistics, pattern, scale};
use crate::expr::{Conversion, Expr, Node, like};
use crate::values::compare::{order, ordering_of};

/// The share of `=` without statistics: as if there were 200 distinct values.
const EQUAL: f64 = 0.005;
/// The share of `<` and the like.
const LESS: f64 = 1.0 / 3.0;
/// The share of two bounds of one column.
const RANGE: f64 = 0.005;
/// The share of a pattern.
const MATCH: f64 = 0.005;
/// The share of IS NULL.
const NULL: f64 = 0.005;
/// The share of a condition that nothing is known of.
const OTHER: f64 = 0.5;
/// The least that a range is estimated to let through.
const LEAST: f64 = 1.0e-10;

/// What is known of a table.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Its rows.
    pub rows: f64,
    /// The statistics of its columns; fewer than there are columns: none of those.
    pub columns: &'a [Option<ColumnStatistics>],
    /// The columns in which no value comes twice.
    pub unique: &'a [usize],
}

impl<'a> Known<'a> {
    fn of(&self, column: usize) -> Option<&'a ColumnStatistics> {
        self.columns.get(column)?.as_ref()
    }
}

/// A comparison of a column with a value.
#[derive(Clone, Copy)]
struct Comparison<'e> {
    column: usize,
    ty: ColumnType,
    operator: &'static str,
    /// `None`: not known yet.
    value: Option<&'e Datum>,
}

/// The share of the rows that satisfies a condition.
pub(crate) fn selectivity(condition: &Expr, known: Known<'_>) -> f64 {
    let share = match &condition.node {
        Node::Const(Datum::Bool(true)) => 1.0,
        Node::Const(Datum::Bool(false) | Datum::Null) => 0.0,
        Node::And(parts) => all_of(parts, known),
        Node::Or(parts) => {
            1.0 - parts.iter().map(|part| 1.0 - selectivity(part, known)).product::<f64>()
        }
        Node::Not(part) => 1.0 - selectivity(part, known),
        Node::IsNull { arg, negated } => {
            let nulls = column(arg).and_then(|(column, _)| known.of(column));
            let share = nulls.map_or(NULL, |statistics| statistics.null_fraction);
            if *negated { 1.0 - share } else { share }
        }
        Node::InList { left, list, negated, .. } => {
            let share: f64 = list.iter().map(|item| one_of_list(left, item, known)).sum();
            let share = share.min(1.0);
            if *negated { (1.0 - share - nulls_of(left, known)).max(0.0) } else { share }
        }
        Node::Column(at) => boolean(*at, known),
        Node::Call { function, args } => call(function.0.name, args, known),
        _ => OTHER,
    };
    if share.is_nan() { OTHER } else { share.clamp(0.0, 1.0) }
}

/// AND: pairs of bounds of one column go together, the rest is independent.
fn all_of(parts: &[Expr], known: Known<'_>) -> f64 {
    let mut share = 1.0;
    // Of a column: the share below its upper bound, and above its lower one.
    let mut ranges: Vec<(usize, Option<f64>, Option<f64>)> = Vec::new();
    for part in parts {
        let own = selectivity(part, known);
        let Some(bound) = comparison(part).filter(|bound| is_range(bound.operator)) else {
            share *= own;
            continue;
        };
        let at = ranges.iter().position(|(column, ..)| *column == bound.column);
        let at = at.unwrap_or_else(|| {
            ranges.push((bound.column, None, None));
            ranges.len() - 1
        });
        let upper = bound.operator.starts_with('<');
        let side = if upper { &mut ranges[at].1 } else { &mut ranges[at].2 };
        *side = Some(side.map_or(own, |other: f64| other.min(own)));
    }
    for (column, below, above) in ranges {
        share *= match (below, above) {
            (Some(below), Some(above)) => between(column, below, above, known),
            (one, other) => one.or(other).unwrap_or(1.0),
        };
    }
    share
}

fn between(column: usize, below: f64, above: f64, known: Known<'_>) -> f64 {
    let Some(statistics) = known.of(column) else { return RANGE };
    let share = below + above - 1.0 + statistics.null_fraction;
    share.max(LEAST)
}

fn is_range(operator: &str) -> bool {
    matches!(operator, "<" | "<=" | ">" | ">=")
}

/// The column that an expression is, perhaps in another type with the same order.
fn column(expr: &Expr) -> Option<(usize, ColumnType)> {
    match &expr.node {
        Node::Column(at) => Some((*at, expr.ty)),
        Node::Convert { conversion: Conversion::Value | Conversion::Length { .. }, arg } => {
            column(arg)
        }
        _ => None,
    }
}

/// Whether an expression has one value for all rows: known (`Some`), or only when it is executed.
fn value(expr: &Expr) -> Option<Option<&Datum>> {
    match &expr.node {
        Node::Const(value) => Some(Some(value)),
        _ => (!expr.any(&mut |part| matches!(part.node, Node::Column(_)))).then_some(None),
    }
}

/// The operators that are estimated.
const OPERATORS: [&str; 10] = ["=", "<>", "<", "<=", ">", ">=", "~~", "!~~", "~~*", "!~~*"];

/// The comparison of a column with a value that an expression is.
fn comparison(expr: &Expr) -> Option<Comparison<'_>> {
    match &expr.node {
        Node::Call { function, args } => compared(function.0.name, args),
        _ => None,
    }
}

/// A comparison of a column with a value, turned so that the column is on the left.
fn compared<'e>(name: &str, args: &'e [Expr]) -> Option<Comparison<'e>> {
    let [left, right] = args else { return None };
    let operator = OPERATORS.into_iter().find(|operator| *operator == name)?;
    if let (Some((column, ty)), Some(value)) = (column(left), value(right)) {
        return Some(Comparison { column, ty, operator, value });
    }
    let (column, ty) = column(right)?;
    let value = value(left)?;
    let operator = match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same @ ("=" | "<>") => same,
        _ => return None,
    };
    Some(Comparison { column, ty, operator, value })
}

fn call(name: &str, args: &[Expr], known: Known<'_>) -> f64 {
    if !OPERATORS.contains(&name) {
        return LESS;
    }
    let Some(comparison) = compared(name, args) else { return without_statistics(name) };
    let Some(statistics) = known.of(comparison.column) else {
        return match name {
            "=" if known.unique.contains(&comparison.column) => 1.0 / known.rows.max(1.0),
            _ => without_statistics(name),
        };
    };
    with_statistics(comparison, statistics, known)
}

fn without_statistics(operator: &str) -> f64 {
    match operator {
        "=" => EQUAL,
        "<>" => 1.0 - EQUAL,
        "~~" | "~~*" => MATCH,
        "!~~" | "!~~*" => 1.0 - MATCH,
        _ => LESS,
    }
}

fn with_statistics(
    comparison: Comparison<'_>,
    statistics: &ColumnStatistics,
    known: Known<'_>,
) -> f64 {
    let present = 1.0 - statistics.null_fraction;
    if comparison.value.is_some_and(Datum::is_null) {
        return 0.0;
    }
    match comparison.operator {
        "=" => equal(comparison, statistics, known),
        "<>" => present - equal(comparison, statistics, known),
        "~~" => matching(comparison, statistics, known),
        "!~~" => present - matching(comparison, statistics, known),
        "~~*" => MATCH,
        "!~~*" => present - MATCH,
        _ => less_or_greater(comparison, statistics),
    }
}

/// The order of two values that may be of two types of numbers; `None`: they cannot be compared.
fn compare(a: &Datum, b: &Datum, ty: ColumnType) -> Option<Ordering> {
    if std::mem::discriminant(a) == std::mem::discriminant(b) {
        return Some(ordering_of(ty)(a, b));
    }
    number(a)?.partial_cmp(&number(b)?)
}

fn number(value: &Datum) -> Option<f64> {
    use bigdecimal::ToPrimitive as _;
    match value {
        Datum::Int2(v) => Some(f64::from(*v)),
        Datum::Int4(v) => Some(f64::from(*v)),
        Datum::Int8(v) => Some(*v as f64),
        Datum::Float4(v) => Some(f64::from(*v)),
        Datum::Float8(v) => Some(*v),
        Datum::Numeric(v) => v.to_f64(),
        _ => None,
    }
}

fn equal(comparison: Comparison<'_>, statistics: &ColumnStatistics, known: Known<'_>) -> f64 {
    let distinct = statistics.distinct_of(known.rows);
    let present = 1.0 - statistics.null_fraction;
    let Some(value) = comparison.value else {
        // An average value, and none more common than the most common one.
        let share = present / distinct.unwrap_or(1.0 / EQUAL).max(1.0);
        return statistics.common.first().map_or(share, |(_, most)| share.min(*most));
    };
    let same = |other: &Datum| compare(other, value, comparison.ty).is_some_and(Ordering::is_eq);
    if let Some((_, share)) = statistics.common.iter().find(|(common, _)| same(common)) {
        return *share;
    }
    let others = distinct.unwrap_or(1.0 / EQUAL) - statistics.common.len() as f64;
    let share = (present - statistics.common_share()).max(0.0) / others.max(1.0);
    statistics.common.last().map_or(share, |(_, least)| share.min(*least))
}

fn less_or_greater(comparison: Comparison<'_>, statistics: &ColumnStatistics) -> f64 {
    let present = 1.0 - statistics.null_fraction;
    let Some(value) = comparison.value else { return LESS * present };
    let satisfies = |order: Ordering| match comparison.operator {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    };
    let mut share = 0.0;
    for (common, own) in &statistics.common {
        match compare(common, value, comparison.ty) {
            Some(order) if satisfies(order) => share += own,
            Some(_) => {}
            None => return LESS * present,
        }
    }
    let rest = (present - statistics.common_share()).max(0.0);
    let Some(before) = before(value, statistics, comparison.ty) else {
        return share + rest * LESS;
    };
    let part = if comparison.operator.starts_with('<') { before } else { 1.0 - before };
    share + rest * part
}

/// Which part of the values of the histogram lies before a value.
fn before(value: &Datum, statistics: &ColumnStatistics, ty: ColumnType) -> Option<f64> {
    let bounds = &statistics.histogram;
    let parts = bounds.len().checked_sub(1).filter(|parts| *parts > 0)?;
    compare(bounds.first()?, value, ty)?;
    let less = |bound: &Datum| compare(bound, value, ty).is_some_and(Ordering::is_lt);
    let at = bounds.partition_point(less);
    let part = match at {
        0 => 0.0,
        at if at > parts => 1.0,
        at => {
            let (low, high) = (&bounds[at - 1], &bounds[at]);
            let same_kind = std::mem::discriminant(low) == std::mem::discriminant(value);
            let within = match (number(low), number(high), number(value)) {
                (Some(low), Some(high), Some(value)) if !same_kind && high > low => {
                    ((value - low) / (high - low)).clamp(0.0, 1.0)
                }
                _ => scale::fraction(low, high, value),
            };
            ((at - 1) as f64 + within) / parts as f64
        }
    };
    // Beyond the bounds there may be something new.
    Some(part.clamp(0.0001, 0.9999))
}

fn matching(comparison: Comparison<'_>, statistics: &ColumnStatistics, known: Known<'_>) -> f64 {
    let Some(Datum::Text(text)) = comparison.value else { return MATCH };
    let pattern = pattern::split(text);
    if pattern.exact {
        let prefix = Datum::Text(pattern.prefix);
        return equal(Comparison { value: Some(&prefix), ..comparison }, statistics, known);
    }
    let matches = |value: &Datum| match value {
        Datum::Text(value) => like::matches(value, text).unwrap_or(false),
        _ => false,
    };
    let common: f64 = statistics.common.iter().filter(|(v, _)| matches(v)).map(|(_, s)| s).sum();
    let rest = (1.0 - statistics.null_fraction - statistics.common_share()).max(0.0);
    let hit = statistics.histogram.iter().filter(|bound| matches(bound)).count();
    let part = if statistics.histogram.len() >= 100 {
        // So many bounds are a sample by themselves.
        (hit as f64 / statistics.histogram.len() as f64).clamp(0.0001, 0.9999)
    } else {
        begins(&pattern.prefix, statistics, comparison.ty) * pattern.rest
    };
    common + rest * part
}

/// Which part of the values of the histogram begins with the prefix.
fn begins(prefix: &str, statistics: &ColumnStatistics, ty: ColumnType) -> f64 {
    if prefix.is_empty() {
        return 1.0;
    }
    let low = before(&Datum::Text(prefix.to_owned()), statistics, ty);
    let end = pattern::after(prefix).map(Datum::Text);
    let high = end.map_or(Some(1.0), |end| before(&end, statistics, ty));
    match (low, high) {
        (Some(low), Some(high)) => (high - low).max(LEAST),
        _ => MATCH,
    }
}

fn one_of_list(left: &Expr, item: &Expr, known: Known<'_>) -> f64 {
    let (Some((at, ty)), Some(value)) = (column(left), value(item)) else { return EQUAL };
    match known.of(at) {
        None if known.unique.contains(&at) => 1.0 / known.rows.max(1.0),
        None => EQUAL,
        Some(statistics) => {
            let comparison = Comparison { column: at, ty, operator: "=", value };
            with_statistics(comparison, statistics, known)
        }
    }
}

fn nulls_of(expr: &Expr, known: Known<'_>) -> f64 {
    let statistics = column(expr).and_then(|(column, _)| known.of(column));
    statistics.map_or(0.0, |statistics| statistics.null_fraction)
}

/// A column that is a condition by itself.
fn boolean(at: usize, known: Known<'_>) -> f64 {
    let Some(statistics) = known.of(at) else { return OTHER };
    let value = Datum::Bool(true);
    let same = |common: &Datum| order(common, &value).is_eq();
    match statistics.common.iter().find(|(common, _)| same(common)) {
        Some((_, share)) => *share,
        None => (1.0 - statistics.null_fraction - statistics.common_share()).max(0.0),
    }
}

#[cfg(test)]
mod tests;
