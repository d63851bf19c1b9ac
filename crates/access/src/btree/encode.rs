//! From values to bytes that compare as the values do.
//!
//! ```text
//! column: marker, then, unless it is NULL, the value's bytes (each complemented if descending)
//!   marker  0 NULL, first   1 a value   2 NULL, last
//! ```
//!
//! | type | bytes |
//! |---|---|
//! | boolean | 0 or 1 |
//! | integers, dates, times | big-endian, sign bit flipped; oid and pg_lsn have no sign |
//! | floats | big-endian; positive: sign bit flipped, negative: all bits; one zero, one NaN above all |
//! | text, bytea | the bytes, 0 as `1 1` and 1 as `1 2`; a 0 ends them |
//! | char(n) | the same without the blanks at the end |
//! | numeric | class (0x40 below zero, 0x80 zero, 0xC0 above), exponent of 100 as an integer, digits to base 100 plus one, a 0; all but the class complemented below zero |
//!
//! The trailer has, for each float that is not NULL, 1 for minus zero or 0; for each numeric its
//! scale as i64. It is left out where every float is no minus zero and every numeric has as many
//! digits behind the point as it needs.

use bigdecimal::{BigDecimal, Zero, num_bigint::Sign};
use smallvec::SmallVec;
use types::{ColumnType, Datum};

use super::key::{Key, KeyColumn};
use crate::error::Error;

pub(super) mod marker {
    pub const NULL_FIRST: u8 = 0;
    pub const VALUE: u8 = 1;
    pub const NULL_LAST: u8 = 2;
}

pub(super) mod class {
    pub const NEGATIVE: u8 = 0x40;
    pub const ZERO: u8 = 0x80;
    pub const POSITIVE: u8 = 0xC0;
}

pub(super) const END: u8 = 0;
pub(super) const ESCAPE: u8 = 1;

/// What the key's trailer may have to say, gathered on the way.
#[derive(Default)]
struct Trailer {
    bytes: SmallVec<[u8; 8]>,
    needed: bool,
}

/// Appends the columns to an empty key.
pub(super) fn columns<'v>(
    columns: &[KeyColumn],
    values: impl IntoIterator<Item = &'v Datum>,
    key: &mut Key,
) -> Result<(), Error> {
    let mut trailer = Trailer::default();
    for (column, value) in columns.iter().zip(values) {
        if value.is_null() {
            key.has_null = true;
            key.bytes.push(if column.nulls_first { marker::NULL_FIRST } else { marker::NULL_LAST });
            continue;
        }
        key.bytes.push(marker::VALUE);
        let start = key.bytes.len();
        push_value(column.ty, value, &mut key.bytes, &mut trailer)?;
        if column.descending {
            key.bytes[start..].iter_mut().for_each(|byte| *byte = !*byte);
        }
    }
    if trailer.needed {
        // The length of a trailer is one byte: 28 numerics fill it.
        if trailer.bytes.len() > usize::from(u8::MAX) {
            return Err(Error::RowTooLarge { size: trailer.bytes.len() });
        }
        key.trailer = trailer.bytes;
    }
    Ok(())
}

fn push_value(
    ty: ColumnType,
    value: &Datum,
    out: &mut SmallVec<[u8; 32]>,
    trailer: &mut Trailer,
) -> Result<(), Error> {
    use ColumnType as C;
    match (value, ty) {
        (Datum::Bool(v), C::Bool) => out.push(u8::from(*v)),
        (Datum::Int2(v), C::Int2) => push(out, &(*v ^ i16::MIN).to_be_bytes()),
        (Datum::Int4(v), C::Int4) | (Datum::Date(v), C::Date) => {
            push(out, &(*v ^ i32::MIN).to_be_bytes());
        }
        (Datum::Int8(v), C::Int8)
        | (Datum::Timestamp(v), C::Timestamp)
        | (Datum::Timestamptz(v), C::Timestamptz) => push(out, &(*v ^ i64::MIN).to_be_bytes()),
        (Datum::Oid(v), C::Oid) => push(out, &v.to_be_bytes()),
        (Datum::PgLsn(v), C::PgLsn) => push(out, &v.to_be_bytes()),
        (Datum::Float4(v), C::Float4) => {
            trailer.zero(*v == 0.0 && v.is_sign_negative());
            let bits = if v.is_nan() { f32::NAN.to_bits() } else { (v + 0.0).to_bits() };
            let flip = if bits >> 31 == 0 { 1 << 31 } else { u32::MAX };
            push(out, &(bits ^ flip).to_be_bytes());
        }
        (Datum::Float8(v), C::Float8) => {
            trailer.zero(*v == 0.0 && v.is_sign_negative());
            let bits = if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() };
            let flip = if bits >> 63 == 0 { 1 << 63 } else { u64::MAX };
            push(out, &(bits ^ flip).to_be_bytes());
        }
        (Datum::Numeric(v), C::Numeric) => push_numeric(out, v, trailer)?,
        (Datum::Text(v), C::Bpchar(_)) => push_bytes(out, v.trim_end_matches(' ').as_bytes()),
        (Datum::Text(v), C::Text | C::Varchar(_) | C::Unknown) => push_bytes(out, v.as_bytes()),
        (Datum::Bytea(v), C::Bytea) => push_bytes(out, v),
        _ => return Err(Error::NotStorable(ty)),
    }
    Ok(())
}

impl Trailer {
    fn zero(&mut self, negative: bool) {
        self.bytes.push(u8::from(negative));
        self.needed |= negative;
    }
}

fn push(out: &mut SmallVec<[u8; 32]>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

fn push_bytes(out: &mut SmallVec<[u8; 32]>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| byte <= ESCAPE) {
        push(out, &rest[..at]);
        push(out, &[ESCAPE, rest[at] + 1]);
        rest = &rest[at + 1..];
    }
    push(out, rest);
    out.push(END);
}

/// A value that is not zero is `0.d1 d2 d3… · 100^e` with digits to base 100 and d1 not zero.
fn push_numeric(
    out: &mut SmallVec<[u8; 32]>,
    value: &BigDecimal,
    trailer: &mut Trailer,
) -> Result<(), Error> {
    let scale = value.as_bigint_and_exponent().1;
    trailer.bytes.extend_from_slice(&scale.to_be_bytes());
    if value.is_zero() {
        trailer.needed |= scale != 0;
        out.push(class::ZERO);
        return Ok(());
    }
    let (integer, least) = value.normalized().into_bigint_and_exponent();
    trailer.needed |= scale != least.max(0);
    let (sign, mut digits) = (integer.sign(), integer.magnitude().to_string().into_bytes());
    // The value is digits · 10^-least = 0.digits · 10^tens.
    let tens = digits.len() as i64 - least;
    if tens % 2 != 0 {
        digits.insert(0, b'0');
    }
    if digits.len() % 2 != 0 {
        digits.push(b'0');
    }
    let hundreds = i32::try_from((tens + 1).div_euclid(2));
    let hundreds = hundreds.map_err(|_| Error::NotStorable(ColumnType::Numeric))?;
    out.push(if sign == Sign::Minus { class::NEGATIVE } else { class::POSITIVE });
    let start = out.len();
    push(out, &(hundreds ^ i32::MIN).to_be_bytes());
    out.extend(digits.chunks_exact(2).map(|pair| (pair[0] - b'0') * 10 + pair[1] - b'0' + 1));
    out.push(END);
    if sign == Sign::Minus {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::str::FromStr;

    use super::*;

    fn key(ty: ColumnType, descending: bool, nulls_first: bool, value: &Datum) -> Key {
        let column = KeyColumn { ty, descending, nulls_first };
        let key = Key::encode(&[column], std::slice::from_ref(value)).expect("a key");
        let back = key.decode(&[column]).expect("it decodes");
        let same = |a: &Datum, b: &Datum| match (a, b) {
            (Datum::Float8(a), Datum::Float8(b)) => a.to_bits() == b.to_bits() || a.is_nan(),
            (Datum::Float4(a), Datum::Float4(b)) => a.to_bits() == b.to_bits() || a.is_nan(),
            (Datum::Numeric(a), Datum::Numeric(b)) => {
                a.as_bigint_and_exponent() == b.as_bigint_and_exponent()
            }
            (a, b) => a == b,
        };
        assert!(back.len() == 1 && same(&back[0], value), "{value:?} came back as {back:?}");
        key
    }

    /// Values of one type, rising.
    fn rising(ty: ColumnType, values: &[Datum]) {
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                for (descending, nulls_first) in [(false, false), (true, false), (true, true)] {
                    let [one, other] = [a, b].map(|v| key(ty, descending, nulls_first, v));
                    let expected = if descending { j.cmp(&i) } else { i.cmp(&j) };
                    assert_eq!(one.bytes.cmp(&other.bytes), expected, "{a:?} {b:?}");
                    let prefix = one.bytes.starts_with(&other.bytes);
                    assert_eq!(prefix, i == j, "no key begins another: {a:?} {b:?}");
                }
                let null = |first| key(ty, j % 2 == 0, first, &Datum::Null).bytes;
                assert!(null(true) < key(ty, false, true, a).bytes);
                assert!(null(false) > key(ty, true, false, a).bytes);
            }
        }
    }

    #[test]
    fn numbers_of_fixed_width_keep_their_order_and_come_back() {
        use ColumnType as C;
        rising(C::Bool, &[false, true].map(Datum::Bool));
        rising(C::Int2, &[i16::MIN, -1, 0, 1, 256, i16::MAX].map(Datum::Int2));
        rising(C::Int4, &[i32::MIN, -65536, -1, 0, 1, i32::MAX].map(Datum::Int4));
        rising(C::Int8, &[i64::MIN, -1, 0, 1, 1 << 40, i64::MAX].map(Datum::Int8));
        rising(C::Date, &[i32::MIN, -1, 0, 9000, i32::MAX].map(Datum::Date));
        rising(C::Timestamp, &[i64::MIN, -1, 0, i64::MAX].map(Datum::Timestamp));
        rising(C::Timestamptz, &[i64::MIN, -1, 0, i64::MAX].map(Datum::Timestamptz));
        rising(C::Oid, &[0, 1, 1 << 31, u32::MAX].map(Datum::Oid));
        rising(C::PgLsn, &[0, 1, u64::MAX].map(Datum::PgLsn));
        let floats = [f64::NEG_INFINITY, -1e300, -1.5, -1e-310, 0.0, 5e-324, 2.0, f64::INFINITY];
        rising(C::Float8, &floats.map(Datum::Float8));
        rising(C::Float8, &[f64::INFINITY, f64::NAN].map(Datum::Float8));
        let floats = [f32::NEG_INFINITY, -1e30, -1e-44, 0.0, 1e-44, f32::MAX, f32::NAN];
        rising(C::Float4, &floats.map(Datum::Float4));
    }

    #[test]
    fn zeros_are_equal_and_come_back_as_they_were() {
        let zero = |value| key(ColumnType::Float8, true, false, &Datum::Float8(value));
        assert_eq!(zero(0.0).bytes, zero(-0.0).bytes);
        let zero = |value| key(ColumnType::Float4, false, false, &Datum::Float4(value));
        assert_eq!(zero(0.0).bytes, zero(-0.0).bytes);
        let nan = |value| key(ColumnType::Float8, false, false, &Datum::Float8(value)).bytes;
        assert_eq!(nan(f64::NAN), nan(-f64::NAN));
    }

    #[test]
    fn texts_keep_their_order_whatever_is_in_them() {
        let texts = [
            "", "\0", "\0\0", "\0\u{1}", "\u{1}", "\u{2}", "a", "a\0", "a\u{1}b", "a b", "aa", "ä",
        ];
        rising(ColumnType::Text, &texts.map(|text| Datum::Text(text.to_owned())));
        let bytes = [&b""[..], &[0], &[0, 0], &[0, 255], &[1], &[1, 0], &[2], &[255], &[255, 255]];
        rising(ColumnType::Bytea, &bytes.map(|bytes| Datum::Bytea(bytes.to_vec())));
        rising(
            ColumnType::Bpchar(4),
            &["    ", "a   ", "a b ", "ab  "].map(|t| Datum::Text(t.into())),
        );
        let unpadded = key_of(ColumnType::Bpchar(2), "a");
        assert_eq!(unpadded, key_of(ColumnType::Bpchar(4), "a   "));
    }

    fn key_of(ty: ColumnType, text: &str) -> Key {
        let column = KeyColumn { ty, descending: false, nulls_first: false };
        Key::encode(&[column], &[Datum::Text(text.into())]).expect("a key")
    }

    fn numeric(text: &str) -> Datum {
        Datum::Numeric(BigDecimal::from_str(text).expect(text))
    }

    #[test]
    fn numerics_keep_their_order_and_their_scale() {
        let texts = [
            "-1E+300",
            "-123456789012345678901234567890.5",
            "-1000",
            "-100.5",
            "-100",
            "-99.99",
            "-1",
            "-0.015",
            "-0.01",
            "-1E-300",
            "0",
            "1E-300",
            "0.0099",
            "0.01",
            "0.1",
            "0.11",
            "0.5",
            "1",
            "1.01",
            "9",
            "10",
            "10.5",
            "99",
            "100",
            "12345",
            "1E+300",
        ];
        rising(ColumnType::Numeric, &texts.map(numeric));
        let equal = ["1.5", "1.50", "1.5000"].map(|text| {
            let key = key(ColumnType::Numeric, false, false, &numeric(text));
            (key.bytes.to_vec(), key.trailer.is_empty())
        });
        assert!(equal[0].0 == equal[1].0 && equal[1].0 == equal[2].0);
        assert_eq!(equal.map(|(_, bare)| bare), [true, false, false]);
        for text in ["0.00", "100", "1E+2", "100.0", "-7.250"] {
            key(ColumnType::Numeric, true, false, &numeric(text));
        }
    }

    #[test]
    fn columns_compare_one_after_the_other() {
        let columns = [
            KeyColumn { ty: ColumnType::Text, descending: false, nulls_first: false },
            KeyColumn { ty: ColumnType::Int4, descending: true, nulls_first: true },
        ];
        let encode = |text: &str, number: Option<i32>| {
            let values = [Datum::Text(text.into()), number.map_or(Datum::Null, Datum::Int4)];
            let key = Key::encode(&columns, &values).expect("a key");
            assert_eq!(key.decode(&columns).expect("it decodes"), values);
            key.bytes.to_vec()
        };
        let rising = [
            encode("a", None),
            encode("a", Some(9)),
            encode("a", Some(-9)),
            encode("ab", Some(100)),
        ];
        assert!(rising.is_sorted());
        assert_eq!(rising[0].cmp(&rising[1]), Ordering::Less);
        let prefix = Key::encode(&columns, &[Datum::Text("a".into())]).expect("a key");
        assert!(rising[..3].iter().all(|key| key.starts_with(&prefix.bytes)));
        assert!(!rising[3].starts_with(&prefix.bytes));
        assert!(Key::encode(&columns[..1], &[Datum::Int4(1)]).is_err());
    }

    #[test]
    fn hostile_keys_are_errors() {
        let types = [
            ColumnType::Bool,
            ColumnType::Int4,
            ColumnType::Text,
            ColumnType::Bytea,
            ColumnType::Numeric,
            ColumnType::Float8,
            ColumnType::Bpchar(3),
        ];
        let mut noise = 1u64;
        for round in 0..20_000 {
            let ty = types[round % types.len()];
            let column = KeyColumn { ty, descending: round % 3 == 0, nulls_first: false };
            let mut bytes = SmallVec::<[u8; 32]>::from_slice(&[1]);
            for _ in 0..round % 9 {
                noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                bytes.push((noise >> 40) as u8);
            }
            let trailer = SmallVec::from_slice(&bytes[..bytes.len() / 2]);
            let _ = Key { bytes, trailer, has_null: false }.decode(&[column]);
        }
    }
}
