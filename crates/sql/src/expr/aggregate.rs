//! Aggregates: which there are, and what they keep while they go over the rows of a group.
//!
//! | aggregate | of | gives |
//! |---|---|---|
//! | `count` | anything, or `*` | bigint |
//! | `sum` | smallint, integer / bigint, numeric / real / double | bigint / numeric / real / double |
//! | `avg` | integers, numeric / floats | numeric / double precision |
//! | `min`, `max` | everything with an order but boolean and bytea | the same |
//! | `bool_and`, `bool_or`, `every` | boolean | boolean |
//!
//! Sums of integers are kept in 128 bits, which 2^64 rows cannot overflow.

use std::cmp::Ordering;

use bigdecimal::BigDecimal;
use types::{ColumnType, Datum};

use super::Expr;
use crate::error::{Error, Result};
use crate::values::compare::ordering_of;
use crate::values::convert::{out_of_range, overflow};
use crate::values::numeric;

/// A call of an aggregate in a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AggregateCall {
    /// Which.
    pub kind: Kind,
    /// The argument; `None` is `count(*)`.
    pub arg: Option<Expr>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// The condition of FILTER.
    pub filter: Option<Expr>,
    /// The type of the result.
    pub ty: ColumnType,
}

/// What an aggregate computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    BoolAnd,
    BoolOr,
}

impl Kind {
    /// The aggregate of that name.
    pub(crate) fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "count" => Kind::Count,
            "sum" => Kind::Sum,
            "avg" => Kind::Avg,
            "min" => Kind::Min,
            "max" => Kind::Max,
            "bool_and" | "every" => Kind::BoolAnd,
            "bool_or" => Kind::BoolOr,
            _ => return None,
        })
    }

    /// The type that an argument of that type is taken as, and the type of the result.
    pub(crate) fn signature(self, arg: ColumnType) -> Option<(ColumnType, ColumnType)> {
        use ColumnType::{Bool, Bytea, Float4, Float8, Int2, Int4, Int8, Numeric, Text};
        let arg = match arg {
            ColumnType::Varchar(_) if self != Kind::Count => Text,
            other => other,
        };
        let result = match (self, arg) {
            (Kind::Count, _) => Int8,
            (Kind::Sum, Int2 | Int4) => Int8,
            (Kind::Sum, Int8 | Numeric) => Numeric,
            (Kind::Sum, Float4) => Float4,
            (Kind::Sum | Kind::Avg, Float8) | (Kind::Avg, Float4) => Float8,
            (Kind::Avg, Int2 | Int4 | Int8 | Numeric) => Numeric,
            (Kind::Min | Kind::Max, Bool | Bytea) => return None,
            (Kind::Min | Kind::Max, ty) => ty,
            (Kind::BoolAnd | Kind::BoolOr, Bool) => Bool,
            _ => return None,
        };
        Some((arg, result))
    }
}

/// What is kept of the rows of a group.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Count(i64),
    Whole {
        sum: i128,
        count: i64,
    },
    Exact {
        sum: BigDecimal,
        count: i64,
    },
    /// `real` and `double precision`: the count, and the sum.
    Float {
        sum: f64,
        count: i64,
    },
    Single {
        sum: f32,
        count: i64,
    },
    Best(Datum),
    Truth(Option<bool>),
}

impl State {
    /// The state of a group without rows.
    pub(crate) fn new(call: &AggregateCall) -> State {
        let arg = call.arg.as_ref().map(|arg| arg.ty);
        match call.kind {
            Kind::Count => State::Count(0),
            Kind::Min | Kind::Max => State::Best(Datum::Null),
            Kind::BoolAnd | Kind::BoolOr => State::Truth(None),
            Kind::Sum | Kind::Avg => match arg {
                Some(ColumnType::Float4) if call.kind == Kind::Sum => {
                    State::Single { sum: 0.0, count: 0 }
                }
                Some(ColumnType::Float4 | ColumnType::Float8) => {
                    State::Float { sum: 0.0, count: 0 }
                }
                Some(ColumnType::Numeric) => State::Exact { sum: numeric::from_int(0), count: 0 },
                _ => State::Whole { sum: 0, count: 0 },
            },
        }
    }

    /// Takes in a value of the argument. NULLs do not come here, but for `count(*)`.
    pub(crate) fn add(&mut self, call: &AggregateCall, value: &Datum) -> Result<()> {
        match self {
            State::Count(count) => *count += 1,
            State::Whole { sum, count } => {
                *sum += match value {
                    Datum::Int2(value) => i128::from(*value),
                    Datum::Int4(value) => i128::from(*value),
                    Datum::Int8(value) => i128::from(*value),
                    _ => return Err(Error::internal("sum of what is no integer")),
                };
                *count += 1;
            }
            State::Exact { sum, count } => {
                let Datum::Numeric(value) = value else {
                    return Err(Error::internal("sum of what is no numeric"));
                };
                *sum = numeric::add(sum, value)?;
                *count += 1;
            }
            State::Float { sum, count } => {
                let value = match value {
                    Datum::Float4(value) => f64::from(*value),
                    Datum::Float8(value) => *value,
                    _ => return Err(Error::internal("sum of what is no float")),
                };
                let infinite = sum.is_infinite() || value.is_infinite();
                *sum += value;
                *count += 1;
                if sum.is_infinite() && !infinite {
                    return Err(overflow());
                }
            }
            State::Single { sum, count } => {
                let Datum::Float4(value) = value else {
                    return Err(Error::internal("sum of what is no real"));
                };
                let infinite = sum.is_infinite() || value.is_infinite();
                *sum += value;
                *count += 1;
                if sum.is_infinite() && !infinite {
                    return Err(overflow());
                }
            }
            State::Best(best) => {
                let wanted =
                    if call.kind == Kind::Max { Ordering::Greater } else { Ordering::Less };
                if best.is_null() || ordering_of(call.ty)(value, best) == wanted {
                    *best = value.clone();
                }
            }
            State::Truth(truth) => {
                let Datum::Bool(value) = value else {
                    return Err(Error::internal("truth of what is no boolean"));
                };
                *truth = Some(match (call.kind, *truth) {
                    (_, None) => *value,
                    (Kind::BoolAnd, Some(before)) => before && *value,
                    (_, Some(before)) => before || *value,
                });
            }
        }
        Ok(())
    }

    /// The result of the group.
    pub(crate) fn finish(self, call: &AggregateCall) -> Result<Datum> {
        let average = call.kind == Kind::Avg;
        let mean = |sum: &BigDecimal, count| numeric::divide(sum, &numeric::from_int(count));
        Ok(match self {
            State::Count(count) => Datum::Int8(count),
            State::Whole { count: 0, .. }
            | State::Exact { count: 0, .. }
            | State::Float { count: 0, .. }
            | State::Single { count: 0, .. } => Datum::Null,
            State::Whole { sum, count } if average => {
                Datum::Numeric(mean(&numeric::from_wide(sum), count)?)
            }
            State::Whole { sum, count: _ } if call.ty == ColumnType::Numeric => {
                Datum::Numeric(numeric::from_wide(sum))
            }
            State::Whole { sum, count: _ } => {
                Datum::Int8(i64::try_from(sum).map_err(|_| out_of_range(ColumnType::Int8))?)
            }
            State::Exact { sum, count } if average => Datum::Numeric(mean(&sum, count)?),
            State::Exact { sum, count: _ } => Datum::Numeric(sum),
            State::Float { sum, count } if average => Datum::Float8(sum / count as f64),
            State::Float { sum, count: _ } => Datum::Float8(sum),
            State::Single { sum, count: _ } => Datum::Float4(sum),
            State::Best(best) => best,
            State::Truth(truth) => truth.map_or(Datum::Null, Datum::Bool),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Node;
    use crate::values::{Style, to_text};

    fn run(kind: Kind, ty: ColumnType, values: &[Datum]) -> Result<String> {
        let (arg, result) = kind.signature(ty).expect("there is one");
        let call = AggregateCall {
            kind,
            arg: Some(Expr::new(Node::Column(0), arg)),
            distinct: false,
            filter: None,
            ty: result,
        };
        let mut state = State::new(&call);
        for value in values {
            state.add(&call, value)?;
        }
        Ok(to_text(&state.finish(&call)?, Style::default()))
    }

    #[test]
    fn sums_widen_and_averages_have_postgresql_s_scale() {
        let ints = [Datum::Int4(1), Datum::Int4(2)];
        assert_eq!(run(Kind::Sum, ColumnType::Int4, &ints).expect("sum"), "3");
        assert_eq!(run(Kind::Avg, ColumnType::Int4, &ints).expect("avg"), "1.5000000000000000");
        let big = [Datum::Int8(i64::MAX), Datum::Int8(i64::MAX)];
        assert_eq!(run(Kind::Sum, ColumnType::Int8, &big).expect("sum"), "18446744073709551614");
        assert_eq!(run(Kind::Max, ColumnType::Int4, &ints).expect("max"), "2");
        assert_eq!(run(Kind::Min, ColumnType::Int4, &[]).expect("empty"), "");
    }

    #[test]
    fn floats_do_not_overflow_silently() {
        let huge = [Datum::Float8(1e308), Datum::Float8(1e308)];
        assert!(run(Kind::Sum, ColumnType::Float8, &huge).is_err());
    }

    #[test]
    fn not_every_type_has_every_aggregate() {
        assert!(Kind::Sum.signature(ColumnType::Text).is_none());
        assert!(Kind::Max.signature(ColumnType::Bool).is_none());
        let varchar = ColumnType::Varchar(Some(3));
        assert_eq!(Kind::Max.signature(varchar), Some((ColumnType::Text, ColumnType::Text)));
    }
}
