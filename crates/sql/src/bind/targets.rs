//! The list behind SELECT or RETURNING: expressions and their names, and `*`.

use sqlparser::ast::{
    Expr as AstExpr, SelectItem, SelectItemQualifiedWildcardKind, Spanned,
    WildcardAdditionalOptions,
};

use super::Binder;
use super::names::{fold, object_name};
use super::select::Unknowns;
use crate::error::{Error, Result};
use crate::expr::Expr;

/// A target and its name.
pub(super) struct Target {
    pub expr: Expr,
    pub name: String,
}

impl Binder<'_> {
    /// Every column, for `*`.
    pub(super) fn all_columns(&mut self) -> Vec<Target> {
        let columns = self.scope.columns.clone();
        let shown = columns.into_iter().enumerate().filter(|(_, column)| !column.dropped);
        let targets = shown.map(|(index, column)| Target {
            expr: self.column(index, column.ty),
            name: column.name,
        });
        targets.collect()
    }

    /// The list behind SELECT or RETURNING.
    pub(super) fn bind_targets(
        &mut self,
        items: &[SelectItem],
        unknowns: Unknowns,
    ) -> Result<Vec<Target>> {
        let mut targets = Vec::with_capacity(items.len());
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = super::order::column_name(expr);
                    targets.push(self.bind_target(expr, name, unknowns)?);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    targets.push(self.bind_target(expr, fold(alias), unknowns)?);
                }
                SelectItem::Wildcard(options) => {
                    check_wildcard(options)?;
                    if self.scope.table.is_none() {
                        let message = "SELECT * with no tables specified is not valid";
                        return Err(Error::syntax(message).at(self.position(item.span())));
                    }
                    self.note_star(None, options.wildcard_token.0.span);
                    targets.extend(self.all_columns());
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    check_wildcard(options)?;
                    let SelectItemQualifiedWildcardKind::ObjectName(name) = kind else {
                        return Err(Error::unsupported("* of an expression"));
                    };
                    let parts = object_name(name)?;
                    let position = self.position(name.span());
                    let (table, schema) = match parts.as_slice() {
                        [table] => (table, None),
                        [schema, table] => (table, Some(schema.as_str())),
                        _ => return Err(Error::unsupported("a name of so many parts")),
                    };
                    self.check_table(schema, table).map_err(|error| error.at(position))?;
                    self.note_star(Some(name.span()), options.wildcard_token.0.span);
                    targets.extend(self.all_columns());
                }
                SelectItem::ExprWithAliases { .. } => {
                    return Err(Error::unsupported("several aliases for one expression"));
                }
            }
        }
        Ok(targets)
    }

    fn bind_target(&mut self, expr: &AstExpr, name: String, unknowns: Unknowns) -> Result<Target> {
        let bound = self.bind(expr)?;
        let keep = unknowns == Unknowns::Keep;
        let expr = if keep { bound } else { self.with_type(bound)? };
        Ok(Target { expr, name })
    }
}

fn check_wildcard(options: &WildcardAdditionalOptions) -> Result<()> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    let any = opt_ilike.is_some()
        || opt_exclude.is_some()
        || opt_except.is_some()
        || opt_replace.is_some()
        || opt_rename.is_some()
        || opt_alias.is_some();
    if any { Err(Error::unsupported("an option of *")) } else { Ok(()) }
}
