//! Functions of text and bytea. Places and lengths count characters of text, bytes of bytea; the
//! collation is C, so only ASCII letters have two cases.

use std::collections::HashMap;

use types::{ColumnType, Datum, SqlState};

use super::{Code, Function, Values, Volatility, entry, many, mismatch, one, two};
use crate::error::{Error, Result};
use crate::expr::like;
use crate::values::{self, Style, bytea, string};

use ColumnType::{Bool, Bytea, Int4, Int8, Text};

const BPCHAR: ColumnType = ColumnType::Bpchar(0);
/// PostgreSQL's limit for a value, 1 GB.
const MAX_RESULT: usize = 0x3fff_ffff;

fn text(value: &Datum) -> Result<&str> {
    match value {
        Datum::Text(text) => Ok(text),
        _ => Err(mismatch()),
    }
}

fn int(value: &Datum) -> Result<i64> {
    match value {
        Datum::Int4(value) => Ok(i64::from(*value)),
        _ => Err(mismatch()),
    }
}

fn text_at<'a>(values: Values<'a, '_>, place: usize) -> Result<&'a str> {
    text(values.get(place).ok_or_else(mismatch)?)
}

fn int_at(values: Values<'_, '_>, place: usize) -> Result<i64> {
    int(values.get(place).ok_or_else(mismatch)?)
}

fn some(text: impl Into<String>) -> Result<Datum> {
    Ok(Datum::Text(text.into()))
}

fn count(length: usize) -> Result<Datum> {
    Ok(Datum::Int4(i32::try_from(length).unwrap_or(i32::MAX)))
}

/// `54000`, before anything is built.
fn check_size(bytes: usize) -> Result<()> {
    if bytes > MAX_RESULT {
        let message = "requested length too large";
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    }
    Ok(())
}

/// The characters from place `from` (0 is the first) up to `to`.
fn slice(text: &str, from: i64, to: i64) -> &str {
    let byte = |place: i64| {
        let place = usize::try_from(place).unwrap_or(0);
        string::end_of(text, place).unwrap_or(text.len())
    };
    if to <= from { "" } else { &text[byte(from)..byte(to)] }
}

/// The range that SUBSTRING means: from place `from` (1 is the first), `length` long.
fn substring_range(from: i64, length: Option<i64>) -> Result<(i64, i64)> {
    match length {
        Some(length) if length < 0 => {
            Err(Error::new(SqlState::SUBSTRING_ERROR, "negative substring length not allowed"))
        }
        Some(length) => Ok(((from - 1).max(0), (from - 1 + length).max(0))),
        None => Ok(((from - 1).max(0), i64::MAX)),
    }
}

fn substring(values: Values<'_, '_>) -> Result<Datum> {
    let length = if values.len() > 2 { Some(int_at(values, 2)?) } else { None };
    let (from, to) = substring_range(int_at(values, 1)?, length)?;
    match values.first().map(AsRef::as_ref) {
        Some(Datum::Text(text)) => some(slice(text, from, to)),
        Some(Datum::Bytea(bytes)) => {
            let end = bytes.len() as i64;
            let (from, to) = (from.min(end), to.min(end));
            let range = from as usize..to.max(from) as usize;
            Ok(Datum::Bytea(bytes[range].to_vec()))
        }
        _ => Err(mismatch()),
    }
}

fn overlay(values: Values<'_, '_>) -> Result<Datum> {
    let (base, new) = (text_at(values, 0)?, text_at(values, 1)?);
    let from = int_at(values, 2)?;
    let length = if values.len() > 3 { int_at(values, 3)? } else { new.chars().count() as i64 };
    if from <= 0 {
        let message = "negative substring length not allowed";
        return Err(Error::new(SqlState::SUBSTRING_ERROR, message));
    }
    let tail = slice(base, (from - 1 + length).max(0), i64::MAX);
    some([slice(base, 0, from - 1), new, tail].concat())
}

fn trim_set<'a>(text: &'a str, set: &str, start: bool, end: bool) -> &'a str {
    let in_set = |c: char| set.contains(c);
    let text = if start { text.trim_start_matches(in_set) } else { text };
    if end { text.trim_end_matches(in_set) } else { text }
}

fn position(haystack: &str, needle: &str) -> Result<Datum> {
    match haystack.find(needle) {
        Some(byte) => count(haystack[..byte].chars().count() + 1),
        None => Ok(Datum::Int4(0)),
    }
}

fn replace(values: Values<'_, '_>) -> Result<Datum> {
    let (base, from, to) = (text_at(values, 0)?, text_at(values, 1)?, text_at(values, 2)?);
    if from.is_empty() {
        return some(base);
    }
    let hits = base.matches(from).count();
    check_size(base.len().saturating_add(hits.saturating_mul(to.len())))?;
    some(base.replace(from, to))
}

fn left(a: &Datum, b: &Datum) -> Result<Datum> {
    let (text, length) = (text(a)?, int(b)?);
    let end = if length < 0 { text.chars().count() as i64 + length } else { length };
    some(slice(text, 0, end))
}

fn right(a: &Datum, b: &Datum) -> Result<Datum> {
    let (text, length) = (text(a)?, int(b)?);
    let from = if length < 0 { -length } else { (text.chars().count() as i64 - length).max(0) };
    some(slice(text, from, i64::MAX))
}

fn pad(values: Values<'_, '_>, at_left: bool) -> Result<Datum> {
    let text = text_at(values, 0)?;
    let length = usize::try_from(int_at(values, 1)?).unwrap_or(0);
    let fill = if values.len() > 2 { text_at(values, 2)? } else { " " };
    let present = text.chars().count();
    if present >= length || fill.is_empty() {
        return some(slice(text, 0, length as i64));
    }
    check_size(length.saturating_mul(4))?;
    let padding: String = fill.chars().cycle().take(length - present).collect();
    some(if at_left { padding + text } else { text.to_owned() + &padding })
}

fn repeat(a: &Datum, b: &Datum) -> Result<Datum> {
    let (text, times) = (text(a)?, usize::try_from(int(b)?).unwrap_or(0));
    check_size(text.len().saturating_mul(times))?;
    some(text.repeat(times))
}

fn initcap(value: &Datum) -> Result<Datum> {
    let mut inside = false;
    let capitalised = text(value)?.chars().map(|c| {
        let shown = if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
        inside = c.is_ascii_alphanumeric();
        shown
    });
    some(capitalised.collect::<String>())
}

fn character(value: &Datum) -> Result<Datum> {
    let limit = |message| Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
    match int(value)? {
        0 => limit("null character not permitted"),
        code => match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(c) => some(c),
            None => limit("requested character not valid for encoding"),
        },
    }
}

fn split_part(values: Values<'_, '_>) -> Result<Datum> {
    let (text, mark, field) = (text_at(values, 0)?, text_at(values, 1)?, int_at(values, 2)?);
    if field == 0 {
        let message = "field position must not be zero";
        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
    }
    let place = usize::try_from(field.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let found = match (mark.is_empty(), field > 0) {
        (true, _) => (place == 0).then_some(text),
        (false, true) => text.split(mark).nth(place),
        (false, false) => text.rsplit(mark).nth(place),
    };
    some(found.unwrap_or(""))
}

fn translate(values: Values<'_, '_>) -> Result<Datum> {
    let (text, from, to) = (text_at(values, 0)?, text_at(values, 1)?, text_at(values, 2)?);
    let mut becomes: HashMap<char, Option<char>> = HashMap::new();
    let to = to.chars().map(Some).chain(std::iter::repeat(None));
    for (from, to) in from.chars().zip(to) {
        // Of a character that stands there twice the first counts.
        becomes.entry(from).or_insert(to);
    }
    let translated = text.chars().filter_map(|c| becomes.get(&c).copied().unwrap_or(Some(c)));
    some(translated.collect::<String>())
}

fn concat(values: Values<'_, '_>, between: &str) -> Result<Datum> {
    let mut out = String::new();
    let mut first = true;
    for value in values.iter().filter(|value| !value.is_null()) {
        // The text of any other value is short beside the limit.
        let length = bytes_of(value).unwrap_or(0);
        check_size(out.len().saturating_add(between.len()).saturating_add(length))?;
        if !first {
            out.push_str(between);
        }
        first = false;
        values::output(value, Style::default(), &mut out);
    }
    some(out)
}

fn concat_with_separator(values: Values<'_, '_>) -> Result<Datum> {
    match values.first().map(AsRef::as_ref) {
        Some(Datum::Text(between)) => concat(&values[1..], between),
        _ => Ok(Datum::Null),
    }
}

fn unknown_encoding(name: &str) -> Error {
    if name == "base64" {
        return Error::unsupported("the encoding base64");
    }
    Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("unrecognized encoding: \"{name}\""))
}

fn encode(a: &Datum, b: &Datum) -> Result<Datum> {
    let Datum::Bytea(bytes) = a else { return Err(mismatch()) };
    let mut out = String::new();
    match text(b)?.to_ascii_lowercase().as_str() {
        "hex" => {
            bytea::push(&mut out, bytes, true);
            some(&out[2..])
        }
        "escape" => {
            bytea::push_escape(&mut out, bytes);
            some(out)
        }
        other => Err(unknown_encoding(other)),
    }
}

fn decode(a: &Datum, b: &Datum) -> Result<Datum> {
    let source = text(a)?;
    match text(b)?.to_ascii_lowercase().as_str() {
        "hex" => bytea::parse_hex(source).map(Datum::Bytea),
        "escape" => bytea::parse_escaped(source).map(Datum::Bytea),
        other => Err(unknown_encoding(other)),
    }
}

fn join(a: &Datum, b: &Datum) -> Result<Datum> {
    check_size(bytes_of(a)?.saturating_add(bytes_of(b)?))?;
    match (a, b) {
        (Datum::Text(a), Datum::Text(b)) => some([a.as_str(), b].concat()),
        (Datum::Bytea(a), Datum::Bytea(b)) => Ok(Datum::Bytea([a.as_slice(), b].concat())),
        _ => Err(mismatch()),
    }
}

fn like(a: &Datum, b: &Datum, negated: bool, any_case: bool) -> Result<Datum> {
    let (text, pattern) = (text(a)?, text(b)?);
    let found = if any_case {
        like::matches(&text.to_ascii_lowercase(), &pattern.to_ascii_lowercase())?
    } else {
        like::matches(text, pattern)?
    };
    Ok(Datum::Bool(found != negated))
}

fn bytes_of(value: &Datum) -> Result<usize> {
    match value {
        Datum::Text(text) => Ok(text.len()),
        Datum::Bytea(bytes) => Ok(bytes.len()),
        _ => Err(mismatch()),
    }
}

fn characters(value: &Datum) -> Result<Datum> {
    count(text(value)?.chars().count())
}

fn characters_trimmed(value: &Datum) -> Result<Datum> {
    count(string::trim_blanks(text(value)?).chars().count())
}

fn to_hex(value: &Datum) -> Result<Datum> {
    match value {
        Datum::Int4(value) => some(format!("{value:x}")),
        Datum::Int8(value) => some(format!("{value:x}")),
        _ => Err(mismatch()),
    }
}

macro_rules! like_entries {
    ($($name:literal $negated:literal $any_case:literal),*) => {
        [$(
            two($name, &[Text, Text], Bool, |a, b| like(a, b, $negated, $any_case)),
            two($name, &[BPCHAR, Text], Bool, |a, b| like(a, b, $negated, $any_case)),
        )*]
    };
}

const fn any_number(name: &'static str, args: &'static [ColumnType], code: Code) -> Function {
    Function {
        name,
        args,
        result: Text,
        strict: false,
        volatility: Volatility::Stable,
        variadic: true,
        code,
    }
}

static LIKE: [Function; 8] = like_entries!(
    "~~" false false, "!~~" true false, "~~*" false true, "!~~*" true true
);

static REST: &[Function] = &[
    two("||", &[Text, Text], Text, join),
    two("||", &[Bytea, Bytea], Bytea, join),
    two("like_escape", &[Text, Text], Text, |a, b| some(like::with_backslash(text(a)?, text(b)?)?)),
    one("length", &[Text], Int4, characters),
    one("length", &[BPCHAR], Int4, characters_trimmed),
    one("length", &[Bytea], Int4, |a| count(bytes_of(a)?)),
    one("char_length", &[Text], Int4, characters),
    one("char_length", &[BPCHAR], Int4, characters_trimmed),
    one("character_length", &[Text], Int4, characters),
    one("character_length", &[BPCHAR], Int4, characters_trimmed),
    one("octet_length", &[Text], Int4, |a| count(bytes_of(a)?)),
    one("octet_length", &[BPCHAR], Int4, |a| count(bytes_of(a)?)),
    one("octet_length", &[Bytea], Int4, |a| count(bytes_of(a)?)),
    one("bit_length", &[Text], Int4, |a| count(bytes_of(a)? * 8)),
    one("bit_length", &[Bytea], Int4, |a| count(bytes_of(a)? * 8)),
    one("lower", &[Text], Text, |a| some(text(a)?.to_ascii_lowercase())),
    one("upper", &[Text], Text, |a| some(text(a)?.to_ascii_uppercase())),
    one("initcap", &[Text], Text, initcap),
    one("reverse", &[Text], Text, |a| some(text(a)?.chars().rev().collect::<String>())),
    many("substring", &[Text, Int4], Text, substring),
    many("substring", &[Text, Int4, Int4], Text, substring),
    many("substring", &[Bytea, Int4], Bytea, substring),
    many("substring", &[Bytea, Int4, Int4], Bytea, substring),
    many("substr", &[Text, Int4], Text, substring),
    many("substr", &[Text, Int4, Int4], Text, substring),
    many("substr", &[Bytea, Int4], Bytea, substring),
    many("substr", &[Bytea, Int4, Int4], Bytea, substring),
    many("overlay", &[Text, Text, Int4], Text, overlay),
    many("overlay", &[Text, Text, Int4, Int4], Text, overlay),
    one("btrim", &[Text], Text, |a| some(trim_set(text(a)?, " ", true, true))),
    one("ltrim", &[Text], Text, |a| some(trim_set(text(a)?, " ", true, false))),
    one("rtrim", &[Text], Text, |a| some(trim_set(text(a)?, " ", false, true))),
    two("btrim", &[Text, Text], Text, |a, b| some(trim_set(text(a)?, text(b)?, true, true))),
    two("ltrim", &[Text, Text], Text, |a, b| some(trim_set(text(a)?, text(b)?, true, false))),
    two("rtrim", &[Text, Text], Text, |a, b| some(trim_set(text(a)?, text(b)?, false, true))),
    two("position", &[Text, Text], Int4, |a, b| position(text(a)?, text(b)?)),
    two("strpos", &[Text, Text], Int4, |a, b| position(text(a)?, text(b)?)),
    many("replace", &[Text, Text, Text], Text, replace),
    two("left", &[Text, Int4], Text, left),
    two("right", &[Text, Int4], Text, right),
    many("lpad", &[Text, Int4], Text, |v| pad(v, true)),
    many("lpad", &[Text, Int4, Text], Text, |v| pad(v, true)),
    many("rpad", &[Text, Int4], Text, |v| pad(v, false)),
    many("rpad", &[Text, Int4, Text], Text, |v| pad(v, false)),
    two("repeat", &[Text, Int4], Text, repeat),
    one("ascii", &[Text], Int4, |a| {
        Ok(Datum::Int4(text(a)?.chars().next().map_or(0, |c| c as i32)))
    }),
    one("chr", &[Int4], Text, character),
    many("split_part", &[Text, Text, Int4], Text, split_part),
    many("translate", &[Text, Text, Text], Text, translate),
    two("starts_with", &[Text, Text], Bool, |a, b| Ok(Datum::Bool(text(a)?.starts_with(text(b)?)))),
    one("to_hex", &[Int4], Text, to_hex),
    one("to_hex", &[Int8], Text, to_hex),
    any_number("concat", &[], Code::Many(|v| concat(v, ""))),
    any_number("concat_ws", &[Text], Code::Many(concat_with_separator)),
    two("encode", &[Bytea, Text], Text, encode),
    entry("decode", &[Text, Text], Bytea, Code::Two(decode)),
];

/// The entries of this file.
pub(super) static TABLE: &[&[Function]] = &[&LIKE, REST];

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn values(list: Vec<Datum>) -> Vec<Cow<'static, Datum>> {
        list.into_iter().map(Cow::Owned).collect()
    }

    fn t(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }

    #[test]
    fn substrings_may_begin_before_the_text() {
        let cut = |from, length| {
            let list = values(vec![t("hello"), Datum::Int4(from), Datum::Int4(length)]);
            substring(&list)
        };
        assert_eq!(cut(2, 3).expect("inside"), t("ell"));
        assert_eq!(cut(0, 3).expect("before"), t("he"));
        assert_eq!(cut(-5, i32::MAX).expect("before"), t("hello"));
        assert_eq!(cut(i32::MAX, i32::MAX).expect("behind"), t(""));
        assert!(cut(1, -1).is_err());
    }

    #[test]
    fn huge_results_are_refused_before_they_are_built() {
        let error = repeat(&t("x"), &Datum::Int4(i32::MAX)).expect_err("too large");
        assert_eq!(error.sqlstate().expect("report").as_str(), "54000");
        assert!(pad(&values(vec![t("x"), Datum::Int4(i32::MAX)]), true).is_err());
    }

    #[test]
    fn joining_texts_does_not_pass_the_limit() {
        // Unbounded, a few thousand `||` of large texts took all memory of the machine, and an
        // allocation that fails ends the process, and with it every session of the server.
        let half = t(&"x".repeat(MAX_RESULT / 2 + 1));
        let error = join(&half, &half).expect_err("too large");
        assert_eq!(error.sqlstate().expect("report").as_str(), "54000");
        let twice = [Cow::Borrowed(&half), Cow::Borrowed(&half)];
        let error = concat(&twice, "").expect_err("too large");
        assert_eq!(error.sqlstate().expect("report").as_str(), "54000");
        assert_eq!(join(&t("ab"), &t("c")).expect("small"), t("abc"));
    }

    #[test]
    fn padding_cuts_what_is_too_long() {
        let padded = |length, fill: &str| {
            pad(&values(vec![t("hällo"), Datum::Int4(length), t(fill)]), true).expect("small")
        };
        assert_eq!(padded(7, "xy"), t("xyhällo"));
        assert_eq!(padded(8, "xy"), t("xyxhällo"));
        assert_eq!(padded(2, "xy"), t("hä"));
        assert_eq!(padded(-1, "xy"), t(""));
    }
}
