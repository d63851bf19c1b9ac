//! Expressions with a syntax of their own: CASE, IN, BETWEEN, LIKE, CAST, EXTRACT, COALESCE, …

use sqlparser::ast::{
    self, CaseWhen, CastKind, CeilFloorKind, DataType, Expr as AstExpr, Spanned, TrimWhereField,
    TypedString,
};
use types::{ColumnType, Datum, SqlState};

use super::coerce::can_coerce;
use super::types::{TypeSpec, bind_type};
use super::{Binder, Context};
use crate::error::{Error, Result};
use crate::expr::{Expr, FunctionRef, Node};
use crate::values::names::base;
use crate::values::type_name;

impl Binder<'_> {
    /// What `bind` leaves over.
    #[inline(never)]
    pub(super) fn bind_special(&mut self, expr: &AstExpr) -> Result<Expr> {
        match expr {
            AstExpr::IsNull(arg) => self.bind_is_null(arg, false),
            AstExpr::IsNotNull(arg) => self.bind_is_null(arg, true),
            AstExpr::IsTrue(arg) => self.bind_is(arg, Some(true), false, "IS TRUE"),
            AstExpr::IsNotTrue(arg) => self.bind_is(arg, Some(true), true, "IS NOT TRUE"),
            AstExpr::IsFalse(arg) => self.bind_is(arg, Some(false), false, "IS FALSE"),
            AstExpr::IsNotFalse(arg) => self.bind_is(arg, Some(false), true, "IS NOT FALSE"),
            AstExpr::IsUnknown(arg) => self.bind_is(arg, None, false, "IS UNKNOWN"),
            AstExpr::IsNotUnknown(arg) => self.bind_is(arg, None, true, "IS NOT UNKNOWN"),
            AstExpr::IsDistinctFrom(left, right) => self.bind_distinct(left, right, false),
            AstExpr::IsNotDistinctFrom(left, right) => self.bind_distinct(left, right, true),
            AstExpr::InList { expr, list, negated } => self.bind_in(expr, list, *negated),
            AstExpr::Between { expr, negated, low, high } => {
                self.bind_between(expr, low, high, *negated)
            }
            AstExpr::Like { negated, any: false, expr, pattern, escape_char } => {
                let sign = if *negated { "!~~" } else { "~~" };
                self.bind_like(sign, expr, pattern, escape_char.as_deref())
            }
            AstExpr::ILike { negated, any: false, expr, pattern, escape_char } => {
                let sign = if *negated { "!~~*" } else { "~~*" };
                self.bind_like(sign, expr, pattern, escape_char.as_deref())
            }
            AstExpr::Cast { kind, expr, data_type, format } => {
                if !matches!(kind, CastKind::Cast | CastKind::DoubleColon) || format.is_some() {
                    return Err(Error::unsupported("TRY_CAST").at(self.position(expr.span())));
                }
                self.bind_cast(expr, data_type)
            }
            AstExpr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false }) => {
                let literal = self.bind_value(value)?;
                let target = bind_type(data_type)?;
                let at = literal.at;
                self.explicit_cast(literal, target, at)
            }
            AstExpr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.bind_case(operand.as_deref(), conditions, else_result.as_deref())
            }
            _ => self.bind_function_like(expr),
        }
    }

    /// Functions that are not called like functions.
    #[inline(never)]
    fn bind_function_like(&mut self, expr: &AstExpr) -> Result<Expr> {
        match expr {
            AstExpr::Extract { field, syntax: _, expr } => {
                let field = field.to_string();
                let field = field.trim_matches(['\'', '"']).to_ascii_lowercase();
                let unit = Expr::constant(Datum::Text(field), ColumnType::Text);
                let arg = self.bind(expr)?;
                let at = arg.at;
                self.call_named("extract", vec![unit, arg], at)
            }
            AstExpr::Ceil { expr, field } => self.bind_rounding("ceil", expr, field),
            AstExpr::Floor { expr, field } => self.bind_rounding("floor", expr, field),
            AstExpr::Position { expr, r#in } => self.bind_call("position", &[r#in, expr]),
            AstExpr::Substring { expr, substring_from, substring_for, special: _, shorthand } => {
                let name = if *shorthand { "substr" } else { "substring" };
                self.bind_substring(name, expr, substring_from.as_deref(), substring_for.as_deref())
            }
            AstExpr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "btrim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let mut args: Vec<&AstExpr> = vec![expr.as_ref()];
                args.extend(trim_what.as_deref());
                args.extend(trim_characters.iter().flatten());
                self.bind_call(name, &args)
            }
            AstExpr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut args: Vec<&AstExpr> = vec![expr, overlay_what, overlay_from];
                args.extend(overlay_for.as_deref());
                self.bind_call("overlay", &args)
            }
            other => Err(self.unsupported_expression(other)),
        }
    }

    fn bind_call(&mut self, name: &str, args: &[&AstExpr]) -> Result<Expr> {
        let mut bound = Vec::with_capacity(args.len());
        for arg in args {
            bound.push(self.bind(arg)?);
        }
        let at = bound.first().map_or(0, |arg| arg.at);
        self.call_named(name, bound, at)
    }

    fn bind_rounding(&mut self, name: &str, expr: &AstExpr, field: &CeilFloorKind) -> Result<Expr> {
        match field {
            CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => {
                self.bind_call(name, &[expr])
            }
            _ => Err(Error::unsupported(format!("{name} with a unit or scale"))
                .at(self.position(expr.span()))),
        }
    }

    fn bind_substring(
        &mut self,
        name: &str,
        expr: &AstExpr,
        from: Option<&AstExpr>,
        length: Option<&AstExpr>,
    ) -> Result<Expr> {
        let arg = self.bind(expr)?;
        let at = arg.at;
        let from = match from {
            Some(from) => self.bind(from)?,
            None => Expr::constant(Datum::Int4(1), ColumnType::Int4),
        };
        let textual = super::coerce::category(from.ty) == super::coerce::Category::Text
            || from.ty == ColumnType::Unknown && from.as_const().is_some_and(|c| !c.is_null());
        if textual {
            return Err(
                Error::unsupported("SUBSTRING with a regular expression").at(from.position())
            );
        }
        let mut args = vec![arg, from];
        if let Some(length) = length {
            args.push(self.bind(length)?);
        }
        self.call_named(name, args, at)
    }

    fn bind_is_null(&mut self, arg: &AstExpr, negated: bool) -> Result<Expr> {
        let arg = self.bind(arg)?;
        let at = arg.at;
        let arg = self.with_type(arg)?;
        Ok(Expr::new(Node::IsNull { arg: Box::new(arg), negated }, ColumnType::Bool).at(at))
    }

    fn bind_is(
        &mut self,
        arg: &AstExpr,
        value: Option<bool>,
        negated: bool,
        construct: &str,
    ) -> Result<Expr> {
        let arg = self.bind(arg)?;
        let arg = self.as_boolean(arg, construct)?;
        let at = arg.at;
        Ok(Expr::new(Node::IsBool { arg: Box::new(arg), value, negated }, ColumnType::Bool).at(at))
    }

    fn bind_distinct(&mut self, left: &AstExpr, right: &AstExpr, negated: bool) -> Result<Expr> {
        let place = self.source.operator_after(left.span().end);
        let (left, right) = (self.bind(left)?, self.bind(right)?);
        let at = left.at;
        let equal = self.operator_function("=", &left, &right, place)?;
        let args = Box::new(self.operands(equal, left, right)?);
        let node = Node::Distinct { equal: FunctionRef(equal), args, negated };
        Ok(Expr::new(node, ColumnType::Bool).at(at))
    }

    /// IN: if all have a common type, one comparison for each item; else an OR.
    fn bind_in(&mut self, expr: &AstExpr, list: &[AstExpr], negated: bool) -> Result<Expr> {
        let place = self.source.operator_after(expr.span().end);
        let left = self.bind(expr)?;
        let at = left.at;
        let mut all = vec![left];
        for item in list {
            all.push(self.bind(item)?);
        }
        if all.len() == 1 {
            return Err(self.source.unexpected(None));
        }
        let Ok(common) = self.common_type(&all, "IN") else {
            return self.bind_in_by_pairs(all, negated, place);
        };
        let sample = Expr::new(Node::Const(Datum::Null), common);
        let equal = self.operator_function("=", &sample, &sample, place)?;
        let wanted = equal.args[0];
        if !all.iter().all(|item| can_coerce(base(item.ty), wanted, Context::Implicit)) {
            return self.bind_in_by_pairs(all, negated, place);
        }
        let coerced = self.coerce_all(all, wanted, "IN")?;
        let mut items = coerced.into_iter();
        let left = items.next().ok_or_else(|| Error::internal("IN without a left side"))?;
        let node = Node::InList {
            equal: FunctionRef(equal),
            left: Box::new(left),
            list: items.collect(),
            negated,
        };
        Ok(Expr::new(node, ColumnType::Bool).at(at))
    }

    fn bind_in_by_pairs(&mut self, all: Vec<Expr>, negated: bool, place: u32) -> Result<Expr> {
        let mut items = all.into_iter();
        let left = items.next().ok_or_else(|| Error::internal("IN without a left side"))?;
        let mut tests = Vec::new();
        for item in items {
            tests.push(self.operator("=", left.clone(), item, place)?);
        }
        let at = left.at;
        let any = Expr::new(Node::Or(tests), ColumnType::Bool).at(at);
        if negated {
            return Ok(Expr::new(Node::Not(Box::new(any)), ColumnType::Bool).at(at));
        }
        Ok(any)
    }

    fn bind_between(
        &mut self,
        expr: &AstExpr,
        low: &AstExpr,
        high: &AstExpr,
        negated: bool,
    ) -> Result<Expr> {
        let place = self.source.operator_after(expr.span().end);
        let value = self.bind(expr)?;
        let at = value.at;
        let (low, high) = (self.bind(low)?, self.bind(high)?);
        let (first, second) = if negated { ("<", ">") } else { (">=", "<=") };
        let from = self.operator(first, value.clone(), low, place)?;
        let to = self.operator(second, value, high, place)?;
        let node = if negated { Node::Or(vec![from, to]) } else { Node::And(vec![from, to]) };
        Ok(Expr::new(node, ColumnType::Bool).at(at))
    }

    fn bind_like(
        &mut self,
        sign: &str,
        expr: &AstExpr,
        pattern: &AstExpr,
        escape: Option<&AstExpr>,
    ) -> Result<Expr> {
        let place = self.source.operator_after(expr.span().end);
        let (text, mut pattern) = (self.bind(expr)?, self.bind(pattern)?);
        if let Some(escape) = escape {
            let escape = self.bind(escape)?;
            pattern = self.call_named("like_escape", vec![pattern, escape], place)?;
        }
        self.operator(sign, text, pattern, place)
    }

    fn bind_cast(&mut self, expr: &AstExpr, data_type: &DataType) -> Result<Expr> {
        let target = bind_type(data_type).map_err(|error| error.at(self.position(expr.span())))?;
        let arg = self.bind(expr)?;
        let at = arg.at;
        self.explicit_cast(arg, target, at)
    }

    /// A cast that was asked for.
    pub(super) fn explicit_cast(&mut self, arg: Expr, target: TypeSpec, at: u32) -> Result<Expr> {
        let from = arg.ty;
        match self.coerce(arg, target, Context::Explicit)? {
            Some(expr) => Ok(expr.at(at)),
            None => Err(Error::new(
                SqlState::CANNOT_COERCE,
                format!(
                    "cannot cast type {} to {}",
                    type_name(base(from)),
                    type_name(base(target.ty))
                ),
            )
            .at((at != 0).then_some(at as usize))),
        }
    }

    fn bind_case(
        &mut self,
        operand: Option<&AstExpr>,
        conditions: &[CaseWhen],
        otherwise: Option<&AstExpr>,
    ) -> Result<Expr> {
        let operand = match operand {
            Some(operand) => {
                let operand = self.bind(operand)?;
                Some(self.with_type(operand)?)
            }
            None => None,
        };
        let mut tests = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for CaseWhen { condition, result } in conditions {
            let condition = self.bind(condition)?;
            tests.push(match &operand {
                Some(operand) => {
                    let at = condition.at;
                    let value = Expr::new(Node::CaseOperand, operand.ty).at(operand.at);
                    self.operator("=", value, condition, at)?
                }
                None => self.as_boolean(condition, "CASE/WHEN")?,
            });
            results.push(self.bind(result)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.bind(otherwise)?,
            None => Expr::constant(Datum::Null, ColumnType::Unknown),
        });
        // As in PostgreSQL the ELSE is asked first for the type of all.
        results.rotate_right(1);
        let ty = self.common_type(&results, "CASE")?;
        let mut results = self.coerce_all(results, ty, "CASE")?.into_iter();
        let otherwise = results.next().ok_or_else(|| Error::internal("CASE without ELSE"))?;
        let at = operand.as_ref().map_or(0, |operand| operand.at);
        let node = Node::Case {
            operand: operand.map(Box::new),
            whens: tests.into_iter().zip(results).collect(),
            otherwise: Box::new(otherwise),
        };
        Ok(Expr::new(node, ty).at(at))
    }

    /// COALESCE, NULLIF, GREATEST, LEAST and `pg_typeof`; `None` for other names.
    pub(super) fn bind_special_call(
        &mut self,
        name: &str,
        args: &[&AstExpr],
        at: u32,
    ) -> Result<Option<Expr>> {
        let construct = name.to_ascii_uppercase();
        let expr = match name {
            "coalesce" | "greatest" | "least" => {
                if args.is_empty() {
                    return Err(self.source.unexpected(None));
                }
                let mut bound = Vec::with_capacity(args.len());
                for arg in args {
                    bound.push(self.bind(arg)?);
                }
                let ty = self.common_type(&bound, &construct)?;
                let args = self.coerce_all(bound, ty, &construct)?;
                let node = match name {
                    "coalesce" => Node::Coalesce(args),
                    _ => Node::Extreme { greatest: name == "greatest", args },
                };
                Expr::new(node, ty)
            }
            "nullif" => {
                let [left, right] = args else { return Err(self.source.unexpected(None)) };
                let (left, right) = (self.bind(left)?, self.bind(right)?);
                let equal = self.operator_function("=", &left, &right, at)?;
                let args = Box::new(self.operands(equal, left, right)?);
                let ty = args[0].ty;
                Expr::new(Node::NullIf { equal: FunctionRef(equal), args }, ty)
            }
            "pg_typeof" => return self.bind_typeof(args, at).map(Some),
            _ => return self.bind_sequence_call(name, args, at),
        };
        Ok(Some(expr.at(at)))
    }

    /// The error for an expression that is not supported, naming it.
    fn unsupported_expression(&self, expr: &AstExpr) -> Error {
        let construct = match expr {
            AstExpr::Subquery(_) => "a subquery in an expression",
            AstExpr::InSubquery { .. } => "IN (SELECT …)",
            AstExpr::Exists { .. } => "EXISTS",
            AstExpr::InUnnest { .. } => "IN UNNEST",
            AstExpr::AnyOp { .. } => "ANY",
            AstExpr::AllOp { .. } => "ALL",
            AstExpr::Like { .. } | AstExpr::ILike { .. } => "LIKE ANY",
            AstExpr::SimilarTo { .. } => "SIMILAR TO",
            AstExpr::RLike { .. } => "RLIKE",
            AstExpr::Interval(_) => "the type interval",
            AstExpr::Array(_) => "an array",
            AstExpr::Tuple(_) => "a row of values",
            AstExpr::AtTimeZone { .. } => "AT TIME ZONE",
            AstExpr::Collate { .. } => "COLLATE",
            AstExpr::IsJson { .. } => "IS JSON",
            AstExpr::IsNormalized { .. } => "IS NORMALIZED",
            AstExpr::GroupingSets(_) => "GROUPING SETS",
            AstExpr::Cube(_) => "CUBE",
            AstExpr::Rollup(_) => "ROLLUP",
            AstExpr::CompoundFieldAccess { .. } | AstExpr::JsonAccess { .. } => {
                "a subscript or field of a value"
            }
            AstExpr::TypedString(_) => "ODBC syntax",
            AstExpr::Wildcard(_) | AstExpr::QualifiedWildcard(..) => "* in an expression",
            _ => "this kind of expression",
        };
        Error::unsupported(construct).at(self.position(expr.span()))
    }
}
