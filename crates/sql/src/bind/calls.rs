//! Calls of functions and aggregates.

use sqlparser::ast::{
    self, DuplicateTreatment, Expr as AstExpr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Spanned,
};
use types::{ColumnType, Datum, SqlState};

use super::expression::shown;
use super::names::object_name;
use super::resolve::{Resolution, resolve};
use super::types::type_named;
use super::{Aggregates, Binder, Context};
use crate::error::{Error, Result};
use crate::expr::aggregate::{AggregateCall, Kind};
use crate::expr::{Expr, Node};
use crate::functions::{is_keyword_only, named};
use crate::values::names::base;
use crate::values::type_name;

/// A call, taken apart.
struct Call<'a> {
    name: String,
    args: Vec<&'a AstExpr>,
    /// The argument is `*`.
    star: bool,
    distinct: bool,
    filter: Option<&'a AstExpr>,
    /// Whether there were no parentheses.
    bare: bool,
    at: u32,
}

impl Binder<'_> {
    /// A call as the parser read it.
    #[inline(never)]
    pub(super) fn bind_function(&mut self, function: &Function) -> Result<Expr> {
        let call = self.take_apart(function)?;
        if let Some(kind) = Kind::named(&call.name) {
            return self.bind_aggregate(kind, call);
        }
        let position = (call.at != 0).then_some(call.at as usize);
        let misused = |what: &str| {
            Error::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("{what} specified, but {} is not an aggregate function", call.name),
            )
            .at(position)
        };
        if call.star {
            return Err(misused("*"));
        }
        if call.distinct {
            return Err(misused("DISTINCT"));
        }
        if call.filter.is_some() {
            return Err(misused("FILTER"));
        }
        if !call.bare && is_keyword_only(&call.name) {
            return Err(Error::syntax("syntax error at or near \"(\"").at(position));
        }
        if let Some(special) = self.bind_special_call(&call.name, &call.args, call.at)? {
            return Ok(special);
        }
        let mut args = Vec::with_capacity(call.args.len());
        for arg in call.args {
            args.push(self.bind(arg)?);
        }
        self.call_named(&call.name, args, call.at)
    }

    fn take_apart<'f>(&self, function: &'f Function) -> Result<Call<'f>> {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args,
            within_group,
            filter,
            null_treatment,
            over,
        } = function;
        let position = self.position(name.span());
        let refuse = |what: &str| Err(Error::unsupported(what).at(position));
        if *uses_odbc_syntax {
            return refuse("ODBC syntax");
        }
        if !matches!(parameters, FunctionArguments::None) {
            return refuse("a function with parameters");
        }
        if over.is_some() {
            return refuse("OVER (a window function)");
        }
        if !within_group.is_empty() {
            return refuse("WITHIN GROUP");
        }
        if null_treatment.is_some() {
            return refuse("RESPECT NULLS and IGNORE NULLS");
        }
        let name = match object_name(name)?.as_slice() {
            [name] => name.clone(),
            [schema, name] if schema == "pg_catalog" => name.clone(),
            other => {
                let message = format!("function {}() does not exist", other.join("."));
                return Err(Error::new(SqlState::UNDEFINED_FUNCTION, message).at(position));
            }
        };
        let mut call = Call {
            name,
            args: Vec::new(),
            star: false,
            distinct: false,
            filter: filter.as_deref(),
            bare: matches!(args, FunctionArguments::None),
            at: position.unwrap_or(0) as u32,
        };
        match args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => return refuse("a subquery as an argument"),
            FunctionArguments::List(list) => {
                take_arguments(list, &mut call).map_err(|e| e.at(position))?
            }
        }
        Ok(call)
    }

    /// The function of that name that takes these arguments.
    pub(super) fn call_named(&mut self, name: &str, args: Vec<Expr>, at: u32) -> Result<Expr> {
        let position = (at != 0).then_some(at as usize);
        let types: Vec<ColumnType> = args.iter().map(|arg| arg.ty).collect();
        match resolve(named(name), &types, false) {
            Resolution::One(function) => Ok(self.call(function, args)?.at(at)),
            Resolution::Ambiguous => Err(Error::new(
                SqlState::AMBIGUOUS_FUNCTION,
                format!("function {} is not unique", described(name, &args)),
            )
            .hint(
                "Could not choose a best candidate function. \
                 You might need to add explicit type casts.",
            )
            .at(position)),
            Resolution::None => {
                // A type's name with one argument is a cast.
                if let (Some(ty), [_]) = (type_named(name), args.as_slice()) {
                    let arg = args.into_iter().next().ok_or_else(|| Error::internal("argument"))?;
                    return self.explicit_cast(arg, ty.into(), at);
                }
                Err(undefined_function(name, &args).at(position))
            }
        }
    }

    fn bind_aggregate(&mut self, kind: Kind, call: Call<'_>) -> Result<Expr> {
        let position = (call.at != 0).then_some(call.at as usize);
        let refuse =
            |message: String| Err(Error::new(SqlState::GROUPING_ERROR, message).at(position));
        match self.aggregates_here {
            Aggregates::Allowed => {}
            Aggregates::Nested => {
                return refuse("aggregate function calls cannot be nested".to_owned());
            }
            Aggregates::Forbidden(clause) => {
                return refuse(format!("aggregate functions are not allowed in {clause}"));
            }
        }
        self.aggregates_here = Aggregates::Nested;
        let arg = match call.args.as_slice() {
            [] => Ok(None),
            [arg] => self.bind(arg).map(Some),
            many => {
                let args: Result<Vec<Expr>> = many.iter().map(|arg| self.bind(arg)).collect();
                args.and_then(|args| Err(undefined_function(&call.name, &args).at(position)))
            }
        };
        self.aggregates_here = Aggregates::Forbidden("FILTER");
        let filter = match call.filter {
            Some(filter) => self.bind(filter).and_then(|f| self.as_boolean(f, "FILTER")).map(Some),
            None => Ok(None),
        };
        self.aggregates_here = Aggregates::Allowed;
        let aggregate = self.aggregate_of(kind, &call, arg?, filter?)?;
        let ty = aggregate.ty;
        let index = match self.aggregates.iter().position(|known| *known == aggregate) {
            Some(index) => index,
            None => {
                self.aggregates.push(aggregate);
                self.aggregates.len() - 1
            }
        };
        Ok(Expr::new(Node::Aggregate(index), ty).at(call.at))
    }

    fn aggregate_of(
        &mut self,
        kind: Kind,
        call: &Call<'_>,
        arg: Option<Expr>,
        filter: Option<Expr>,
    ) -> Result<AggregateCall> {
        let position = (call.at != 0).then_some(call.at as usize);
        let Some(arg) = arg else {
            if kind == Kind::Count && call.star {
                let ty = ColumnType::Int8;
                return Ok(AggregateCall { kind, arg: None, distinct: false, filter, ty });
            }
            if kind == Kind::Count {
                let message = "count(*) must be used to call a parameterless aggregate function";
                return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(position));
            }
            return Err(undefined_function(&call.name, &[]).at(position));
        };
        if arg.ty == ColumnType::Unknown && matches!(kind, Kind::Sum | Kind::Avg) {
            let message = format!("function {}(unknown) is not unique", call.name);
            return Err(Error::new(SqlState::AMBIGUOUS_FUNCTION, message).at(position));
        }
        let arg = if kind == Kind::BoolAnd || kind == Kind::BoolOr {
            let unknown = arg.ty == ColumnType::Unknown;
            if unknown { self.as_boolean(arg, &call.name)? } else { arg }
        } else {
            self.with_type(arg)?
        };
        let Some((wanted, ty)) = kind.signature(arg.base_type()) else {
            return Err(undefined_function(&call.name, &[arg]).at(position));
        };
        let arg = match self.coerce(arg, wanted.into(), Context::Implicit)? {
            Some(arg) => arg,
            None => return Err(Error::internal("aggregate of a type that it does not take")),
        };
        Ok(AggregateCall { kind, arg: Some(arg), distinct: call.distinct, filter, ty })
    }

    /// `pg_typeof`: the type's name is known already.
    pub(super) fn bind_typeof(&mut self, args: &[&AstExpr], at: u32) -> Result<Expr> {
        let [arg] = args else {
            return Err(Error::new(
                SqlState::UNDEFINED_FUNCTION,
                "function pg_typeof takes one argument",
            ));
        };
        let name = type_name(base(self.bind(arg)?.ty));
        Ok(Expr::constant(Datum::Text(name), ColumnType::Text).at(at))
    }
}

fn take_arguments<'f>(list: &'f FunctionArgumentList, call: &mut Call<'f>) -> Result<()> {
    let FunctionArgumentList { duplicate_treatment, args, clauses } = list;
    call.distinct = matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct));
    if let Some(clause) = clauses.first() {
        let what = match clause {
            ast::FunctionArgumentClause::OrderBy(_) => "ORDER BY in an aggregate".to_owned(),
            other => format!("{other} in a call"),
        };
        return Err(Error::unsupported(what));
    }
    for arg in args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => call.args.push(arg),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard)
                if args.len() == 1 && !call.distinct =>
            {
                call.star = true;
            }
            FunctionArg::Unnamed(_) => {
                return Err(Error::unsupported("a row of columns as an argument"));
            }
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                return Err(Error::unsupported("a named argument"));
            }
        }
    }
    Ok(())
}

fn described(name: &str, args: &[Expr]) -> String {
    let types: Vec<String> = args.iter().map(shown).collect();
    format!("{name}({})", types.join(", "))
}

fn undefined_function(name: &str, args: &[Expr]) -> Error {
    Error::new(
        SqlState::UNDEFINED_FUNCTION,
        format!("function {} does not exist", described(name, args)),
    )
    .hint(
        "No function matches the given name and argument types. \
         You might need to add explicit type casts.",
    )
}
