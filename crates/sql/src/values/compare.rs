//! The order of values, and keys that are equal exactly when values are.
//!
//! The collation is C: texts are ordered by their bytes. NaN is equal to itself and greater than
//! every other number, as in PostgreSQL. `char(n)` values are compared without the blanks at their
//! end.

use std::cmp::Ordering;

use types::{ColumnType, Datum};

use super::string::trim_blanks;

/// The order of two floats: NaN last, -0 equal to 0.
pub(crate) fn order_floats(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

/// The order of two values of the same type, neither of them NULL.
pub(crate) fn order(a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
        (Datum::Int2(a), Datum::Int2(b)) => a.cmp(b),
        (Datum::Int4(a), Datum::Int4(b)) => a.cmp(b),
        (Datum::Int8(a), Datum::Int8(b)) => a.cmp(b),
        (Datum::Float4(a), Datum::Float4(b)) => order_floats(f64::from(*a), f64::from(*b)),
        (Datum::Float8(a), Datum::Float8(b)) => order_floats(*a, *b),
        (Datum::Numeric(a), Datum::Numeric(b)) => a.cmp(b),
        (Datum::Text(a), Datum::Text(b)) => a.cmp(b),
        (Datum::Bytea(a), Datum::Bytea(b)) => a.cmp(b),
        (Datum::Date(a), Datum::Date(b)) => a.cmp(b),
        (Datum::Timestamp(a), Datum::Timestamp(b))
        | (Datum::Timestamptz(a), Datum::Timestamptz(b)) => a.cmp(b),
        (Datum::Oid(a), Datum::Oid(b)) => a.cmp(b),
        (Datum::PgLsn(a), Datum::PgLsn(b)) => a.cmp(b),
        // The binder compares equal types only; NULLs are ordered by their caller.
        _ => Ordering::Equal,
    }
}

/// The order of two values of type `char(n)`.
pub(crate) fn order_padded(a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Text(a), Datum::Text(b)) => trim_blanks(a).cmp(trim_blanks(b)),
        _ => order(a, b),
    }
}

/// The order that a type has.
pub(crate) fn ordering_of(ty: ColumnType) -> fn(&Datum, &Datum) -> Ordering {
    if matches!(ty, ColumnType::Bpchar(_)) { order_padded } else { order }
}

/// Appends bytes that are equal for equal values of one type, and only for those. Two NULLs are
/// equal here, as GROUP BY and DISTINCT want it.
pub(crate) fn push_key(key: &mut Vec<u8>, value: &Datum, ty: ColumnType) {
    if value.is_null() {
        key.push(0);
        return;
    }
    key.push(1);
    match value {
        Datum::Null => {}
        Datum::Bool(value) => key.push(u8::from(*value)),
        Datum::Int2(value) => key.extend(value.to_le_bytes()),
        Datum::Int4(value) | Datum::Date(value) => key.extend(value.to_le_bytes()),
        Datum::Int8(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => {
            key.extend(value.to_le_bytes());
        }
        Datum::Float4(value) => key.extend(float_bits(f64::from(*value)).to_le_bytes()),
        Datum::Float8(value) => key.extend(float_bits(*value).to_le_bytes()),
        Datum::Numeric(value) => push_bytes(key, value.normalized().to_string().as_bytes()),
        Datum::Text(value) if matches!(ty, ColumnType::Bpchar(_)) => {
            push_bytes(key, trim_blanks(value).as_bytes());
        }
        Datum::Text(value) => push_bytes(key, value.as_bytes()),
        Datum::Bytea(value) => push_bytes(key, value),
        Datum::Oid(value) => key.extend(value.to_le_bytes()),
        Datum::PgLsn(value) => key.extend(value.to_le_bytes()),
    }
}

fn float_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

fn push_bytes(key: &mut Vec<u8>, bytes: &[u8]) {
    key.extend((bytes.len() as u64).to_le_bytes());
    key.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::numeric;

    #[test]
    fn nan_is_the_greatest_and_equal_to_itself() {
        assert_eq!(order_floats(f64::NAN, f64::INFINITY), Ordering::Greater);
        assert_eq!(order_floats(f64::NAN, f64::NAN), Ordering::Equal);
        assert_eq!(order_floats(-0.0, 0.0), Ordering::Equal);
    }

    #[test]
    fn keys_are_equal_exactly_for_equal_values() {
        let key = |value: &Datum, ty| {
            let mut key = Vec::new();
            push_key(&mut key, value, ty);
            key
        };
        let number = |text| Datum::Numeric(numeric::parse(text).expect(text));
        let ty = ColumnType::Numeric;
        assert_eq!(key(&number("1.0"), ty), key(&number("1.00"), ty));
        assert_ne!(key(&number("1"), ty), key(&number("10"), ty));
        let text = |text: &str| Datum::Text(text.to_owned());
        assert_eq!(key(&text("a "), ColumnType::Bpchar(2)), key(&text("a"), ColumnType::Bpchar(2)));
        assert_ne!(key(&text("a "), ColumnType::Text), key(&text("a"), ColumnType::Text));
        assert_ne!(key(&Datum::Null, ty), key(&number("0"), ty));
    }
}
