//! Bound expressions: every name is a place, every operator a function, every node has its type.
//!
//! The binder builds them, [`eval`] computes them, `deparse` writes them back
//! as SQL for EXPLAIN and messages. Literals are typed constants by then, implicit casts are nodes
//! of their own, and what depends on constants alone has been computed already.
//!
//! Depth is bounded by the binder ([`MAX_DEPTH`]), so the recursive walks here need no guard of
//! their own.

pub(crate) mod aggregate;
pub(crate) mod deparse;
pub(crate) mod eval;
pub(crate) mod like;

use types::{ColumnType, Datum};

use crate::functions::{Function, Volatility};
use crate::values::names::base;

/// How deep a bound expression may be nested.
pub(crate) const MAX_DEPTH: usize = 1500;

/// An expression with its type and its place in the statement.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    /// What it computes.
    pub node: Node,
    /// The type of the value.
    pub ty: ColumnType,
    /// Where it stands in the request, in characters from 1; 0 is unknown.
    pub at: u32,
}

/// Two expressions are equal if they compute the same, wherever they stand.
impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.ty == other.ty && self.node == other.node
    }
}

/// What an expression computes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A constant.
    Const(Datum),
    /// A parameter of a prepared statement, from 0.
    Param(usize),
    /// A value of the input row.
    Column(usize),
    /// The result of an aggregate, by its place in the list of the query's aggregates. Becomes a
    /// column of the row of a group before anything is evaluated.
    Aggregate(usize),
    /// A function or operator.
    Call { function: FunctionRef, args: Vec<Expr> },
    /// A change of type.
    Convert { conversion: Conversion, arg: Box<Expr> },
    /// AND of two or more.
    And(Vec<Expr>),
    /// OR of two or more.
    Or(Vec<Expr>),
    /// NOT
    Not(Box<Expr>),
    /// IS \[NOT\] NULL
    IsNull { arg: Box<Expr>, negated: bool },
    /// IS \[NOT\] TRUE, FALSE, UNKNOWN (no value)
    IsBool { arg: Box<Expr>, value: Option<bool>, negated: bool },
    /// IS \[NOT\] DISTINCT FROM, by the operator `=`
    Distinct { equal: FunctionRef, args: Box<[Expr; 2]>, negated: bool },
    /// \[NOT\] IN (list), by the operator `=`
    InList { equal: FunctionRef, left: Box<Expr>, list: Vec<Expr>, negated: bool },
    /// CASE; the conditions of one with an operand compare [`Node::CaseOperand`].
    Case { operand: Option<Box<Expr>>, whens: Vec<(Expr, Expr)>, otherwise: Box<Expr> },
    /// The value of the operand of the innermost CASE.
    CaseOperand,
    /// The first value that is not NULL.
    Coalesce(Vec<Expr>),
    /// NULL if both are equal, else the first.
    NullIf { equal: FunctionRef, args: Box<[Expr; 2]> },
    /// GREATEST or LEAST
    Extreme { greatest: bool, args: Vec<Expr> },
}

/// A function of the table of functions; equal if it is the same one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FunctionRef(pub &'static Function);

impl PartialEq for FunctionRef {
    fn eq(&self, other: &FunctionRef) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

/// How a value changes its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Conversion {
    /// From one number, date or text type to another; the target is the expression's type.
    Value,
    /// To `varchar(n)` or `char(n)`: cut if the cast is explicit.
    Length { explicit: bool },
    /// To `numeric(precision, scale)`.
    Fit { precision: i64, scale: i64 },
    /// To text, by the type's output.
    Output,
    /// From text, by the type's input.
    Input,
}

impl Expr {
    /// An expression whose place is not known.
    pub(crate) fn new(node: Node, ty: ColumnType) -> Expr {
        Expr { node, ty, at: 0 }
    }

    /// A constant.
    pub(crate) fn constant(value: Datum, ty: ColumnType) -> Expr {
        Expr::new(Node::Const(value), ty)
    }

    /// The same at a place.
    pub(crate) fn at(mut self, at: u32) -> Expr {
        self.at = at;
        self
    }

    /// The type without its length.
    pub(crate) fn base_type(&self) -> ColumnType {
        base(self.ty)
    }

    /// The place as an error wants it.
    pub(crate) fn position(&self) -> Option<usize> {
        (self.at != 0).then_some(self.at as usize)
    }

    /// The value, if it is a constant.
    pub(crate) fn as_const(&self) -> Option<&Datum> {
        match &self.node {
            Node::Const(value) => Some(value),
            _ => None,
        }
    }

    /// Calls `visit` for every direct part.
    pub(crate) fn for_each_child<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        match &self.node {
            Node::Const(_)
            | Node::Param(_)
            | Node::Column(_)
            | Node::Aggregate(_)
            | Node::CaseOperand => {}
            Node::Call { function: _, args }
            | Node::And(args)
            | Node::Or(args)
            | Node::Coalesce(args)
            | Node::Extreme { greatest: _, args } => args.iter().for_each(visit),
            Node::Convert { conversion: _, arg }
            | Node::Not(arg)
            | Node::IsNull { arg, negated: _ }
            | Node::IsBool { arg, value: _, negated: _ } => visit(arg),
            Node::Distinct { equal: _, args, negated: _ } | Node::NullIf { equal: _, args } => {
                args.iter().for_each(visit);
            }
            Node::InList { equal: _, left, list, negated: _ } => {
                visit(left);
                list.iter().for_each(visit);
            }
            Node::Case { operand, whens, otherwise } => {
                operand.iter().for_each(|operand| visit(operand));
                for (condition, result) in whens {
                    visit(condition);
                    visit(result);
                }
                visit(otherwise);
            }
        }
    }

    /// Calls `visit` for every direct part, which it may replace.
    pub(crate) fn for_each_child_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        match &mut self.node {
            Node::Const(_)
            | Node::Param(_)
            | Node::Column(_)
            | Node::Aggregate(_)
            | Node::CaseOperand => {}
            Node::Call { function: _, args }
            | Node::And(args)
            | Node::Or(args)
            | Node::Coalesce(args)
            | Node::Extreme { greatest: _, args } => args.iter_mut().for_each(visit),
            Node::Convert { conversion: _, arg }
            | Node::Not(arg)
            | Node::IsNull { arg, negated: _ }
            | Node::IsBool { arg, value: _, negated: _ } => visit(arg),
            Node::Distinct { equal: _, args, negated: _ } | Node::NullIf { equal: _, args } => {
                args.iter_mut().for_each(visit);
            }
            Node::InList { equal: _, left, list, negated: _ } => {
                visit(left);
                list.iter_mut().for_each(visit);
            }
            Node::Case { operand, whens, otherwise } => {
                operand.iter_mut().for_each(|operand| visit(operand));
                for (condition, result) in whens {
                    visit(condition);
                    visit(result);
                }
                visit(otherwise);
            }
        }
    }

    /// Whether it may have another value each time.
    pub(crate) fn is_volatile(&self) -> bool {
        self.any(&mut |part| match &part.node {
            Node::Call { function, .. } => function.0.volatility == Volatility::Volatile,
            _ => false,
        })
    }

    /// Whether any part satisfies `is`.
    pub(crate) fn any(&self, is: &mut dyn FnMut(&Expr) -> bool) -> bool {
        if is(self) {
            return true;
        }
        let mut found = false;
        self.for_each_child(&mut |child| found = found || child.any(is));
        found
    }
}
