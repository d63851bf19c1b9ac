//! The ways to the rows of a table, and the cheapest of them.

use std::rc::Rc;

use access::btree::KeyColumn;
use catalog::IndexDef;
use types::Datum;

use super::conditions::{self, Equal, Limit, Matched};
use super::cost::{self, IndexWay, Size};
use crate::expr::{Expr, Node};
use crate::planned::{SortKey, TableSource};
use crate::statistics::selectivity::{Known, selectivity};

/// A way to the rows of a table.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    /// By an index; none: all pages in order.
    pub index: Option<Box<IndexPath>>,
    /// How many rows are expected.
    pub rows: f64,
    /// The cost until the first row, and of all.
    pub cost: (f64, f64),
}

impl Path {
    /// A way that nobody has thought about: all pages in order.
    pub(crate) const fn unplanned() -> Path {
        Path { index: None, rows: 0.0, cost: (0.0, 0.0) }
    }
}

/// A way by an index.
#[derive(Debug, Clone)]
pub(crate) struct IndexPath {
    /// The index.
    pub index: Rc<IndexDef>,
    /// How its columns are ordered.
    pub columns: Vec<KeyColumn>,
    /// What its leading columns equal.
    pub equal: Vec<Equal>,
    /// Bounds of the column behind them.
    pub limits: Vec<Limit>,
    /// Whether that column must not be NULL.
    pub not_null: bool,
    /// Whether it is read from its end.
    pub backward: bool,
    /// Whether rows that everybody sees need not be read: the index has all that is used of them.
    pub only: bool,
    /// The conditions that it looks up.
    pub condition: Option<Expr>,
}

/// What a way to rows is wanted for.
pub(crate) struct Wish<'a> {
    /// The table.
    pub source: &'a TableSource,
    /// The conditions of WHERE.
    pub parts: &'a [Expr],
    /// The order that the rows are to have, by columns of the table; empty: none, or none that a
    /// table's index could have.
    pub order: &'a [(usize, SortKey)],
    /// How many rows will be taken, if that is known to be few.
    pub limit: Option<f64>,
    /// Whether values are all that is wanted of a row: it is not to be locked or changed.
    pub values_only: bool,
}

/// What the planner may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allowed {
    /// `enable_seqscan`
    pub sequential: bool,
    /// `enable_indexscan`
    pub index: bool,
    /// `enable_indexonlyscan`
    pub index_only: bool,
    /// `enable_sort`
    pub sort: bool,
}

/// A way that was looked at.
pub(crate) struct Candidate {
    pub path: Path,
    /// The conditions that are left to be checked.
    pub left: Vec<Expr>,
    /// Whether it has the order that was wished for.
    pub ordered: bool,
    /// What it costs to get the rows wanted in the order wanted.
    total: f64,
}

/// Looks at all ways and answers the cheapest. `pages` tells the pages of an index, `usable` whether
/// it may be read.
pub(crate) fn cheapest(
    wish: &Wish<'_>,
    (size, known): (Size, Known<'_>),
    allowed: Allowed,
    pages: &dyn Fn(&IndexDef) -> u32,
    usable: &dyn Fn(&IndexDef) -> bool,
) -> Candidate {
    let table = &wish.source.table;
    let mut best = sequential(wish, known, size, allowed);
    for index in table.indexes.iter().filter(|index| usable(index)) {
        let matched = conditions::matched(wish.parts, index);
        let order = ordered_by(wish.order, index, &matched);
        let only = wish.values_only && allowed.index_only && holds_all(index, wish.source);
        if !matched.bounds() && order.is_none() && !only {
            continue;
        }
        let found = by_index(wish, known, size, allowed, index, matched, order, pages(index), only);
        if found.total < best.total {
            best = found;
        }
    }
    best
}

/// What it costs to get as many rows as are wanted, in order.
fn total(wish: &Wish<'_>, path: &Path, ordered: bool, allowed: Allowed) -> f64 {
    let (start, all) = path.cost;
    let sorts = !wish.order.is_empty() && !ordered;
    if sorts {
        let forbidden = if allowed.sort { 0.0 } else { cost::DISABLED };
        return all + cost::sort(path.rows) + forbidden;
    }
    match wish.limit {
        Some(limit) if limit < path.rows => start + (all - start) * limit / path.rows.max(1.0),
        _ => all,
    }
}

fn sequential(wish: &Wish<'_>, known: Known<'_>, size: Size, allowed: Allowed) -> Candidate {
    let operators = wish.parts.iter().map(cost::operators).sum();
    let all = cost::scan(size, operators);
    let rows = (size.tuples * share_of(wish.parts, known)).max(1.0);
    let path = Path { index: None, rows, cost: (0.0, all) };
    let forbidden = if allowed.sequential { 0.0 } else { cost::DISABLED };
    let total = total(wish, &path, false, allowed) + forbidden;
    Candidate { path, left: wish.parts.to_vec(), ordered: wish.order.is_empty(), total }
}

#[expect(clippy::too_many_arguments, reason = "what was found out about one index")]
fn by_index(
    wish: &Wish<'_>,
    known: Known<'_>,
    size: Size,
    allowed: Allowed,
    index: &Rc<IndexDef>,
    matched: Matched,
    order: Option<bool>,
    pages: u32,
    only: bool,
) -> Candidate {
    let mut share = share_of(&matched.looked_up, known);
    let mut rows = size.tuples * share_of(wish.parts, known);
    if index.unique && matched.equal.len() == index.columns.len() {
        let keys = keys_of(&matched.equal);
        share = share.min(keys / size.tuples.max(1.0));
        rows = rows.min(keys);
    }
    let operators = |parts: &[Expr]| parts.iter().map(cost::operators).sum();
    let way = IndexWay {
        table: size,
        pages,
        share,
        ranges: keys_of(&matched.equal),
        operators: (operators(&matched.looked_up), operators(&matched.left)),
        only,
    };
    let path = IndexPath {
        index: Rc::clone(index),
        columns: conditions::key_columns(index),
        equal: matched.equal,
        limits: matched.limits,
        not_null: matched.not_null,
        backward: order == Some(true),
        only,
        condition: conditions::all(matched.looked_up),
    };
    let path =
        Path { index: Some(Box::new(path)), rows: rows.max(1.0), cost: cost::index_scan(&way) };
    let ordered = wish.order.is_empty() || order.is_some();
    let forbidden = if allowed.index { 0.0 } else { cost::DISABLED };
    let total = total(wish, &path, ordered, allowed) + forbidden;
    Candidate { path, left: matched.left, ordered, total }
}

/// Whether an index has all that is used of a row.
fn holds_all(index: &IndexDef, source: &TableSource) -> bool {
    let holds = |column| index.columns.iter().any(|indexed| indexed.column == column);
    let mut used = source.wanted.iter().enumerate().filter(|(_, wanted)| **wanted);
    !source.system && used.all(|(column, _)| holds(column))
}

/// The share of rows that satisfies all of some conditions.
fn share_of(parts: &[Expr], known: Known<'_>) -> f64 {
    conditions::all(parts.to_vec()).map_or(1.0, |all| selectivity(&all, known))
}

/// How many keys the leading columns have.
fn keys_of(equal: &[Equal]) -> f64 {
    let count = |equal: &Equal| match equal {
        Equal::AnyOf(list) => list.len() as f64,
        Equal::Value(_) | Equal::Null => 1.0,
    };
    equal.iter().map(count).product()
}

/// Whether an index has the order that is wished for, and whether from its end.
fn ordered_by(order: &[(usize, SortKey)], index: &IndexDef, matched: &Matched) -> Option<bool> {
    if order.is_empty() || matched.equal.iter().any(|equal| matches!(equal, Equal::AnyOf(_))) {
        return None;
    }
    let fixed: Vec<usize> =
        index.columns[..matched.equal.len()].iter().map(|column| column.column).collect();
    let mut columns = index.columns[matched.equal.len()..].iter();
    let mut direction = None;
    for (column, key) in order {
        if fixed.contains(column) {
            continue;
        }
        let next = columns.next().filter(|next| next.column == *column)?;
        let backward = next.descending != key.descending;
        if (next.nulls_first != key.nulls_first) != backward
            || direction.is_some_and(|known| known != backward)
        {
            return None;
        }
        direction = Some(backward);
    }
    Some(direction.unwrap_or(false))
}

/// The value of a LIMIT that is known.
pub(crate) fn known_count(limit: Option<&Expr>, hints: &[Datum]) -> Option<f64> {
    let value = match &limit?.node {
        Node::Const(value) => value,
        Node::Param(number) => hints.get(*number)?,
        Node::Convert { arg, .. } => return known_count(Some(arg), hints),
        _ => return None,
    };
    match value {
        Datum::Int8(count) => Some(*count as f64),
        Datum::Int4(count) => Some(f64::from(*count)),
        _ => None,
    }
}
