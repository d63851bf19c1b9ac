//! Choosing how to read a table: all its pages, or by one of its indexes.
//!
//! The binder says what a statement means; this says how its rows are found. For each table of a
//! plan every index is looked at: which conditions it can look up (`conditions`), whether its order
//! is the one that the statement wants, whether it holds all that is used of a row. What that costs
//! is estimated (`cost`, and `statistics` for shares of rows), and the cheapest way is taken (`path`).
//!
//! A plan that is kept for other values too is made with the values of the statement at hand in
//! mind: LIMIT 10 is one thing, LIMIT 1000000 another, and lines that look alike tend to be alike.
//!
//! Rules:
//! - A condition that an index looks up is not checked again for the rows that it finds: an entry
//!   has the values of its row. Whoever looks at another version of a row than the one found, as
//!   UPDATE does after a wait, checks everything ([`TableSource::path`] has the condition).
//! - The order of an index takes the place of a sort, or there is a sort.

pub(crate) mod conditions;
pub(crate) mod cost;
pub(crate) mod flatten;
pub(crate) mod path;

use catalog::TableKind;
use types::Datum;

use crate::error::Result;
use crate::expr::aggregate::{AggregateCall, Kind};
use crate::expr::{Expr, Node};
use crate::planned::{
    Distinct, First, Grouping, InsertSource, Plan, Query, RowSource, SortKey, TableSource,
};
use crate::session::Context;
use crate::storage::Storage;
use conditions::{all, parts_of};
use cost::Size;
use path::{Allowed, Candidate, Wish, cheapest, known_count};

/// Chooses ways to rows.
pub(crate) struct Planner<'a> {
    /// Tells how large tables and indexes are.
    pub storage: &'a dyn Storage,
    /// What may be used.
    pub allowed: Allowed,
    /// The values of the parameters in the statement at hand, as far as they are known.
    pub hints: &'a [Datum],
}

impl<'a> Planner<'a> {
    /// A planner for a session.
    pub(crate) fn of(session: &'a Context, hints: &'a [Datum]) -> Planner<'a> {
        Planner { storage: session.storage.as_ref(), allowed: session.allowed_paths(), hints }
    }

    /// Chooses for every table of a plan.
    pub(crate) fn choose(&self, plan: &mut Plan) -> Result<()> {
        match plan {
            Plan::Query(query) => self.query(query),
            Plan::Insert(insert) => match &mut insert.source {
                InsertSource::Query(query, _) => self.query(query),
                InsertSource::Values(_) => Ok(()),
            },
            Plan::Update(update) => self.change(&mut update.source, &mut update.filter),
            Plan::Delete(delete) => self.change(&mut delete.source, &mut delete.filter),
            _ => Ok(()),
        }
    }

    /// For a statement that changes the rows.
    fn change(&self, source: &mut TableSource, filter: &mut Option<Expr>) -> Result<()> {
        let parts = parts_of(filter.as_ref());
        let wish = Wish { source, parts: &parts, order: &[], limit: None, values_only: false };
        let Some(Candidate { path, left, .. }) = self.cheapest(&wish)? else { return Ok(()) };
        source.path = path;
        *filter = all(left);
        Ok(())
    }

    fn cheapest(&self, wish: &Wish<'_>) -> Result<Option<Candidate>> {
        let table = &wish.source.table;
        if table.kind == TableKind::Virtual {
            return Ok(None);
        }
        let size = Size::of(table, self.storage.pages(table)?);
        // An index whose size cannot be told is as good as one of a page; reading it will tell.
        let pages = |index: &catalog::IndexDef| self.storage.index_pages(index).unwrap_or(1);
        let usable = |index: &catalog::IndexDef| self.storage.sees_index(index).unwrap_or(false);
        let statistics = self.storage.statistics(table)?;
        let known = statistics.known(size.tuples);
        Ok(Some(cheapest(wish, (size, known), self.allowed, &pages, &usable)))
    }

    /// Chooses for the table of a query.
    pub(crate) fn query(&self, query: &mut Query) -> Result<()> {
        if let RowSource::Query(derived) = &mut query.source {
            return self.query(&mut derived.query);
        }
        let RowSource::Table(source) = &query.source else { return Ok(()) };
        let mut parts = parts_of(query.filter.as_ref());
        let extreme = query.grouping.as_ref().and_then(extreme_of);
        let order = match (&extreme, order_of(query)) {
            (Some((column, key)), _) => vec![(*column, *key)],
            (None, order) => order,
        };
        if let Some((column, _)) = extreme {
            let arg = Expr::new(Node::Column(column), source.table.columns[column].ty);
            let node = Node::IsNull { arg: Box::new(arg), negated: true };
            parts.push(Expr::new(node, types::ColumnType::Bool));
        }
        let values_only = query.locking.is_none();
        let wish = Wish {
            source,
            parts: &parts,
            order: &order,
            limit: if extreme.is_some() { Some(1.0) } else { self.limit_of(query) },
            values_only,
        };
        let Some(found) = self.cheapest(&wish)? else { return Ok(()) };
        if extreme.is_some() && !found.ordered {
            // No index end has it: all rows are gone through, as the statement says.
            let parts = parts_of(query.filter.as_ref());
            let wish = Wish { source, parts: &parts, order: &[], limit: None, values_only };
            if let Some(found) = self.cheapest(&wish)? {
                take(query, found, false);
            }
            return Ok(());
        }
        if extreme.is_some() {
            query.first = First::Row;
        }
        take(query, found, !order.is_empty() && extreme.is_none());
        Ok(())
    }

    /// How many rows of the source a query needs, if it can stop early.
    fn limit_of(&self, query: &Query) -> Option<f64> {
        if query.grouping.is_some() || query.distinct != Distinct::No {
            return None;
        }
        let limit = known_count(query.limit.as_ref(), self.hints)?;
        Some(limit + known_count(query.offset.as_ref(), self.hints).unwrap_or(0.0))
    }
}

/// Writes a choice into a query.
fn take(query: &mut Query, found: Candidate, wants_order: bool) {
    let Candidate { path, left, ordered, .. } = found;
    if let RowSource::Table(source) = &mut query.source {
        source.path = path;
    }
    query.filter = all(left);
    if wants_order && ordered {
        query.sort.clear();
    }
}

/// ORDER BY as columns of the table, if it is that and nothing stands between it and the rows.
fn order_of(query: &Query) -> Vec<(usize, SortKey)> {
    if query.grouping.is_some() || query.distinct != Distinct::No {
        return Vec::new();
    }
    let column = |key: &SortKey| match query.targets[key.target].node {
        Node::Column(column) => Some((column, *key)),
        _ => None,
    };
    query.sort.iter().map(column).collect::<Option<_>>().unwrap_or_default()
}

/// The column whose least or greatest value is all that is wanted, as an order in which it comes
/// first.
fn extreme_of(grouping: &Grouping) -> Option<(usize, SortKey)> {
    let Grouping { keys, grouped: false, aggregates, having: None } = grouping else { return None };
    let [AggregateCall { kind, arg: Some(arg), distinct: _, filter: None, ty: _ }] =
        aggregates.as_slice()
    else {
        return None;
    };
    let descending = match kind {
        Kind::Min => false,
        Kind::Max => true,
        _ => return None,
    };
    let Node::Column(column) = arg.node else { return None };
    let key = SortKey { target: 0, descending, nulls_first: descending };
    keys.is_empty().then_some((column, key))
}

/// The query that reads no other.
fn innermost(mut query: &Query) -> &Query {
    while let RowSource::Query(derived) = &query.source {
        query = &derived.query;
    }
    query
}

/// Whether the plan of a statement with parameters might be better with the values themselves: a
/// LIKE with a parameter, whose pattern an index could look up.
pub(crate) fn depends_on_values(plan: &Plan) -> bool {
    let (source, filter) = match plan {
        Plan::Query(query) => match innermost(query) {
            Query { source: RowSource::Table(source), filter, .. } => (source, filter),
            _ => return false,
        },
        Plan::Update(update) => (&update.source, &update.filter),
        Plan::Delete(delete) => (&delete.source, &delete.filter),
        _ => return false,
    };
    let parts = parts_of(filter.as_ref());
    let indexes = &source.table.indexes;
    parts.iter().any(|part| indexes.iter().any(|index| conditions::is_open_like(part, index)))
}
