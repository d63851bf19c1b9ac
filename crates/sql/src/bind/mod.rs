//! From what the parser read to what runs: names become places, operators functions, every node
//! gets its type.
//!
//! | file | |
//! |---|---|
//! | `scope` | the columns that names can mean |
//! | `expression`, `special`, `calls` | expressions: operators; CASE and the like; functions and aggregates |
//! | `resolve` | which function or operator of a name is meant |
//! | `coerce` | casts |
//! | `types`, `names` | names of types, identifiers |
//! | `select`, `targets`, `from`, `order`, `group` | queries |
//! | `view` | views where they are read |
//! | `stored` | the text in which a view's query is kept |
//! | `checks` | CHECK constraints |
//! | `insert`, `insert_clauses`, `conflict` | INSERT; its clauses; its ON CONFLICT |
//! | `modify` | UPDATE, DELETE |
//! | `changed`, `defaults` | the table that is changed and its columns; their defaults |
//! | `updatable` | changes through a view |
//! | `define`, `columns` | CREATE TABLE, TRUNCATE; the columns of a new table |
//! | `sequences` | sequences in expressions and defaults |
//! | `indexes` | CREATE INDEX; PRIMARY KEY and UNIQUE |
//! | `foreign_keys` | FOREIGN KEY and REFERENCES |
//! | `clauses` | clauses that are not supported |
//!
//! Invariants:
//! - Every field of every node that sqlparser hands over is looked at; a clause that is not
//!   supported is an error that names it. Nodes are taken apart without `..`.
//! - Binding computes nothing that depends on more than constants, but for literals of date and
//!   time (`'now'`), whose use of the clock the session notices.
//! - Binding has no side effects; tables come in from outside.

mod calls;
mod changed;
mod checks;
mod clauses;
pub(crate) mod coerce;
mod columns;
mod conflict;
mod create_clauses;
mod defaults;
mod define;
mod expression;
mod foreign_keys;
mod from;
mod group;
mod indexes;
mod insert;
mod insert_clauses;
mod literal;
pub(crate) mod locking;
mod modify;
pub(crate) mod names;
mod options;
mod order;
pub(crate) mod resolve;
pub(crate) mod scope;
mod select;
mod sequences;
mod special;
pub(crate) mod stored;
mod targets;
pub(crate) mod types;
mod updatable;
mod view;

use std::cell::RefCell;
use std::rc::Rc;

use ::types::{ColumnType, Datum, Oid, SqlState};
use sqlparser::tokenizer::Span;
use txn::LockMode;

use crate::error::{Error, Result};
use crate::expr::aggregate::AggregateCall;
use crate::expr::eval::EvalContext;
use crate::expr::{Expr, MAX_DEPTH, Node};
use crate::functions::Environment;
use crate::parse::{Source, too_complex};
pub(crate) use changed::{copy_columns, open_for_copy};
pub(crate) use checks::{bind_checks, bind_new_check, renamed_checks};
pub(crate) use coerce::Context;
pub(crate) use columns::{bind_column, default_text};
pub(crate) use defaults::{bind_default, default_of};
pub(crate) use define::{Behind, bind_create, bind_truncate, constraint_name};
pub(crate) use foreign_keys::{bind_foreign_key, refuse_characteristics};
pub(crate) use group::group_names;
pub(crate) use indexes::{Keys, bind_create_index};
pub(crate) use insert::bind_insert;
pub(crate) use modify::{bind_delete, bind_update};
pub(crate) use names::TableName;
pub(crate) use options::changed_options;
pub(crate) use scope::Scope;
pub(crate) use select::{Unknowns, bind_query};
pub(crate) use sequences::{default_of_sequence, sequences_of};
use stored::Names;
use view::Within;

/// The types of a statement's parameters: given with PREPARE, or found while it is bound.
#[derive(Default, Debug)]
pub(crate) struct Parameters {
    /// Whether there can be parameters at all.
    pub allowed: bool,
    /// Whether they stand for literals, which may be read otherwise than parameters.
    pub for_literals: bool,
    /// The types by number, as far as they are known.
    pub types: RefCell<Vec<Option<ColumnType>>>,
    /// The values of the statement at hand, if they are known: a plan is made with them in mind.
    pub values: Vec<Datum>,
}

/// PostgreSQL's limit.
const MAX_PARAMETERS: usize = 65_535;

/// Whether aggregates may be called, and those that were.
pub(crate) enum Aggregates {
    /// Not in this clause.
    Forbidden(&'static str),
    /// Not inside of another.
    Nested,
    /// They may.
    Allowed,
}

/// Binds the expressions of one query level.
pub(crate) struct Binder<'a> {
    pub(crate) env: &'a dyn Environment,
    pub(crate) source: &'a Source,
    pub(crate) params: &'a Parameters,
    /// The columns that names can mean.
    pub(crate) scope: Scope,
    /// The aggregates of the query so far.
    pub(crate) aggregates: Vec<AggregateCall>,
    /// Whether the expression being bound may have any.
    pub(crate) aggregates_here: Aggregates,
    /// How tables and columns stand in the text.
    pub(crate) names: Names<'a>,
    depth: usize,
}

impl<'a> Binder<'a> {
    /// A binder for expressions over the columns of `scope`.
    pub(crate) fn new(context: &BindContext<'a>, scope: Scope) -> Binder<'a> {
        let BindContext { env, source, params, names, .. } = *context;
        Binder {
            env,
            source,
            params,
            scope,
            names,
            aggregates: Vec::new(),
            aggregates_here: Aggregates::Forbidden("this expression"),
            depth: 0,
        }
    }

    /// Evaluates what is constant.
    pub(crate) fn evaluator(&self) -> EvalContext<'_> {
        EvalContext::new(self.env, &[])
    }

    /// The place of a node in the request.
    pub(crate) fn place(&self, span: Span) -> u32 {
        self.source.place(span.start)
    }

    /// The place as an error wants it.
    pub(crate) fn position(&self, span: Span) -> Option<usize> {
        self.source.position(span.start)
    }

    /// One level deeper, unless that is too deep.
    fn descend<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(too_complex());
        }
        self.depth += 1;
        let result = bind(self);
        self.depth -= 1;
        result
    }

    /// A parameter, `$1` and so on.
    fn parameter(&self, name: &str, at: u32) -> Result<Expr> {
        let missing = || {
            Error::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter {name}"))
                .at((at != 0).then_some(at as usize))
        };
        let number: usize =
            name.strip_prefix('$').and_then(|digits| digits.parse().ok()).ok_or_else(missing)?;
        if !self.params.allowed || !(1..=MAX_PARAMETERS).contains(&number) {
            return Err(missing());
        }
        let mut types = self.params.types.borrow_mut();
        if types.len() < number {
            types.resize(number, None);
        }
        let ty = types[number - 1].unwrap_or(ColumnType::Unknown);
        Ok(Expr::new(Node::Param(number - 1), ty).at(at))
    }

    /// Notes the type that a parameter turned out to have.
    fn set_param_type(&self, index: usize, ty: ColumnType) -> Result<()> {
        let mut types = self.params.types.borrow_mut();
        match types.get_mut(index) {
            Some(slot @ None) => {
                *slot = Some(ty);
                Ok(())
            }
            Some(Some(known)) if *known == ty => Ok(()),
            _ => Err(Error::new(
                SqlState::AMBIGUOUS_PARAMETER,
                format!("inconsistent types deduced for parameter ${}", index + 1),
            )),
        }
    }
}

/// What binding needs besides the statement.
#[derive(Clone, Copy)]
pub(crate) struct BindContext<'a> {
    /// The session.
    pub env: &'a dyn Environment,
    /// The text of the request.
    pub source: &'a Source,
    /// The parameters.
    pub params: &'a Parameters,
    /// Finds tables.
    pub tables: &'a dyn Tables,
    /// How tables and columns stand in the text.
    pub names: Names<'a>,
    /// The views whose queries are being bound.
    pub within: Option<&'a Within<'a>>,
    /// How the tables of a query are locked at least.
    pub mode: LockMode,
}

/// Where the binder gets its tables from.
pub(crate) trait Tables {
    /// The table of that name, locked until the end of the transaction; `42P01` if there is none.
    fn table(&self, name: &TableName, mode: LockMode) -> Result<Rc<catalog::TableDef>>;
    /// The table or view with that oid, which something depends on, locked in the same way.
    fn table_by_oid(&self, oid: Oid, mode: LockMode) -> Result<Rc<catalog::TableDef>>;
}

impl<'a> BindContext<'a> {
    /// A binder for expressions over the columns of `scope`.
    pub(crate) fn binder(&self, scope: Scope) -> Binder<'a> {
        Binder::new(self, scope)
    }
}
