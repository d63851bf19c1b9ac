//! `real` and `double precision` as text.
//!
//! With `extra_float_digits` from 1 on a value is written with the fewest digits that read back as
//! the same value (Rust's own formatting finds them), laid out as C's `%g` would: an exponent when
//! it is below -4, or at least 6 (`real`) or 15 (`double precision`).

use types::{ColumnType, SqlState};

use super::scalar::is_space;
use super::{invalid_syntax, type_name};
use crate::error::{Error, Result};

/// Reads a `double precision`.
pub(crate) fn parse_float8(text: &str) -> Result<f64> {
    let (value, exact_zero) = parse(text, ColumnType::Float8)?;
    check_range(value.is_infinite(), value == 0.0 && !exact_zero, text, ColumnType::Float8)?;
    Ok(value)
}

/// Reads a `real`, rounded once.
pub(crate) fn parse_float4(text: &str) -> Result<f32> {
    let (wide, exact_zero) = parse(text, ColumnType::Float4)?;
    let trimmed = text.trim_matches(is_space);
    let value =
        if wide.is_finite() { trimmed.parse::<f32>().unwrap_or(wide as f32) } else { wide as f32 };
    check_range(value.is_infinite(), value == 0.0 && !exact_zero, text, ColumnType::Float4)?;
    Ok(value)
}

fn check_range(infinite: bool, vanished: bool, text: &str, ty: ColumnType) -> Result<()> {
    let named = || text.to_ascii_lowercase().contains("inf");
    if vanished || (infinite && !named()) {
        return Err(Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!(
                "\"{}\" is out of range for type {}",
                text.trim_matches(is_space),
                type_name(ty)
            ),
        ));
    }
    Ok(())
}

/// The value, and whether the text says zero exactly.
fn parse(text: &str, ty: ColumnType) -> Result<(f64, bool)> {
    let trimmed = text.trim_matches(is_space);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        let value = match unsigned.to_ascii_lowercase().as_str() {
            "infinity" | "inf" => f64::INFINITY,
            "nan" => f64::NAN,
            _ => return Err(invalid_syntax(ty, text)),
        };
        return Ok((if trimmed.starts_with('-') { -value } else { value }, true));
    }
    let value: f64 = trimmed.parse().map_err(|_| invalid_syntax(ty, text))?;
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or("");
    let exact_zero = mantissa.bytes().all(|b| matches!(b, b'0' | b'.'));
    Ok((value, exact_zero))
}

/// Appends a `double precision`.
pub(crate) fn push_float8(out: &mut String, value: f64, extra_float_digits: i32) {
    if push_special(out, value) {
        return;
    }
    if extra_float_digits > 0 {
        let around = [value.next_down().abs(), value.abs(), value.next_up().abs()];
        let text = shortest(format!("{value:e}"), around, |digits| {
            let text = format!("{value:.digits$e}");
            (text.parse() == Ok(value)).then_some(text)
        });
        lay_out(out, &text, 15);
    } else {
        let digits = (15 + extra_float_digits).max(1) as usize;
        lay_out(out, &format!("{value:.*e}", digits - 1), digits as i32);
    }
}

/// Appends a `real`.
pub(crate) fn push_float4(out: &mut String, value: f32, extra_float_digits: i32) {
    if push_special(out, f64::from(value)) {
        return;
    }
    if extra_float_digits > 0 {
        let around = [value.next_down(), value, value.next_up()].map(|f| f64::from(f.abs()));
        let text = shortest(format!("{value:e}"), around, |digits| {
            let text = format!("{value:.digits$e}");
            (text.parse() == Ok(value)).then_some(text)
        });
        lay_out(out, &text, 6);
    } else {
        let digits = (6 + extra_float_digits).max(1) as usize;
        lay_out(out, &format!("{value:.*e}", digits - 1), digits as i32);
    }
}

/// The fewest digits that lie strictly between the middles to the neighbours of a value.
///
/// Rust's shortest form may be such a middle itself (1e23 is), where reading rounds to the even
/// neighbour; PostgreSQL then writes one digit more. That happens for large integers only.
/// `with_digits` answers the form with that many decimals, if it reads back.
fn shortest(
    text: String,
    [below, value, above]: [f64; 3],
    with_digits: impl Fn(usize) -> Option<String>,
) -> String {
    if !(2f64.powi(23)..2f64.powi(126)).contains(&value) {
        return text;
    }
    let twice = |text: &str| whole(text)?.checked_mul(2);
    let middle = |next: f64| (value as u128).checked_add(next as u128);
    let is_middle = |text: &str| {
        let twice = twice(text);
        twice.is_some() && (twice == middle(below) || twice == middle(above))
    };
    if !is_middle(&text) {
        return text;
    }
    (1..17).filter_map(with_digits).find(|form| !is_middle(form)).unwrap_or(text)
}

/// The integer that `-d.ddde7` means, without its sign, if it is one.
fn whole(scientific: &str) -> Option<u128> {
    let (mantissa, exponent) = scientific.trim_start_matches('-').split_once('e')?;
    let exponent: usize = exponent.parse().ok()?;
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = u32::try_from(exponent.checked_sub(rest.len())?).ok()?;
    let digits: u128 = [first, rest].concat().parse().ok()?;
    digits.checked_mul(10u128.checked_pow(zeros)?)
}

fn push_special(out: &mut String, value: f64) -> bool {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value < 0.0 { "-Infinity" } else { "Infinity" });
    } else {
        return false;
    }
    true
}

/// Turns `-d.ddde-7` into the layout of `%g`, with an exponent from `limit` on.
fn lay_out(out: &mut String, scientific: &str, limit: i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = match mantissa.strip_prefix('-') {
        Some(rest) => {
            out.push('-');
            rest
        }
        None => mantissa,
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        some => some,
    };
    if exponent < -4 || exponent >= limit {
        push_exponential(out, digits, exponent);
    } else if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(digits);
    } else {
        let whole = exponent as usize + 1;
        if digits.len() <= whole {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', whole - digits.len()));
        } else {
            out.push_str(&digits[..whole]);
            out.push('.');
            out.push_str(&digits[whole..]);
        }
    }
}

fn push_exponential(out: &mut String, digits: &str, exponent: i32) {
    let (first, rest) = digits.split_at(1);
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out.push('e');
    out.push(if exponent < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", exponent.abs()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: f64) -> String {
        let mut out = String::new();
        push_float8(&mut out, value, 1);
        out
    }

    fn shown4(value: f32, extra: i32) -> String {
        let mut out = String::new();
        push_float4(&mut out, value, extra);
        out
    }

    #[test]
    fn double_precision_is_written_as_postgresql_writes_it() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (100000000000000.0, "100000000000000"),
            (1e15, "1e+15"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e300, "1e+300"),
            (1e22, "1e+22"),
            (1e23, "9.999999999999999e+22"),
            (-1.5, "-1.5"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(shown(value), text);
        }
    }

    #[test]
    fn real_is_written_as_postgresql_writes_it() {
        assert_eq!(shown4(1e6, 1), "1e+06");
        assert_eq!(shown4(123456.0, 1), "123456");
        assert_eq!(shown4(1.234567e6, 1), "1.234567e+06");
        assert_eq!(shown4(0.1, 1), "0.1");
        assert_eq!(shown4(0.1, 0), "0.1");
        assert_eq!(shown4(1.0 / 3.0, 0), "0.333333");
        assert_eq!(shown4(1.0 / 3.0, 1), "0.33333334");
    }

    #[test]
    fn what_cannot_be_held_is_out_of_range() {
        let code = |r: Result<f64>| r.expect_err("must fail").sqlstate().expect("report");
        assert_eq!(code(parse_float8("1e400")).as_str(), "22003");
        assert_eq!(code(parse_float8("1e-400")).as_str(), "22003");
        assert_eq!(code(parse_float8("")).as_str(), "22P02");
        assert_eq!(code(parse_float8("1e")).as_str(), "22P02");
        assert_eq!(code(parse_float8("infinit")).as_str(), "22P02");
        assert!(parse_float4("1e39").is_err());
        assert_eq!(parse_float8(" -inf ").expect("named"), f64::NEG_INFINITY);
        assert_eq!(parse_float8("0e999").expect("zero"), 0.0);
    }
}
