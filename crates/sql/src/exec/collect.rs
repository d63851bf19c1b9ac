//! The last part of a query: targets, DISTINCT, ORDER BY, OFFSET and LIMIT.
//!
//! Without ORDER BY rows pass through. With it they are held and sorted at the end; if there is a
//! LIMIT too, no more are held than twice as many as will be shown.

use std::borrow::Cow;
use std::collections::HashSet;

use smallvec::SmallVec;
use types::{Datum, Row, SqlState, TupleId};

use super::lock_rows::{Held, LockRows, carried, place_of};
use super::memory::{Memory, size_of_row};
use super::sort::sort;
use super::{Execution, Sink};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::expr::eval::EvalContext;
use crate::planned::{Distinct, Query};
use crate::storage::Flow;
use crate::values::compare::push_key;

/// What is computed of a row.
type Values<'r> = SmallVec<[Cow<'r, Datum>; 8]>;

/// Takes the rows of a query and hands on what is shown.
pub(super) struct Collector<'a> {
    query: &'a Query,
    evaluator: EvalContext<'a>,
    sink: &'a mut dyn Sink,
    /// How many rows are shown at most, and how many are left out first.
    limit: Option<u64>,
    offset: u64,
    passed: u64,
    shown: u64,
    /// Whether the sink wants no more.
    ended: bool,
    memory: Memory,
    seen: HashSet<Vec<u8>>,
    /// Rows to be sorted. Those that are to be locked carry their place as a last value.
    held: Vec<Row>,
    lock_rows: Option<LockRows<'a>>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        execution: &'a Execution<'a>,
        query: &'a Query,
        sink: &'a mut dyn Sink,
    ) -> Result<Collector<'a>> {
        let evaluator = execution.evaluator();
        let limit = bound(
            &evaluator,
            query.limit.as_ref(),
            SqlState::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE,
            "LIMIT",
        )?;
        let offset = bound(
            &evaluator,
            query.offset.as_ref(),
            SqlState::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE,
            "OFFSET",
        )?;
        Ok(Collector {
            query,
            evaluator,
            sink,
            limit,
            offset: offset.unwrap_or(0),
            passed: 0,
            shown: 0,
            ended: false,
            memory: Memory::new(execution.session.work_mem()),
            seen: HashSet::new(),
            held: Vec::new(),
            lock_rows: LockRows::of(execution, query),
        })
    }

    /// Whether no further row can be shown.
    pub(super) fn is_full(&self) -> bool {
        self.ended
            || self.limit == Some(0)
            || (self.query.sort.is_empty() && self.limit.is_some_and(|limit| self.shown >= limit))
    }

    /// Takes a row of the source, or of a group.
    pub(super) fn push(&mut self, row: &[Datum]) -> Result<Flow> {
        if self.is_full() {
            return Ok(Flow::Stop);
        }
        let values = self.targets_of(row)?;
        let sorted = !self.query.sort.is_empty();
        match &self.query.distinct {
            Distinct::No => {}
            Distinct::All => {
                if !self.is_new(0..self.query.columns.len(), &values)? {
                    return Ok(Flow::Continue);
                }
            }
            Distinct::On(targets) => {
                // With ORDER BY the first of each is found after sorting.
                if !sorted && !self.is_new(targets.iter().copied(), &values)? {
                    return Ok(Flow::Continue);
                }
            }
        }
        if sorted {
            let row: Row = values.into_iter().map(Cow::into_owned).collect();
            self.hold(row)?;
            return Ok(Flow::Continue);
        }
        self.show(&values)?;
        Ok(if self.is_full() { Flow::Stop } else { Flow::Continue })
    }

    fn targets_of<'r>(&self, row: &'r [Datum]) -> Result<Values<'r>>
    where
        'a: 'r,
    {
        let mut values = SmallVec::new();
        for target in &self.query.targets {
            values.push(self.evaluator.eval(target, row)?);
        }
        Ok(values)
    }

    /// Takes a row of the source that is to be locked before it is shown.
    pub(super) fn push_locking(&mut self, place: TupleId, row: &[Datum]) -> Result<Flow> {
        if self.is_full() {
            return Ok(Flow::Stop);
        }
        if !self.query.sort.is_empty() {
            let values = self.targets_of(row)?.into_iter().map(Cow::into_owned);
            let row: Row = values.chain([carried(place)]).collect();
            self.hold(row)?;
            return Ok(Flow::Continue);
        }
        let values = self.targets_of(row)?;
        self.show_locked(place, values)?;
        Ok(if self.is_full() { Flow::Stop } else { Flow::Continue })
    }

    /// Locks a row, and shows it as it is then.
    fn show_locked(&mut self, place: TupleId, values: Values<'_>) -> Result<()> {
        let Some(lock_rows) = &self.lock_rows else { return self.show(&values) };
        match lock_rows.lock(place)? {
            Held::AsFound => self.show(&values),
            Held::Skipped => Ok(()),
            Held::Newer(row) => {
                let mut values: SmallVec<[Cow<'_, Datum>; 8]> = SmallVec::new();
                for target in &self.query.targets {
                    values.push(self.evaluator.eval(target, &row)?);
                }
                self.show(&values)
            }
        }
    }

    /// Whether no row before had these values in these targets.
    fn is_new(
        &mut self,
        targets: impl Iterator<Item = usize>,
        values: &[Cow<'_, Datum>],
    ) -> Result<bool> {
        let mut key = Vec::new();
        for target in targets {
            push_key(&mut key, &values[target], self.query.targets[target].ty);
        }
        if self.seen.contains(&key) {
            return Ok(false);
        }
        self.memory.take(key.len() + 48)?;
        self.seen.insert(key);
        Ok(true)
    }

    fn show(&mut self, values: &[Cow<'_, Datum>]) -> Result<()> {
        self.passed += 1;
        if self.passed <= self.offset || self.limit.is_some_and(|limit| self.shown >= limit) {
            return Ok(());
        }
        self.shown += 1;
        self.ended = self.sink.row(&values[..self.query.columns.len()])? == Flow::Stop;
        Ok(())
    }

    fn hold(&mut self, row: Row) -> Result<()> {
        self.memory.take(size_of_row(&row))?;
        self.held.push(row);
        let Some(limit) = self.limit else { return Ok(()) };
        let enough = usize::try_from(limit.saturating_add(self.offset)).unwrap_or(usize::MAX);
        // Of rows that are locked some may turn out to be gone.
        let by_prefix = matches!(self.query.distinct, Distinct::On(_)) || self.lock_rows.is_some();
        if !by_prefix && self.held.len() >= enough.saturating_mul(2).saturating_add(64) {
            sort(&mut self.held, self.query)?;
            for dropped in self.held.drain(enough..) {
                self.memory.give_back(size_of_row(&dropped));
            }
        }
        Ok(())
    }

    /// Shows what was held; answers how many rows were shown in all.
    pub(super) fn finish(mut self) -> Result<u64> {
        let mut held = std::mem::take(&mut self.held);
        sort(&mut held, self.query)?;
        for row in held {
            if self.ended || self.limit.is_some_and(|limit| self.shown >= limit) {
                break;
            }
            let values: SmallVec<[Cow<'_, Datum>; 8]> = row.iter().map(Cow::Borrowed).collect();
            if self.lock_rows.is_some() {
                self.show_locked(place_of(row.last())?, values)?;
                continue;
            }
            if let Distinct::On(targets) = &self.query.distinct
                && !self.is_new(targets.iter().copied(), &values)?
            {
                continue;
            }
            self.show(&values)?;
        }
        Ok(self.shown)
    }
}

/// The value of LIMIT or OFFSET; NULL is none.
fn bound(
    evaluator: &EvalContext<'_>,
    expr: Option<&Expr>,
    code: SqlState,
    clause: &str,
) -> Result<Option<u64>> {
    let Some(expr) = expr else { return Ok(None) };
    match evaluator.value(expr, &[])? {
        Datum::Null => Ok(None),
        Datum::Int8(count) => match u64::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(Error::new(code, format!("{clause} must not be negative"))),
        },
        _ => Err(Error::internal("count of rows is no bigint")),
    }
}
