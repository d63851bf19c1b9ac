//! Cuts the text of a date or timestamp into fields, and knows the words in it.

use super::datefields::Bad;
use super::scalar::is_space;

/// A part of a text, by its form.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Field<'a> {
    Number(&'a str),
    Date(&'a str),
    Time(&'a str),
    Zone(&'a str),
    Word(&'a str),
    Special(&'a str),
}

/// Cuts off the longest beginning whose bytes all satisfy `is`.
fn take<'a>(rest: &mut &'a str, is: impl Fn(u8) -> bool) -> &'a str {
    let end = rest.bytes().position(|b| !is(b)).unwrap_or(rest.len());
    let (taken, after) = rest.split_at(end);
    *rest = after;
    taken
}

pub(super) fn cut(text: &str) -> std::result::Result<Vec<Field<'_>>, Bad> {
    let mut fields = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            fields.push(cut_number(&mut rest));
        } else if first == '.' {
            return Err(Bad::Syntax);
        } else if first.is_ascii_alphabetic() {
            fields.push(cut_word(&mut rest));
        } else if first == '+' || first == '-' {
            fields.push(cut_signed(&mut rest)?);
        } else if is_space(first) || first == ',' {
            rest = &rest[1..];
        } else {
            return Err(Bad::Syntax);
        }
        if fields.len() > 25 {
            return Err(Bad::Syntax);
        }
    }
    Ok(fields)
}

fn cut_number<'a>(rest: &mut &'a str) -> Field<'a> {
    let start = *rest;
    take(rest, |b| b.is_ascii_digit());
    let taken = |rest: &str| &start[..start.len() - rest.len()];
    match rest.bytes().next() {
        Some(b':') => {
            take(rest, |b| b.is_ascii_digit() || b == b':' || b == b'.');
            Field::Time(taken(rest))
        }
        Some(mark @ (b'-' | b'/' | b'.')) => {
            let digits_behind = rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
            let letters_behind = rest.as_bytes().get(1).is_some_and(u8::is_ascii_alphabetic);
            if mark == b'.' && !digits_behind {
                *rest = &rest[1..];
                return Field::Number(&taken(rest)[..taken(rest).len() - 1]);
            }
            if !digits_behind && !letters_behind {
                return Field::Number(taken(rest));
            }
            *rest = &rest[1..];
            take(rest, |b| b.is_ascii_alphanumeric());
            if rest.bytes().next() == Some(mark) {
                *rest = &rest[1..];
                take(rest, |b| b.is_ascii_digit());
            } else if mark == b'.' {
                return Field::Number(taken(rest));
            }
            Field::Date(taken(rest))
        }
        _ => Field::Number(taken(rest)),
    }
}

fn cut_word<'a>(rest: &mut &'a str) -> Field<'a> {
    let start = *rest;
    take(rest, |b| b.is_ascii_alphabetic());
    let date = match rest.as_bytes() {
        [b'-' | b'/' | b'.', next, ..] => next.is_ascii_alphanumeric(),
        _ => false,
    };
    let word = &start[..start.len() - rest.len()];
    let is_month = month(&word.to_ascii_lowercase()).is_some();
    if date && (is_month || rest.starts_with('/')) {
        take(rest, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'/' | b'.' | b'_'));
        let whole = &start[..start.len() - rest.len()];
        return if is_month { Field::Date(whole) } else { Field::Word(whole) };
    }
    Field::Word(word)
}

fn cut_signed<'a>(rest: &mut &'a str) -> std::result::Result<Field<'a>, Bad> {
    let start = *rest;
    *rest = &rest[1..];
    let spaces = take(rest, |b| is_space(char::from(b))).len();
    match rest.bytes().next() {
        Some(b) if b.is_ascii_digit() && spaces == 0 => {
            take(rest, |b| b.is_ascii_digit() || b == b':');
            Ok(Field::Zone(&start[..start.len() - rest.len()]))
        }
        Some(b) if b.is_ascii_alphabetic() => {
            take(rest, |b| b.is_ascii_alphabetic());
            Ok(Field::Special(&start[..start.len() - rest.len()]))
        }
        _ => Err(Bad::Syntax),
    }
}

pub(super) fn month(word: &str) -> Option<i64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let place = NAMES.iter().position(|name| *name == word || &name[..3] == word);
    place.or((word == "sept").then_some(8)).map(|place| place as i64 + 1)
}

pub(super) fn is_weekday(word: &str) -> bool {
    const NAMES: [&str; 7] =
        ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    const SHORT: [&str; 5] = ["tues", "wednes", "weds", "thur", "thurs"];
    NAMES.iter().any(|name| *name == word || &name[..3] == word) || SHORT.contains(&word)
}

/// Zones that have one offset and are in common use, in hours east of UTC.
pub(super) fn zone_of_word(word: &str) -> Option<i64> {
    const ZONES: [(&str, i64); 20] = [
        ("z", 0),
        ("utc", 0),
        ("gmt", 0),
        ("zulu", 0),
        ("ut", 0),
        ("uct", 0),
        ("wet", 0),
        ("est", -5),
        ("edt", -4),
        ("cst", -6),
        ("cdt", -5),
        ("mst", -7),
        ("mdt", -6),
        ("pst", -8),
        ("pdt", -7),
        ("cet", 1),
        ("cest", 2),
        ("eet", 2),
        ("msk", 3),
        ("jst", 9),
    ];
    ZONES.iter().find(|(name, _)| *name == word).map(|(_, hours)| hours * 3600)
}
