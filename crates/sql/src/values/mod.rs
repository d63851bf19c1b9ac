//! The text form of every type, in and out, exactly as PostgreSQL reads and writes it.
//!
//! | type | file |
//! |---|---|
//! | boolean, integers, oid, pg_lsn | `scalar` |
//! | real, double precision | `float` |
//! | numeric | `numeric` (with its arithmetic: scale rules of PostgreSQL's `numeric.c`) |
//! | text, varchar(n), char(n) | `string` |
//! | bytea | `bytea` |
//! | date, timestamp, timestamptz | `datetime` (parse, format), `datefields` and `isodate` (from text), `calendar` (Julian days) |
//!
//! Nothing here panics on any text, and nothing allocates more than a small multiple of its input.

pub(crate) mod bytea;
pub(crate) mod calendar;
pub(crate) mod compare;
pub(crate) mod convert;
mod datecut;
pub(crate) mod datefields;
pub(crate) mod datetime;
pub(crate) mod float;
mod isodate;
pub(crate) mod names;
pub(crate) mod numeric;
pub(crate) mod numeric_power;
pub(crate) mod scalar;
pub(crate) mod string;

use types::{ColumnType, Datum, Lsn, SqlState};

use crate::error::{Error, Result};
pub(crate) use names::type_name;

/// What the text form of values depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Digits of floating-point numbers; from 1 on, the fewest that read back the same.
    pub extra_float_digits: i32,
    /// Whether bytea is written as `\x…`.
    pub bytea_hex: bool,
}

impl Default for Style {
    fn default() -> Self {
        Style { extra_float_digits: 1, bytea_hex: true }
    }
}

/// `22P02`, as PostgreSQL words it.
pub(crate) fn invalid_syntax(ty: ColumnType, text: &str) -> Error {
    Error::new(
        SqlState::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {}: \"{text}\"", type_name(names::base(ty))),
    )
}

/// Reads a value of a type from text. `now` is the transaction's time, for `'now'` and the like.
pub(crate) fn input(ty: ColumnType, text: &str, now: &dyn datetime::Now) -> Result<Datum> {
    Ok(match ty {
        ColumnType::Bool => Datum::Bool(scalar::parse_bool(text)?),
        ColumnType::Int2 => Datum::Int2(scalar::parse_int(text, ty)? as i16),
        ColumnType::Int4 => Datum::Int4(scalar::parse_int(text, ty)? as i32),
        ColumnType::Int8 => Datum::Int8(scalar::parse_int(text, ty)?),
        ColumnType::Float4 => Datum::Float4(float::parse_float4(text)?),
        ColumnType::Float8 => Datum::Float8(float::parse_float8(text)?),
        ColumnType::Numeric => Datum::Numeric(numeric::parse(text)?),
        ColumnType::Text | ColumnType::Unknown => Datum::Text(text.to_owned()),
        ColumnType::Varchar(limit) => Datum::Text(string::varchar(text, limit, false)?),
        ColumnType::Bpchar(length) => Datum::Text(string::bpchar(text, length, false)?),
        ColumnType::Bytea => Datum::Bytea(bytea::parse(text)?),
        ColumnType::Date => Datum::Date(datetime::parse_date(text, now)?),
        ColumnType::Timestamp => Datum::Timestamp(datetime::parse_timestamp(text, now)?),
        ColumnType::Timestamptz => Datum::Timestamptz(datetime::parse_timestamptz(text, now)?),
        ColumnType::Oid => Datum::Oid(scalar::parse_oid(text)?),
        ColumnType::PgLsn => {
            let lsn: Lsn = text.trim().parse().map_err(|_| invalid_syntax(ty, text))?;
            Datum::PgLsn(lsn.0)
        }
    })
}

/// Appends the text form of a value; nothing for NULL.
pub(crate) fn output(value: &Datum, style: Style, out: &mut String) {
    match value {
        Datum::Null => {}
        Datum::Bool(value) => out.push(if *value { 't' } else { 'f' }),
        Datum::Int2(value) => scalar::push_int(out, i64::from(*value)),
        Datum::Int4(value) => scalar::push_int(out, i64::from(*value)),
        Datum::Int8(value) => scalar::push_int(out, *value),
        Datum::Float4(value) => float::push_float4(out, *value, style.extra_float_digits),
        Datum::Float8(value) => float::push_float8(out, *value, style.extra_float_digits),
        Datum::Numeric(value) => numeric::push(out, value),
        Datum::Text(value) => out.push_str(value),
        Datum::Bytea(value) => bytea::push(out, value, style.bytea_hex),
        Datum::Date(value) => datetime::push_date(out, *value),
        Datum::Timestamp(value) => datetime::push_timestamp(out, *value),
        Datum::Timestamptz(value) => datetime::push_timestamptz(out, *value),
        Datum::Oid(value) => scalar::push_int(out, i64::from(*value)),
        Datum::PgLsn(value) => {
            use std::fmt::Write as _;
            write!(out, "{}", Lsn(*value)).expect("a String takes everything");
        }
    }
}

/// The text form of a value, as a string of its own.
pub(crate) fn to_text(value: &Datum, style: Style) -> String {
    let mut text = String::new();
    output(value, style, &mut text);
    text
}
