//! GROUP BY: one state for each aggregate of each group, groups in the order of their first row.

use std::collections::{HashMap, HashSet};

use types::{Datum, Row};

use super::Execution;
use super::memory::{Memory, size_of_row};
use crate::error::Result;
use crate::expr::aggregate::State;
use crate::expr::eval::EvalContext;
use crate::planned::Grouping;
use crate::storage::Flow;
use crate::values::compare::push_key;

struct Group {
    keys: Row,
    states: Vec<State>,
    /// For each aggregate with DISTINCT: the values seen.
    seen: Vec<HashSet<Vec<u8>>>,
}

/// The groups of a query.
pub(super) struct Groups<'a> {
    grouping: &'a Grouping,
    evaluator: EvalContext<'a>,
    groups: Vec<Group>,
    index: HashMap<Vec<u8>, usize>,
    key: Vec<u8>,
    memory: Memory,
}

impl<'a> Groups<'a> {
    pub(super) fn new(execution: &Execution<'a>, grouping: &'a Grouping) -> Groups<'a> {
        Groups {
            grouping,
            evaluator: execution.evaluator(),
            groups: Vec::new(),
            index: HashMap::new(),
            key: Vec::new(),
            memory: Memory::new(execution.session.work_mem()),
        }
    }

    /// Takes a row into its group.
    pub(super) fn push(&mut self, row: &[Datum]) -> Result<()> {
        let place = self.group_of(row)?;
        let group = &mut self.groups[place];
        for (number, call) in self.grouping.aggregates.iter().enumerate() {
            if let Some(filter) = &call.filter
                && !self.evaluator.is_true(filter, row)?
            {
                continue;
            }
            let Some(arg) = &call.arg else {
                group.states[number].add(call, &Datum::Null)?;
                continue;
            };
            let value = self.evaluator.eval(arg, row)?;
            if value.is_null() {
                continue;
            }
            if call.distinct {
                let mut key = Vec::new();
                push_key(&mut key, &value, arg.ty);
                if group.seen[number].contains(&key) {
                    continue;
                }
                self.memory.take(key.len() + 48)?;
                group.seen[number].insert(key);
            }
            group.states[number].add(call, &value)?;
        }
        Ok(())
    }

    fn group_of(&mut self, row: &[Datum]) -> Result<usize> {
        if self.grouping.keys.is_empty() && !self.groups.is_empty() {
            return Ok(0);
        }
        self.key.clear();
        for expr in &self.grouping.keys {
            push_key(&mut self.key, self.evaluator.eval(expr, row)?.as_ref(), expr.ty);
        }
        if let Some(place) = self.index.get(self.key.as_slice()) {
            return Ok(*place);
        }
        let keys: Result<Row> =
            self.grouping.keys.iter().map(|expr| self.evaluator.value(expr, row)).collect();
        let key = self.key.clone();
        self.add_group(keys?, key)
    }

    fn add_group(&mut self, keys: Row, key: Vec<u8>) -> Result<usize> {
        let aggregates = &self.grouping.aggregates;
        let states = aggregates.len() * (size_of::<State>() + size_of::<HashSet<Vec<u8>>>());
        self.memory.take(size_of_row(&keys) + key.len() + states + 64)?;
        self.groups.push(Group {
            keys,
            states: aggregates.iter().map(State::new).collect(),
            seen: vec![HashSet::new(); aggregates.len()],
        });
        self.index.insert(key, self.groups.len() - 1);
        Ok(self.groups.len() - 1)
    }

    /// Hands on the row of each group that HAVING lets pass.
    pub(super) fn finish(mut self, visit: &mut dyn FnMut(&[Datum]) -> Result<Flow>) -> Result<()> {
        if self.groups.is_empty() && !self.grouping.grouped {
            self.add_group(Vec::new(), Vec::new())?;
        }
        for Group { keys, states, seen: _ } in self.groups {
            let mut row = keys;
            for (state, call) in states.into_iter().zip(&self.grouping.aggregates) {
                row.push(state.finish(call)?);
            }
            if let Some(having) = &self.grouping.having
                && !self.evaluator.is_true(having, &row)?
            {
                continue;
            }
            if visit(&row)? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }
}
