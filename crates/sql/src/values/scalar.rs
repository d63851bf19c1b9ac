//! boolean, the integers and oid as text.

use types::{ColumnType, SqlState};

use super::{invalid_syntax, type_name};
use crate::error::{Error, Result};

/// What C's `isspace` calls a space.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// Any unambiguous beginning of true, false, yes, no, and on, off, 1, 0, in any case.
pub(crate) fn parse_bool(text: &str) -> Result<bool> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let starts = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if starts("true", 1) || starts("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if starts("false", 1) || starts("no", 1) || starts("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid_syntax(ColumnType::Bool, text))
    }
}

/// The range of an integer type.
fn range(ty: ColumnType) -> (i64, i64) {
    match ty {
        ColumnType::Int2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        ColumnType::Int4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

/// Decimal digits with an optional sign, spaces around them.
pub(crate) fn parse_int(text: &str, ty: ColumnType) -> Result<i64> {
    let trimmed = text.trim_matches(is_space);
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid_syntax(ty, text));
    }
    let (min, max) = range(ty);
    match trimmed.parse::<i64>() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(out_of_range_for(text, ty)),
    }
}

fn out_of_range_for(text: &str, ty: ColumnType) -> Error {
    Error::new(
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("value \"{text}\" is out of range for type {}", type_name(ty)),
    )
}

/// An unsigned number of 32 bits; as in PostgreSQL a negative one wraps around.
pub(crate) fn parse_oid(text: &str) -> Result<u32> {
    let trimmed = text.trim_matches(is_space);
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid_syntax(ColumnType::Oid, text));
    }
    match trimmed.parse::<i64>() {
        Ok(value) if (0..=i64::from(u32::MAX)).contains(&value) => Ok(value as u32),
        Ok(value) if (i64::from(i32::MIN)..0).contains(&value) => Ok(value as i32 as u32),
        _ => Err(out_of_range_for(text, ColumnType::Oid)),
    }
}

/// Appends decimal digits without an allocation of its own.
pub(crate) fn push_int(out: &mut String, value: i64) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    out.push_str(std::str::from_utf8(&digits[start..]).expect("digits are ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.expect_err("must fail").sqlstate().expect("a report").to_string()
    }

    #[test]
    fn booleans_take_unambiguous_beginnings() {
        for yes in ["t", "TRUE", " tru ", "y", "yes", "on", "1"] {
            assert!(parse_bool(yes).expect(yes));
        }
        for no in ["f", "False", "n", "no", "of", "off", "0"] {
            assert!(!parse_bool(no).expect(no));
        }
        for bad in ["", "o", "2", "truee", "nope"] {
            assert_eq!(code(parse_bool(bad)), "22P02", "{bad}");
        }
    }

    #[test]
    fn integers_keep_their_range() {
        assert_eq!(parse_int(" -32768 ", ColumnType::Int2).expect("in range"), -32768);
        assert_eq!(parse_int("+7", ColumnType::Int4).expect("in range"), 7);
        assert_eq!(code(parse_int("32768", ColumnType::Int2)), "22003");
        assert_eq!(code(parse_int("9223372036854775808", ColumnType::Int8)), "22003");
        for bad in ["", "-", "1.0", "1e3", "0x10", "--1", "1 2"] {
            assert_eq!(code(parse_int(bad, ColumnType::Int4)), "22P02", "{bad}");
        }
    }

    #[test]
    fn pushed_integers_read_back() {
        for value in [0, 7, -1, i64::MIN, i64::MAX] {
            let mut text = String::new();
            push_int(&mut text, value);
            assert_eq!(text, value.to_string());
        }
    }
}
