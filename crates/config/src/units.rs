//! Text to value and back: numbers with units, switches, words.
//!
//! Units are PostgreSQL's, letter for letter: `B kB MB GB TB` (powers of 1024) and
//! `us ms s min h d`. A plain number counts the setting's own unit. What falls between two whole
//! numbers of that unit is rounded to the nearest.

use crate::error::Error;
use crate::kind::{Kind, Setting};
use crate::value::Value;

type Units = &'static [(&'static str, i64)];

const MEMORY: Units =
    &[("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("B", 1)];
const TIME: Units = &[
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("min", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

const MEMORY_HINT: &str =
    "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".";
const TIME_HINT: &str =
    "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".";

/// Parses what stands after `SET name =` or in a string of the file.
pub(crate) fn parse(setting: &Setting, text: &str) -> Result<Value, Error> {
    let invalid = |hint: Option<String>| Error::invalid_value(setting.name, text, hint);
    let value = match &setting.kind {
        Kind::Bool => match parse_bool(text) {
            Some(on) => Value::Bool(on),
            None => return Err(Error::not_boolean(setting.name)),
        },
        Kind::Integer { .. } => match quantity(text, &[], 1) {
            Ok(number) => Value::Integer(number),
            Err(Bad::Range) => return Err(invalid(Some("Value exceeds integer range.".into()))),
            Err(_) => return Err(invalid(None)),
        },
        Kind::Real { .. } => match number(text.trim()) {
            Some((number, "")) => Value::Real(number),
            _ => return Err(invalid(None)),
        },
        Kind::Memory { unit, .. } => integer(setting, text, MEMORY, unit.bytes(), MEMORY_HINT)?,
        Kind::Time { unit, .. } => integer(setting, text, TIME, unit.micros(), TIME_HINT)?,
        Kind::Text { .. } => Value::Text(text.to_owned()),
        Kind::Enum { words, aliases } => match word(words, aliases, text) {
            Some(word) => Value::Text(word.to_owned()),
            None => {
                let hint = format!("Available values: {}.", words.join(", "));
                return Err(invalid(Some(hint)));
            }
        },
    };
    check_range(setting, &value)?;
    Ok(value)
}

/// Whether the value is in the setting's range; for texts, short enough and without control
/// characters.
pub(crate) fn check_range(setting: &Setting, value: &Value) -> Result<(), Error> {
    let inside = match (&setting.kind, value) {
        (Kind::Integer { min, max } | Kind::Time { min, max, .. }, Value::Integer(n)) => {
            min <= n && n <= max
        }
        (Kind::Memory { min, max, auto, .. }, Value::Integer(n)) => {
            (min <= n && n <= max) || (*auto && *n == -1)
        }
        (Kind::Real { min, max }, Value::Real(number)) => min <= number && number <= max,
        (Kind::Text { max_len }, Value::Text(text)) => return check_text(setting, text, *max_len),
        _ => true,
    };
    if inside { Ok(()) } else { Err(Error::out_of_range(setting, value)) }
}

fn check_text(setting: &Setting, text: &str, max_len: usize) -> Result<(), Error> {
    if text.len() > max_len {
        let hint = format!("It may have {max_len} bytes; this has {}.", text.len());
        return Err(Error::too_long(setting.name, hint));
    }
    if text.chars().any(char::is_control) {
        let hint = "It may hold no control characters.".to_owned();
        return Err(Error::invalid_value(
            setting.name,
            &text.escape_debug().to_string(),
            Some(hint),
        ));
    }
    Ok(())
}

/// The value as SHOW prints it: with the largest unit in which it is a whole number.
pub(crate) fn format(kind: &Kind, value: &Value) -> String {
    match (kind, value) {
        (_, Value::Bool(on)) => if *on { "on" } else { "off" }.to_owned(),
        (Kind::Memory { .. }, Value::Integer(n)) => with_unit(*n, MEMORY),
        (Kind::Time { .. }, Value::Integer(n)) => with_unit(*n, TIME),
        (_, Value::Integer(n)) => n.to_string(),
        (_, Value::Real(number)) => number.to_string(),
        (_, Value::Text(text)) => text.clone(),
    }
}

/// The value as `pg_settings.setting` shows it: a plain number of the setting's unit.
pub(crate) fn format_plain(kind: &Kind, value: &Value) -> String {
    match (kind.unit(), value) {
        // -1 that lets the server choose is a mark, not a quantity.
        (Some((_, size)), Value::Integer(n)) if n % size == 0 => (n / size).to_string(),
        (_, Value::Integer(n)) => n.to_string(),
        _ => format(kind, value),
    }
}

fn with_unit(amount: i64, units: Units) -> String {
    if amount <= 0 {
        return amount.to_string();
    }
    let (name, size) =
        units.iter().find(|(_, size)| amount % size == 0).expect("the last unit has size 1");
    format!("{}{name}", amount / size)
}

/// Any unambiguous beginning of true, false, yes, no, on, off, in any case; 1 and 0.
fn parse_bool(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match text.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

fn word<'a>(words: &[&'a str], aliases: &[(&'static str, &'a str)], text: &str) -> Option<&'a str> {
    let text = text.trim();
    let alias = || aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(text));
    let word = words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied();
    word.or_else(|| alias().map(|(_, word)| *word))
}

fn integer(
    setting: &Setting,
    text: &str,
    units: Units,
    base: i64,
    hint: &str,
) -> Result<Value, Error> {
    // -1 is a mark, not a quantity: rounding must not reach it.
    let has_mark =
        matches!(setting.kind, Kind::Memory { auto: true, .. } | Kind::Time { min: ..0, .. });
    if has_mark && text.trim() == "-1" {
        return Ok(Value::Integer(-1));
    }
    quantity(text, units, base).map(Value::Integer).map_err(|bad| {
        let hint = match bad {
            Bad::Unit => Some(hint.to_owned()),
            Bad::Range => Some("Value exceeds integer range.".to_owned()),
            Bad::Syntax => None,
        };
        Error::invalid_value(setting.name, text, hint)
    })
}

#[derive(Debug, PartialEq)]
enum Bad {
    Syntax,
    Unit,
    Range,
}

/// A number and perhaps a unit; the amount rounded to whole multiples of `base`.
fn quantity(text: &str, units: Units, base: i64) -> Result<i64, Bad> {
    let (number, unit) = number(text.trim()).ok_or(Bad::Syntax)?;
    let unit = unit.trim_start();
    let size = match units.iter().find(|(name, _)| *name == unit) {
        _ if unit.is_empty() => base,
        Some((_, size)) => *size,
        None if units.is_empty() => return Err(Bad::Syntax),
        None => return Err(Bad::Unit),
    };
    let multiples = (number * (size as f64 / base as f64)).round_ties_even();
    if !multiples.is_finite() || multiples.abs() > f64::from(i32::MAX) {
        return Err(Bad::Range);
    }
    Ok(multiples as i64 * base)
}

/// The decimal number that the text begins with, and the rest.
fn number(text: &str) -> Option<(f64, &str)> {
    let digits = |from: usize| {
        from + text[from..].bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count()
    };
    let sign = usize::from(text.starts_with(['+', '-']));
    let mut end = digits(sign);
    let exponent = text[end..].strip_prefix(['e', 'E']).map(|rest| {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 { 1 + sign + digits } else { 0 }
    });
    end += exponent.unwrap_or(0);
    let number = text[..end].parse().ok()?;
    Some((number, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;

    fn parsed(name: &str, text: &str) -> Result<String, Error> {
        let setting = find(name).expect(name);
        parse(setting, text).map(|value| format(&setting.kind, &value))
    }

    #[test]
    fn sizes_and_times_take_units_and_plain_numbers() {
        let cases = [
            ("shared_buffers", "128MB", "128MB"),
            ("shared_buffers", "16384", "128MB"),
            ("shared_buffers", " 1.5 GB ", "1536MB"),
            ("shared_buffers", "1e3", "8000kB"),
            ("shared_buffers", "16", "128kB"),
            ("work_mem", "65", "65kB"),
            ("max_wal_size", "1024", "1GB"),
            ("wal_buffers", "-1", "-1"),
            ("wal_buffers", "1MB", "1MB"),
            ("checkpoint_timeout", "90", "90s"),
            ("checkpoint_timeout", "1500ms", "2s"),
            ("checkpoint_timeout", "1h", "1h"),
            ("wal_writer_delay", "0.2s", "200ms"),
            ("commit_delay", "0", "0"),
            ("commit_delay", "1ms", "1ms"),
            ("bgwriter_lru_multiplier", "2.5", "2.5"),
            ("extra_float_digits", "-15", "-15"),
        ];
        for (name, text, shown) in cases {
            assert_eq!(parsed(name, text).expect(text), shown, "{name} = {text}");
        }
    }

    #[test]
    fn a_wrong_unit_names_the_right_ones() {
        for text in ["128mb", "128KB", "128M", "128MiB", "5min"] {
            let error = parsed("shared_buffers", text).expect_err(text);
            assert!(error.to_string().contains(text), "{error}");
            assert!(types::Diagnostic::hint(&error).expect("a hint").contains("\"kB\""));
        }
        let error = parsed("wal_writer_delay", "5m").expect_err("5m");
        assert!(types::Diagnostic::hint(&error).expect("a hint").contains("\"min\""));
    }

    #[test]
    fn nonsense_and_numbers_out_of_range_are_refused() {
        let bad = [
            "",
            "MB",
            "-",
            "+",
            ".",
            "1..2MB",
            "nan",
            "inf",
            "1e999",
            "-1",
            "15",
            "123kB",
            "9TB",
            "99999999999999999999",
        ];
        for text in bad {
            assert!(parsed("shared_buffers", text).is_err(), "{text}");
        }
        assert!(parsed("wal_buffers", "-2").is_err());
        assert!(parsed("port", "70000").is_err());
        assert!(parsed("port", "5432kB").is_err());
        assert!(parsed("application_name", &"x".repeat(64)).is_err());
        assert!(parsed("application_name", "a\nb").is_err());
    }

    #[test]
    fn switches_and_words_take_postgresql_s_spellings() {
        for text in ["on", "TRUE", "y", "1", "tr"] {
            assert_eq!(parsed("fsync", text).expect(text), "on");
        }
        for text in ["of", "FALSE", "n", "0"] {
            assert_eq!(parsed("fsync", text).expect(text), "off");
        }
        for text in ["o", "", "2", "truee"] {
            assert!(parsed("fsync", text).is_err(), "{text}");
        }
        assert_eq!(parsed("synchronous_commit", "true").expect("alias"), "on");
        assert_eq!(parsed("wal_level", "LOGICAL").expect("any case"), "logical");
        assert_eq!(parsed("datestyle", "iso").expect("alias"), "ISO, MDY");
        assert!(parsed("wal_level", "minimal").is_err());
    }
}
