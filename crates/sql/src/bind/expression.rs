//! Expressions: names, literals, operators, and the way to everything else.

use sqlparser::ast::{self, BinaryOperator, Spanned, UnaryOperator, Value, ValueWithSpan};
use types::{ColumnType, SqlState};

use super::coerce::{Category, category};
use super::resolve::{Resolution, resolve};
use super::{Binder, Context, literal};
use crate::error::{Error, Result};
use crate::expr::{Expr, FunctionRef, Node};
use crate::functions::{Function, Volatility, named};
use crate::values::names::base;
use crate::values::type_name;

/// The sign of an operator; `None` if there is no such operator here.
fn binary_sign(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Plus => "+",
        BinaryOperator::Minus => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => "%",
        BinaryOperator::StringConcat => "||",
        BinaryOperator::Gt => ">",
        BinaryOperator::Lt => "<",
        BinaryOperator::GtEq => ">=",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Eq => "=",
        BinaryOperator::NotEq => "<>",
        BinaryOperator::BitwiseOr => "|",
        BinaryOperator::BitwiseAnd => "&",
        BinaryOperator::PGBitwiseXor => "#",
        BinaryOperator::PGBitwiseShiftLeft => "<<",
        BinaryOperator::PGBitwiseShiftRight => ">>",
        BinaryOperator::PGExp | BinaryOperator::BitwiseXor => "^",
        BinaryOperator::PGLikeMatch => "~~",
        BinaryOperator::PGILikeMatch => "~~*",
        BinaryOperator::PGNotLikeMatch => "!~~",
        BinaryOperator::PGNotILikeMatch => "!~~*",
        _ => return None,
    })
}

impl Binder<'_> {
    /// An expression.
    pub(crate) fn bind(&mut self, expr: &ast::Expr) -> Result<Expr> {
        self.descend(|binder| binder.bind_here(expr))
    }

    fn bind_here(&mut self, expr: &ast::Expr) -> Result<Expr> {
        match expr {
            ast::Expr::Identifier(ident) => self.bind_identifier(ident),
            ast::Expr::CompoundIdentifier(idents) => self.bind_qualified(idents),
            ast::Expr::Value(value) => self.bind_value(value),
            ast::Expr::Nested(inner) => self.bind(inner),
            ast::Expr::BinaryOp { left, op, right } => self.bind_binary(left, op, right),
            ast::Expr::UnaryOp { op, expr } => self.bind_unary(*op, expr),
            ast::Expr::Function(function) => self.bind_function(function),
            _ => self.bind_special(expr),
        }
    }

    #[inline(never)]
    fn bind_binary(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
    ) -> Result<Expr> {
        if matches!(op, BinaryOperator::And | BinaryOperator::Or) {
            return self.bind_connective(left, op, right);
        }
        let Some(sign) = binary_sign(op) else {
            return Err(
                Error::unsupported(format!("the operator {op}")).at(self.position(left.span()))
            );
        };
        let bound_left = self.bind(left)?;
        let bound_right = self.bind(right)?;
        let at = || self.source.operator_after(left.span().end);
        let place = if sign == "||" { 0 } else { at() };
        if sign == "||" {
            return self.concatenate(bound_left, bound_right, place);
        }
        self.operator(sign, bound_left, bound_right, place)
    }

    /// AND and OR; a chain becomes one node.
    fn bind_connective(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
    ) -> Result<Expr> {
        let is_and = matches!(op, BinaryOperator::And);
        let word = if is_and { "AND" } else { "OR" };
        let left = self.bind(left)?;
        let left = self.as_boolean(left, word)?;
        let right = self.bind(right)?;
        let right = self.as_boolean(right, word)?;
        let at = left.at;
        let args = match left.node {
            Node::And(mut args) if is_and => {
                args.push(right);
                args
            }
            Node::Or(mut args) if !is_and => {
                args.push(right);
                args
            }
            _ => vec![left, right],
        };
        let node = if is_and { Node::And(args) } else { Node::Or(args) };
        Ok(Expr::new(node, ColumnType::Bool).at(at))
    }

    #[inline(never)]
    fn bind_unary(&mut self, op: UnaryOperator, expr: &ast::Expr) -> Result<Expr> {
        let sign = match op {
            UnaryOperator::Not => {
                let arg = self.bind(expr)?;
                let arg = self.as_boolean(arg, "NOT")?;
                let at = arg.at;
                return Ok(Expr::new(Node::Not(Box::new(arg)), ColumnType::Bool).at(at));
            }
            UnaryOperator::Minus => {
                if let ast::Expr::Value(ValueWithSpan {
                    value: Value::Number(digits, false),
                    span,
                }) = expr
                {
                    let at = self.place(*span);
                    return literal::number(&format!("-{digits}")).map(|number| number.at(at));
                }
                "-"
            }
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            UnaryOperator::PGSquareRoot => "|/",
            UnaryOperator::PGCubeRoot => "||/",
            other => {
                return Err(Error::unsupported(format!("the operator {other}"))
                    .at(self.position(expr.span())));
            }
        };
        let arg = self.bind(expr)?;
        match resolve(named(sign), &[arg.ty], true) {
            Resolution::One(function) => self.call(function, vec![arg]),
            Resolution::None => {
                Err(no_operator(&format!("{sign} {}", shown(&arg))).at(self.position(expr.span())))
            }
            Resolution::Ambiguous => Err(ambiguous_operator(&format!("{sign} {}", shown(&arg)))
                .at(self.position(expr.span()))),
        }
    }

    /// A binary operator on two bound operands; `at` is its place for errors.
    pub(super) fn operator(
        &mut self,
        sign: &str,
        left: Expr,
        right: Expr,
        at: u32,
    ) -> Result<Expr> {
        let function = self.operator_function(sign, &left, &right, at)?;
        let place = left.at;
        Ok(self.call(function, vec![left, right])?.at(place))
    }

    /// The function of a binary operator.
    pub(super) fn operator_function(
        &mut self,
        sign: &str,
        left: &Expr,
        right: &Expr,
        at: u32,
    ) -> Result<&'static Function> {
        let position = (at != 0).then_some(at as usize);
        let described = || format!("{} {sign} {}", shown(left), shown(right));
        match resolve(named(sign), &[left.ty, right.ty], true) {
            Resolution::One(function) => Ok(function),
            Resolution::Ambiguous => Err(ambiguous_operator(&described()).at(position)),
            Resolution::None => {
                let time = |expr: &Expr| category(expr.ty) == Category::Time;
                if matches!(sign, "+" | "-")
                    && (time(left) || time(right))
                    && wants_interval(left, right)
                {
                    return Err(Error::unsupported("the type interval").at(position));
                }
                Err(no_operator(&described()).at(position))
            }
        }
    }

    /// Both operands as the function of an operator wants them.
    pub(super) fn operands(
        &mut self,
        function: &'static Function,
        left: Expr,
        right: Expr,
    ) -> Result<[Expr; 2]> {
        let mut args = self.arguments(function, vec![left, right])?;
        match (args.pop(), args.pop()) {
            (Some(right), Some(left)) => Ok([left, right]),
            _ => Err(Error::internal("operator without two operands")),
        }
    }

    /// `||`: texts, byte strings, or a text and anything.
    fn concatenate(&mut self, left: Expr, right: Expr, at: u32) -> Result<Expr> {
        let text_like =
            |expr: &Expr| matches!(category(expr.ty), Category::Text | Category::Unknown);
        let bytes = |expr: &Expr| expr.ty == ColumnType::Bytea;
        let any_bytes = bytes(&left) || bytes(&right);
        let (left, right) = if any_bytes || text_like(&left) == text_like(&right) {
            (left, right)
        } else if text_like(&left) {
            let right = self.as_text(right)?;
            (left, right)
        } else {
            let left = self.as_text(left)?;
            (left, right)
        };
        self.operator("||", left, right, at)
    }

    fn as_text(&mut self, expr: Expr) -> Result<Expr> {
        match self.coerce(expr, ColumnType::Text.into(), Context::Assignment)? {
            Some(expr) => Ok(expr),
            None => Err(Error::internal("value without a text form")),
        }
    }

    /// A call of a function whose arguments can be coerced to what it takes.
    pub(super) fn call(&mut self, function: &'static Function, args: Vec<Expr>) -> Result<Expr> {
        let at = args.first().map_or(0, |arg| arg.at);
        let args = self.arguments(function, args)?;
        let constant = function.volatility == Volatility::Immutable
            && args.iter().all(|arg| arg.as_const().is_some());
        let call =
            Expr::new(Node::Call { function: FunctionRef(function), args }, function.result).at(at);
        if constant && let Ok(value) = self.evaluator().value(&call, &[]) {
            // What fails is left to fail when it is evaluated, if it ever is.
            return Ok(Expr::constant(value, function.result).at(at));
        }
        Ok(call)
    }

    fn arguments(&mut self, function: &'static Function, args: Vec<Expr>) -> Result<Vec<Expr>> {
        let mut coerced = Vec::with_capacity(args.len());
        for (place, arg) in args.into_iter().enumerate() {
            let wanted = match function.args.get(place) {
                Some(wanted) => *wanted,
                // Further arguments of any type; a literal without one is text.
                None if arg.ty == ColumnType::Unknown => ColumnType::Text,
                None => base(arg.ty),
            };
            let (from, position) = (arg.ty, arg.position());
            match self.coerce(arg, wanted.into(), Context::Implicit)? {
                Some(arg) => coerced.push(arg),
                None => {
                    return Err(Error::new(
                        SqlState::CANNOT_COERCE,
                        format!("cannot cast type {} to {}", type_name(from), type_name(wanted)),
                    )
                    .at(position));
                }
            }
        }
        Ok(coerced)
    }
}

/// Whether the missing operator is one that PostgreSQL has, with an interval in it.
fn wants_interval(left: &Expr, right: &Expr) -> bool {
    let allowed = |expr: &Expr| matches!(category(expr.ty), Category::Time | Category::Unknown);
    allowed(left) && allowed(right)
}

/// The type of an operand, as errors show it.
pub(super) fn shown(expr: &Expr) -> String {
    type_name(base(expr.ty))
}

fn no_operator(described: &str) -> Error {
    Error::new(SqlState::UNDEFINED_FUNCTION, format!("operator does not exist: {described}")).hint(
        "No operator matches the given name and argument types. \
         You might need to add explicit type casts.",
    )
}

fn ambiguous_operator(described: &str) -> Error {
    Error::new(SqlState::AMBIGUOUS_FUNCTION, format!("operator is not unique: {described}")).hint(
        "Could not choose a best candidate operator. You might need to add explicit type casts.",
    )
}
