//! Where a value lies between two others, as a fraction.
//!
//! Numbers, dates and times lie on a line by themselves. Texts and byte strings are read as digits
//! of a fraction to the base 256, behind what all three have in common.

use types::Datum;

/// So many bytes of a string are enough for a fraction.
const DIGITS: usize = 12;

/// The place of a value on the line of its type; `None`: it has no such line.
fn position(value: &Datum) -> Option<f64> {
    Some(match value {
        Datum::Bool(v) => f64::from(u8::from(*v)),
        Datum::Int2(v) => f64::from(*v),
        Datum::Int4(v) | Datum::Date(v) => f64::from(*v),
        Datum::Int8(v) | Datum::Timestamp(v) | Datum::Timestamptz(v) => *v as f64,
        Datum::Float4(v) => f64::from(*v),
        Datum::Float8(v) => *v,
        Datum::Oid(v) => f64::from(*v),
        Datum::PgLsn(v) => *v as f64,
        Datum::Null | Datum::Text(_) | Datum::Bytea(_) | Datum::Numeric(_) => return None,
    })
}

fn bytes(value: &Datum) -> Option<&[u8]> {
    match value {
        Datum::Text(text) => Some(text.as_bytes()),
        Datum::Bytea(bytes) => Some(bytes),
        _ => None,
    }
}

/// Which part of the way from `low` to `high` lies before `value`: from 0 to 1.
pub(super) fn fraction(low: &Datum, high: &Datum, value: &Datum) -> f64 {
    let places = match (position(low), position(high), position(value)) {
        (Some(low), Some(high), Some(value)) => Some((low, high, value)),
        _ => strings(low, high, value),
    };
    let Some((low, high, value)) = places else { return 0.5 };
    let part = (value - low) / (high - low);
    if part.is_nan() { 0.5 } else { part.clamp(0.0, 1.0) }
}

fn strings(low: &Datum, high: &Datum, value: &Datum) -> Option<(f64, f64, f64)> {
    let all = [bytes(low)?, bytes(high)?, bytes(value)?];
    let same = |at: usize| {
        let byte = |string: &[u8]| string.get(at).copied();
        byte(all[0]).is_some() && byte(all[0]) == byte(all[1]) && byte(all[0]) == byte(all[2])
    };
    let common = (0..).take_while(|at| same(*at)).count();
    let digits = |string: &[u8]| {
        let rest = string.get(common..).unwrap_or(&[]).iter().take(DIGITS);
        rest.rev().fold(0.0, |sum, byte| (sum + f64::from(*byte)) / 256.0)
    };
    Some((digits(all[0]), digits(all[1]), digits(all[2])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }

    #[test]
    fn values_lie_between_their_bounds() {
        let between = |a, b, c| fraction(&Datum::Int4(a), &Datum::Int4(b), &Datum::Int4(c));
        assert_eq!(between(0, 10, 5), 0.5);
        assert_eq!(between(0, 10, 11), 1.0);
        assert_eq!(between(0, 10, -1), 0.0);
        assert_eq!(between(3, 3, 3), 0.5);
        let infinite = Datum::Float8(f64::INFINITY);
        assert_eq!(fraction(&Datum::Float8(0.0), &infinite, &infinite), 0.5);
    }

    #[test]
    fn strings_are_fractions_behind_what_they_share() {
        let part = fraction(&text("user-a"), &text("user-z"), &text("user-m"));
        assert!((0.4..0.6).contains(&part), "{part}");
        assert_eq!(fraction(&text(""), &text("b"), &text("")), 0.0);
        assert_eq!(fraction(&text("a"), &text("b"), &text("c")), 1.0);
        assert_eq!(fraction(&text("a"), &text("a"), &text("a")), 0.5);
    }
}
