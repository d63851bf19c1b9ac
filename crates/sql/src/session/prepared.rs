//! PREPARE, EXECUTE and DEALLOCATE.
//!
//! A statement is planned when it is prepared, and again only if one of its tables has changed
//! since. As in PostgreSQL prepared statements are not part of a transaction.

use std::collections::HashMap;
use std::rc::Rc;

use sqlparser::ast::{DataType, Expr as AstExpr, Ident, Statement as AstStatement};
use types::{ColumnType, Datum, SqlState};

use super::Session;
use super::cache::KeptPlan;
use super::statements::{bind_context, plan};
use super::tables::{UsedTables, still_stands};
use crate::bind::names::{fold, object_name};
use crate::bind::types::bind_type;
use crate::bind::{Context as CastContext, Parameters, Scope};
use crate::error::{Error, Result};
use crate::parse::Source;
use crate::values::names::base;
use crate::values::type_name;

/// How many statements a session can have prepared.
const STATEMENTS_MAX: usize = 10_000;

/// A prepared statement.
struct PreparedStatement {
    statement: AstStatement,
    source: Rc<Source>,
    types: Vec<ColumnType>,
    plan: Rc<KeptPlan>,
}

/// The prepared statements of a session, by name.
#[derive(Default)]
pub(super) struct Prepared {
    statements: HashMap<String, PreparedStatement>,
}

/// The parameters of a statement whose types are known.
fn with_types(types: &[ColumnType]) -> Parameters {
    let known = types.iter().map(|ty| Some(*ty)).collect();
    Parameters {
        allowed: true,
        for_literals: false,
        types: std::cell::RefCell::new(known),
        values: Vec::new(),
    }
}

impl Session {
    /// PREPARE
    pub(super) fn prepare(
        &mut self,
        name: &str,
        data_types: &[DataType],
        statement: &AstStatement,
        source: &Rc<Source>,
    ) -> Result<String> {
        if self.prepared.statements.contains_key(name) {
            return Err(Error::new(
                SqlState::DUPLICATE_PREPARED_STATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        if self.prepared.statements.len() >= STATEMENTS_MAX {
            let message = "too many prepared statements";
            return Err(Error::new(SqlState::CONFIGURATION_LIMIT_EXCEEDED, message));
        }
        if !matches!(
            statement,
            AstStatement::Query(_)
                | AstStatement::Insert(_)
                | AstStatement::Update(_)
                | AstStatement::Delete(_)
        ) {
            return Err(Error::syntax("PREPARE takes a SELECT, INSERT, UPDATE, DELETE or VALUES"));
        }
        let types: Result<Vec<ColumnType>> =
            data_types.iter().map(|ty| bind_type(ty).map(|spec| base(spec.ty))).collect();
        let params = with_types(&types?);
        let plan = plan(&self.context, source, &params, statement)?;
        let mut types = Vec::new();
        for (place, ty) in params.types.into_inner().into_iter().enumerate() {
            types.push(ty.ok_or_else(|| {
                Error::new(
                    SqlState::INDETERMINATE_DATATYPE,
                    format!("could not determine data type of parameter ${}", place + 1),
                )
            })?);
        }
        let prepared = PreparedStatement {
            statement: statement.clone(),
            source: Rc::clone(source),
            types,
            plan: Rc::new(plan),
        };
        self.prepared.statements.insert(name.to_owned(), prepared);
        Ok("PREPARE".to_owned())
    }

    /// The plan of an EXECUTE, and the values of its parameters.
    pub(super) fn prepared_plan(
        &mut self,
        source: &Source,
        statement: &AstStatement,
    ) -> Result<(Rc<KeptPlan>, Vec<Datum>)> {
        let AstStatement::Execute {
            name,
            parameters,
            has_parentheses,
            immediate,
            into,
            using,
            output,
            default,
        } = statement
        else {
            return Err(Error::internal("not an EXECUTE"));
        };
        if *immediate || !into.is_empty() || !using.is_empty() || *output || *default {
            return Err(Error::syntax("EXECUTE in a form that PostgreSQL does not have"));
        }
        if !*has_parentheses && !parameters.is_empty() {
            return Err(Error::syntax("the parameters of EXECUTE stand in parentheses"));
        }
        let name = match name {
            Some(name) => object_name(name)?.join("."),
            None => return Err(Error::syntax("EXECUTE without a name")),
        };
        let values = self.parameter_values(source, &name, parameters)?;
        Ok((self.current_plan(&name)?, values))
    }

    /// The plan of a prepared statement, good for its tables as they are now.
    pub(super) fn current_plan(&mut self, name: &str) -> Result<Rc<KeptPlan>> {
        self.renew(name)?;
        Ok(Rc::clone(&self.find(name)?.plan))
    }

    /// The types of a prepared statement's parameters.
    pub(super) fn prepared_types(&self, name: &str) -> Option<&[ColumnType]> {
        self.prepared.statements.get(name).map(|prepared| prepared.types.as_slice())
    }

    fn find(&self, name: &str) -> Result<&PreparedStatement> {
        self.prepared.statements.get(name).ok_or_else(|| missing(name))
    }

    /// Plans a statement anew if one of its tables has changed.
    fn renew(&mut self, name: &str) -> Result<()> {
        let found = self.find(name)?;
        if still_stands(&self.context, &found.plan)? {
            return Ok(());
        }
        let params = with_types(&found.types);
        let fresh = plan(&self.context, &found.source, &params, &found.statement)
            .map_err(Error::without_position)?;
        if let Some(found) = self.prepared.statements.get_mut(name) {
            found.plan = Rc::new(fresh);
        }
        Ok(())
    }

    fn parameter_values(
        &self,
        source: &Source,
        name: &str,
        given: &[AstExpr],
    ) -> Result<Vec<Datum>> {
        let types = &self.find(name)?.types;
        if types.len() != given.len() {
            return Err(Error::syntax(format!(
                "wrong number of parameters for prepared statement \"{name}\""
            ))
            .detail(format!(
                "Expected {} parameters but got {}.",
                types.len(),
                given.len()
            )));
        }
        let params = Parameters::default();
        let tables = UsedTables::new(&self.context);
        let context = bind_context(&self.context, source, &params, &tables);
        let mut binder = context.binder(Scope::default());
        binder.aggregates_here = crate::bind::Aggregates::Forbidden("EXECUTE parameters");
        let mut values = Vec::with_capacity(given.len());
        for (place, (expr, ty)) in given.iter().zip(types).enumerate() {
            let bound = binder.bind(expr)?;
            let (from, position) = (bound.ty, bound.position());
            let Some(value) = binder.coerce(bound, (*ty).into(), CastContext::Assignment)? else {
                return Err(Error::new(
                    SqlState::DATATYPE_MISMATCH,
                    format!(
                        "parameter ${} of type {} cannot be coerced to the expected type {}",
                        place + 1,
                        type_name(base(from)),
                        type_name(*ty)
                    ),
                )
                .hint("You will need to rewrite or cast the expression.")
                .at(position));
            };
            values.push(binder.evaluator().value(&value, &[])?);
        }
        Ok(values)
    }

    /// DEALLOCATE
    pub(super) fn deallocate(&mut self, name: &Ident) -> Result<String> {
        let folded = fold(name);
        if folded == "all" && name.quote_style.is_none() {
            self.prepared.statements.clear();
            return Ok("DEALLOCATE ALL".to_owned());
        }
        match self.prepared.statements.remove(&folded) {
            Some(_) => Ok("DEALLOCATE".to_owned()),
            None => Err(missing(&folded)),
        }
    }
}

fn missing(name: &str) -> Error {
    Error::new(
        SqlState::INVALID_SQL_STATEMENT_NAME,
        format!("prepared statement \"{name}\" does not exist"),
    )
}
