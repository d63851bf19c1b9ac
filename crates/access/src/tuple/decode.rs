//! From the bytes of a row version to values.

use types::{ColumnType, Datum};

use super::MAX_COLUMNS;
use super::header::{HEADER_SIZE, Header, infomask};

/// What is wrong with a row version's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

const TOO_SHORT: Malformed = Malformed("row version ends inside a value");

/// Replaces `row` by the values of a row version.
///
/// Only the columns for which `wanted` says so are decoded, the others become NULL; `None` decodes
/// all. Strings that `row` holds already are reused, so that a scan does not allocate for each row.
pub fn decode_into(
    bytes: &[u8],
    columns: &[ColumnType],
    wanted: Option<&[bool]>,
    row: &mut Vec<Datum>,
) -> Result<(), Malformed> {
    let shape = Shape::read(bytes, columns.len())?;
    row.resize(columns.len(), Datum::Null);
    let wanted = |index: usize| wanted.is_none_or(|w| w.get(index).copied().unwrap_or(false));
    let last = (0..shape.natts).rev().find(|index| wanted(*index)).map_or(0, |index| index + 1);
    let mut rest = &bytes[shape.hoff..];
    for (index, (ty, slot)) in columns.iter().zip(row.iter_mut()).enumerate() {
        if index >= last || shape.is_null(index) {
            *slot = Datum::Null;
        } else {
            let value = take_value(&mut rest, *ty)?;
            if wanted(index) { decode_value(value, *ty, slot)? } else { *slot = Datum::Null }
        }
    }
    Ok(())
}

/// Whether two versions have the same bytes in each of these columns, so that an index cannot tell
/// them apart by them.
///
/// A column that a version is too short to have is like no other: what it stands for is for the
/// table to say.
pub fn are_equal_in(
    one: &[u8],
    other: &[u8],
    columns: &[ColumnType],
    which: &[usize],
) -> Result<bool, Malformed> {
    let last = which.iter().copied().max().map_or(0, |last| last + 1);
    let mut values = [Values::of(one, columns)?, Values::of(other, columns)?];
    if values.iter().any(|values| values.shape.natts < last) {
        return Ok(false);
    }
    for (index, ty) in columns.iter().enumerate().take(last) {
        let [one, other] = &mut values;
        let (one, other) = (one.take(index, *ty)?, other.take(index, *ty)?);
        if one != other && which.contains(&index) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The values of a version, one after the other.
struct Values<'a> {
    shape: Shape<'a>,
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    fn of(bytes: &'a [u8], columns: &[ColumnType]) -> Result<Values<'a>, Malformed> {
        let shape = Shape::read(bytes, columns.len())?;
        let rest = &bytes[shape.hoff..];
        Ok(Values { shape, rest })
    }

    /// The bytes of column `index`, which must be the next; `None`: NULL.
    fn take(&mut self, index: usize, ty: ColumnType) -> Result<Option<&'a [u8]>, Malformed> {
        if self.shape.is_null(index) {
            return Ok(None);
        }
        take_value(&mut self.rest, ty).map(Some)
    }
}

struct Shape<'a> {
    natts: usize,
    hoff: usize,
    bitmap: Option<&'a [u8]>,
}

impl<'a> Shape<'a> {
    fn read(bytes: &'a [u8], columns: usize) -> Result<Shape<'a>, Malformed> {
        let header = Header::read(bytes)?;
        let natts = usize::from(header.natts);
        if natts > columns || natts > MAX_COLUMNS {
            return Err(Malformed("row version has more columns than its table"));
        }
        let has_null = header.has(infomask::HAS_NULL);
        let bitmap_length = if has_null { natts.div_ceil(8) } else { 0 };
        let hoff = usize::from(header.hoff);
        if hoff != HEADER_SIZE + bitmap_length || hoff > bytes.len() {
            return Err(Malformed("row version has an impossible header length"));
        }
        Ok(Shape { natts, hoff, bitmap: has_null.then(|| &bytes[HEADER_SIZE..hoff]) })
    }

    fn is_null(&self, index: usize) -> bool {
        self.bitmap.is_some_and(|bitmap| bitmap[index / 8] & (1 << (index % 8)) == 0)
    }
}

/// Cuts the bytes of the next value off `rest`, without the length of one of variable width.
fn take_value<'a>(rest: &mut &'a [u8], ty: ColumnType) -> Result<&'a [u8], Malformed> {
    let length = match ty {
        ColumnType::Bool => 1,
        ColumnType::Int2 => 2,
        ColumnType::Int4 | ColumnType::Float4 | ColumnType::Date | ColumnType::Oid => 4,
        ColumnType::Int8
        | ColumnType::Float8
        | ColumnType::Timestamp
        | ColumnType::Timestamptz
        | ColumnType::PgLsn => 8,
        ColumnType::Text
        | ColumnType::Varchar(_)
        | ColumnType::Bpchar(_)
        | ColumnType::Bytea
        | ColumnType::Unknown
        | ColumnType::Numeric => {
            let (word, after) = rest.split_first_chunk().ok_or(TOO_SHORT)?;
            *rest = after;
            let word = u16::from_le_bytes(*word);
            if word >> 14 != 0 {
                return Err(Malformed("value is stored in a way that this server does not know"));
            }
            usize::from(word)
        }
    };
    let (value, after) = rest.split_at_checked(length).ok_or(TOO_SHORT)?;
    *rest = after;
    Ok(value)
}

/// `bytes` has the width of the type: [`take_value`] cut it.
fn decode_value(bytes: &[u8], ty: ColumnType, slot: &mut Datum) -> Result<(), Malformed> {
    *slot = match ty {
        ColumnType::Bool => match bytes {
            [0] => Datum::Bool(false),
            [1] => Datum::Bool(true),
            _ => return Err(Malformed("boolean is neither true nor false")),
        },
        ColumnType::Int2 => Datum::Int2(i16::from_le_bytes(fixed(bytes)?)),
        ColumnType::Int4 => Datum::Int4(i32::from_le_bytes(fixed(bytes)?)),
        ColumnType::Int8 => Datum::Int8(i64::from_le_bytes(fixed(bytes)?)),
        ColumnType::Float4 => Datum::Float4(f32::from_le_bytes(fixed(bytes)?)),
        ColumnType::Float8 => Datum::Float8(f64::from_le_bytes(fixed(bytes)?)),
        ColumnType::Date => Datum::Date(i32::from_le_bytes(fixed(bytes)?)),
        ColumnType::Timestamp => Datum::Timestamp(i64::from_le_bytes(fixed(bytes)?)),
        ColumnType::Timestamptz => Datum::Timestamptz(i64::from_le_bytes(fixed(bytes)?)),
        ColumnType::Oid => Datum::Oid(u32::from_le_bytes(fixed(bytes)?)),
        ColumnType::PgLsn => Datum::PgLsn(u64::from_le_bytes(fixed(bytes)?)),
        ColumnType::Bytea => return bytea(bytes, slot),
        ColumnType::Text | ColumnType::Varchar(_) | ColumnType::Bpchar(_) => {
            return text(bytes, slot);
        }
        ColumnType::Numeric | ColumnType::Unknown => {
            return Err(Malformed("column is of a type that cannot be stored"));
        }
    };
    Ok(())
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| TOO_SHORT)
}

fn text(bytes: &[u8], slot: &mut Datum) -> Result<(), Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed("text is not valid UTF-8"))?;
    match slot {
        Datum::Text(string) => {
            string.clear();
            string.push_str(text);
        }
        _ => *slot = Datum::Text(text.to_owned()),
    }
    Ok(())
}

fn bytea(bytes: &[u8], slot: &mut Datum) -> Result<(), Malformed> {
    match slot {
        Datum::Bytea(vector) => {
            vector.clear();
            vector.extend_from_slice(bytes);
        }
        _ => *slot = Datum::Bytea(bytes.to_vec()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::encode_into;
    use super::*;

    const COLUMNS: [ColumnType; 14] = [
        ColumnType::Bool,
        ColumnType::Int2,
        ColumnType::Int4,
        ColumnType::Int8,
        ColumnType::Float4,
        ColumnType::Float8,
        ColumnType::Text,
        ColumnType::Varchar(Some(10)),
        ColumnType::Bpchar(3),
        ColumnType::Bytea,
        ColumnType::Date,
        ColumnType::Timestamp,
        ColumnType::Timestamptz,
        ColumnType::Oid,
    ];

    fn row() -> Vec<Datum> {
        vec![
            Datum::Bool(true),
            Datum::Int2(i16::MIN),
            Datum::Int4(-5),
            Datum::Int8(i64::MAX),
            Datum::Float4(1.5),
            Datum::Float8(f64::NEG_INFINITY),
            Datum::Text("мамонт".into()),
            Datum::Text(String::new()),
            Datum::Text("a  ".into()),
            Datum::Bytea(vec![0, 255]),
            Datum::Date(i32::MAX),
            Datum::Timestamp(i64::MIN),
            Datum::Timestamptz(1),
            Datum::Oid(u32::MAX),
        ]
    }

    fn encoded(row: &[Datum]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_into(row, &COLUMNS[..row.len()], &mut bytes).expect("row fits");
        bytes
    }

    #[test]
    fn every_type_comes_back_as_it_went_in() {
        let mut got = Vec::new();
        decode_into(&encoded(&row()), &COLUMNS, None, &mut got).expect("valid");
        assert_eq!(got, row());
        for index in 0..COLUMNS.len() {
            let mut with_null = row();
            with_null[index] = Datum::Null;
            decode_into(&encoded(&with_null), &COLUMNS, None, &mut got).expect("valid");
            assert_eq!(got, with_null);
        }
    }

    #[test]
    fn columns_that_nobody_wants_are_null_and_missing_ones_too() {
        let mut got = row();
        let mut wanted = [false; 14];
        wanted[6] = true;
        decode_into(&encoded(&row()), &COLUMNS, Some(&wanted), &mut got).expect("valid");
        let mut expected = vec![Datum::Null; 14];
        expected[6] = row()[6].clone();
        assert_eq!(got, expected);
        decode_into(&encoded(&row()[..3]), &COLUMNS, None, &mut got).expect("valid");
        assert_eq!(&got[..3], &row()[..3]);
        assert!(got[3..].iter().all(Datum::is_null));
    }

    #[test]
    fn versions_are_compared_column_by_column() {
        let columns: Vec<usize> = (0..COLUMNS.len()).collect();
        let equal = |one: &[u8], other: &[u8], which: &[usize]| {
            are_equal_in(one, other, &COLUMNS, which).expect("valid")
        };
        let whole = encoded(&row());
        assert!(equal(&whole, &whole, &columns));
        for index in columns.clone() {
            let mut other = row();
            other[index] = Datum::Null;
            let other = encoded(&other);
            let rest: Vec<usize> = columns.iter().copied().filter(|&at| at != index).collect();
            assert!(!equal(&whole, &other, &[index]) && equal(&whole, &other, &rest), "{index}");
            assert!(equal(&other, &other, &[index]), "NULL is stored as NULL is");
        }
        let mut longer = row();
        longer[6] = Datum::Text("мамонты".into());
        let longer = encoded(&longer);
        assert!(!equal(&whole, &longer, &[2, 6]) && equal(&whole, &longer, &[13, 2]));
        let short = encoded(&row()[..3]);
        assert!(equal(&whole, &short, &[0, 2]) && !equal(&whole, &short, &[3]));
        assert!(!equal(&short, &short, &[3]), "what is missing is like nothing");
        assert!(are_equal_in(&whole[..40], &whole, &COLUMNS, &[13]).is_err());
    }

    /// A small generator, so that the run is the same every time.
    fn noise(state: &mut u64) -> usize {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*state >> 33) as usize
    }

    #[test]
    fn damaged_bytes_give_an_error_or_a_row_but_never_a_panic() {
        let mut row_with_null = row();
        row_with_null[3] = Datum::Null;
        let whole = encoded(&row_with_null);
        let mut got = Vec::new();
        for length in 0..whole.len() {
            assert!(decode_into(&whole[..length], &COLUMNS, None, &mut got).is_err());
        }
        let mut state = 1;
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..=noise(&mut state) % 4 {
                let at = noise(&mut state) % bytes.len();
                bytes[at] = noise(&mut state) as u8;
            }
            let _ = decode_into(&bytes, &COLUMNS, None, &mut got);
        }
    }
}
