//! `=`, `<>`, `<`, `<=`, `>`, `>=` for every type.
//!
//! Both sides have the same type, except for the two sizes of floats: as in PostgreSQL they
//! compare with each other, so that `real = 0.5` is decided in double precision.

use std::cmp::Ordering;

use types::{ColumnType, Datum};

use super::{Function, two};
use crate::error::Result;
use crate::values::compare::{order, order_floats, order_padded};

/// The order of two floats of different sizes.
fn order_mixed(a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Float4(a), Datum::Float8(b)) => order_floats(f64::from(*a), *b),
        (Datum::Float8(a), Datum::Float4(b)) => order_floats(*a, f64::from(*b)),
        _ => order(a, b),
    }
}

fn equal(a: &Datum, b: &Datum) -> Result<Datum> {
    // Equality of texts needs no order.
    Ok(Datum::Bool(match (a, b) {
        (Datum::Text(a), Datum::Text(b)) => a == b,
        _ => order(a, b).is_eq(),
    }))
}

macro_rules! six {
    ($order:path, $equal:expr, $left:expr, $right:expr) => {
        [
            two("=", &[$left, $right], ColumnType::Bool, $equal),
            two("<>", &[$left, $right], ColumnType::Bool, |a, b| {
                Ok(Datum::Bool($order(a, b).is_ne()))
            }),
            two("<", &[$left, $right], ColumnType::Bool, |a, b| {
                Ok(Datum::Bool($order(a, b).is_lt()))
            }),
            two("<=", &[$left, $right], ColumnType::Bool, |a, b| {
                Ok(Datum::Bool($order(a, b).is_le()))
            }),
            two(">", &[$left, $right], ColumnType::Bool, |a, b| {
                Ok(Datum::Bool($order(a, b).is_gt()))
            }),
            two(">=", &[$left, $right], ColumnType::Bool, |a, b| {
                Ok(Datum::Bool($order(a, b).is_ge()))
            }),
        ]
    };
}

const BPCHAR: ColumnType = ColumnType::Bpchar(0);

static NESTED: [[Function; 6]; 17] = [
    six!(order, equal, ColumnType::Bool, ColumnType::Bool),
    six!(order, equal, ColumnType::Int2, ColumnType::Int2),
    six!(order, equal, ColumnType::Int4, ColumnType::Int4),
    six!(order, equal, ColumnType::Int8, ColumnType::Int8),
    six!(order, equal, ColumnType::Float4, ColumnType::Float4),
    six!(order, equal, ColumnType::Float8, ColumnType::Float8),
    six!(
        order_mixed,
        |a, b| Ok(Datum::Bool(order_mixed(a, b).is_eq())),
        ColumnType::Float4,
        ColumnType::Float8
    ),
    six!(
        order_mixed,
        |a, b| Ok(Datum::Bool(order_mixed(a, b).is_eq())),
        ColumnType::Float8,
        ColumnType::Float4
    ),
    six!(order, equal, ColumnType::Numeric, ColumnType::Numeric),
    six!(order, equal, ColumnType::Text, ColumnType::Text),
    six!(order_padded, |a, b| Ok(Datum::Bool(order_padded(a, b).is_eq())), BPCHAR, BPCHAR),
    six!(order, equal, ColumnType::Bytea, ColumnType::Bytea),
    six!(order, equal, ColumnType::Date, ColumnType::Date),
    six!(order, equal, ColumnType::Timestamp, ColumnType::Timestamp),
    six!(order, equal, ColumnType::Timestamptz, ColumnType::Timestamptz),
    six!(order, equal, ColumnType::Oid, ColumnType::Oid),
    six!(order, equal, ColumnType::PgLsn, ColumnType::PgLsn),
];

/// The entries of this file.
pub(super) static TABLE: &[Function] = NESTED.as_flattened();
