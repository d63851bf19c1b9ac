//! Running plans that are kept, with the literals of a line as their parameters.

use std::rc::Rc;

use smallvec::SmallVec;
use types::{ColumnType, Datum};

use super::Session;
use super::cache::{Entry, KeptPlan};
use super::literals::{self, Literal};
use super::statements::plan;
use super::tables::still_stands;
use super::transaction::Block;
use crate::bind::Parameters;
use crate::error::{Error, Result};
use crate::exec::Tag;
use crate::output::Output;
use crate::parse::parse_with_parameters;
use crate::plan::depends_on_values;
use crate::values::{self, numeric};

/// The literals of a line as the values of parameters.
type Values = SmallVec<[Datum; 4]>;

/// How to keep the plan of a line that goes the long way.
#[derive(Clone, Copy)]
pub(super) enum Keep<'a> {
    /// Not at all.
    Nothing,
    /// Under this key: it depends on no literal, or the key has them in it.
    Plan(&'a str),
    /// Note that there was such a line.
    Note(&'a str),
    /// A plan with parameters for the literals.
    WithParameters { key: &'a str, line: &'a str, literals: &'a [Literal<'a>] },
}

impl Session {
    /// Executes a line: by a kept plan if there is one, else the long way.
    pub(super) fn execute_by_key(&mut self, line: &str, out: &mut dyn Output) -> Result<()> {
        if self.block == Block::Failed {
            return self.execute_parsed(line, Keep::Nothing, out);
        }
        let mut key = std::mem::take(&mut self.key);
        let taken = literals::take(line, &mut key);
        let done = match &taken {
            Some(literals) if literals.is_empty() => self.execute_whole(&key, line, out),
            Some(literals) => self.execute_with(&key, line, literals, out),
            None if literals::is_own_key(line) => self.execute_whole(line, line, out),
            None => self.execute_parsed(line, Keep::Nothing, out),
        };
        self.key = key;
        done
    }

    /// A line whose key has no literals taken out.
    fn execute_whole(&mut self, key: &str, line: &str, out: &mut dyn Output) -> Result<()> {
        match self.cache.get(key) {
            Some(Entry::Plan(plan)) => self.run_kept(key, line, &plan, &[], out),
            _ => self.execute_parsed(line, Keep::Plan(key), out),
        }
    }

    fn execute_with(
        &mut self,
        key: &str,
        line: &str,
        literals: &[Literal<'_>],
        out: &mut dyn Output,
    ) -> Result<()> {
        match self.cache.get(key) {
            Some(Entry::Plan(plan)) => match self.literal_values(literals, &plan.types) {
                Some(params) => self.run_kept(key, line, &plan, &params, out),
                // A literal that does not fit its place: the long way says which, and where.
                None => self.execute_parsed(line, Keep::Nothing, out),
            },
            Some(Entry::Execute(name)) => {
                let types = self.prepared_types(&name);
                let params = types.and_then(|types| self.literal_values(literals, types));
                match params {
                    Some(params) => self.run_alone(out, |session, out| {
                        let plan = session.current_plan(&name)?;
                        session.run_plan(&plan.plan, &params, out)
                    }),
                    None => self.execute_parsed(line, Keep::Nothing, out),
                }
            }
            Some(Entry::Seen) => {
                let keep = Keep::WithParameters { key, line, literals };
                self.execute_parsed(line, keep, out)
            }
            Some(Entry::Unfit) if literals::is_own_key(line) => self.execute_whole(line, line, out),
            Some(Entry::Unfit) => self.execute_parsed(line, Keep::Nothing, out),
            None => self.execute_parsed(line, Keep::Note(key), out),
        }
    }

    /// The literals as values of these types; `None` if they do not fit.
    fn literal_values(&self, literals: &[Literal<'_>], types: &[ColumnType]) -> Option<Values> {
        if literals.len() != types.len() {
            return None;
        }
        let clock = self.context.clock();
        let values = literals.iter().zip(types).map(|(literal, ty)| match (literal, ty) {
            (Literal::Int4(value), ColumnType::Int4) => Some(Datum::Int4(*value)),
            (Literal::Int4(value), ColumnType::Int8) => Some(Datum::Int8(i64::from(*value))),
            (Literal::Int8(value), ColumnType::Int8) => Some(Datum::Int8(*value)),
            (Literal::Numeric(digits), ColumnType::Numeric) => {
                numeric::parse(digits).ok().map(Datum::Numeric)
            }
            (Literal::Text(text), ty) => values::input(*ty, text, clock).ok(),
            _ => None,
        });
        values.collect()
    }

    /// Runs a kept plan, or goes the long way if its tables are not what they were.
    fn run_kept(
        &mut self,
        key: &str,
        line: &str,
        plan: &Rc<KeptPlan>,
        params: &[Datum],
        out: &mut dyn Output,
    ) -> Result<()> {
        let mut stands = true;
        self.run_alone(out, |session, out| {
            stands = still_stands(&session.context, plan)?;
            if stands { session.run_plan(&plan.plan, params, out) } else { Ok(Tag::default()) }
        })?;
        if stands {
            return Ok(());
        }
        self.cache.remove(key);
        self.execute_parsed(line, Keep::Nothing, out)
    }

    /// Runs the only statement of a line; `work` answers its tag, an empty one if it has done
    /// nothing and the line goes on.
    fn run_alone(
        &mut self,
        out: &mut dyn Output,
        work: impl FnOnce(&mut Session, &mut dyn Output) -> Result<Tag>,
    ) -> Result<()> {
        self.context.begin_statement();
        self.ensure_transaction(false);
        let done = self.begin_query().and_then(|()| work(self, out)).and_then(|tag| {
            if tag.is_empty() {
                return Ok(());
            }
            self.end_statement(true)?;
            out.done(&tag)?;
            Ok(())
        });
        if let Err(error) = &done
            && !matches!(error, Error::Stop(_))
        {
            self.fail();
        }
        done
    }

    /// Keeps the plan of a line that has gone the long way, as that was asked for.
    pub(super) fn keep_plan(&mut self, keep: Keep<'_>, plan: Rc<KeptPlan>) {
        match keep {
            Keep::Nothing => {}
            Keep::Plan(key) => self.cache.put(key, Entry::Plan(plan)),
            Keep::Note(key) => self.cache.put(key, Entry::Seen),
            Keep::WithParameters { key, line, literals } => {
                let entry = match self.plan_with_parameters(line, literals) {
                    Ok(Some(plan)) => Entry::Plan(Rc::new(plan)),
                    Ok(None) | Err(_) => Entry::Unfit,
                };
                self.cache.put(key, entry);
            }
        }
    }

    /// Keeps the way to an EXECUTE with literals.
    pub(super) fn keep_execute(&mut self, keep: Keep<'_>) {
        if let Keep::Note(key) = keep
            && let Some(name) = literals::executed_name(key)
        {
            self.cache.put(key, Entry::Execute(Rc::from(name)));
        }
    }

    /// Plans a line with parameters in the places of its literals; `None` if that cannot be.
    fn plan_with_parameters(
        &self,
        line: &str,
        literals: &[Literal<'_>],
    ) -> Result<Option<KeptPlan>> {
        let Some((statement, source)) = parse_with_parameters(line, literals.len())? else {
            return Ok(None);
        };
        let params = Parameters {
            allowed: true,
            for_literals: true,
            types: std::cell::RefCell::new(literals.iter().map(Literal::ty).collect()),
            values: literals.iter().map(Literal::hint).collect(),
        };
        self.context.forget_asked();
        let mut plan = plan(&self.context, &source, &params, &statement)?;
        let types: Option<Vec<ColumnType>> = params.types.into_inner().into_iter().collect();
        match types {
            Some(types)
                if types.len() == literals.len()
                    && !self.context.was_asked()
                    && !depends_on_values(&plan.plan) =>
            {
                plan.types = types;
                Ok(Some(plan))
            }
            _ => Ok(None),
        }
    }
}
