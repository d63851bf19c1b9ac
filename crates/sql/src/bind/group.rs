//! GROUP BY: its keys, and the check that nothing else of a row is used once rows are grouped.

use sqlparser::ast::Expr as AstExpr;
use types::SqlState;

use super::names::fold;
use super::{Aggregates, Binder};
use crate::error::{Error, Result};
use crate::expr::{Expr, Node};
use crate::output::OutputColumn;
use crate::planned::Grouping;

impl Binder<'_> {
    /// The keys: columns of the table by name first, then columns of the result by name or
    /// number, else expressions.
    pub(super) fn bind_group_by(
        &mut self,
        exprs: &[AstExpr],
        columns: &[OutputColumn],
        targets: &[Expr],
    ) -> Result<Vec<Expr>> {
        let mut keys: Vec<Expr> = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let key = self.bind_key(expr, columns, targets)?;
            if key.any(&mut |part| matches!(part.node, Node::Aggregate(_))) {
                return Err(Error::new(
                    SqlState::GROUPING_ERROR,
                    "aggregate functions are not allowed in GROUP BY",
                )
                .at(key.position()));
            }
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    fn bind_key(
        &mut self,
        expr: &AstExpr,
        columns: &[OutputColumn],
        targets: &[Expr],
    ) -> Result<Expr> {
        if let AstExpr::Identifier(ident) = expr {
            let name = fold(ident);
            if self.find_column(&name).is_none()
                && let Some(place) = columns.iter().position(|column| column.name == name)
            {
                self.note_number(ident.span, place + 1);
                return Ok(targets[place].clone());
            }
        }
        if let Some(place) = self.by_number(expr, "GROUP BY", columns.len())? {
            return Ok(targets[place].clone());
        }
        self.aggregates_here = Aggregates::Forbidden("GROUP BY");
        let bound = self.bind(expr)?;
        self.with_type(bound)
    }

    /// Turns the targets and HAVING into expressions over the row of a group, if there are groups.
    pub(super) fn finish_grouping(
        &mut self,
        keys: Vec<Expr>,
        grouped: bool,
        having: Option<Expr>,
        targets: &mut [Expr],
    ) -> Result<Option<Grouping>> {
        if !grouped && having.is_none() && self.aggregates.is_empty() {
            return Ok(None);
        }
        for target in targets.iter_mut() {
            self.regroup(target, &keys)?;
        }
        let having = match having {
            Some(mut having) => {
                self.regroup(&mut having, &keys)?;
                Some(having)
            }
            None => None,
        };
        let aggregates = std::mem::take(&mut self.aggregates);
        Ok(Some(Grouping { keys, grouped, aggregates, having }))
    }

    fn regroup(&self, expr: &mut Expr, keys: &[Expr]) -> Result<()> {
        if let Some(place) = keys.iter().position(|key| key == expr) {
            expr.node = Node::Column(place);
            return Ok(());
        }
        match expr.node {
            Node::Aggregate(index) => {
                expr.node = Node::Column(keys.len() + index);
                return Ok(());
            }
            Node::Column(index) => {
                let names = self.scope.names();
                let column = names.get(index).map_or("?", String::as_str);
                let name = match &self.scope.table {
                    Some(table) => format!("{table}.{column}"),
                    None => column.to_owned(),
                };
                return Err(Error::new(
                    SqlState::GROUPING_ERROR,
                    format!(
                        "column \"{name}\" must appear in the GROUP BY clause \
                         or be used in an aggregate function"
                    ),
                )
                .at(expr.position()));
            }
            _ => {}
        }
        let mut result = Ok(());
        expr.for_each_child_mut(&mut |child| {
            if result.is_ok() {
                result = self.regroup(child, keys);
            }
        });
        result
    }
}

/// The names of the values in the row of a group, for EXPLAIN.
pub(crate) fn group_names(grouping: &Grouping, names: &[String]) -> Vec<String> {
    use crate::expr::aggregate::Kind;
    use crate::expr::deparse::deparse;
    let keys = grouping.keys.iter().map(|key| deparse(key, names));
    let aggregates = grouping.aggregates.iter().map(|call| {
        let name = match call.kind {
            Kind::Count => "count",
            Kind::Sum => "sum",
            Kind::Avg => "avg",
            Kind::Min => "min",
            Kind::Max => "max",
            Kind::BoolAnd => "bool_and",
            Kind::BoolOr => "bool_or",
        };
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let arg = call.arg.as_ref().map_or_else(|| "*".to_owned(), |arg| deparse(arg, names));
        let filter = call
            .filter
            .as_ref()
            .map_or_else(String::new, |f| format!(" FILTER (WHERE {})", deparse(f, names)));
        format!("{name}({distinct}{arg}){filter}")
    });
    keys.chain(aggregates).collect()
}
