//! Runs a query: source, filter, groups, and the rest in `collect`.

use types::Datum;

use super::collect::Collector;
use super::group::Groups;
use super::{Counts, Execution, Sink, scan};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::expr::eval::EvalContext;
use crate::planned::{First, Query, RowSource};
use crate::storage::Flow;

/// Whether a row passes the filter; either is counted.
pub(super) fn passes_filter(
    evaluator: &EvalContext<'_>,
    counts: &Counts,
    filter: Option<&Expr>,
    row: &[Datum],
) -> Result<bool> {
    let passes = match filter {
        Some(filter) => evaluator.is_true(filter, row)?,
        None => true,
    };
    let counter = if passes { &counts.passed } else { &counts.removed };
    counter.set(counter.get() + 1);
    Ok(passes)
}

/// Runs a query and answers how many rows it showed.
pub(super) fn run<'a>(
    execution: &'a Execution<'a>,
    query: &'a Query,
    sink: &'a mut dyn Sink,
) -> Result<u64> {
    let mut collector = Collector::new(execution, query, sink)?;
    if collector.is_full() {
        return collector.finish();
    }
    let evaluator = execution.evaluator();
    let counts = &execution.counts;
    let passes = |row: &[Datum]| passes_filter(&evaluator, counts, query.filter.as_ref(), row);
    match &query.grouping {
        None if query.locking.is_some() => {
            let RowSource::Table(table) = &query.source else {
                return Err(Error::internal("rows to be locked are of no table"));
            };
            scan::each_version(execution, table, &mut |place, row| {
                if passes(row)? { collector.push_locking(place, row) } else { Ok(Flow::Continue) }
            })?;
        }
        None => scan::each_row(execution, &query.source, &mut |row| {
            if passes(row)? { collector.push(row) } else { Ok(Flow::Continue) }
        })?,
        Some(grouping) => {
            let mut groups = Groups::new(execution, grouping);
            scan::each_row(execution, &query.source, &mut |row| {
                if !passes(row)? {
                    return Ok(Flow::Continue);
                }
                groups.push(row)?;
                Ok(if query.first == First::Row { Flow::Stop } else { Flow::Continue })
            })?;
            groups.finish(&mut |row| {
                counts.groups.set(counts.groups.get() + 1);
                collector.push(row)
            })?;
        }
    }
    let shown = collector.finish()?;
    counts.shown.set(shown);
    Ok(shown)
}
