//! Evaluation of bound expressions over one row.
//!
//! A value is borrowed from the row or the expression where it can be, so that comparing a column
//! with a constant copies nothing. NULL follows SQL's three-valued logic; functions that are
//! strict are not called with a NULL argument.

use std::borrow::Cow;
use std::cell::RefCell;

use smallvec::SmallVec;
use types::{ColumnType, Datum};

use super::{Conversion, Expr, FunctionRef, Node};
use crate::error::{Error, Result};
use crate::functions::{Code, Environment};
use crate::values::compare::ordering_of;
use crate::values::{self, Style, convert, numeric, string};

/// What an evaluation needs besides the row.
pub(crate) struct EvalContext<'a> {
    /// The values of the statement's parameters.
    pub params: &'a [Datum],
    /// The session and the server.
    pub env: &'a dyn Environment,
    /// The operands of the CASEs that are being evaluated, innermost last.
    cases: RefCell<Vec<Datum>>,
}

type Value<'a> = Cow<'a, Datum>;

const NULL: Datum = Datum::Null;

fn null<'a>() -> Value<'a> {
    Cow::Owned(NULL)
}

fn boolean<'a>(value: bool) -> Value<'a> {
    Cow::Owned(Datum::Bool(value))
}

impl<'a> EvalContext<'a> {
    /// A context for one statement.
    pub(crate) fn new(env: &'a dyn Environment, params: &'a [Datum]) -> EvalContext<'a> {
        EvalContext { params, env, cases: RefCell::default() }
    }

    fn style(&self) -> Style {
        self.env.style()
    }

    /// The value, as one of its own.
    pub(crate) fn value(&self, expr: &Expr, row: &[Datum]) -> Result<Datum> {
        Ok(self.eval(expr, row)?.into_owned())
    }

    /// Whether a condition is true: neither false nor NULL.
    pub(crate) fn is_true(&self, condition: &Expr, row: &[Datum]) -> Result<bool> {
        Ok(matches!(self.eval(condition, row)?.as_ref(), Datum::Bool(true)))
    }

    /// The value of an expression over a row.
    pub(crate) fn eval<'r>(&self, expr: &'r Expr, row: &'r [Datum]) -> Result<Value<'r>> {
        match &expr.node {
            Node::Const(value) => Ok(Cow::Borrowed(value)),
            Node::Column(index) => match row.get(*index) {
                Some(value) => Ok(Cow::Borrowed(value)),
                None => Err(Error::internal("expression refers to a column that is not there")),
            },
            Node::Param(index) => match self.params.get(*index) {
                Some(value) => Ok(Cow::Owned(value.clone())),
                None => Err(Error::internal("parameter without a value")),
            },
            Node::Aggregate(_) => Err(Error::internal("aggregate outside of a group")),
            Node::Call { function, args } => self.call(*function, args, row),
            Node::Convert { conversion, arg } => self.convert(*conversion, arg, expr, row),
            Node::And(args) => self.connect(args, row, false),
            Node::Or(args) => self.connect(args, row, true),
            Node::Not(arg) => Ok(match self.eval(arg, row)?.as_ref() {
                Datum::Bool(value) => boolean(!value),
                _ => null(),
            }),
            Node::IsNull { arg, negated } => {
                Ok(boolean(self.eval(arg, row)?.is_null() != *negated))
            }
            Node::IsBool { arg, value, negated } => {
                let found = match self.eval(arg, row)?.as_ref() {
                    Datum::Bool(found) => Some(*found),
                    _ => None,
                };
                Ok(boolean((found == *value) != *negated))
            }
            _ => self.eval_rest(expr, row),
        }
    }

    /// The rarer nodes, apart so that the frame of the common ones stays small.
    #[inline(never)]
    fn eval_rest<'r>(&self, expr: &'r Expr, row: &'r [Datum]) -> Result<Value<'r>> {
        match &expr.node {
            Node::Distinct { equal, args, negated } => {
                Ok(boolean(self.distinct(*equal, args, row)? != *negated))
            }
            Node::InList { equal, left, list, negated } => {
                self.in_list(*equal, left, list, *negated, row)
            }
            Node::Case { operand, whens, otherwise } => {
                self.case(operand.as_deref(), whens, otherwise, row)
            }
            Node::CaseOperand => match self.cases.borrow().last() {
                Some(value) => Ok(Cow::Owned(value.clone())),
                None => Err(Error::internal("operand outside of its CASE")),
            },
            Node::Coalesce(args) => {
                for arg in args {
                    let value = self.eval(arg, row)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(null())
            }
            Node::NullIf { equal, args } => {
                let first = self.eval(&args[0], row)?;
                let second = self.eval(&args[1], row)?;
                let same = !first.is_null()
                    && !second.is_null()
                    && matches!(apply_two(*equal, &first, &second)?, Datum::Bool(true));
                Ok(if same { null() } else { first })
            }
            Node::Extreme { greatest, args } => self.extreme(*greatest, args, expr.ty, row),
            _ => Err(Error::internal("expression of an unknown kind")),
        }
    }

    fn call<'r>(
        &self,
        function: FunctionRef,
        args: &'r [Expr],
        row: &'r [Datum],
    ) -> Result<Value<'r>> {
        let function = function.0;
        match (function.code, args) {
            (Code::One(code), [arg]) => {
                let value = self.eval(arg, row)?;
                if value.is_null() { Ok(null()) } else { code(&value).map(Cow::Owned) }
            }
            (Code::Two(code), [left, right]) => {
                let left = self.eval(left, row)?;
                if left.is_null() {
                    return Ok(null());
                }
                let right = self.eval(right, row)?;
                if right.is_null() { Ok(null()) } else { code(&left, &right).map(Cow::Owned) }
            }
            (Code::Many(code), _) => match self.arguments(function.strict, args, row)? {
                Some(values) => code(&values).map(Cow::Owned),
                None => Ok(null()),
            },
            (Code::Session(code), _) => match self.arguments(function.strict, args, row)? {
                Some(values) => code(self.env, &values).map(Cow::Owned),
                None => Ok(null()),
            },
            _ => Err(Error::internal("function called with a wrong number of arguments")),
        }
    }

    /// The values of the arguments, or `None` if one is NULL and the function is strict.
    fn arguments<'r>(
        &self,
        strict: bool,
        args: &'r [Expr],
        row: &'r [Datum],
    ) -> Result<Option<SmallVec<[Value<'r>; 3]>>> {
        let mut values = SmallVec::new();
        for arg in args {
            let value = self.eval(arg, row)?;
            if strict && value.is_null() {
                return Ok(None);
            }
            values.push(value);
        }
        Ok(Some(values))
    }

    /// AND and OR: `decisive` decides at once, NULL makes the rest undecided.
    fn connect<'r>(&self, args: &'r [Expr], row: &'r [Datum], decisive: bool) -> Result<Value<'r>> {
        let mut undecided = false;
        for arg in args {
            match self.eval(arg, row)?.as_ref() {
                Datum::Bool(value) if *value == decisive => return Ok(boolean(decisive)),
                Datum::Bool(_) => {}
                _ => undecided = true,
            }
        }
        Ok(if undecided { null() } else { boolean(!decisive) })
    }

    fn distinct(&self, equal: FunctionRef, args: &[Expr; 2], row: &[Datum]) -> Result<bool> {
        let left = self.eval(&args[0], row)?;
        let right = self.eval(&args[1], row)?;
        match (left.is_null(), right.is_null()) {
            (true, true) => Ok(false),
            (false, false) => Ok(!matches!(apply_two(equal, &left, &right)?, Datum::Bool(true))),
            _ => Ok(true),
        }
    }

    fn in_list<'r>(
        &self,
        equal: FunctionRef,
        left: &Expr,
        list: &[Expr],
        negated: bool,
        row: &[Datum],
    ) -> Result<Value<'r>> {
        let left = self.eval(left, row)?;
        if left.is_null() {
            return Ok(null());
        }
        let mut undecided = false;
        for item in list {
            let item = self.eval(item, row)?;
            if item.is_null() {
                undecided = true;
            } else if matches!(apply_two(equal, &left, &item)?, Datum::Bool(true)) {
                return Ok(boolean(!negated));
            }
        }
        Ok(if undecided { null() } else { boolean(negated) })
    }

    fn case<'r>(
        &self,
        operand: Option<&Expr>,
        whens: &'r [(Expr, Expr)],
        otherwise: &'r Expr,
        row: &'r [Datum],
    ) -> Result<Value<'r>> {
        if let Some(operand) = operand {
            let value = self.value(operand, row)?;
            self.cases.borrow_mut().push(value);
        }
        let mut chosen = Ok(otherwise);
        for (condition, result) in whens {
            match self.is_true(condition, row) {
                Ok(false) => {}
                Ok(true) => {
                    chosen = Ok(result);
                    break;
                }
                Err(error) => {
                    chosen = Err(error);
                    break;
                }
            }
        }
        if operand.is_some() {
            self.cases.borrow_mut().pop();
        }
        self.eval(chosen?, row)
    }

    fn extreme<'r>(
        &self,
        greatest: bool,
        args: &'r [Expr],
        ty: ColumnType,
        row: &'r [Datum],
    ) -> Result<Value<'r>> {
        let order = ordering_of(ty);
        let mut best = null();
        for arg in args {
            let value = self.eval(arg, row)?;
            let better = !value.is_null()
                && (best.is_null() || {
                    let order = order(&value, &best);
                    if greatest { order.is_gt() } else { order.is_lt() }
                });
            if better {
                best = value;
            }
        }
        Ok(best)
    }

    #[inline(never)]
    fn convert<'r>(
        &self,
        conversion: Conversion,
        arg: &'r Expr,
        expr: &Expr,
        row: &'r [Datum],
    ) -> Result<Value<'r>> {
        let value = self.eval(arg, row)?;
        if value.is_null() {
            return Ok(value);
        }
        self.converted(conversion, value, arg.ty, expr.ty)
    }

    /// A value that is not NULL, converted.
    pub(crate) fn converted<'r>(
        &self,
        conversion: Conversion,
        value: Value<'r>,
        from: ColumnType,
        to: ColumnType,
    ) -> Result<Value<'r>> {
        let converted = match (conversion, value.as_ref()) {
            (Conversion::Value, value) => convert::convert(value, from, to)?,
            (Conversion::Length { explicit }, Datum::Text(text)) => Datum::Text(match to {
                ColumnType::Bpchar(length) => string::bpchar(text, length, explicit)?,
                ColumnType::Varchar(limit) => string::varchar(text, limit, explicit)?,
                _ => return Ok(value),
            }),
            (Conversion::Fit { precision, scale }, Datum::Numeric(number)) => {
                Datum::Numeric(numeric::fit(number, precision, scale)?)
            }
            (Conversion::Output, Datum::Bool(value)) => {
                Datum::Text(if *value { "true" } else { "false" }.to_owned())
            }
            (Conversion::Output, value) => Datum::Text(values::to_text(value, self.style())),
            (Conversion::Input, Datum::Text(text)) => values::input(to, text, self.env.now())?,
            _ => return Err(Error::internal("value is not of the type that its cast expects")),
        };
        Ok(Cow::Owned(converted))
    }
}

/// Calls a binary operator on two values, neither of them NULL.
pub(crate) fn apply_two(function: FunctionRef, left: &Datum, right: &Datum) -> Result<Datum> {
    match function.0.code {
        Code::Two(code) => code(left, right),
        _ => Err(Error::internal("operator has no code for two values")),
    }
}
