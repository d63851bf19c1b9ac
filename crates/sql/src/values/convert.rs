//! Changes of type between numbers, dates and texts; from and to text in general it is the type's
//! own input and output that serve.

use types::{ColumnType, Datum, SqlState};

use super::calendar::DAY_MICROS;
use super::datetime::{
    DATE_INFINITY, DATE_MINUS_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY,
    checked_moment,
};
use super::string::trim_blanks;
use super::{numeric, type_name};
use crate::error::{Error, Result};

/// `22003`: `integer out of range`.
pub(crate) fn out_of_range(ty: ColumnType) -> Error {
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{} out of range", type_name(ty)))
}

/// Converts a value that is not NULL. The binder asks for conversions that exist only.
pub(crate) fn convert(value: &Datum, from: ColumnType, to: ColumnType) -> Result<Datum> {
    match value {
        Datum::Int2(value) => from_int(i64::from(*value), to),
        Datum::Int4(value) => from_int(i64::from(*value), to),
        Datum::Int8(value) => from_int(*value, to),
        Datum::Oid(value) => from_int(i64::from(*value), to),
        Datum::Float4(value) => from_float(f64::from(*value), to, 6),
        Datum::Float8(value) => from_float(*value, to, 15),
        Datum::Numeric(value) => match to {
            ColumnType::Float4 => from_float(numeric::to_float(value)?, to, 15),
            ColumnType::Float8 => Ok(Datum::Float8(numeric::to_float(value)?)),
            _ => from_int(numeric::to_int(value, to)?, to),
        },
        Datum::Bool(value) => Ok(Datum::Int4(i32::from(*value))),
        Datum::Date(day) => from_date(*day, to),
        Datum::Timestamp(micros) | Datum::Timestamptz(micros) => from_moment(*micros, to),
        Datum::Text(text) if matches!(from, ColumnType::Bpchar(_)) => {
            Ok(Datum::Text(trim_blanks(text).to_owned()))
        }
        other => Ok(other.clone()),
    }
}

fn from_int(value: i64, to: ColumnType) -> Result<Datum> {
    let error = |_| out_of_range(to);
    Ok(match to {
        ColumnType::Int2 => Datum::Int2(i16::try_from(value).map_err(error)?),
        ColumnType::Int4 => Datum::Int4(i32::try_from(value).map_err(error)?),
        ColumnType::Int8 => Datum::Int8(value),
        ColumnType::Float4 => Datum::Float4(value as f32),
        ColumnType::Float8 => Datum::Float8(value as f64),
        ColumnType::Numeric => Datum::Numeric(numeric::from_int(value)),
        ColumnType::Bool => Datum::Bool(value != 0),
        // As in PostgreSQL a negative integer or smallint wraps around, a bigint does not.
        ColumnType::Oid => match u32::try_from(value) {
            Ok(value) => Datum::Oid(value),
            Err(_) => match i32::try_from(value) {
                Ok(value) => Datum::Oid(value as u32),
                Err(_) => return Err(out_of_range(to)),
            },
        },
        _ => return Err(Error::internal("integer cast to a type that it has no cast to")),
    })
}

fn from_float(value: f64, to: ColumnType, digits: usize) -> Result<Datum> {
    Ok(match to {
        ColumnType::Float8 => Datum::Float8(value),
        ColumnType::Float4 => {
            let narrow = value as f32;
            if narrow.is_infinite() && !value.is_infinite() {
                return Err(overflow());
            }
            if narrow == 0.0 && value != 0.0 {
                return Err(underflow());
            }
            Datum::Float4(narrow)
        }
        ColumnType::Numeric => Datum::Numeric(numeric::from_float(value, digits)?),
        _ => {
            let rounded = value.round_ties_even();
            // The upper bound is a power of two, so it is exact; NaN fails both comparisons.
            if !(rounded >= -(2f64.powi(63)) && rounded < 2f64.powi(63)) {
                return Err(out_of_range(to));
            }
            return from_int(rounded as i64, to);
        }
    })
}

/// `22003` of floating-point arithmetic.
pub(crate) fn overflow() -> Error {
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}

/// `22003` of floating-point arithmetic.
pub(crate) fn underflow() -> Error {
    Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
}

fn from_date(day: i32, to: ColumnType) -> Result<Datum> {
    let micros = match day {
        DATE_INFINITY => TIMESTAMP_INFINITY,
        DATE_MINUS_INFINITY => TIMESTAMP_MINUS_INFINITY,
        day => checked_moment(i128::from(day) * i128::from(DAY_MICROS)).ok_or_else(|| {
            Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "date out of range for timestamp")
        })?,
    };
    from_moment(micros, to)
}

fn from_moment(micros: i64, to: ColumnType) -> Result<Datum> {
    Ok(match to {
        ColumnType::Timestamp => Datum::Timestamp(micros),
        ColumnType::Timestamptz => Datum::Timestamptz(micros),
        _ => Datum::Date(match micros {
            TIMESTAMP_INFINITY => DATE_INFINITY,
            TIMESTAMP_MINUS_INFINITY => DATE_MINUS_INFINITY,
            micros => micros.div_euclid(DAY_MICROS) as i32,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_round_to_even_and_keep_the_range() {
        let int = |value: f64| convert(&Datum::Float8(value), ColumnType::Float8, ColumnType::Int4);
        assert_eq!(int(2.5).expect("fits"), Datum::Int4(2));
        assert_eq!(int(3.5).expect("fits"), Datum::Int4(4));
        assert!(int(2147483648.0).is_err());
        assert!(int(f64::NAN).is_err());
        let big = convert(&Datum::Float8(9.3e18), ColumnType::Float8, ColumnType::Int8);
        assert!(big.is_err());
    }

    #[test]
    fn dates_become_moments_and_back() {
        let moment = convert(&Datum::Date(-1), ColumnType::Date, ColumnType::Timestamp);
        assert_eq!(moment.expect("fits"), Datum::Timestamp(-DAY_MICROS));
        let day = convert(&Datum::Timestamp(-1), ColumnType::Timestamp, ColumnType::Date);
        assert_eq!(day.expect("fits"), Datum::Date(-1));
        let far = convert(&Datum::Date(i32::MAX - 1), ColumnType::Date, ColumnType::Timestamp);
        assert_eq!(far.expect_err("too far").sqlstate().expect("report").as_str(), "22008");
    }
}
