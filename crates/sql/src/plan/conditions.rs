//! Which conditions of a WHERE an index can look up.
//!
//! ```text
//! index on (a, b, c)      WHERE a = 1 AND b IN (2, 3) AND c > 4 AND c < 9 AND d = 5
//!                               '---' '-------------' '-------------' '-----'
//!                               equal: one after the other    |      left over
//!                                                      bounds of the next column
//! ```
//!
//! The leading columns of the index that a value is known for come first, then bounds of the column
//! behind them. The value may be anything that needs no row and is the same for all rows. What an
//! index looks up exactly needs no second look; a LIKE is also bounded, and stays with what is left.

use access::btree::KeyColumn;
use catalog::{IndexColumn, IndexDef};
use types::{ColumnType, Datum};

use crate::expr::like;
use crate::expr::{Expr, FunctionRef, Node};
use crate::functions::{self, Volatility};
use crate::values::names::base;

/// What a leading column of an index must be.
#[derive(Debug, Clone)]
pub(crate) enum Equal {
    /// This value.
    Value(Expr),
    /// One of these.
    AnyOf(Vec<Expr>),
    /// NULL
    Null,
}

/// A bound of the column behind the leading ones.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    /// The value.
    pub value: Expr,
    /// Whether it bounds from below.
    pub lower: bool,
    /// Whether the value itself is in.
    pub inclusive: bool,
}

/// What an index looks up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matched {
    /// The leading columns.
    pub equal: Vec<Equal>,
    /// The column behind them.
    pub limits: Vec<Limit>,
    /// Whether that column must not be NULL.
    pub not_null: bool,
    /// The conditions that are looked up, as EXPLAIN shows them.
    pub looked_up: Vec<Expr>,
    /// The conditions that are left.
    pub left: Vec<Expr>,
}

impl Matched {
    /// Whether it bounds anything.
    pub(crate) fn bounds(&self) -> bool {
        !self.equal.is_empty() || !self.limits.is_empty() || self.not_null
    }
}

/// The conditions that must all be true.
pub(crate) fn parts_of(filter: Option<&Expr>) -> Vec<Expr> {
    match filter.map(|filter| &filter.node) {
        None => Vec::new(),
        Some(Node::And(parts)) => parts.iter().flat_map(|part| parts_of(Some(part))).collect(),
        Some(_) => filter.into_iter().cloned().collect(),
    }
}

/// The conditions as one.
pub(crate) fn all(mut parts: Vec<Expr>) -> Option<Expr> {
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(Expr::new(Node::And(parts), ColumnType::Bool)),
    }
}

/// How the columns of an index are ordered.
pub(crate) fn key_columns(index: &IndexDef) -> Vec<KeyColumn> {
    let column = |column: &IndexColumn| KeyColumn {
        ty: column.ty,
        descending: column.descending,
        nulls_first: column.nulls_first,
    };
    index.columns.iter().map(column).collect()
}

/// Whether an operator that takes arguments of type `arg` orders values as an index of `ty` does.
fn same_order(ty: ColumnType, arg: ColumnType) -> bool {
    let plain = |ty| match base(ty) {
        ColumnType::Varchar(_) => ColumnType::Text,
        other => other,
    };
    plain(ty) == plain(arg)
}

/// Whether an expression has one value for all rows.
fn is_fixed(expr: &Expr) -> bool {
    !expr.any(&mut |part| match &part.node {
        Node::Column(_) | Node::Aggregate(_) => true,
        Node::Call { function, .. } => function.0.volatility == Volatility::Volatile,
        _ => false,
    })
}

fn is_column(expr: &Expr, column: &IndexColumn) -> bool {
    matches!(expr.node, Node::Column(index) if index == column.column)
        && same_order(column.ty, expr.ty)
}

/// What a condition says of a column.
enum Says {
    Equal(Equal),
    Limits(Vec<Limit>),
    NotNull,
}

/// What `part` says of a column, if an index can look that up.
fn says(part: &Expr, column: &IndexColumn) -> Option<Says> {
    match &part.node {
        Node::Call { function, args } => match args.as_slice() {
            [left, right] if is_column(left, column) && is_fixed(right) => {
                compared(function, right, false)
            }
            [left, right] if is_column(right, column) && is_fixed(left) => {
                compared(function, left, true)
            }
            _ => None,
        },
        Node::InList { equal: _, left, list, negated: false }
            if is_column(left, column) && list.iter().all(is_fixed) =>
        {
            Some(Says::Equal(Equal::AnyOf(list.clone())))
        }
        Node::IsNull { arg, negated } if is_column(arg, column) => {
            Some(if *negated { Says::NotNull } else { Says::Equal(Equal::Null) })
        }
        _ => None,
    }
}

fn compared(function: &FunctionRef, value: &Expr, commuted: bool) -> Option<Says> {
    let same = function.0.args.first().zip(function.0.args.get(1));
    if same.is_none_or(|(a, b)| a != b) {
        return None;
    }
    let (lower, inclusive) = match function.0.name {
        "=" => return Some(Says::Equal(Equal::Value(value.clone()))),
        ">" => (true, false),
        ">=" => (true, true),
        "<" => (false, false),
        "<=" => (false, true),
        _ => return None,
    };
    Some(Says::Limits(vec![Limit { value: value.clone(), lower: lower != commuted, inclusive }]))
}

/// The operator of that name on texts.
fn text_operator(name: &str, column: &Expr, value: &str) -> Option<Expr> {
    let args = [ColumnType::Text; 2];
    let function = functions::named(name).iter().find(|function| function.args == args)?;
    let value = Expr::constant(Datum::Text(value.to_owned()), ColumnType::Text);
    let node = Node::Call { function: FunctionRef(function), args: vec![column.clone(), value] };
    Some(Expr::new(node, ColumnType::Bool))
}

/// The comparisons that follow from `column LIKE 'abc%'`.
pub(crate) fn bounds_of_like(part: &Expr, column: &IndexColumn) -> Option<Vec<Expr>> {
    let Node::Call { function, args } = &part.node else { return None };
    let ([left, right], "~~") = (args.as_slice(), function.0.name) else { return None };
    let Some(Datum::Text(pattern)) = right.as_const() else { return None };
    if !is_column(left, column) {
        return None;
    }
    let (prefix, whole) = like::prefix(pattern)?;
    if whole {
        return Some(vec![text_operator("=", left, &prefix)?]);
    }
    if prefix.is_empty() {
        return None;
    }
    let mut bounds = vec![text_operator(">=", left, &prefix)?];
    if let Some(end) = like::behind(&prefix) {
        bounds.push(text_operator("<", left, &end)?);
    }
    Some(bounds)
}

/// Whether a condition is a LIKE whose pattern is a parameter: with the pattern itself it might be
/// looked up.
pub(crate) fn is_open_like(part: &Expr, index: &IndexDef) -> bool {
    let Node::Call { function, args } = &part.node else { return false };
    let ([left, right], "~~") = (args.as_slice(), function.0.name) else { return false };
    right.any(&mut |part| matches!(part.node, Node::Param(_)))
        && index.columns.iter().any(|column| is_column(left, column))
}

/// What of the conditions an index can look up.
pub(crate) fn matched(parts: &[Expr], index: &IndexDef) -> Matched {
    let mut found = Matched { left: parts.to_vec(), ..Matched::default() };
    let mut listed = false;
    for column in &index.columns {
        let equal =
            found.left.iter().enumerate().find_map(|(place, part)| match says(part, column) {
                Some(Says::Equal(Equal::AnyOf(_))) if listed => None,
                Some(Says::Equal(equal)) => Some((place, equal)),
                _ => None,
            });
        if let Some((place, equal)) = equal {
            listed |= matches!(equal, Equal::AnyOf(_));
            found.equal.push(equal);
            let part = found.left.remove(place);
            found.looked_up.push(part);
            continue;
        }
        if let Some((prefix, exact)) = exact_like(&found.left, column) {
            found.looked_up.push(exact);
            found.equal.push(Equal::Value(prefix));
            continue;
        }
        bound(&mut found, column);
        break;
    }
    found
}

/// The value and the comparison of a LIKE without wildcards.
fn exact_like(parts: &[Expr], column: &IndexColumn) -> Option<(Expr, Expr)> {
    parts.iter().find_map(|part| {
        let [exact] = <[Expr; 1]>::try_from(bounds_of_like(part, column)?).ok()?;
        match says(&exact, column)? {
            Says::Equal(Equal::Value(value)) => Some((value, exact)),
            _ => None,
        }
    })
}

/// Takes what bounds a column.
fn bound(found: &mut Matched, column: &IndexColumn) {
    let mut left = Vec::with_capacity(found.left.len());
    for part in std::mem::take(&mut found.left) {
        match says(&part, column) {
            Some(Says::Limits(limits)) => {
                found.limits.extend(limits);
                found.looked_up.push(part);
            }
            Some(Says::NotNull) => {
                found.not_null = true;
                found.looked_up.push(part);
            }
            _ => {
                for exact in bounds_of_like(&part, column).unwrap_or_default() {
                    if let Some(Says::Limits(limits)) = says(&exact, column) {
                        found.limits.extend(limits);
                        found.looked_up.push(exact);
                    }
                }
                left.push(part);
            }
        }
    }
    found.left = left;
}
