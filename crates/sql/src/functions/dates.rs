//! Functions of dates and moments: fields, truncation, and how they come from numbers.

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use types::{ColumnType, Datum, SqlState};

use super::{Code, Function, Values, Volatility, entry, many, mismatch, one, two};
use crate::error::{Error, Result};
use crate::values::calendar::{self, DAY_MICROS};
use crate::values::datetime::{self, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY};
use crate::values::{numeric, type_name};

use ColumnType::{Date, Float8, Int4, Numeric, Text, Timestamp, Timestamptz};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// A number with decimals: `micros` divided by ten to the `scale`.
fn decimal(value: i64, scale: i64) -> BigDecimal {
    BigDecimal::new(value.into(), scale)
}

fn type_of(value: &Datum) -> ColumnType {
    match value {
        Datum::Date(_) => Date,
        Datum::Timestamp(_) => Timestamp,
        _ => Timestamptz,
    }
}

fn not_recognized(unit: &str, ty: ColumnType) -> Error {
    Error::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("unit \"{unit}\" not recognized for type {}", type_name(ty)),
    )
}

fn not_supported(unit: &str, ty: ColumnType) -> Error {
    Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("unit \"{unit}\" not supported for type {}", type_name(ty)),
    )
}

/// One name for each unit.
fn unit_name(unit: &str) -> String {
    let lower = unit.to_ascii_lowercase();
    let name = match lower.as_str() {
        "years" | "y" | "yr" | "yrs" => "year",
        "months" | "mon" | "mons" => "month",
        "weeks" | "w" => "week",
        "days" | "d" => "day",
        "hours" | "h" | "hr" | "hrs" => "hour",
        "minutes" | "m" | "min" | "mins" => "minute",
        "seconds" | "s" | "sec" | "secs" => "second",
        "millisecond" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => "milliseconds",
        "microsecond" | "us" | "usec" | "usecs" | "usecond" | "useconds" => "microseconds",
        "centuries" | "c" | "cent" => "century",
        "decades" | "dec" | "decs" => "decade",
        "millennia" | "mil" | "mils" => "millennium",
        "quarters" | "qtr" => "quarter",
        _ => return lower,
    };
    name.to_owned()
}

/// The field of a day, for all types.
fn day_field(unit: &str, day: i64) -> Option<i64> {
    let (year, month, date) = calendar::date_of(day);
    // There is no year 0: what comes before 1 is counted from -1.
    let counted = if year <= 0 { year - 1 } else { year };
    let periods = |length: i64| {
        if year > 0 { (year + length - 1) / length } else { -((length - 1 - (year - 1)) / length) }
    };
    Some(match unit {
        "year" => counted,
        "month" => month,
        "day" => date,
        "quarter" => (month - 1) / 3 + 1,
        "decade" => year.div_euclid(10),
        "century" => periods(100),
        "millennium" => periods(1000),
        "dow" => calendar::day_of_week(day),
        "isodow" => (calendar::day_of_week(day) + 6) % 7 + 1,
        "doy" => day - calendar::day_of(year, 1, 1) + 1,
        "week" => calendar::iso_week(day).1,
        "isoyear" => {
            let year = calendar::iso_week(day).0;
            if year <= 0 { year - 1 } else { year }
        }
        _ => return None,
    })
}

fn extract_date(unit: &str, day: i64) -> Result<BigDecimal> {
    if let Some(value) = day_field(unit, day) {
        return Ok(numeric::from_int(value));
    }
    match unit {
        "epoch" => Ok(numeric::from_int((day - calendar::UNIX_EPOCH_DAY) * 86_400)),
        "julian" => Ok(numeric::from_int(day + calendar::JULIAN_2000)),
        "hour" | "minute" | "second" | "milliseconds" | "microseconds" | "timezone"
        | "timezone_hour" | "timezone_minute" => Err(not_supported(unit, Date)),
        _ => Err(not_recognized(unit, Date)),
    }
}

fn extract_moment(unit: &str, micros: i64, ty: ColumnType) -> Result<BigDecimal> {
    let (day, time) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
    if let Some(value) = day_field(unit, day) {
        return Ok(numeric::from_int(value));
    }
    Ok(match unit {
        "hour" => numeric::from_int(time / HOUR),
        "minute" => numeric::from_int(time / MINUTE % 60),
        "second" => decimal(time % MINUTE, 6),
        "milliseconds" => decimal(time % MINUTE, 3),
        "microseconds" => numeric::from_int(time % MINUTE),
        "epoch" => {
            let epoch = i128::from(calendar::UNIX_EPOCH_DAY) * i128::from(DAY_MICROS);
            BigDecimal::new((i128::from(micros) - epoch).into(), 6)
        }
        "julian" => {
            let part = numeric::divide(&numeric::from_int(time), &numeric::from_int(DAY_MICROS))?;
            numeric::add(&numeric::from_int(day + calendar::JULIAN_2000), &part)?
        }
        "timezone" | "timezone_hour" | "timezone_minute" if ty == Timestamptz => {
            numeric::from_int(0)
        }
        "timezone" | "timezone_hour" | "timezone_minute" => return Err(not_supported(unit, ty)),
        _ => return Err(not_recognized(unit, ty)),
    })
}

/// What a field of an infinite value is: an infinity if the field grows with time, else NULL.
fn infinite_field(unit: &str, ty: ColumnType) -> Result<bool> {
    // Asking for the field of some value finds out whether there is such a field.
    match ty {
        Date => extract_date(unit, 0).map(|_| ())?,
        _ => extract_moment(unit, 0, ty).map(|_| ())?,
    }
    Ok(matches!(
        unit,
        "year" | "decade" | "century" | "millennium" | "isoyear" | "epoch" | "julian"
    ))
}

/// Whether a value is an infinity, and which.
fn infinity(value: &Datum) -> Option<f64> {
    match value {
        Datum::Date(datetime::DATE_INFINITY)
        | Datum::Timestamp(TIMESTAMP_INFINITY)
        | Datum::Timestamptz(TIMESTAMP_INFINITY) => Some(f64::INFINITY),
        Datum::Date(datetime::DATE_MINUS_INFINITY)
        | Datum::Timestamp(TIMESTAMP_MINUS_INFINITY)
        | Datum::Timestamptz(TIMESTAMP_MINUS_INFINITY) => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// EXTRACT of a field, as `numeric`.
pub(crate) fn extract(unit: &Datum, value: &Datum) -> Result<Datum> {
    let Datum::Text(unit) = unit else { return Err(mismatch()) };
    let (unit, ty) = (unit_name(unit), type_of(value));
    if infinity(value).is_some() {
        return if infinite_field(&unit, ty)? {
            Err(Error::unsupported("the numeric value Infinity"))
        } else {
            Ok(Datum::Null)
        };
    }
    Ok(Datum::Numeric(match value {
        Datum::Date(day) => extract_date(&unit, i64::from(*day))?,
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) => {
            extract_moment(&unit, *micros, ty)?
        }
        _ => return Err(mismatch()),
    }))
}

/// `date_part`: EXTRACT as double precision; a date is taken for its midnight.
fn date_part(unit: &Datum, value: &Datum) -> Result<Datum> {
    let value = match value {
        Datum::Date(_) => Cow::Owned(crate::values::convert::convert(value, Date, Timestamp)?),
        other => Cow::Borrowed(other),
    };
    if let (Datum::Text(name), Some(infinity)) = (unit, infinity(&value)) {
        let grows = infinite_field(&unit_name(name), type_of(&value))?;
        return Ok(if grows { Datum::Float8(infinity) } else { Datum::Null });
    }
    match extract(unit, &value)? {
        Datum::Numeric(number) => Ok(Datum::Float8(numeric::to_float(&number)?)),
        other => Ok(other),
    }
}

fn truncate(unit: &Datum, micros: i64, ty: ColumnType) -> Result<i64> {
    let Datum::Text(unit) = unit else { return Err(mismatch()) };
    let unit = unit_name(unit);
    if micros == TIMESTAMP_INFINITY || micros == TIMESTAMP_MINUS_INFINITY {
        return Ok(micros);
    }
    let (day, time) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
    let (year, month, _) = calendar::date_of(day);
    let first_of = |length: i64| (year - 1).div_euclid(length) * length + 1;
    let cut = |length: i64| Ok(day * DAY_MICROS + time - time % length);
    let day = match unit.as_str() {
        "microseconds" => return Ok(micros),
        "milliseconds" => return cut(1000),
        "second" => return cut(SECOND),
        "minute" => return cut(MINUTE),
        "hour" => return cut(HOUR),
        "day" => day,
        "week" => day - (calendar::day_of_week(day) + 6) % 7,
        "month" => calendar::day_of(year, month, 1),
        "quarter" => calendar::day_of(year, (month - 1) / 3 * 3 + 1, 1),
        "year" => calendar::day_of(year, 1, 1),
        "decade" => calendar::day_of(year.div_euclid(10) * 10, 1, 1),
        "century" => calendar::day_of(first_of(100), 1, 1),
        "millennium" => calendar::day_of(first_of(1000), 1, 1),
        "dow" | "isodow" | "doy" | "isoyear" | "epoch" | "julian" | "timezone"
        | "timezone_hour" | "timezone_minute" => return Err(not_supported(&unit, ty)),
        _ => return Err(not_recognized(&unit, ty)),
    };
    datetime::checked_moment(i128::from(day) * i128::from(DAY_MICROS)).ok_or_else(out_of_range)
}

fn out_of_range() -> Error {
    Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

fn date_trunc(unit: &Datum, value: &Datum) -> Result<Datum> {
    match value {
        Datum::Timestamp(micros) => truncate(unit, *micros, Timestamp).map(Datum::Timestamp),
        Datum::Timestamptz(micros) => truncate(unit, *micros, Timestamptz).map(Datum::Timestamptz),
        _ => Err(mismatch()),
    }
}

fn to_timestamp(value: &Datum) -> Result<Datum> {
    let Datum::Float8(seconds) = value else { return Err(mismatch()) };
    if seconds.is_infinite() {
        let end = if *seconds > 0.0 { TIMESTAMP_INFINITY } else { TIMESTAMP_MINUS_INFINITY };
        return Ok(Datum::Timestamptz(end));
    }
    let epoch = (calendar::UNIX_EPOCH_DAY * 86_400) as f64;
    let micros = ((seconds + epoch) * 1e6).round_ties_even();
    let within = micros.abs() < i64::MAX as f64;
    let moment = if within { datetime::checked_moment(micros as i128) } else { None };
    moment.map(Datum::Timestamptz).ok_or_else(|| {
        let message = format!("timestamp out of range: \"{seconds}\"");
        Error::new(SqlState::DATETIME_FIELD_OVERFLOW, message)
    })
}

fn make_date(values: Values<'_, '_>) -> Result<Datum> {
    let part = |place: usize| match values.get(place).map(AsRef::as_ref) {
        Some(Datum::Int4(value)) => Ok(i64::from(*value)),
        _ => Err(mismatch()),
    };
    let (year, month, day) = (part(0)?, part(1)?, part(2)?);
    let astronomical = if year < 0 { year + 1 } else { year };
    let exists = year != 0
        && (1..=12).contains(&month)
        && (1..=calendar::days_in_month(astronomical, month)).contains(&day);
    let number = if exists { calendar::day_of(astronomical, month, day) } else { i64::MIN };
    if !(calendar::MIN_DAY..=calendar::MAX_DAY).contains(&number) {
        return Err(Error::new(
            SqlState::DATETIME_FIELD_OVERFLOW,
            format!("date field value out of range: {year}-{month:02}-{day:02}"),
        ));
    }
    Ok(Datum::Date(number as i32))
}

fn is_finite(value: &Datum) -> Result<Datum> {
    Ok(Datum::Bool(infinity(value).is_none()))
}

const fn stable(function: Function) -> Function {
    Function { volatility: Volatility::Stable, ..function }
}

/// The entries of this file.
pub(super) static TABLE: &[Function] = &[
    entry("extract", &[Text, Date], Numeric, Code::Two(extract)),
    entry("extract", &[Text, Timestamp], Numeric, Code::Two(extract)),
    stable(entry("extract", &[Text, Timestamptz], Numeric, Code::Two(extract))),
    two("date_part", &[Text, Date], Float8, date_part),
    two("date_part", &[Text, Timestamp], Float8, date_part),
    stable(two("date_part", &[Text, Timestamptz], Float8, date_part)),
    two("date_trunc", &[Text, Timestamp], Timestamp, date_trunc),
    stable(two("date_trunc", &[Text, Timestamptz], Timestamptz, date_trunc)),
    one("to_timestamp", &[Float8], Timestamptz, to_timestamp),
    many("make_date", &[Int4, Int4, Int4], Date, make_date),
    one("isfinite", &[Date], ColumnType::Bool, is_finite),
    one("isfinite", &[Timestamp], ColumnType::Bool, is_finite),
    one("isfinite", &[Timestamptz], ColumnType::Bool, is_finite),
];

#[cfg(test)]
mod tests {
    use super::*;

    struct Never;

    impl datetime::Now for Never {
        fn transaction_time(&self) -> i64 {
            0
        }
    }

    fn moment(text: &str) -> Datum {
        Datum::Timestamp(datetime::parse_timestamp(text, &Never).expect(text))
    }

    fn field(unit: &str, text: &str) -> String {
        let value = extract(&Datum::Text(unit.to_owned()), &moment(text)).expect(unit);
        crate::values::to_text(&value, Default::default())
    }

    fn cut(unit: &str, text: &str) -> String {
        let value = date_trunc(&Datum::Text(unit.to_owned()), &moment(text)).expect(unit);
        crate::values::to_text(&value, Default::default())
    }

    #[test]
    fn fields_have_the_scale_of_postgresql() {
        let at = "2020-02-03 04:05:06.5";
        for (unit, value) in [
            ("year", "2020"),
            ("second", "6.500000"),
            ("milliseconds", "6500.000"),
            ("microseconds", "6500000"),
            ("epoch", "1580702706.500000"),
            ("dow", "1"),
            ("doy", "34"),
            ("julian", "2458883.17021412037037037037"),
        ] {
            assert_eq!(field(unit, at), value, "{unit}");
        }
        assert_eq!(field("century", "2000-01-01"), "20");
        assert_eq!(field("century", "0001-01-01 BC"), "-1");
        assert_eq!(field("decade", "0001-01-01 BC"), "0");
        assert_eq!(field("millennium", "2001-01-01"), "3");
    }

    #[test]
    fn truncation_goes_to_the_first_moment() {
        assert_eq!(cut("week", "2020-02-09 04:05:06"), "2020-02-03 00:00:00");
        assert_eq!(cut("century", "2000-02-03"), "1901-01-01 00:00:00");
        assert_eq!(cut("decade", "0004-12-25 BC"), "0011-01-01 00:00:00 BC");
        assert_eq!(cut("century", "0055-01-01 BC"), "0100-01-01 00:00:00 BC");
        assert_eq!(cut("milliseconds", "2001-12-03 1:2:3.456789"), "2001-12-03 01:02:03.456");
    }

    #[test]
    fn units_are_checked() {
        let code = |unit: &str| {
            let error = extract(&Datum::Text(unit.to_owned()), &moment("2020-01-01"));
            error.expect_err(unit).sqlstate().expect("report").to_string()
        };
        assert_eq!(code("foo"), "22023");
        assert_eq!(code("timezone"), "0A000");
    }
}
