//! `date`, `timestamp` and `timestamptz` as text. The session's time zone is UTC.

use std::fmt::Write as _;

use types::SqlState;

use super::calendar::{self, DAY_MICROS};
use super::datefields::{Decoded, decode_as};
use crate::error::{Error, Result};

/// A day later than every other.
pub(crate) const DATE_INFINITY: i32 = i32::MAX;
/// A day earlier than every other.
pub(crate) const DATE_MINUS_INFINITY: i32 = i32::MIN;
/// A moment later than every other.
pub(crate) const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// A moment earlier than every other.
pub(crate) const TIMESTAMP_MINUS_INFINITY: i64 = i64::MIN;

/// Where `'now'` comes from. Asking tells that a value depends on the time.
pub(crate) trait Now {
    /// The time of the transaction, in microseconds since 2000-01-01 UTC.
    fn transaction_time(&self) -> i64;
}

fn out_of_range(kind: &str, text: &str) -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("{kind} out of range: \"{text}\""))
}

/// Reads a `date`.
pub(crate) fn parse_date(text: &str, now: &dyn Now) -> Result<i32> {
    let today = || now.transaction_time().div_euclid(DAY_MICROS);
    let day = match decode_as("date", text)? {
        Decoded::Infinity => return Ok(DATE_INFINITY),
        Decoded::MinusInfinity => return Ok(DATE_MINUS_INFINITY),
        Decoded::Now => today(),
        Decoded::Today { days, .. } => today() + days,
        Decoded::Epoch => calendar::UNIX_EPOCH_DAY,
        Decoded::Moment { day, .. } => day,
    };
    if !(calendar::MIN_DAY..=calendar::MAX_DAY).contains(&day) {
        return Err(out_of_range("date", text));
    }
    Ok(day as i32)
}

/// Reads a `timestamp`; a zone in it is ignored.
pub(crate) fn parse_timestamp(text: &str, now: &dyn Now) -> Result<i64> {
    moment("timestamp", text, now, false)
}

/// Reads a `timestamptz`; without a zone it is UTC.
pub(crate) fn parse_timestamptz(text: &str, now: &dyn Now) -> Result<i64> {
    moment("timestamp with time zone", text, now, true)
}

fn moment(type_name: &str, text: &str, now: &dyn Now, zoned: bool) -> Result<i64> {
    let today = || now.transaction_time().div_euclid(DAY_MICROS);
    let (day, time, zone) = match decode_as(type_name, text)? {
        Decoded::Infinity => return Ok(TIMESTAMP_INFINITY),
        Decoded::MinusInfinity => return Ok(TIMESTAMP_MINUS_INFINITY),
        Decoded::Now => return Ok(now.transaction_time()),
        Decoded::Today { days, time, zone } => (today() + days, time, zone),
        Decoded::Epoch => (calendar::UNIX_EPOCH_DAY, 0, None),
        Decoded::Moment { day, time, zone } => (day, time, zone),
    };
    let shift = if zoned { zone.unwrap_or(0) * 1_000_000 } else { 0 };
    let micros = i128::from(day) * i128::from(DAY_MICROS) + i128::from(time) - i128::from(shift);
    checked_moment(micros).ok_or_else(|| out_of_range("timestamp", text))
}

/// The moment, if a timestamp can hold it.
pub(crate) fn checked_moment(micros: i128) -> Option<i64> {
    let first = i128::from(calendar::MIN_DAY) * i128::from(DAY_MICROS);
    let end = i128::from(calendar::END_TIMESTAMP_DAY) * i128::from(DAY_MICROS);
    (first..end).contains(&micros).then_some(micros as i64)
}

/// Appends a `date`.
pub(crate) fn push_date(out: &mut String, day: i32) {
    match day {
        DATE_INFINITY => out.push_str("infinity"),
        DATE_MINUS_INFINITY => out.push_str("-infinity"),
        day => {
            let bc = push_calendar_day(out, i64::from(day));
            out.push_str(if bc { " BC" } else { "" });
        }
    }
}

/// Appends the day and says whether it lies before Christ.
fn push_calendar_day(out: &mut String, day: i64) -> bool {
    let (year, month, date) = calendar::date_of(day);
    let shown = if year <= 0 { 1 - year } else { year };
    write!(out, "{shown:04}-{month:02}-{date:02}").expect("a String takes everything");
    year <= 0
}

/// Appends a `timestamp`.
pub(crate) fn push_timestamp(out: &mut String, micros: i64) {
    push_moment(out, micros, "");
}

/// Appends a `timestamptz`, in UTC.
pub(crate) fn push_timestamptz(out: &mut String, micros: i64) {
    push_moment(out, micros, "+00");
}

fn push_moment(out: &mut String, micros: i64, zone: &str) {
    match micros {
        TIMESTAMP_INFINITY => return out.push_str("infinity"),
        TIMESTAMP_MINUS_INFINITY => return out.push_str("-infinity"),
        _ => {}
    }
    let bc = push_calendar_day(out, micros.div_euclid(DAY_MICROS));
    let time = micros.rem_euclid(DAY_MICROS);
    let (seconds, fraction) = (time / 1_000_000, time % 1_000_000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    write!(out, " {hours:02}:{minutes:02}:{:02}", seconds % 60).expect("a String takes everything");
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
    out.push_str(zone);
    out.push_str(if bc { " BC" } else { "" });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(i64);

    impl Now for Fixed {
        fn transaction_time(&self) -> i64 {
            self.0
        }
    }

    fn date(text: &str) -> Result<String> {
        let mut out = String::new();
        push_date(&mut out, parse_date(text, &Fixed(DAY_MICROS + 5))?);
        Ok(out)
    }

    fn stamp(text: &str) -> Result<String> {
        let mut out = String::new();
        push_timestamptz(&mut out, parse_timestamptz(text, &Fixed(DAY_MICROS + 5))?);
        Ok(out)
    }

    #[test]
    fn dates_read_back() {
        for text in ["2020-02-29", "0044-03-15 BC", "infinity", "-infinity", "5874897-12-31"] {
            assert_eq!(date(text).expect(text), text);
        }
        assert_eq!(date("today").expect("special"), "2000-01-02");
        assert_eq!(date("yesterday").expect("special"), "2000-01-01");
        assert_eq!(date("epoch").expect("special"), "1970-01-01");
        assert_eq!(
            date("5874898-01-01").expect_err("too late").sqlstate().expect("r").as_str(),
            "22008"
        );
    }

    #[test]
    fn moments_are_shown_in_utc() {
        assert_eq!(stamp("2020-01-01 00:30+02").expect("zone"), "2019-12-31 22:30:00+00");
        assert_eq!(
            stamp("2020-01-01 1:2:3.4500009").expect("rounded"),
            "2020-01-01 01:02:03.450001+00"
        );
        assert_eq!(stamp("now").expect("special"), "2000-01-02 00:00:00.000005+00");
        assert_eq!(stamp("0001-01-01 BC").expect("bc"), "0001-01-01 00:00:00+00 BC");
        assert!(stamp("294277-01-01").is_err());
    }
}
