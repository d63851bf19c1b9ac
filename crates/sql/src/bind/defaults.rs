//! Defaults of columns, and DEFAULT where a value could be.

use catalog::TableDef;
use sqlparser::ast::Expr as AstExpr;
use types::{ColumnType, Datum, SqlState};

use super::sequences::default_of_sequence;
use super::{Aggregates, BindContext, Context, Parameters, Scope};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::parse::{Source, parse_expression};
use crate::values::names::base;
use crate::values::type_name;

/// The default of a column, as a value of its type; NULL if it has none.
pub(crate) fn default_of(
    context: &BindContext<'_>,
    table: &TableDef,
    column: usize,
) -> Result<Expr> {
    let column = &table.columns[column];
    if let Some(identity) = column.identity {
        let text = default_of_sequence(identity.sequence);
        return bind_default(context, &text, &column.name, column.ty)
            .map_err(Error::without_position);
    }
    match &column.default {
        None => Ok(Expr::constant(Datum::Null, base(column.ty))),
        Some(text) => {
            bind_default(context, text, &column.name, column.ty).map_err(Error::without_position)
        }
    }
}

/// Binds the text of a default.
pub(crate) fn bind_default(
    context: &BindContext<'_>,
    text: &str,
    name: &str,
    ty: ColumnType,
) -> Result<Expr> {
    let source = Source::new(text);
    let params = Parameters::default();
    let inner = BindContext { source: &source, params: &params, ..*context };
    let mut binder = inner.binder(Scope::default());
    binder.aggregates_here = Aggregates::Forbidden("DEFAULT expressions");
    let bound = binder.bind(&parse_expression(text)?).map_err(|error| {
        if error.sqlstate() == Some(SqlState::UNDEFINED_COLUMN) {
            let message = "cannot use column reference in DEFAULT expression";
            return Error::new(SqlState::FEATURE_NOT_SUPPORTED, message);
        }
        error
    })?;
    let from = bound.ty;
    binder.coerce(bound, ty.into(), Context::Assignment)?.ok_or_else(|| {
        Error::new(
            SqlState::DATATYPE_MISMATCH,
            format!(
                "column \"{name}\" is of type {} but default expression is of type {}",
                type_name(base(ty)),
                type_name(base(from))
            ),
        )
        .hint("You will need to rewrite or cast the expression.")
    })
}

pub(super) fn is_default(expr: &AstExpr) -> bool {
    matches!(
        expr,
        AstExpr::Identifier(ident)
            if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default")
    )
}
