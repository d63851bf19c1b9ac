//! `numeric`: text, and arithmetic with the scales that PostgreSQL gives its results.
//!
//! A value is a big integer and a number of decimals (its *display scale*), as `BigDecimal` holds
//! it; the scale is never negative here. What PostgreSQL counts in digits of base 10000 (weights,
//! first digits) is derived from the decimal digits where its rules for scales need it. NaN and the
//! infinities of `numeric` are not supported.
//!
//! Bounds: 131,072 digits before the point and 16,383 behind it, as in PostgreSQL; what would
//! exceed them is `22003`, found before the work is done where the work would be large.

use std::cmp::Ordering;

use bigdecimal::num_bigint::{BigInt, BigUint, Sign};
use bigdecimal::{BigDecimal, Signed, ToPrimitive, Zero};
use types::{ColumnType, SqlState};

use super::scalar::is_space;
use super::{invalid_syntax, type_name};
use crate::error::{Error, Result};

pub(super) const MAX_WHOLE_DIGITS: i64 = 131_072;
const MAX_SCALE: i64 = 16_383;
/// The largest scale that a division or root is computed to.
pub(super) const MAX_DISPLAY_SCALE: i64 = 1000;
pub(super) const MIN_SIGNIFICANT_DIGITS: i64 = 16;
/// Decimal digits in one of PostgreSQL's digits.
pub(super) const GROUP: i64 = 4;

pub(super) fn overflow() -> Error {
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

/// `22012`
pub(crate) fn division_by_zero() -> Error {
    Error::new(SqlState::DIVISION_BY_ZERO, "division by zero")
}

/// The integer and the scale of a value.
pub(super) fn parts(value: &BigDecimal) -> (BigInt, i64) {
    let (digits, scale) = value.as_bigint_and_exponent();
    if scale < 0 { (digits * power_of_ten(-scale), 0) } else { (digits, scale) }
}

pub(super) fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10).pow(exponent.clamp(0, MAX_WHOLE_DIGITS + 2 * MAX_SCALE) as u32)
}

/// How many decimal digits an integer has; 0 for zero.
pub(super) fn digit_count(digits: &BigInt) -> i64 {
    if digits.is_zero() {
        return 0;
    }
    // log10 from the bits is off by one at most; the comparison settles it.
    let estimate = ((digits.bits() - 1) as f64 * std::f64::consts::LOG10_2) as i64;
    if digits.magnitude() >= power_of_ten(estimate + 1).magnitude() {
        estimate + 2
    } else if digits.magnitude() >= power_of_ten(estimate).magnitude() {
        estimate + 1
    } else {
        estimate
    }
}

/// Puts a value together, unless it is too large.
pub(super) fn make(digits: BigInt, scale: i64) -> Result<BigDecimal> {
    // Counting digits is dear, so it is done only where the bits say that it may be too many.
    let may_overflow =
        digits.bits() as f64 * std::f64::consts::LOG10_2 > (MAX_WHOLE_DIGITS + scale - 1) as f64;
    if scale > MAX_SCALE || (may_overflow && digit_count(&digits) - scale > MAX_WHOLE_DIGITS) {
        return Err(overflow());
    }
    Ok(BigDecimal::new(digits, scale))
}

/// Divides, rounding half away from zero.
pub(super) fn divide_rounded(dividend: &BigInt, divisor: &BigInt) -> BigInt {
    let twice: BigUint = dividend.magnitude() * 2u32 + divisor.magnitude();
    let quotient = twice / (divisor.magnitude() * 2u32);
    let negative = dividend.is_negative() != divisor.is_negative();
    BigInt::from_biguint(if negative { Sign::Minus } else { Sign::Plus }, quotient)
}

pub(super) fn rescale(digits: BigInt, from: i64, to: i64) -> BigInt {
    match to.cmp(&from) {
        Ordering::Equal => digits,
        Ordering::Greater => digits * power_of_ten(to - from),
        Ordering::Less => divide_rounded(&digits, &power_of_ten(from - to)),
    }
}

/// Reads digits with an optional sign, point and exponent.
pub(crate) fn parse(text: &str) -> Result<BigDecimal> {
    let bad = || invalid_syntax(ColumnType::Numeric, text);
    let trimmed = text.trim_matches(is_space);
    let (negative, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    if ["nan", "inf", "infinity"].contains(&unsigned.to_ascii_lowercase().as_str()) {
        return Err(Error::unsupported(format!("the numeric value {trimmed}")));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent).ok_or_else(bad)?),
        None => (unsigned, 0),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && decimals.is_empty()) || !all_digits(whole) || !all_digits(decimals) {
        return Err(bad());
    }
    let scale = decimals.len() as i64 - exponent;
    let whole_digits = whole.trim_start_matches('0').len() as i64 + exponent;
    if scale > MAX_SCALE || whole_digits > MAX_WHOLE_DIGITS {
        return Err(overflow());
    }
    let digits = [whole, decimals].concat();
    let digits = BigInt::parse_bytes(digits.as_bytes(), 10).ok_or_else(bad)?;
    let digits = if negative { -digits } else { digits };
    make(rescale(digits, scale.min(0), 0), scale.max(0))
}

/// A decimal exponent; absurd ones are clamped, so that they overflow later.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let limit = 1_000_000_000;
    let value = digits.parse::<i64>().map_or(limit, |value| value.min(limit));
    Some(if text.starts_with('-') { -value } else { value })
}

/// Appends all digits, with as many decimals as the scale says.
pub(crate) fn push(out: &mut String, value: &BigDecimal) {
    let (digits, scale) = parts(value);
    if digits.is_negative() {
        out.push('-');
    }
    let digits = digits.magnitude().to_string();
    let scale = scale as usize;
    if digits.len() > scale {
        out.push_str(&digits[..digits.len() - scale]);
    } else {
        out.push('0');
    }
    if scale > 0 {
        out.push('.');
        out.extend(std::iter::repeat_n('0', scale.saturating_sub(digits.len())));
        out.push_str(&digits[digits.len().saturating_sub(scale)..]);
    }
}

/// The value of an integer.
pub(crate) fn from_int(value: i64) -> BigDecimal {
    BigDecimal::new(BigInt::from(value), 0)
}

/// The value of a wide integer.
pub(crate) fn from_wide(value: i128) -> BigDecimal {
    BigDecimal::new(BigInt::from(value), 0)
}

/// The value of a float with that many significant digits (6 for `real`, 15 for double).
pub(crate) fn from_float(value: f64, digits: usize) -> Result<BigDecimal> {
    if !value.is_finite() {
        return Err(Error::unsupported(format!("the numeric value {value}")));
    }
    let mut text = String::new();
    super::float::push_float8(&mut text, value, digits as i32 - 15);
    parse(&text)
}

/// The nearest `double precision`.
pub(crate) fn to_float(value: &BigDecimal) -> Result<f64> {
    let mut text = String::new();
    push(&mut text, value);
    super::float::parse_float8(&text)
}

/// Rounded half away from zero to an integer of that type; out of its range is `22003`.
pub(crate) fn to_int(value: &BigDecimal, ty: ColumnType) -> Result<i64> {
    let (digits, scale) = parts(value);
    let (min, max) = match ty {
        ColumnType::Int2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        ColumnType::Int4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    rescale(digits, scale, 0).to_i64().filter(|value| (min..=max).contains(value)).ok_or_else(
        || {
            Error::new(
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                format!("{} out of range", type_name(ty)),
            )
        },
    )
}

fn aligned(a: &BigDecimal, b: &BigDecimal) -> (BigInt, BigInt, i64) {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    let scale = a_scale.max(b_scale);
    (rescale(a, a_scale, scale), rescale(b, b_scale, scale), scale)
}

/// The sum, with the larger scale.
pub(crate) fn add(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    let (a, b, scale) = aligned(a, b);
    make(a + b, scale)
}

/// The difference, with the larger scale.
pub(crate) fn subtract(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    let (a, b, scale) = aligned(a, b);
    make(a - b, scale)
}

/// The product, with the sum of the scales.
pub(crate) fn multiply(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    let scale = a_scale + b_scale;
    if scale > MAX_SCALE {
        return make(rescale(a * b, scale, MAX_SCALE), MAX_SCALE);
    }
    make(a * b, scale)
}

/// PostgreSQL's weight of the first digit of base 10000, and that digit.
pub(super) fn weight(digits: &BigInt, scale: i64) -> (i64, i64) {
    let count = digit_count(digits);
    if count == 0 {
        return (0, 0);
    }
    let position = count - scale - 1;
    let weight = position.div_euclid(GROUP);
    let wanted = position - weight * GROUP + 1;
    let first = if count >= wanted {
        digits.magnitude() / power_of_ten(count - wanted).magnitude()
    } else {
        digits.magnitude() * power_of_ten(wanted - count).magnitude()
    };
    (weight, first.to_i64().unwrap_or(0))
}

/// The quotient, with at least 16 significant digits (`select_div_scale`).
pub(crate) fn divide(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    let ((a, a_scale), (b, b_scale)) = (parts(a), parts(b));
    if b.is_zero() {
        return Err(division_by_zero());
    }
    let (a_weight, a_first) = weight(&a, a_scale);
    let (b_weight, b_first) = weight(&b, b_scale);
    let quotient_weight = a_weight - b_weight - i64::from(a_first <= b_first);
    let scale = (MIN_SIGNIFICANT_DIGITS - quotient_weight * GROUP)
        .max(a_scale)
        .max(b_scale)
        .clamp(0, MAX_DISPLAY_SCALE);
    let shift = scale + b_scale - a_scale;
    let quotient = if shift >= 0 {
        divide_rounded(&(a * power_of_ten(shift)), &b)
    } else {
        divide_rounded(&a, &(b * power_of_ten(-shift)))
    };
    make(quotient, scale)
}

/// The remainder of the truncated division, with the sign of the dividend.
pub(crate) fn remainder(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    let (a, b, scale) = aligned(a, b);
    if b.is_zero() {
        return Err(division_by_zero());
    }
    make(a % b, scale)
}

/// The negative.
pub(crate) fn negate(value: &BigDecimal) -> BigDecimal {
    let (digits, scale) = parts(value);
    BigDecimal::new(-digits, scale)
}

/// The amount.
pub(crate) fn absolute(value: &BigDecimal) -> BigDecimal {
    let (digits, scale) = parts(value);
    BigDecimal::new(digits.abs(), scale)
}

/// -1, 0 or 1.
pub(crate) fn sign(value: &BigDecimal) -> BigDecimal {
    from_int(match value.sign() {
        Sign::Minus => -1,
        Sign::NoSign => 0,
        Sign::Plus => 1,
    })
}

/// Rounded half away from zero to that many decimals; negative ones round tens, hundreds, …
pub(crate) fn round(value: &BigDecimal, decimals: i64) -> Result<BigDecimal> {
    let (digits, scale) = parts(value);
    let decimals = decimals.clamp(-MAX_WHOLE_DIGITS, MAX_SCALE);
    make(rescale(rescale(digits, scale, decimals), decimals.min(0), 0), decimals.max(0))
}

/// Cut to that many decimals.
pub(crate) fn truncate(value: &BigDecimal, decimals: i64) -> Result<BigDecimal> {
    let (digits, scale) = parts(value);
    let decimals = decimals.clamp(-MAX_WHOLE_DIGITS, MAX_SCALE);
    if decimals >= scale {
        return make(rescale(digits, scale, decimals), decimals);
    }
    let cut = digits / power_of_ten(scale - decimals);
    make(rescale(cut, decimals.min(0), 0), decimals.max(0))
}

/// The largest integer that is not greater.
pub(crate) fn floor(value: &BigDecimal) -> Result<BigDecimal> {
    let whole = truncate(value, 0)?;
    if *value < whole { subtract(&whole, &from_int(1)) } else { Ok(whole) }
}

/// The least integer that is not less.
pub(crate) fn ceil(value: &BigDecimal) -> Result<BigDecimal> {
    let whole = truncate(value, 0)?;
    if *value > whole { add(&whole, &from_int(1)) } else { Ok(whole) }
}

/// `numeric(precision, scale)`: rounds, and refuses what has too many digits before the point.
pub(crate) fn fit(value: &BigDecimal, precision: i64, scale: i64) -> Result<BigDecimal> {
    let (digits, value_scale) = parts(value);
    let rounded = rescale(digits, value_scale, scale);
    if digit_count(&rounded) > precision {
        let bound = precision - scale;
        let detail = if bound == 0 {
            format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than 1."
            )
        } else {
            format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{bound}."
            )
        };
        return Err(Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow")
            .detail(detail));
    }
    make(rescale(rounded, scale.min(0), 0), scale.max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> BigDecimal {
        parse(text).expect(text)
    }

    fn shown(value: &BigDecimal) -> String {
        let mut out = String::new();
        push(&mut out, value);
        out
    }

    #[test]
    fn text_keeps_its_scale() {
        for text in ["0", "0.00", "-0.05", "12345678901234567890.1200", "100"] {
            assert_eq!(shown(&n(text)), text);
        }
        assert_eq!(shown(&n("1e3")), "1000");
        assert_eq!(shown(&n("1.5e-3")), "0.0015");
        assert_eq!(shown(&n(" .5 ")), "0.5");
        for bad in ["", ".", "e5", "1e", "1 2", "--1", "0x1"] {
            assert_eq!(parse(bad).expect_err(bad).sqlstate().expect("report").as_str(), "22P02");
        }
        assert_eq!(
            parse("1e131073").expect_err("too large").sqlstate().expect("report").as_str(),
            "22003"
        );
        assert_eq!(
            parse("1e999999999999").expect_err("absurd").sqlstate().expect("report").as_str(),
            "22003"
        );
    }

    #[test]
    fn quotients_have_the_scale_of_postgresql() {
        for (a, b, quotient) in [
            ("1", "3", "0.33333333333333333333"),
            ("10", "4", "2.5000000000000000"),
            ("6", "2", "3.0000000000000000"),
            ("1000000", "3", "333333.333333333333"),
            ("2", "3", "0.66666666666666666667"),
            ("-7", "2", "-3.5000000000000000"),
            ("1.00", "7", "0.14285714285714285714"),
            ("0", "5", "0.00000000000000000000"),
        ] {
            assert_eq!(shown(&divide(&n(a), &n(b)).expect("not by zero")), quotient, "{a}/{b}");
        }
    }

    #[test]
    fn rounding_goes_away_from_zero() {
        assert_eq!(shown(&round(&n("2.5"), 0).expect("fits")), "3");
        assert_eq!(shown(&round(&n("-2.5"), 0).expect("fits")), "-3");
        assert_eq!(shown(&round(&n("1250"), -2).expect("fits")), "1300");
        assert_eq!(shown(&truncate(&n("-1299.9"), -2).expect("fits")), "-1200");
        assert_eq!(shown(&floor(&n("-1.5")).expect("fits")), "-2");
        assert_eq!(shown(&ceil(&n("-1.5")).expect("fits")), "-1");
    }

    #[test]
    fn a_field_refuses_what_does_not_fit() {
        assert_eq!(shown(&fit(&n("1.005"), 4, 2).expect("fits")), "1.01");
        assert!(fit(&n("99.995"), 4, 2).is_err());
    }
}
