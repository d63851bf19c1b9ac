//! From a key's bytes back to values. The bytes may come from disk: what makes no sense is an error.

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};
use types::{ColumnType, Datum};

use super::encode::{END, ESCAPE, class, marker};
use super::key::KeyColumn;
use crate::codec::{Fields, Short};
use crate::tuple::Malformed;

const TOO_SHORT: Malformed = Malformed("key ends inside a value");

impl From<Short> for Malformed {
    fn from(_: Short) -> Malformed {
        TOO_SHORT
    }
}

/// The values of a key of these columns, or of the first few.
pub(super) fn columns(
    columns: &[KeyColumn],
    bytes: &[u8],
    trailer: &[u8],
) -> Result<Vec<Datum>, Malformed> {
    let mut values = Vec::with_capacity(columns.len());
    each(columns, bytes, trailer, Some, |_, value| values.push(value))?;
    Ok(values)
}

/// Calls `take` for the value of each column, or of the first few, that `to` has something for, with
/// that.
pub(super) fn each<T>(
    columns: &[KeyColumn],
    bytes: &[u8],
    trailer: &[u8],
    to: impl Fn(usize) -> Option<T>,
    mut take: impl FnMut(T, Datum),
) -> Result<(), Malformed> {
    let mut rest = bytes;
    let mut trailer = (!trailer.is_empty()).then_some(Fields(trailer));
    for (at, column) in columns.iter().enumerate() {
        let Some((&marker, after)) = rest.split_first() else { break };
        rest = after;
        let value = match marker {
            marker::NULL_FIRST | marker::NULL_LAST => Some(Datum::Null),
            marker::VALUE => {
                let length = length(column, rest)?;
                let (value, after) = rest.split_at_checked(length).ok_or(TOO_SHORT)?;
                rest = after;
                // A value that nobody wants takes its part of the trailer, too.
                let needed = trailer.is_some() || to(at).is_some();
                if needed { Some(decode(column, value, trailer.as_mut())?) } else { None }
            }
            _ => return Err(Malformed("key has an unknown marker")),
        };
        if let (Some(to), Some(value)) = (to(at), value) {
            take(to, value);
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(Malformed("key goes on behind its columns")) }
}

/// Bytes of the value at the front of `rest`.
fn length(column: &KeyColumn, rest: &[u8]) -> Result<usize, Malformed> {
    let flip = |byte: u8| if column.descending { !byte } else { byte };
    let to_end = |from: usize, end: u8| {
        let behind = rest.get(from..).ok_or(TOO_SHORT)?;
        let at = behind.iter().position(|&byte| flip(byte) == end).ok_or(TOO_SHORT)?;
        Ok(from + at + 1)
    };
    match column.ty {
        ColumnType::Bool => Ok(1),
        ColumnType::Int2 => Ok(2),
        ColumnType::Int4 | ColumnType::Float4 | ColumnType::Date | ColumnType::Oid => Ok(4),
        ColumnType::Int8
        | ColumnType::Float8
        | ColumnType::Timestamp
        | ColumnType::Timestamptz
        | ColumnType::PgLsn => Ok(8),
        ColumnType::Text
        | ColumnType::Varchar(_)
        | ColumnType::Bpchar(_)
        | ColumnType::Bytea
        | ColumnType::Unknown => to_end(0, END),
        ColumnType::Numeric => match rest.first().map(|&byte| flip(byte)) {
            Some(class::ZERO) => Ok(1),
            Some(class::POSITIVE) => to_end(5, END),
            Some(class::NEGATIVE) => to_end(5, !END),
            _ => Err(Malformed("key has a numeric of an unknown class")),
        },
    }
}

fn decode(
    column: &KeyColumn,
    bytes: &[u8],
    trailer: Option<&mut Fields<'_>>,
) -> Result<Datum, Malformed> {
    let plain: Cow<'_, [u8]> = match column.descending {
        true => bytes.iter().map(|byte| !byte).collect(),
        false => bytes.into(),
    };
    let bytes = &plain[..];
    Ok(match column.ty {
        ColumnType::Bool => match bytes {
            [0] => Datum::Bool(false),
            [1] => Datum::Bool(true),
            _ => return Err(Malformed("boolean is neither true nor false")),
        },
        ColumnType::Int2 => Datum::Int2(i16::from_be_bytes(fixed(bytes)?) ^ i16::MIN),
        ColumnType::Int4 => Datum::Int4(i32::from_be_bytes(fixed(bytes)?) ^ i32::MIN),
        ColumnType::Date => Datum::Date(i32::from_be_bytes(fixed(bytes)?) ^ i32::MIN),
        ColumnType::Int8 => Datum::Int8(i64::from_be_bytes(fixed(bytes)?) ^ i64::MIN),
        ColumnType::Timestamp => Datum::Timestamp(i64::from_be_bytes(fixed(bytes)?) ^ i64::MIN),
        ColumnType::Timestamptz => Datum::Timestamptz(i64::from_be_bytes(fixed(bytes)?) ^ i64::MIN),
        ColumnType::Oid => Datum::Oid(u32::from_be_bytes(fixed(bytes)?)),
        ColumnType::PgLsn => Datum::PgLsn(u64::from_be_bytes(fixed(bytes)?)),
        ColumnType::Float4 => Datum::Float4(float4(fixed(bytes)?, trailer)?),
        ColumnType::Float8 => Datum::Float8(float8(fixed(bytes)?, trailer)?),
        ColumnType::Numeric => Datum::Numeric(numeric(bytes, trailer)?),
        ColumnType::Bytea => Datum::Bytea(unescape(bytes)?),
        ColumnType::Text | ColumnType::Varchar(_) | ColumnType::Unknown => text(bytes, 0)?,
        ColumnType::Bpchar(length) => text(bytes, length)?,
    })
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| TOO_SHORT)
}

fn is_negative(trailer: Option<&mut Fields<'_>>) -> Result<bool, Malformed> {
    Ok(trailer.map_or(Ok(0), Fields::u8)? != 0)
}

fn float4(bytes: [u8; 4], trailer: Option<&mut Fields<'_>>) -> Result<f32, Malformed> {
    let bits = u32::from_be_bytes(bytes);
    let value = f32::from_bits(if bits >> 31 == 1 { bits ^ 1 << 31 } else { !bits });
    let negative = is_negative(trailer)?;
    Ok(if negative && value == 0.0 { -0.0 } else { value })
}

fn float8(bytes: [u8; 8], trailer: Option<&mut Fields<'_>>) -> Result<f64, Malformed> {
    let bits = u64::from_be_bytes(bytes);
    let value = f64::from_bits(if bits >> 63 == 1 { bits ^ 1 << 63 } else { !bits });
    let negative = is_negative(trailer)?;
    Ok(if negative && value == 0.0 { -0.0 } else { value })
}

fn unescape(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let (_, mut rest) = bytes.split_last().ok_or(TOO_SHORT)?;
    let mut out = Vec::with_capacity(rest.len());
    while let Some(at) = rest.iter().position(|&byte| byte == ESCAPE) {
        out.extend_from_slice(&rest[..at]);
        match rest.get(at + 1) {
            Some(&byte @ 1..=2) => out.push(byte - 1),
            _ => return Err(Malformed("key has an unknown escape")),
        }
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// A text of at least `length` characters: what is missing are blanks.
fn text(bytes: &[u8], length: u32) -> Result<Datum, Malformed> {
    let text = String::from_utf8(unescape(bytes)?);
    let mut text = text.map_err(|_| Malformed("text is not UTF-8"))?;
    let missing = (length as usize).saturating_sub(text.chars().count());
    text.extend(std::iter::repeat_n(' ', missing));
    Ok(Datum::Text(text))
}

fn numeric(bytes: &[u8], trailer: Option<&mut Fields<'_>>) -> Result<BigDecimal, Malformed> {
    let scale = trailer.map(|fields| fixed(fields.bytes(8)?)).transpose()?.map(i64::from_be_bytes);
    let number = match bytes {
        [class::ZERO] => BigDecimal::from(0),
        [class, value @ ..] => {
            let negative = *class == class::NEGATIVE;
            let plain: Vec<u8> =
                value.iter().map(|byte| if negative { !byte } else { *byte }).collect();
            let (exponent, digits) = plain.split_first_chunk::<4>().ok_or(TOO_SHORT)?;
            let hundreds = i32::from_be_bytes(*exponent) ^ i32::MIN;
            let digits = digits.split_last().ok_or(TOO_SHORT)?.1;
            let base_100 = digits.iter().map(|byte| byte.wrapping_sub(1)).collect::<Vec<u8>>();
            let sign = if negative { Sign::Minus } else { Sign::Plus };
            let integer = BigInt::from_radix_be(sign, &base_100, 100)
                .ok_or(Malformed("key has a numeric with an impossible digit"))?;
            let behind_point = 2 * (digits.len() as i64 - i64::from(hundreds));
            BigDecimal::new(integer, behind_point).normalized()
        }
        [] => return Err(TOO_SHORT),
    };
    let natural = number.as_bigint_and_exponent().1.max(0);
    let scale = scale.unwrap_or(natural);
    // More digits than a value can have are no scale but damage.
    let sane = (-SCALE_MAX..=SCALE_MAX).contains(&scale)
        && (-SCALE_MAX..=SCALE_MAX).contains(&number.as_bigint_and_exponent().1);
    if sane {
        Ok(number.with_scale(scale))
    } else {
        Err(Malformed("numeric has an impossible scale"))
    }
}

/// The most digits before or behind a numeric's point.
const SCALE_MAX: i64 = 1 << 18;
