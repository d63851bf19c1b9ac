//! Runs a query: source, filter, groups, and the rest in `collect`.

use super::collect::Collector;
use super::group::Groups;
use super::{Execution, Sink, scan};
use crate::error::{Error, Result};
use crate::planned::{First, Query, RowSource};
use crate::storage::Flow;

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
    let passes = |row: &[types::Datum]| {
        let passes = match &query.filter {
            Some(filter) => evaluator.is_true(filter, row)?,
            None => true,
        };
        let counter = if passes { &counts.passed } else { &counts.removed };
        counter.set(counter.get() + 1);
        Ok::<bool, crate::error::Error>(passes)
    };
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
