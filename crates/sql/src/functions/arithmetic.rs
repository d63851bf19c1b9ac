//! Arithmetic: operators on numbers and dates, bits of integers, and the functions of numbers.
//!
//! Integers overflow with `22003`, as floats do where a finite result is too large; dividing by
//! zero is `22012`.

use types::{ColumnType, Datum, SqlState};

use super::{Code, Function, Values, entry, mismatch, one, two};
use crate::error::{Error, Result};
use crate::values::calendar;
use crate::values::convert::{out_of_range, overflow, underflow};
use crate::values::datetime::{DATE_INFINITY, DATE_MINUS_INFINITY};
use crate::values::numeric::{self, division_by_zero};
use crate::values::numeric_power;

use ColumnType::{Date, Float4, Float8, Int4, Numeric, PgLsn};

macro_rules! integers {
    ($kind:ident, $native:ty) => {{
        fn checked(value: Option<$native>) -> Result<Datum> {
            value.map(Datum::$kind).ok_or_else(|| out_of_range(ColumnType::$kind))
        }
        fn pair(
            a: &Datum,
            b: &Datum,
            operate: impl FnOnce($native, $native) -> Result<Datum>,
        ) -> Result<Datum> {
            match (a, b) {
                (Datum::$kind(a), Datum::$kind(b)) => operate(*a, *b),
                _ => Err(mismatch()),
            }
        }
        fn single(a: &Datum, operate: impl FnOnce($native) -> Result<Datum>) -> Result<Datum> {
            match a {
                Datum::$kind(a) => operate(*a),
                _ => Err(mismatch()),
            }
        }
        fn divide(a: $native, b: $native) -> Result<Datum> {
            if b == 0 { Err(division_by_zero()) } else { checked(a.checked_div(b)) }
        }
        fn modulo(a: $native, b: $native) -> Result<Datum> {
            if b == 0 { Err(division_by_zero()) } else { Ok(Datum::$kind(a.wrapping_rem(b))) }
        }
        const T: ColumnType = ColumnType::$kind;
        [
            two("+", &[T, T], T, |a, b| pair(a, b, |a, b| checked(a.checked_add(b)))),
            two("-", &[T, T], T, |a, b| pair(a, b, |a, b| checked(a.checked_sub(b)))),
            two("*", &[T, T], T, |a, b| pair(a, b, |a, b| checked(a.checked_mul(b)))),
            two("/", &[T, T], T, |a, b| pair(a, b, divide)),
            two("%", &[T, T], T, |a, b| pair(a, b, modulo)),
            two("mod", &[T, T], T, |a, b| pair(a, b, modulo)),
            two("&", &[T, T], T, |a, b| pair(a, b, |a, b| Ok(Datum::$kind(a & b)))),
            two("|", &[T, T], T, |a, b| pair(a, b, |a, b| Ok(Datum::$kind(a | b)))),
            two("#", &[T, T], T, |a, b| pair(a, b, |a, b| Ok(Datum::$kind(a ^ b)))),
            one("~", &[T], T, |a| single(a, |a| Ok(Datum::$kind(!a)))),
            one("-", &[T], T, |a| single(a, |a| checked(a.checked_neg()))),
            one("+", &[T], T, |a| Ok(a.clone())),
            one("@", &[T], T, |a| single(a, |a| checked(a.checked_abs()))),
            one("abs", &[T], T, |a| single(a, |a| checked(a.checked_abs()))),
            two("<<", &[T, Int4], T, |a, b| match (a, b) {
                (Datum::$kind(a), Datum::Int4(b)) => Ok(Datum::$kind(a.wrapping_shl(*b as u32))),
                _ => Err(mismatch()),
            }),
            two(">>", &[T, Int4], T, |a, b| match (a, b) {
                (Datum::$kind(a), Datum::Int4(b)) => Ok(Datum::$kind(a.wrapping_shr(*b as u32))),
                _ => Err(mismatch()),
            }),
        ]
    }};
}

static INTEGERS: [[Function; 16]; 3] =
    [integers!(Int2, i16), integers!(Int4, i32), integers!(Int8, i64)];

/// A float operand as double precision.
fn wide(value: &Datum) -> Result<f64> {
    match value {
        Datum::Float4(value) => Ok(f64::from(*value)),
        Datum::Float8(value) => Ok(*value),
        _ => Err(mismatch()),
    }
}

/// Refuses an infinity that did not come from one, and a zero that came from none.
fn checked(value: f64, infinite_input: bool, zero_allowed: bool) -> Result<f64> {
    if value.is_infinite() && !infinite_input {
        return Err(overflow());
    }
    if value == 0.0 && !zero_allowed {
        return Err(underflow());
    }
    Ok(value)
}

/// Computes in the size of the operands: the check against overflow is that of the result's type.
fn floats(a: &Datum, b: &Datum, operator: Operator) -> Result<Datum> {
    if let (Datum::Float4(a), Datum::Float4(b)) = (a, b) {
        let value = match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => divisible(f64::from(*a), f64::from(*b)).map(|()| a / b)?,
        };
        let (a, b, value) = (f64::from(*a), f64::from(*b), f64::from(value));
        return Ok(Datum::Float4(operator.check(a, b, value)? as f32));
    }
    let (a, b) = (wide(a)?, wide(b)?);
    let value = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => divisible(a, b).map(|()| a / b)?,
    };
    operator.check(a, b, value).map(Datum::Float8)
}

#[derive(Clone, Copy)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Operator {
    fn check(self, a: f64, b: f64, value: f64) -> Result<f64> {
        let infinite = a.is_infinite() || b.is_infinite();
        match self {
            Operator::Add | Operator::Subtract => checked(value, infinite, true),
            Operator::Multiply => checked(value, infinite, a == 0.0 || b == 0.0),
            Operator::Divide => checked(value, a.is_infinite(), a == 0.0 || b.is_infinite()),
        }
    }
}

fn divisible(a: f64, b: f64) -> Result<()> {
    if b == 0.0 && !a.is_nan() { Err(division_by_zero()) } else { Ok(()) }
}

macro_rules! float_operators {
    ($left:expr, $right:expr, $result:expr) => {
        [
            two("+", &[$left, $right], $result, |a, b| floats(a, b, Operator::Add)),
            two("-", &[$left, $right], $result, |a, b| floats(a, b, Operator::Subtract)),
            two("*", &[$left, $right], $result, |a, b| floats(a, b, Operator::Multiply)),
            two("/", &[$left, $right], $result, |a, b| floats(a, b, Operator::Divide)),
        ]
    };
}

static FLOATS: [[Function; 4]; 4] = [
    float_operators!(Float4, Float4, Float4),
    float_operators!(Float8, Float8, Float8),
    float_operators!(Float4, Float8, Float8),
    float_operators!(Float8, Float4, Float8),
];

fn negate_float(value: &Datum) -> Result<Datum> {
    match value {
        Datum::Float4(value) => Ok(Datum::Float4(-value)),
        Datum::Float8(value) => Ok(Datum::Float8(-value)),
        _ => Err(mismatch()),
    }
}

fn absolute_float(value: &Datum) -> Result<Datum> {
    match value {
        Datum::Float4(value) => Ok(Datum::Float4(value.abs())),
        Datum::Float8(value) => Ok(Datum::Float8(value.abs())),
        _ => Err(mismatch()),
    }
}

fn float(value: &Datum, operate: fn(f64) -> f64) -> Result<Datum> {
    Ok(Datum::Float8(operate(wide(value)?)))
}

fn sqrt_float(value: &Datum) -> Result<Datum> {
    let value = wide(value)?;
    if value < 0.0 {
        return Err(Error::new(
            SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "cannot take square root of a negative number",
        ));
    }
    Ok(Datum::Float8(value.sqrt()))
}

fn power_float(a: &Datum, b: &Datum) -> Result<Datum> {
    let (base, exponent) = (wide(a)?, wide(b)?);
    let refuse =
        |message: &str| Err(Error::new(SqlState::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message));
    if base == 0.0 && exponent < 0.0 {
        return refuse("zero raised to a negative power is undefined");
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        return refuse("a negative number raised to a non-integer power yields a complex result");
    }
    let infinite = base.is_infinite() || exponent.is_infinite();
    checked(base.powf(exponent), infinite, base == 0.0 || infinite).map(Datum::Float8)
}

fn sign_float(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value * 0.0
    }
}

macro_rules! numeric_two {
    ($name:literal, $code:path) => {
        two($name, &[Numeric, Numeric], Numeric, |a, b| match (a, b) {
            (Datum::Numeric(a), Datum::Numeric(b)) => $code(a, b).map(Datum::Numeric),
            _ => Err(mismatch()),
        })
    };
}

macro_rules! numeric_one {
    ($name:literal, $code:expr) => {
        one($name, &[Numeric], Numeric, |a| match a {
            Datum::Numeric(a) => $code(a).map(Datum::Numeric),
            _ => Err(mismatch()),
        })
    };
}

fn numeric_to_places(
    values: Values<'_, '_>,
    operate: fn(&bigdecimal::BigDecimal, i64) -> Result<bigdecimal::BigDecimal>,
) -> Result<Datum> {
    match (values.first().map(AsRef::as_ref), values.get(1).map(AsRef::as_ref)) {
        (Some(Datum::Numeric(value)), Some(Datum::Int4(places))) => {
            operate(value, i64::from(*places)).map(Datum::Numeric)
        }
        _ => Err(mismatch()),
    }
}

fn move_date(day: i32, days: i64) -> Result<Datum> {
    if day == DATE_INFINITY || day == DATE_MINUS_INFINITY {
        return Ok(Datum::Date(day));
    }
    let moved = i64::from(day) + days;
    if (calendar::MIN_DAY..=calendar::MAX_DAY).contains(&moved) {
        return Ok(Datum::Date(moved as i32));
    }
    Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, "date out of range"))
}

fn dates(a: &Datum, b: &Datum, sign: i64) -> Result<Datum> {
    match (a, b) {
        (Datum::Date(day), Datum::Int4(days)) | (Datum::Int4(days), Datum::Date(day)) => {
            move_date(*day, sign * i64::from(*days))
        }
        (Datum::Date(a), Datum::Date(b)) => {
            let infinite = |day: i32| day == DATE_INFINITY || day == DATE_MINUS_INFINITY;
            if infinite(*a) || infinite(*b) {
                let message = "cannot subtract infinite dates";
                return Err(Error::new(SqlState::DATETIME_FIELD_OVERFLOW, message));
            }
            a.checked_sub(*b).map(Datum::Int4).ok_or_else(|| out_of_range(Int4))
        }
        _ => Err(mismatch()),
    }
}

fn lsn_distance(a: &Datum, b: &Datum) -> Result<Datum> {
    match (a, b) {
        (Datum::PgLsn(a), Datum::PgLsn(b)) => {
            Ok(Datum::Numeric(numeric::from_wide(i128::from(*a) - i128::from(*b))))
        }
        _ => Err(mismatch()),
    }
}

static REST: &[Function] = &[
    one("-", &[Float4], Float4, negate_float),
    one("-", &[Float8], Float8, negate_float),
    one("+", &[Float4], Float4, |a| Ok(a.clone())),
    one("+", &[Float8], Float8, |a| Ok(a.clone())),
    one("@", &[Float4], Float4, absolute_float),
    one("@", &[Float8], Float8, absolute_float),
    one("abs", &[Float4], Float4, absolute_float),
    one("abs", &[Float8], Float8, absolute_float),
    one("round", &[Float8], Float8, |a| float(a, f64::round_ties_even)),
    one("floor", &[Float8], Float8, |a| float(a, f64::floor)),
    one("ceil", &[Float8], Float8, |a| float(a, f64::ceil)),
    one("ceiling", &[Float8], Float8, |a| float(a, f64::ceil)),
    one("trunc", &[Float8], Float8, |a| float(a, f64::trunc)),
    one("sign", &[Float8], Float8, |a| float(a, sign_float)),
    one("sqrt", &[Float8], Float8, sqrt_float),
    one("|/", &[Float8], Float8, sqrt_float),
    one("||/", &[Float8], Float8, |a| float(a, f64::cbrt)),
    one("cbrt", &[Float8], Float8, |a| float(a, f64::cbrt)),
    two("^", &[Float8, Float8], Float8, power_float),
    two("power", &[Float8, Float8], Float8, power_float),
    two("pow", &[Float8, Float8], Float8, power_float),
    numeric_two!("+", numeric::add),
    numeric_two!("-", numeric::subtract),
    numeric_two!("*", numeric::multiply),
    numeric_two!("/", numeric::divide),
    numeric_two!("%", numeric::remainder),
    numeric_two!("mod", numeric::remainder),
    numeric_two!("^", numeric_power::power),
    numeric_two!("power", numeric_power::power),
    numeric_two!("pow", numeric_power::power),
    numeric_one!("-", |a| Ok::<_, Error>(numeric::negate(a))),
    numeric_one!("+", |a: &bigdecimal::BigDecimal| Ok::<_, Error>(a.clone())),
    numeric_one!("@", |a| Ok::<_, Error>(numeric::absolute(a))),
    numeric_one!("abs", |a| Ok::<_, Error>(numeric::absolute(a))),
    numeric_one!("sign", |a| Ok::<_, Error>(numeric::sign(a))),
    numeric_one!("round", |a| numeric::round(a, 0)),
    numeric_one!("trunc", |a| numeric::truncate(a, 0)),
    numeric_one!("floor", numeric::floor),
    numeric_one!("ceil", numeric::ceil),
    numeric_one!("ceiling", numeric::ceil),
    numeric_one!("sqrt", numeric_power::sqrt),
    entry("round", &[Numeric, Int4], Numeric, Code::Many(|v| numeric_to_places(v, numeric::round))),
    entry(
        "trunc",
        &[Numeric, Int4],
        Numeric,
        Code::Many(|v| numeric_to_places(v, numeric::truncate)),
    ),
    two("+", &[Date, Int4], Date, |a, b| dates(a, b, 1)),
    two("+", &[Int4, Date], Date, |a, b| dates(a, b, 1)),
    two("-", &[Date, Int4], Date, |a, b| dates(a, b, -1)),
    two("-", &[Date, Date], Int4, |a, b| dates(a, b, -1)),
    two("-", &[PgLsn, PgLsn], Numeric, lsn_distance),
    two("pg_wal_lsn_diff", &[PgLsn, PgLsn], Numeric, lsn_distance),
];

/// The entries of this file.
pub(super) static TABLE: &[&[Function]] = &[INTEGERS.as_flattened(), FLOATS.as_flattened(), REST];

#[cfg(test)]
mod tests {
    use super::*;
    use ColumnType::{Int2, Int8};

    fn call(name: &str, a: Datum, b: Datum, ty: ColumnType) -> Result<Datum> {
        let function = super::super::named(name)
            .iter()
            .find(|function| function.args == [ty, ty])
            .expect("there is such a function");
        match function.code {
            Code::Two(code) => code(&a, &b),
            _ => panic!("not of two arguments"),
        }
    }

    fn code(result: Result<Datum>) -> String {
        result.expect_err("must fail").sqlstate().expect("a report").to_string()
    }

    #[test]
    fn integers_overflow_and_do_not_wrap() {
        let max = Datum::Int4(i32::MAX);
        assert_eq!(code(call("+", max.clone(), Datum::Int4(1), Int4)), "22003");
        assert_eq!(code(call("*", max, Datum::Int4(2), Int4)), "22003");
        assert_eq!(code(call("/", Datum::Int8(i64::MIN), Datum::Int8(-1), Int8)), "22003");
        assert_eq!(code(call("/", Datum::Int2(1), Datum::Int2(0), Int2)), "22012");
        assert_eq!(
            call("%", Datum::Int4(i32::MIN), Datum::Int4(-1), Int4).expect("zero"),
            Datum::Int4(0)
        );
        assert_eq!(call("/", Datum::Int4(-7), Datum::Int4(2), Int4).expect("cut"), Datum::Int4(-3));
    }

    #[test]
    fn floats_report_what_they_cannot_hold() {
        let f = Datum::Float8;
        assert_eq!(code(call("*", f(1e300), f(1e300), Float8)), "22003");
        assert_eq!(code(call("*", f(1e-300), f(1e-300), Float8)), "22003");
        assert_eq!(code(call("/", f(1.0), f(0.0), Float8)), "22012");
        let infinite = call("*", f(f64::INFINITY), f(2.0), Float8).expect("from an infinity");
        assert_eq!(infinite, f(f64::INFINITY));
    }

    #[test]
    fn dates_move_by_days() {
        let table = super::super::named("-");
        let minus = table.iter().find(|f| f.args == [Date, Date]).expect("there is one");
        let Code::Two(code) = minus.code else { panic!("two arguments") };
        assert_eq!(code(&Datum::Date(31), &Datum::Date(1)).expect("days"), Datum::Int4(30));
        assert!(code(&Datum::Date(i32::MAX), &Datum::Date(1)).is_err());
    }
}
