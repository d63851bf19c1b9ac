//! Changes of type that the binder puts in: PostgreSQL's `pg_cast` and `parse_coerce.c`.
//!
//! | context | where | may |
//! |---|---|---|
//! | implicit | arguments of functions and operators | lose nothing: integer to bigint, varchar to text |
//! | assignment | a value that goes into a column | narrow: bigint to integer; anything to text |
//! | explicit | CAST and `::` | everything there is, and text to anything |
//!
//! A literal that has no type yet takes any, by the type's input, in every context.

use types::{ColumnType, Datum, SqlState};

use super::Binder;
use super::types::TypeSpec;
use crate::error::{Error, Result};
use crate::expr::{Conversion, Expr, Node};
use crate::values::names::base;
use crate::values::type_name;

/// In which context a type changes; a later one allows more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Context {
    Implicit,
    Assignment,
    Explicit,
}

/// The kind of a type, within which implicit casts are preferred.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Category {
    Boolean,
    Number,
    Text,
    Time,
    User,
    Unknown,
}

/// The category of a type.
pub(crate) fn category(ty: ColumnType) -> Category {
    use ColumnType as T;
    match ty {
        T::Bool => Category::Boolean,
        T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8 | T::Numeric | T::Oid => {
            Category::Number
        }
        T::Text | T::Varchar(_) | T::Bpchar(_) => Category::Text,
        T::Date | T::Timestamp | T::Timestamptz => Category::Time,
        T::Bytea | T::PgLsn => Category::User,
        T::Unknown => Category::Unknown,
    }
}

/// Whether the type is preferred in its category.
pub(crate) fn is_preferred(ty: ColumnType) -> bool {
    use ColumnType as T;
    matches!(ty, T::Bool | T::Float8 | T::Oid | T::Text | T::Timestamptz)
}

/// The cast between two different types: its conversion (`None`: the value stays as it is) and
/// the least context that allows it.
fn cast_between(from: ColumnType, to: ColumnType) -> Option<(Option<Conversion>, Context)> {
    use ColumnType as T;
    use Context::{Assignment, Explicit, Implicit};
    let value = |context| Some((Some(Conversion::Value), context));
    match (from, to) {
        (T::Int2, T::Int4 | T::Int8) | (T::Int4, T::Int8) => value(Implicit),
        (T::Int4, T::Int2) | (T::Int8, T::Int2 | T::Int4) => value(Assignment),
        (T::Int2 | T::Int4 | T::Int8, T::Float4 | T::Float8 | T::Numeric) => value(Implicit),
        (T::Float4 | T::Float8 | T::Numeric, T::Int2 | T::Int4 | T::Int8) => value(Assignment),
        (T::Float4, T::Float8) | (T::Numeric, T::Float4 | T::Float8) => value(Implicit),
        (T::Float8, T::Float4) | (T::Float4 | T::Float8, T::Numeric) => value(Assignment),
        (T::Int4, T::Bool) | (T::Bool, T::Int4) => value(Explicit),
        (T::Int2 | T::Int4 | T::Int8, T::Oid) => value(Implicit),
        (T::Oid, T::Int8 | T::Int4) => value(Assignment),
        (T::Date, T::Timestamp | T::Timestamptz) | (T::Timestamp, T::Timestamptz) => {
            value(Implicit)
        }
        (T::Timestamp | T::Timestamptz, T::Date) | (T::Timestamptz, T::Timestamp) => {
            value(Assignment)
        }
        // char(n) loses the blanks that do not count; the other way nothing changes.
        (T::Bpchar(_), T::Text | T::Varchar(_)) => value(Implicit),
        (T::Text | T::Varchar(_), T::Text | T::Varchar(_) | T::Bpchar(_)) => Some((None, Implicit)),
        (_, T::Text | T::Varchar(_) | T::Bpchar(_)) => Some((Some(Conversion::Output), Assignment)),
        (T::Text | T::Varchar(_) | T::Bpchar(_), _) => Some((Some(Conversion::Input), Explicit)),
        _ => None,
    }
}

/// Whether a value of a type can be taken as another in a context.
pub(crate) fn can_coerce(from: ColumnType, to: ColumnType, context: Context) -> bool {
    let (from, to) = (base(from), base(to));
    from == to
        || from == ColumnType::Unknown
        || cast_between(from, to).is_some_and(|(_, least)| least <= context)
}

impl Binder<'_> {
    /// The expression as a value of another type, or `None` if there is no way in this context.
    pub(crate) fn coerce(
        &mut self,
        expr: Expr,
        target: TypeSpec,
        context: Context,
    ) -> Result<Option<Expr>> {
        let to = target.ty;
        let at = expr.at;
        let converted = match expr.node {
            _ if expr.base_type() == base(to) => expr,
            Node::Param(index) if expr.ty == ColumnType::Unknown => {
                self.set_param_type(index, base(to))?;
                Expr { node: Node::Param(index), ty: base(to), at }
            }
            // A NULL that has a type goes only where that type goes.
            Node::Const(Datum::Null) if can_coerce(expr.base_type(), base(to), context) => {
                Expr { node: expr.node, ty: base(to), at }
            }
            Node::Const(Datum::Text(ref text)) if expr.ty == ColumnType::Unknown => {
                let value = crate::values::input(base(to), text, self.env.now())
                    .map_err(|error| error.at(expr.position()))?;
                Expr { node: Node::Const(value), ty: base(to), at }
            }
            _ => match cast_between(expr.base_type(), base(to)) {
                Some((conversion, least)) if least <= context => match conversion {
                    Some(conversion) => self.convert(expr, conversion, base(to)),
                    None => Expr { ty: base(to), ..expr },
                },
                _ => return Ok(None),
            },
        };
        self.fit(converted, target, context).map(Some)
    }

    /// Applies the length or precision of the target.
    fn fit(&mut self, expr: Expr, target: TypeSpec, context: Context) -> Result<Expr> {
        if let Some((precision, scale)) = target.precision {
            return Ok(self.convert(expr, Conversion::Fit { precision, scale }, target.ty));
        }
        if expr.ty == target.ty {
            return Ok(expr);
        }
        if matches!(target.ty, ColumnType::Varchar(None) | ColumnType::Bpchar(0)) {
            // A cast to the type without a length keeps the value, and forgets the length.
            return Ok(if context == Context::Explicit {
                Expr { ty: target.ty, ..expr }
            } else {
                expr
            });
        }
        let explicit = context == Context::Explicit;
        Ok(self.convert(expr, Conversion::Length { explicit }, target.ty))
    }

    /// A conversion, done at once if it is one of a constant and depends on nothing else.
    pub(super) fn convert(&self, arg: Expr, conversion: Conversion, ty: ColumnType) -> Expr {
        let at = arg.at;
        let depends_on_session = matches!(conversion, Conversion::Output)
            && matches!(arg.ty, ColumnType::Float4 | ColumnType::Float8 | ColumnType::Bytea);
        let node = match &arg.node {
            Node::Const(Datum::Null) => Node::Const(Datum::Null),
            Node::Const(value) if !depends_on_session => {
                let value = std::borrow::Cow::Borrowed(value);
                match self.evaluator().converted(conversion, value, arg.ty, ty) {
                    Ok(value) => Node::Const(value.into_owned()),
                    // It fails when it is evaluated, if it ever is.
                    Err(_) => Node::Convert { conversion, arg: Box::new(arg) },
                }
            }
            _ => Node::Convert { conversion, arg: Box::new(arg) },
        };
        Expr { node, ty, at }
    }

    /// The expression as a boolean, for a clause that needs one.
    pub(crate) fn as_boolean(&mut self, expr: Expr, construct: &str) -> Result<Expr> {
        let (ty, position) = (expr.ty, expr.position());
        match self.coerce(expr, ColumnType::Bool.into(), Context::Assignment)? {
            Some(expr) => Ok(expr),
            None => Err(Error::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "argument of {construct} must be type boolean, not type {}",
                    type_name(base(ty))
                ),
            )
            .at(position)),
        }
    }

    /// The expression with a type: what has none becomes text.
    pub(crate) fn with_type(&mut self, expr: Expr) -> Result<Expr> {
        if expr.ty != ColumnType::Unknown {
            return Ok(expr);
        }
        let position = expr.position();
        match self.coerce(expr, ColumnType::Text.into(), Context::Implicit)? {
            Some(expr) => Ok(expr),
            None => Err(Error::internal("literal that is no text").at(position)),
        }
    }

    /// The type that all of some expressions can have (`select_common_type`).
    pub(crate) fn common_type(&self, exprs: &[Expr], construct: &str) -> Result<ColumnType> {
        let mut known = exprs.iter().filter(|expr| expr.ty != ColumnType::Unknown);
        let Some(first) = known.next() else { return Ok(ColumnType::Text) };
        let mut common = first.ty;
        for expr in known {
            let (ty, other) = (base(common), expr.base_type());
            if ty == other {
                if common != expr.ty {
                    common = ty;
                }
            } else if category(ty) != category(other) {
                return Err(Error::new(
                    SqlState::DATATYPE_MISMATCH,
                    format!(
                        "{construct} types {} and {} cannot be matched",
                        type_name(ty),
                        type_name(other)
                    ),
                )
                .at(expr.position()));
            } else if !is_preferred(ty)
                && can_coerce(ty, other, Context::Implicit)
                && !can_coerce(other, ty, Context::Implicit)
            {
                common = expr.ty;
            } else {
                common = ty;
            }
        }
        Ok(common)
    }

    /// All of some expressions as values of one type.
    pub(crate) fn coerce_all(
        &mut self,
        exprs: Vec<Expr>,
        ty: ColumnType,
        construct: &str,
    ) -> Result<Vec<Expr>> {
        let mut coerced = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let (from, position) = (expr.ty, expr.position());
            match self.coerce(expr, ty.into(), Context::Implicit)? {
                Some(expr) => coerced.push(expr),
                None => {
                    return Err(Error::new(
                        SqlState::CANNOT_COERCE,
                        format!(
                            "{construct} could not convert type {} to {}",
                            type_name(base(from)),
                            type_name(base(ty))
                        ),
                    )
                    .at(position));
                }
            }
        }
        Ok(coerced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ColumnType as T;

    #[test]
    fn contexts_allow_what_postgresql_allows() {
        use Context::{Assignment, Explicit, Implicit};
        for (from, to, least) in [
            (T::Int4, T::Int8, Some(Implicit)),
            (T::Int8, T::Int4, Some(Assignment)),
            (T::Int4, T::Bool, Some(Explicit)),
            (T::Int8, T::Bool, None),
            (T::Int4, T::Text, Some(Assignment)),
            (T::Text, T::Int4, Some(Explicit)),
            (T::Bpchar(3), T::Text, Some(Implicit)),
            (T::Float8, T::Numeric, Some(Assignment)),
            (T::Numeric, T::Float8, Some(Implicit)),
            (T::Date, T::Timestamptz, Some(Implicit)),
            (T::Timestamptz, T::Date, Some(Assignment)),
            (T::Date, T::Int4, None),
            (T::Bytea, T::Text, Some(Assignment)),
        ] {
            for context in [Implicit, Assignment, Explicit] {
                let allowed = least.is_some_and(|least| least <= context);
                assert_eq!(can_coerce(from, to, context), allowed, "{from:?} {to:?} {context:?}");
            }
        }
    }
}
