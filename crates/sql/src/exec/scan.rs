//! Where rows come from: tables, views, VALUES, series.

use catalog::TableKind;
use types::{ColumnType, Datum, Row};

use super::ranges::ranges;
use super::{Execution, OutRow, Sink};
use crate::bind::scope::SYSTEM_COLUMNS;
use crate::error::{Error, Result};
use crate::planned::{Query, RowSource, TableSource};
use crate::storage::{Flow, IndexScan, Version};
use types::TupleId;

/// Interrupts are looked for once in so many rows.
const INTERRUPT_EVERY: u32 = 256;

/// Calls for each row of a source, until told to stop.
pub(super) fn each_row(
    execution: &Execution<'_>,
    source: &RowSource,
    visit: &mut dyn FnMut(&[Datum]) -> Result<Flow>,
) -> Result<()> {
    match source {
        RowSource::One => visit(&[]).map(|_| ()),
        RowSource::Table(table) => {
            each_version(execution, table, &mut |_, row| visit(row.as_slice()))
        }
        RowSource::Values(rows) => {
            let evaluator = execution.evaluator();
            for (number, exprs) in rows.iter().enumerate() {
                check_interrupts(execution, number as u32)?;
                let row: Result<Row> =
                    exprs.iter().map(|expr| evaluator.value(expr, &[])).collect();
                if visit(&row?)? == Flow::Stop {
                    break;
                }
            }
            Ok(())
        }
        RowSource::Series { start, stop, step, ty } => {
            let evaluator = execution.evaluator();
            let bounds = [start, stop, step].map(|expr| evaluator.value(expr, &[]));
            let [start, stop, step] = bounds;
            series(execution, [start?, stop?, step?], *ty, visit)
        }
        RowSource::Query(derived) => each_derived_row(execution, &derived.query, visit),
    }
}

/// Calls for each row of a query that another one reads. It is run while it is read: nothing is kept
/// of it but what its own parts keep.
fn each_derived_row(
    execution: &Execution<'_>,
    query: &Query,
    visit: &mut dyn FnMut(&[Datum]) -> Result<Flow>,
) -> Result<()> {
    /// Hands rows to the outer query.
    struct ToOuter<'v> {
        visit: &'v mut dyn FnMut(&[Datum]) -> Result<Flow>,
        row: Row,
    }
    impl Sink for ToOuter<'_> {
        fn row(&mut self, row: &OutRow<'_>) -> Result<Flow> {
            self.row.clear();
            self.row.extend(row.iter().map(|value| value.clone().into_owned()));
            (self.visit)(&self.row)
        }
    }
    let inner = execution.for_derived();
    let done = super::query::run(&inner, query, &mut ToOuter { visit, row: Row::new() });
    *execution.counts.below.borrow_mut() = Some(Box::new(inner.counts));
    done.map(|_| ())
}

fn check_interrupts(execution: &Execution<'_>, number: u32) -> Result<()> {
    if number.is_multiple_of(INTERRUPT_EVERY) {
        execution.session.storage.check_interrupts()?;
    }
    Ok(())
}

fn series(
    execution: &Execution<'_>,
    bounds: [Datum; 3],
    ty: ColumnType,
    visit: &mut dyn FnMut(&[Datum]) -> Result<Flow>,
) -> Result<()> {
    let number = |value: &Datum| match value {
        Datum::Int4(value) => Some(i64::from(*value)),
        Datum::Int8(value) => Some(*value),
        _ => None,
    };
    let (Some(start), Some(stop), Some(step)) =
        (number(&bounds[0]), number(&bounds[1]), number(&bounds[2]))
    else {
        // A NULL among them: no rows.
        return Ok(());
    };
    if step == 0 {
        let code = types::SqlState::INVALID_PARAMETER_VALUE;
        return Err(Error::new(code, "step size cannot equal zero"));
    }
    let mut next = Some(start);
    let mut count = 0u32;
    while let Some(value) = next {
        if (step > 0 && value > stop) || (step < 0 && value < stop) {
            break;
        }
        check_interrupts(execution, count)?;
        count = count.wrapping_add(1);
        let datum = match ty {
            ColumnType::Int8 => Datum::Int8(value),
            _ => Datum::Int4(value as i32),
        };
        if visit(&[datum])? == Flow::Stop {
            break;
        }
        next = value.checked_add(step);
    }
    Ok(())
}

/// Calls for each row of a table, with its system columns behind it if the plan wants them.
pub(super) fn each_version(
    execution: &Execution<'_>,
    source: &TableSource,
    visit: &mut dyn FnMut(TupleId, &mut Row) -> Result<Flow>,
) -> Result<()> {
    let table = &source.table;
    if table.kind == TableKind::Virtual {
        return each_view_row(execution, &table.name, visit);
    }
    let width = table.columns.len();
    let oid = table.oid.0;
    let mut count = 0u32;
    let mut each = |version: Version<'_>| {
        check_interrupts(execution, count)?;
        count = count.wrapping_add(1);
        let Version { place, xmin, xmax, row } = version;
        row.truncate(width);
        if source.system {
            push_system(row, place, xmin, xmax, oid);
        }
        visit(place, row)
    };
    let storage = &execution.session.storage;
    match &source.path.index {
        None => storage.scan(table, &source.wanted, &mut each),
        Some(path) => {
            let ranges = ranges(execution, path)?;
            let (backward, only) = (path.backward, path.only);
            let scan = IndexScan { index: &path.index, ranges: &ranges, backward, only };
            let fetched = storage.index_scan(table, &scan, &source.wanted, &mut each)?;
            execution.counts.fetched.set(execution.counts.fetched.get() + fetched);
            Ok(())
        }
    }
}

/// Puts the system columns behind a row.
pub(super) fn push_system(row: &mut Row, place: TupleId, xmin: u64, xmax: u64, oid: u32) {
    const _: () = assert!(SYSTEM_COLUMNS.len() == 4);
    let xid = |xid: u64| Datum::Int8(i64::try_from(xid).unwrap_or(i64::MAX));
    row.push(Datum::Text(place.to_string()));
    row.push(xid(xmin));
    row.push(xid(xmax));
    row.push(Datum::Oid(oid));
}

fn each_view_row(
    execution: &Execution<'_>,
    name: &str,
    visit: &mut dyn FnMut(TupleId, &mut Row) -> Result<Flow>,
) -> Result<()> {
    let rows = execution.session.view_rows(name)?;
    let nowhere = TupleId { block: 0, offset: 0 };
    for mut row in rows {
        if visit(nowhere, &mut row)? == Flow::Stop {
            break;
        }
    }
    Ok(())
}
