//! CHECK constraints: bound when a table is defined, and again for statements that change its rows.

use std::collections::BTreeSet;

use catalog::{NewCheck, TableDef};
use sqlparser::ast::{CheckConstraint, Ident, Spanned};
use sqlparser::tokenizer::Token;
use types::SqlState;

use super::names::name_of;
use super::{Aggregates, BindContext, Parameters, Scope};
use crate::error::{Error, Result};
use crate::expr::deparse::deparse;
use crate::expr::{Expr, Node};
use crate::parse::{Source, parse_expression, replace_words};
use crate::planned::Check;

/// What the messages call the place of such an expression.
const CLAUSE: &str = "check constraints";

/// A CHECK as the parser read it, for a table that is being made or changed. `behind` is the column
/// that it stands behind.
pub(crate) fn bind_new_check(
    context: &BindContext<'_>,
    check: &CheckConstraint,
    outer_name: Option<&Ident>,
    table: &TableDef,
    behind: Option<usize>,
) -> Result<NewCheck> {
    let CheckConstraint { name, expr, no_inherit, enforced } = check;
    if *no_inherit || enforced.is_some() {
        return Err(Error::unsupported("an option of CHECK"));
    }
    let name = outer_name.or(name.as_ref()).map(name_of).transpose()?;
    let expression = expr.to_string();
    let position = context.source.position(expr.span().start);
    let bound = bind_text(context, &expression, table)
        .map_err(|error| error.without_position().at(position))?;
    Ok(NewCheck { name, expression, columns: columns_of(&bound), behind })
}

/// The positions of the columns that an expression looks at.
fn columns_of(expr: &Expr) -> Vec<usize> {
    let mut columns = BTreeSet::new();
    expr.any(&mut |part| {
        if let Node::Column(index) = part.node {
            columns.insert(index);
        }
        false
    });
    columns.into_iter().collect()
}

/// Binds the text of a CHECK over the columns of its table.
fn bind_text(context: &BindContext<'_>, text: &str, table: &TableDef) -> Result<Expr> {
    let source = Source::new(text);
    let params = Parameters::default();
    let inner = BindContext { source: &source, params: &params, ..*context };
    let mut binder = inner.binder(Scope::of_table(table, None));
    binder.aggregates_here = Aggregates::Forbidden(CLAUSE);
    let bound = binder.bind(&parse_expression(text)?)?;
    if binder.scope.uses_system {
        let message = "system column reference in check constraint is invalid";
        return Err(Error::new(SqlState::INVALID_COLUMN_REFERENCE, message));
    }
    binder.as_boolean(bound, "CHECK")
}

/// The CHECKs of a table, ready to be looked at for each row.
pub(crate) fn bind_checks(context: &BindContext<'_>, table: &TableDef) -> Result<Vec<Check>> {
    let checks = table.checks().into_iter().map(|check| {
        let expr = bind_text(context, &check.expression, table).map_err(Error::without_position)?;
        Ok(Check { name: check.name.clone(), expr })
    });
    checks.collect()
}

/// The CHECKs of a table whose texts change because a name in them does: `words` are replaced, and
/// what comes out must mean the same over `renamed`, the table with its new names.
pub(crate) fn renamed_checks(
    context: &BindContext<'_>,
    table: &TableDef,
    renamed: &TableDef,
    replace: &dyn Fn(&Token, Option<&Token>) -> Option<String>,
) -> Result<Vec<(types::Oid, String)>> {
    // The same names for both, so that what is left to compare is what they mean.
    let numbered: Vec<String> = (0..table.columns.len()).map(|n| format!("${n}")).collect();
    let mut changed = Vec::new();
    for check in table.checks() {
        let text = replace_words(&check.expression, replace)?;
        let before = bind_text(context, &check.expression, table)?;
        let after = bind_text(context, &text, renamed);
        match after {
            Ok(after) if deparse(&after, &numbered) == deparse(&before, &numbered) => {
                if text != check.expression {
                    changed.push((check.oid, text));
                }
            }
            _ => {
                let what = format!("a new name in the expression of constraint \"{}\"", check.name);
                return Err(Error::unsupported(what));
            }
        }
    }
    Ok(changed)
}
