//! ORDER BY, LIMIT and OFFSET, and the names that columns of a result get.

use sqlparser::ast::{
    self, CastKind, Expr as AstExpr, Fetch, LimitClause, ObjectName, Offset, OrderBy, OrderByExpr,
    OrderByKind, OrderByOptions, OrderBySort, TrimWhereField, TypedString, Value, ValueWithSpan,
};
use types::{ColumnType, Datum, SqlState};

use super::names::fold;
use super::types::bind_type;
use super::{Aggregates, Binder};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::output::OutputColumn;
use crate::planned::SortKey;

/// The clauses behind the body of a query.
#[derive(Clone, Copy)]
pub(super) struct Clauses<'a> {
    pub order_by: Option<&'a OrderBy>,
    pub limit: Option<&'a LimitClause>,
    pub fetch: Option<&'a Fetch>,
}

impl Clauses<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.order_by.is_none() && self.limit.is_none() && self.fetch.is_none()
    }
}

impl Binder<'_> {
    /// The keys of ORDER BY; what is no target becomes one that is not shown.
    pub(super) fn bind_order_by(
        &mut self,
        order_by: Option<&OrderBy>,
        columns: &[OutputColumn],
        targets: &mut Vec<Expr>,
    ) -> Result<Vec<SortKey>> {
        let Some(OrderBy { kind, interpolate }) = order_by else { return Ok(Vec::new()) };
        if interpolate.is_some() {
            return Err(Error::unsupported("INTERPOLATE"));
        }
        let OrderByKind::Expressions(exprs) = kind else {
            return Err(Error::unsupported("ORDER BY ALL"));
        };
        let mut keys: Vec<SortKey> = Vec::with_capacity(exprs.len());
        for OrderByExpr { expr, options, with_fill } in exprs {
            if with_fill.is_some() {
                return Err(Error::unsupported("WITH FILL"));
            }
            let OrderByOptions { sort, nulls_first } = options;
            let descending = match sort {
                None | Some(OrderBySort::Asc) => false,
                Some(OrderBySort::Desc) => true,
                Some(OrderBySort::Using(_)) => return Err(Error::unsupported("ORDER BY … USING")),
            };
            self.aggregates_here = Aggregates::Allowed;
            let target = self.target_for(expr, "ORDER BY", columns, targets)?;
            let nulls_first = nulls_first.unwrap_or(descending);
            // A later key on the same target decides nothing.
            if !keys.iter().any(|key| key.target == target) {
                keys.push(SortKey { target, descending, nulls_first });
            }
        }
        Ok(keys)
    }

    /// The target that an expression of ORDER BY or DISTINCT ON means: an output column by its
    /// name or number, a target of the same expression, or a new one that is not shown.
    pub(super) fn target_for(
        &mut self,
        expr: &AstExpr,
        clause: &str,
        columns: &[OutputColumn],
        targets: &mut Vec<Expr>,
    ) -> Result<usize> {
        if let AstExpr::Identifier(ident) = expr {
            let name = fold(ident);
            let mut found: Option<usize> = None;
            for place in (0..columns.len()).filter(|place| columns[*place].name == name) {
                match found {
                    Some(first) if targets[first] != targets[place] => {
                        return Err(Error::new(
                            SqlState::AMBIGUOUS_COLUMN,
                            format!("{clause} \"{name}\" is ambiguous"),
                        )
                        .at(self.position(ident.span)));
                    }
                    Some(_) => {}
                    None => found = Some(place),
                }
            }
            if let Some(place) = found {
                self.note_number(ident.span, place + 1);
                return Ok(place);
            }
        }
        if let Some(place) = self.by_number(expr, clause, columns.len())? {
            return Ok(place);
        }
        let bound = self.bind(expr)?;
        let bound = self.with_type(bound)?;
        if let Some(place) = targets.iter().position(|target| *target == bound) {
            return Ok(place);
        }
        targets.push(bound);
        Ok(targets.len() - 1)
    }

    /// The place that a number in ORDER BY or GROUP BY means; `None` if it is no constant.
    pub(super) fn by_number(
        &mut self,
        expr: &AstExpr,
        clause: &str,
        count: usize,
    ) -> Result<Option<usize>> {
        let AstExpr::Value(ValueWithSpan { value, span }) = expr else { return Ok(None) };
        let position = self.position(*span);
        match value {
            Value::Placeholder(_) if self.params.for_literals => {
                Err(Error::internal("a number or constant in ORDER BY or GROUP BY"))
            }
            Value::Placeholder(_) => Ok(None),
            Value::Number(digits, _) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                match digits.parse::<usize>() {
                    Ok(number) if (1..=count).contains(&number) => Ok(Some(number - 1)),
                    _ => Err(Error::new(
                        SqlState::INVALID_COLUMN_REFERENCE,
                        format!("{clause} position {digits} is not in select list"),
                    )
                    .at(position)),
                }
            }
            _ => Err(Error::syntax(format!("non-integer constant in {clause}")).at(position)),
        }
    }

    /// LIMIT and OFFSET, in either spelling.
    pub(super) fn bind_limit(
        &mut self,
        limit: Option<&LimitClause>,
        fetch: Option<&Fetch>,
    ) -> Result<(Option<Expr>, Option<Expr>)> {
        let (limit, offset) = match limit {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if !limit_by.is_empty() {
                    return Err(Error::unsupported("LIMIT … BY"));
                }
                let offset = offset.as_ref().map(|Offset { value, rows: _ }| value);
                (limit.as_ref(), offset)
            }
            Some(LimitClause::OffsetCommaLimit { offset: _, limit: _ }) => {
                return Err(Error::syntax("LIMIT #,# syntax is not supported")
                    .hint("Use separate LIMIT and OFFSET clauses."));
            }
        };
        let offset = offset.map(|offset| self.bind_count(offset, "OFFSET")).transpose()?;
        let limit = limit.map(|limit| self.bind_count(limit, "LIMIT")).transpose()?;
        let Some(Fetch { with_ties, percent, quantity }) = fetch else {
            return Ok((limit, offset));
        };
        if *with_ties {
            return Err(Error::unsupported("FETCH … WITH TIES"));
        }
        if *percent {
            return Err(Error::unsupported("FETCH … PERCENT"));
        }
        if limit.is_some() {
            return Err(Error::syntax("multiple LIMIT clauses not allowed"));
        }
        let limit = match quantity {
            Some(quantity) => self.bind_count(quantity, "FETCH")?,
            None => Expr::constant(Datum::Int8(1), ColumnType::Int8),
        };
        Ok((Some(limit), offset))
    }
}

/// The name of a column of a result that has no alias, as PostgreSQL's `FigureColname` finds it.
pub(super) fn column_name(expr: &AstExpr) -> String {
    figure(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// A name, and whether it is a strong one: that of a type is given only where nothing else is.
fn figure(expr: &AstExpr) -> Option<(String, bool)> {
    let strong = |name: &str| Some((name.to_owned(), true));
    match expr {
        AstExpr::Identifier(ident) => Some((fold(ident), true)),
        AstExpr::CompoundIdentifier(idents) => idents.last().map(|last| (fold(last), true)),
        AstExpr::Nested(inner) => figure(inner),
        AstExpr::Function(function) => function_name(&function.name),
        AstExpr::Cast { expr, data_type, kind: CastKind::Cast | CastKind::DoubleColon, .. } => {
            match figure(expr) {
                Some((name, true)) => Some((name, true)),
                other => type_word(data_type).or(other),
            }
        }
        AstExpr::TypedString(TypedString { data_type, .. }) => type_word(data_type),
        AstExpr::Case { else_result, .. } => match else_result.as_deref().and_then(figure) {
            Some((name, true)) => Some((name, true)),
            _ => Some(("case".to_owned(), false)),
        },
        AstExpr::Value(ValueWithSpan { value: Value::Boolean(_), .. }) => {
            Some(("bool".to_owned(), false))
        }
        AstExpr::Extract { .. } => strong("extract"),
        AstExpr::Ceil { .. } => strong("ceil"),
        AstExpr::Floor { .. } => strong("floor"),
        AstExpr::Position { .. } => strong("position"),
        AstExpr::Substring { shorthand: true, .. } => strong("substr"),
        AstExpr::Substring { .. } => strong("substring"),
        AstExpr::Overlay { .. } => strong("overlay"),
        AstExpr::Trim { trim_where, .. } => strong(match trim_where {
            None | Some(TrimWhereField::Both) => "btrim",
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
        }),
        _ => None,
    }
}

fn function_name(name: &ObjectName) -> Option<(String, bool)> {
    let ident = name.0.last().and_then(ast::ObjectNamePart::as_ident)?;
    Some((fold(ident), true))
}

fn type_word(data_type: &ast::DataType) -> Option<(String, bool)> {
    let ty = bind_type(data_type).ok()?.ty;
    Some((ty.internal_name().to_owned(), false))
}
