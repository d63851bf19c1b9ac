//! Roots and powers of `numeric`.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, Signed, ToPrimitive, Zero};
use types::SqlState;

use super::numeric::{
    GROUP, MAX_DISPLAY_SCALE, MAX_WHOLE_DIGITS, MIN_SIGNIFICANT_DIGITS, digit_count,
    divide_rounded, make, overflow, parts, power_of_ten, rescale, truncate, weight,
};
use crate::error::{Error, Result};

/// The square root, with at least 16 significant digits.
pub(crate) fn sqrt(value: &BigDecimal) -> Result<BigDecimal> {
    let (digits, scale) = parts(value);
    if digits.is_negative() {
        let message = "cannot take square root of a negative number";
        return Err(Error::new(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message));
    }
    let (value_weight, _) = weight(&digits, scale);
    let root_weight = if value_weight >= 0 {
        (value_weight + 1) * GROUP / 2 - 1
    } else {
        1 - (1 - value_weight * GROUP) / 2
    };
    let result_scale =
        (MIN_SIGNIFICANT_DIGITS - root_weight).max(scale).clamp(0, MAX_DISPLAY_SCALE);
    let square = rescale(digits, scale, 2 * result_scale);
    let root = square.sqrt();
    let up = &square - &root * &root > root;
    make(if up { root + 1 } else { root }, result_scale)
}

/// A power with a whole exponent. Others are not supported for `numeric`.
pub(crate) fn power(base: &BigDecimal, exponent: &BigDecimal) -> Result<BigDecimal> {
    let (base_digits, base_scale) = parts(base);
    let (exponent_digits, exponent_scale) = parts(exponent);
    let whole = truncate(exponent, 0)?;
    if base_digits.is_zero() && exponent.is_negative() {
        let message = "zero raised to a negative power is undefined";
        return Err(Error::new(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message));
    }
    if whole != *exponent {
        return Err(Error::unsupported("power of numeric with a fractional exponent"));
    }
    let magnitude = if base_digits.is_zero() {
        0.0
    } else {
        approximate_log10(&base_digits) - base_scale as f64
    };
    let exponent = rescale(exponent_digits, exponent_scale, 0);
    let result_log = magnitude * exponent.to_f64().unwrap_or(f64::MAX);
    if result_log > MAX_WHOLE_DIGITS as f64 {
        return Err(overflow());
    }
    let scale = MIN_SIGNIFICANT_DIGITS.max(base_scale).min(MAX_DISPLAY_SCALE);
    let size = exponent.magnitude().to_u32().ok_or_else(overflow)?;
    power_by_squaring(base_digits, base_scale, size, exponent.is_negative(), scale)
}

fn approximate_log10(digits: &BigInt) -> f64 {
    let count = digit_count(digits);
    let lead = digits.magnitude() / power_of_ten((count - 17).max(0)).magnitude();
    lead.to_f64().unwrap_or(1.0).log10() + (count - 17).max(0) as f64
}

/// Squares with a guard of digits behind the wanted scale, so that numbers stay bounded.
fn power_by_squaring(
    base: BigInt,
    base_scale: i64,
    size: u32,
    inverse: bool,
    scale: i64,
) -> Result<BigDecimal> {
    let working = scale + MAX_DISPLAY_SCALE;
    let trim = |digits: BigInt, at: i64| {
        if at > working { (rescale(digits, at, working), working) } else { (digits, at) }
    };
    let (mut result, mut result_scale) = (BigInt::from(1), 0);
    let (mut square, mut square_scale) = (base, base_scale);
    let mut rest = size;
    while rest > 0 {
        if rest & 1 == 1 {
            (result, result_scale) = trim(result * &square, result_scale + square_scale);
        }
        rest >>= 1;
        if rest > 0 {
            (square, square_scale) = trim(&square * &square, 2 * square_scale);
        }
        if result.bits().max(square.bits()) > 4 * (MAX_WHOLE_DIGITS + working) as u64 {
            return Err(overflow());
        }
    }
    if inverse {
        if result.is_zero() {
            return Err(overflow());
        }
        let one = power_of_ten(scale + result_scale);
        return make(divide_rounded(&one, &result), scale);
    }
    make(rescale(result, result_scale, scale), scale)
}

#[cfg(test)]
mod tests {
    use super::super::numeric::{parse, push};
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
    fn roots_and_powers_have_sixteen_digits() {
        assert_eq!(shown(&sqrt(&n("2.0")).expect("positive")), "1.414213562373095");
        assert_eq!(shown(&power(&n("2.0"), &n("3")).expect("small")), "8.0000000000000000");
        assert_eq!(shown(&power(&n("2.0"), &n("-2")).expect("small")), "0.2500000000000000");
        assert!(power(&n("10"), &n("200000")).is_err());
        assert!(power(&n("1.0000001"), &n("4000000000")).is_ok());
    }
}
