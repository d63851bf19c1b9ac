//! Names of the columns of each SELECT.

use catalog::quote_identifier;
use sqlparser::ast::{self, Ident, SelectItem, SetExpr, TableFactor};

use crate::bind::names::is_reserved;

/// Gives the columns of every SELECT their names; those further in come first.
pub(super) fn name_targets(query: &mut ast::Query, names: &mut dyn Iterator<Item = Vec<String>>) {
    match query.body.as_mut() {
        SetExpr::Query(inner) => name_targets(inner, names),
        SetExpr::Select(select) => {
            for from in &mut select.from {
                if let TableFactor::Derived { subquery, .. } = &mut from.relation {
                    name_targets(subquery, names);
                }
            }
            let names = names.next().unwrap_or_default();
            for (item, name) in select.projection.iter_mut().zip(names) {
                name_target(item, &name);
            }
        }
        _ => {}
    }
}

/// Gives a column of a SELECT its name, unless it has it already.
fn name_target(item: &mut SelectItem, name: &str) {
    let expr = match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.clone(),
        _ => return,
    };
    let own = match &expr {
        ast::Expr::Identifier(ident) => Some(ident),
        ast::Expr::CompoundIdentifier(idents) => idents.last(),
        _ => None,
    };
    *item = match own {
        Some(own) if own.value == name => SelectItem::UnnamedExpr(expr),
        _ => SelectItem::ExprWithAlias { expr, alias: quoted(name) },
    };
}

/// A name as it is written: in quotes where it must be.
pub(super) fn quoted(name: &str) -> Ident {
    let must = quote_identifier(name) != name || is_reserved(name);
    Ident { quote_style: must.then_some('"'), ..Ident::new(name) }
}

/// Gives the columns of the outermost SELECT their names.
pub(super) fn name_top(query: &mut ast::Query, names: Vec<String>) {
    match query.body.as_mut() {
        SetExpr::Query(inner) => name_top(inner, names),
        SetExpr::Select(select) => {
            for (item, name) in select.projection.iter_mut().zip(names) {
                name_target(item, &name);
            }
        }
        _ => {}
    }
}
