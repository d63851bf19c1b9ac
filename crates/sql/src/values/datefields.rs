//! From the text of a date or timestamp to its fields.
//!
//! Text is cut into fields (numbers, dates, times, zones, words) first, then each field says what
//! it means, in the light of what is known already: `20200102`, `2020-01-02`, `Jan 2, 2020`,
//! `2-Jan-2020`, `1/2/2020` (month first: DateStyle is ISO, MDY), each with a time, a zone and AD or
//! BC. The ways are those of PostgreSQL's `ParseDateTime` and `DecodeDateTime`.

use types::SqlState;

use super::calendar;
use super::datecut::{Field, cut, is_weekday, month, zone_of_word};
use super::scalar::is_space;
use crate::error::{Error, Result};

/// Longer texts are no dates.
const MAX_LENGTH: usize = 128;

/// What a text said.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Decoded {
    /// A day, microseconds in it, and seconds east of UTC, where given.
    Moment { day: i64, time: i64, zone: Option<i64> },
    /// The time of the transaction, or a day relative to it.
    Now,
    /// The day of the transaction plus that many days.
    Today { days: i64, time: i64, zone: Option<i64> },
    /// 1970-01-01 00:00:00 UTC
    Epoch,
    /// Later than every other.
    Infinity,
    /// Earlier than every other.
    MinusInfinity,
}

/// Why a text is no date.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    Syntax,
    Field,
    FieldOrStyle,
    Zone,
    UnknownZone(String),
}

impl Bad {
    /// The error for a value of that type.
    pub(crate) fn into_error(self, type_name: &str, text: &str) -> Error {
        let out_of_range = || {
            Error::new(
                SqlState::DATETIME_FIELD_OVERFLOW,
                format!("date/time field value out of range: \"{text}\""),
            )
        };
        match self {
            Bad::Syntax => Error::new(
                SqlState::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type {type_name}: \"{text}\""),
            ),
            Bad::Field => out_of_range(),
            Bad::FieldOrStyle => {
                out_of_range().hint("Perhaps you need a different \"datestyle\" setting.")
            }
            Bad::Zone => Error::new(
                SqlState::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Bad::UnknownZone(zone) => Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                format!("time zone \"{zone}\" not recognized"),
            ),
        }
    }
}

#[derive(Default)]
struct Reading {
    year: Option<i64>,
    /// Whether the year had one or two digits.
    short_year: bool,
    month: Option<i64>,
    /// Whether the month was given by its name.
    named_month: bool,
    day: Option<i64>,
    julian: Option<i64>,
    day_of_year: Option<i64>,
    time: Option<i64>,
    zone: Option<i64>,
    bc: Option<bool>,
    pm: Option<bool>,
    special: Option<Decoded>,
    /// A `T` stood before: a time must follow.
    time_next: bool,
}

/// Reads a text.
pub(crate) fn decode(text: &str) -> std::result::Result<Decoded, Bad> {
    if text.len() > MAX_LENGTH {
        return Err(Bad::Syntax);
    }
    let fields = cut(text.trim_matches(is_space))?;
    let mut reading = Reading::default();
    for (place, field) in fields.iter().enumerate() {
        let julian_next = matches!(fields.get(place + 1), Some(Field::Number(_)));
        match *field {
            Field::Number(number) => reading.number(number)?,
            Field::Date(date) => reading.date(date)?,
            Field::Time(time) => reading.set_time(parse_time(time)?)?,
            Field::Zone(zone) => reading.zone(zone)?,
            Field::Word(word) => reading.word(&word.to_ascii_lowercase(), julian_next)?,
            Field::Special(word) => reading.special(&word.to_ascii_lowercase())?,
        }
    }
    reading.finish()
}

fn set<T>(slot: &mut Option<T>, value: T) -> std::result::Result<(), Bad> {
    if slot.is_some() {
        return Err(Bad::Syntax);
    }
    *slot = Some(value);
    Ok(())
}

fn today(days: i64) -> Decoded {
    Decoded::Today { days, time: 0, zone: None }
}

fn integer(digits: &str) -> std::result::Result<i64, Bad> {
    if digits.len() > 12 {
        return Err(Bad::Field);
    }
    digits.parse().map_err(|_| Bad::Syntax)
}

impl Reading {
    fn has_date(&self) -> bool {
        self.julian.is_some()
            || self.day_of_year.is_some()
            || (self.year.is_some() && self.month.is_some() && self.day.is_some())
    }

    fn set_time(&mut self, micros: i64) -> std::result::Result<(), Bad> {
        self.time_next = false;
        set(&mut self.time, micros)
    }

    /// A number on its own: a compact date or time, a Julian day after `J`, or part of a date.
    fn number(&mut self, number: &str) -> std::result::Result<(), Bad> {
        let digits = number.split('.').next().unwrap_or("");
        if self.julian == Some(-1) {
            self.julian = Some(integer(number)?);
            return Ok(());
        }
        if self.has_date() || self.time_next {
            return self.compact_time(number);
        }
        let untouched = self.year.is_none() && self.month.is_none() && self.day.is_none();
        if untouched && digits.len() == 8 && digits == number {
            self.year = Some(integer(&digits[..4])?);
            self.month = Some(integer(&digits[4..6])?);
            self.day = Some(integer(&digits[6..])?);
            return Ok(());
        }
        if untouched && digits.len() == 6 && digits == number {
            self.set_year(&digits[..2])?;
            self.month = Some(integer(&digits[2..4])?);
            self.day = Some(integer(&digits[4..])?);
            return Ok(());
        }
        if untouched && digits.len() == 4 && number.len() == 8 {
            return self.year_and_day(digits, &number[5..]);
        }
        if digits != number {
            return Err(Bad::Syntax);
        }
        self.date_part(digits)
    }

    fn compact_time(&mut self, number: &str) -> std::result::Result<(), Bad> {
        let (digits, fraction) = match number.split_once('.') {
            Some((digits, fraction)) => (digits, fraction),
            None => (number, ""),
        };
        let colons = match digits.len() {
            4 => format!("{}:{}", &digits[..2], &digits[2..]),
            6 => format!("{}:{}:{}", &digits[..2], &digits[2..4], &digits[4..]),
            _ => return Err(Bad::Syntax),
        };
        let time = if fraction.is_empty() { colons } else { format!("{colons}.{fraction}") };
        self.set_time(parse_time(&time)?)
    }

    fn set_year(&mut self, digits: &str) -> std::result::Result<(), Bad> {
        self.short_year = digits.len() <= 2;
        set(&mut self.year, integer(digits)?)
    }

    /// Which part of a date the next number is: month, day, year, unless it looks like a year.
    fn date_part(&mut self, digits: &str) -> std::result::Result<(), Bad> {
        let year_like = digits.len() >= 3;
        match (self.year.is_some(), self.month.is_some(), self.day.is_some()) {
            (false, false, false) | (false, true, true) if year_like => self.set_year(digits),
            (false, true, false) if year_like && self.named_month => self.set_year(digits),
            (_, false, _) => set(&mut self.month, integer(digits)?),
            (_, true, false) => set(&mut self.day, integer(digits)?),
            (false, true, true) => self.set_year(digits),
            _ => Err(Bad::Syntax),
        }
    }

    /// A year and the number of a day in it.
    fn year_and_day(&mut self, year: &str, day: &str) -> std::result::Result<(), Bad> {
        self.year = Some(integer(year)?);
        self.day_of_year = Some(integer(day)?);
        Ok(())
    }

    /// Parts with marks between them; a month may be named.
    fn date(&mut self, text: &str) -> std::result::Result<(), Bad> {
        if self.year.is_some() || self.day.is_some() || self.julian.is_some() {
            return Err(Bad::Syntax);
        }
        let parts: Vec<&str> =
            text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|p| !p.is_empty()).collect();
        for part in &parts {
            if part.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let found = month(&part.to_ascii_lowercase()).ok_or(Bad::Syntax)?;
                self.named_month = true;
                set(&mut self.month, found)?;
            }
        }
        if let ([year, day], None) = (parts.as_slice(), self.month)
            && year.len() == 4
            && day.len() == 3
        {
            return self.year_and_day(year, day);
        }
        for part in &parts {
            if part.starts_with(|c: char| c.is_ascii_digit()) {
                if !part.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Bad::Syntax);
                }
                self.date_part(part)?;
            }
        }
        Ok(())
    }

    fn zone(&mut self, text: &str) -> std::result::Result<(), Bad> {
        if self.time.is_none() && !self.has_date() {
            return Err(Bad::Syntax);
        }
        let negative = text.starts_with('-');
        let body = &text[1..];
        let parts: Vec<&str> = body.split(':').collect();
        let (hours, minutes, seconds) = match parts.as_slice() {
            [compact] if compact.len() > 2 => {
                let (rest, last) = compact.split_at(compact.len() - 2);
                if rest.len() > 2 {
                    let (hours, minutes) = rest.split_at(rest.len() - 2);
                    (hours, minutes, last)
                } else {
                    (rest, last, "0")
                }
            }
            [hours] => (*hours, "0", "0"),
            [hours, minutes] => (*hours, *minutes, "0"),
            [hours, minutes, seconds] => (*hours, *minutes, *seconds),
            _ => return Err(Bad::Syntax),
        };
        let (hours, minutes, seconds) = (integer(hours)?, integer(minutes)?, integer(seconds)?);
        if hours > 15 || minutes > 59 || seconds > 59 {
            return Err(Bad::Zone);
        }
        let offset = hours * 3600 + minutes * 60 + seconds;
        set(&mut self.zone, if negative { -offset } else { offset })
    }

    fn special(&mut self, word: &str) -> std::result::Result<(), Bad> {
        match word {
            "-infinity" => set(&mut self.special, Decoded::MinusInfinity),
            _ => Err(Bad::Syntax),
        }
    }

    fn word(&mut self, word: &str, number_next: bool) -> std::result::Result<(), Bad> {
        match word {
            "now" => set(&mut self.special, Decoded::Now),
            "today" => set(&mut self.special, today(0)),
            "tomorrow" => set(&mut self.special, today(1)),
            "yesterday" => set(&mut self.special, today(-1)),
            "epoch" => set(&mut self.special, Decoded::Epoch),
            "infinity" => set(&mut self.special, Decoded::Infinity),
            "allballs" => {
                self.set_time(0)?;
                set(&mut self.zone, 0)
            }
            "ad" => set(&mut self.bc, false),
            "bc" => set(&mut self.bc, true),
            "am" => set(&mut self.pm, false),
            "pm" => set(&mut self.pm, true),
            "at" | "on" => Ok(()),
            "t" if self.has_date() && self.time.is_none() => {
                self.time_next = true;
                Ok(())
            }
            "j" | "jd" | "julian" if number_next => set(&mut self.julian, -1),
            _ => self.other_word(word),
        }
    }

    fn other_word(&mut self, word: &str) -> std::result::Result<(), Bad> {
        if let Some(found) = month(word) {
            // In `8 Jan 1999` the number before a named month was the day.
            if let (Some(number), false) = (self.month, self.named_month) {
                set(&mut self.day, number)?;
                self.month = None;
            }
            self.named_month = true;
            return set(&mut self.month, found);
        }
        if is_weekday(word) {
            return Ok(());
        }
        match zone_of_word(word) {
            Some(offset) => set(&mut self.zone, offset),
            None if self.has_date() && word.contains('/') => Err(Bad::UnknownZone(word.to_owned())),
            None => Err(Bad::Syntax),
        }
    }

    fn finish(self) -> std::result::Result<Decoded, Bad> {
        if self.time_next {
            return Err(Bad::Syntax);
        }
        let time = self.time_of_day()?;
        if let Some(special) = self.special {
            let dated = self.year.is_some() || self.month.is_some() || self.day.is_some();
            return match (special, self.time) {
                _ if dated => Err(Bad::Syntax),
                (Decoded::Today { days, .. }, Some(_)) => {
                    Ok(Decoded::Today { days, time, zone: self.zone })
                }
                (Decoded::Now | Decoded::Epoch, Some(_)) => Err(Bad::Syntax),
                _ => Ok(special),
            };
        }
        let day = match (self.julian, self.day_of_year) {
            (Some(day), None) if self.year.is_none() => day - calendar::JULIAN_2000,
            (None, Some(number)) => self.numbered_day(number)?,
            (None, None) => self.calendar_day()?,
            _ => return Err(Bad::Syntax),
        };
        Ok(Decoded::Moment { day, time, zone: self.zone })
    }

    fn time_of_day(&self) -> std::result::Result<i64, Bad> {
        const HOUR: i64 = 3_600_000_000;
        let time = self.time.unwrap_or(0);
        let Some(pm) = self.pm else { return Ok(time) };
        let hour = time / HOUR;
        let midnight = hour == 0 && self.time.is_some();
        if !((1..=12).contains(&hour) || midnight) {
            return Err(Bad::Field);
        }
        Ok(match (pm, hour) {
            (true, 0..12) => time + 12 * HOUR,
            (false, 12) => time - 12 * HOUR,
            _ => time,
        })
    }

    fn full_year(&self) -> std::result::Result<i64, Bad> {
        let year = self.year.ok_or(Bad::Syntax)?;
        if self.bc == Some(true) {
            return if year <= 0 { Err(Bad::Field) } else { Ok(1 - year) };
        }
        Ok(match year {
            0..70 if self.short_year => year + 2000,
            70..100 if self.short_year => year + 1900,
            0 => return Err(Bad::Field),
            _ => year,
        })
    }

    fn numbered_day(&self, number: i64) -> std::result::Result<i64, Bad> {
        let year = self.full_year()?;
        if !(1..=365 + i64::from(calendar::is_leap(year))).contains(&number) {
            return Err(Bad::Field);
        }
        Ok(calendar::day_of(year, 1, 1) + number - 1)
    }

    fn calendar_day(&self) -> std::result::Result<i64, Bad> {
        let (month, day) = (self.month.ok_or(Bad::Syntax)?, self.day.ok_or(Bad::Syntax)?);
        let year = self.full_year()?;
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(Bad::FieldOrStyle);
        }
        if day > calendar::days_in_month(year, month) || year > 10_000_000 {
            return Err(Bad::Field);
        }
        Ok(calendar::day_of(year, month, day))
    }
}

/// `HH:MM[:SS[.fraction]]` in microseconds; 24:00:00 is allowed.
fn parse_time(text: &str) -> std::result::Result<i64, Bad> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, fraction),
        None => (text, ""),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] => (*hours, *minutes, "0"),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return Err(Bad::Syntax),
    };
    let (hours, minutes, seconds) = (integer(hours)?, integer(minutes)?, integer(seconds)?);
    let micros = fraction_micros(fraction)?;
    if minutes > 59 || seconds > 60 || hours > 24 {
        return Err(Bad::Field);
    }
    let total = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros;
    if total > calendar::DAY_MICROS {
        return Err(Bad::Field);
    }
    Ok(total)
}

/// The digits behind the point, rounded to six.
fn fraction_micros(digits: &str) -> std::result::Result<i64, Bad> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Bad::Syntax);
    }
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + i64::from(digits.as_bytes().get(place).map_or(0, |b| b - b'0'));
    }
    let up = digits.as_bytes().get(6).is_some_and(|b| *b >= b'5');
    Ok(micros + i64::from(up))
}

/// Reads a text, as a value of the type with that name.
pub(crate) fn decode_as(type_name: &str, text: &str) -> Result<Decoded> {
    match super::isodate::read(text) {
        Some(moment) => Ok(moment),
        None => decode(text).map_err(|bad| bad.into_error(type_name, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> (i64, i64, i64, i64, Option<i64>) {
        match decode(text) {
            Ok(Decoded::Moment { day, time, zone }) => {
                let (year, month, date) = calendar::date_of(day);
                (year, month, date, time / 1_000_000, zone)
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn dates_in_many_ways() {
        for text in [
            "1999-01-08",
            "19990108",
            "990108",
            "January 8, 1999",
            "8 January 1999",
            "8-Jan-1999",
            "Jan-08-1999",
            "1999-Jan-08",
            "08-Jan-99",
            "1/8/1999",
            "1/8/99",
            "1999.008",
            "J2451187",
            "1999-01-08 AD",
            "Fri 8 Jan 1999",
            "Jan 8 1999",
        ] {
            assert_eq!(moment(text), (1999, 1, 8, 0, None), "{text}");
        }
        assert_eq!(moment("0044-03-15 BC").0, -43);
        assert_eq!(moment("12345-01-01").0, 12345);
    }

    #[test]
    fn times_and_zones() {
        for text in [
            "2020-02-03 04:05:06+02",
            "2020-02-03T04:05:06+02:00",
            "20200203T040506+0200",
            "20200203 040506+2",
            "2020-02-03 04:05:06 AM +02",
        ] {
            assert_eq!(moment(text), (2020, 2, 3, 14706, Some(7200)), "{text}");
        }
        assert_eq!(moment("2020-02-03 04:05 PM"), (2020, 2, 3, 57900, None));
        assert_eq!(moment("2020-02-03 24:00:00").3, 86400);
        assert_eq!(moment("2020-02-03 12:00 z").4, Some(0));
    }

    #[test]
    fn bad_texts_are_told_apart() {
        for text in ["", "abc", "2020-01", "12:00", "2020-01-01 foo", "2020-01-01T", "1e5"] {
            assert_eq!(decode(text), Err(Bad::Syntax), "{text}");
        }
        for text in ["2020-02-30", "2021-02-29", "2020-01-01 25:00", "0000-01-01"] {
            assert_eq!(decode(text), Err(Bad::Field), "{text}");
        }
        assert_eq!(decode("99-01-08"), Err(Bad::FieldOrStyle));
        assert_eq!(decode("2020-01-01 00:00+16"), Err(Bad::Zone));
    }

    #[test]
    fn specials() {
        assert_eq!(decode(" Infinity "), Ok(Decoded::Infinity));
        assert_eq!(decode("-infinity"), Ok(Decoded::MinusInfinity));
        assert_eq!(decode("tomorrow"), Ok(today(1)));
        assert_eq!(decode("now"), Ok(Decoded::Now));
    }
}
