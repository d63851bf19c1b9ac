//! From values to the bytes of a row version.

use types::{ColumnType, Datum};

use super::header::{HEADER_SIZE, at, infomask};
use super::{MAX_COLUMNS, MAX_TUPLE_SIZE, MAX_VALUE_LENGTH};
use crate::error::Error;

/// Whether a column can be of that type.
pub fn is_storable(ty: ColumnType) -> bool {
    !matches!(ty, ColumnType::Numeric | ColumnType::Unknown)
}

/// Replaces the contents of `out` by the row version with these values.
///
/// Of the header only the shape is filled in (`natts`, `hoff`, `HAS_NULL`); the rest is zero until
/// the version gets its place. A row that cannot fit into a page is `54000`.
pub fn encode_into(
    values: &[Datum],
    columns: &[ColumnType],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    if values.len() != columns.len() || values.len() > MAX_COLUMNS {
        return Err(Error::Shape { values: values.len(), columns: columns.len() });
    }
    let has_null = values.iter().any(Datum::is_null);
    let bitmap_length = if has_null { values.len().div_ceil(8) } else { 0 };
    out.clear();
    out.resize(HEADER_SIZE + bitmap_length, 0);
    let hoff = u8::try_from(out.len()).expect("MAX_COLUMNS bounds the bitmap");
    out[at::NATTS..at::NATTS + 2].copy_from_slice(&(values.len() as u16).to_le_bytes());
    out[at::HOFF] = hoff;
    if has_null {
        out[at::INFOMASK..at::INFOMASK + 2].copy_from_slice(&infomask::HAS_NULL.to_le_bytes());
    }
    for (index, (value, ty)) in values.iter().zip(columns).enumerate() {
        if value.is_null() {
            continue;
        }
        if has_null {
            out[HEADER_SIZE + index / 8] |= 1 << (index % 8);
        }
        encode_value(value, *ty, out)?;
    }
    if out.len() > MAX_TUPLE_SIZE {
        return Err(Error::RowTooLarge { size: out.len() });
    }
    Ok(())
}

fn encode_value(value: &Datum, ty: ColumnType, out: &mut Vec<u8>) -> Result<(), Error> {
    use ColumnType as C;
    match (value, ty) {
        (Datum::Bool(v), C::Bool) => out.push(u8::from(*v)),
        (Datum::Int2(v), C::Int2) => out.extend_from_slice(&v.to_le_bytes()),
        (Datum::Int4(v), C::Int4) | (Datum::Date(v), C::Date) => {
            out.extend_from_slice(&v.to_le_bytes());
        }
        (Datum::Int8(v), C::Int8)
        | (Datum::Timestamp(v), C::Timestamp)
        | (Datum::Timestamptz(v), C::Timestamptz) => out.extend_from_slice(&v.to_le_bytes()),
        (Datum::Float4(v), C::Float4) => out.extend_from_slice(&v.to_le_bytes()),
        (Datum::Float8(v), C::Float8) => out.extend_from_slice(&v.to_le_bytes()),
        (Datum::Oid(v), C::Oid) => out.extend_from_slice(&v.to_le_bytes()),
        (Datum::PgLsn(v), C::PgLsn) => out.extend_from_slice(&v.to_le_bytes()),
        (Datum::Text(v), C::Text | C::Varchar(_) | C::Bpchar(_)) => variable(v.as_bytes(), out)?,
        (Datum::Bytea(v), C::Bytea) => variable(v, out)?,
        _ => return Err(Error::NotStorable(ty)),
    }
    Ok(())
}

fn variable(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    if bytes.len() > MAX_VALUE_LENGTH {
        return Err(Error::RowTooLarge { size: out.len() + 2 + bytes.len() });
    }
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use types::{Diagnostic, SqlState};

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_file_format_chapter() {
        let columns = [ColumnType::Int4, ColumnType::Text, ColumnType::Bool];
        let mut out = Vec::new();
        let row = [Datum::Int4(258), Datum::Null, Datum::Bool(true)];
        encode_into(&row, &columns, &mut out).expect("fits");
        assert_eq!(&out[..26], &[0; 26]);
        assert_eq!(&out[26..], &[16, 0, 3, 0, 33, 0, 0b101, 2, 1, 0, 0, 1]);
        encode_into(&[Datum::Text("né".into())], &columns[1..2], &mut out).expect("fits");
        assert_eq!(&out[26..], &[0, 0, 1, 0, 32, 0, 3, 0, b'n', 0xc3, 0xa9]);
    }

    #[test]
    fn a_row_of_exactly_a_page_fits_and_one_byte_more_is_54000() {
        let mut out = Vec::new();
        let mut row = [Datum::Bytea(vec![7; MAX_TUPLE_SIZE - HEADER_SIZE - 2])];
        encode_into(&row, &[ColumnType::Bytea], &mut out).expect("fits exactly");
        assert_eq!(out.len(), MAX_TUPLE_SIZE);
        for length in [MAX_TUPLE_SIZE - HEADER_SIZE - 1, 1 << 20] {
            row[0] = Datum::Bytea(vec![7; length]);
            let error = encode_into(&row, &[ColumnType::Bytea], &mut out).expect_err("too large");
            assert_eq!(error.sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
        }
    }

    #[test]
    fn a_value_of_another_type_or_number_is_refused() {
        let mut out = Vec::new();
        assert!(encode_into(&[Datum::Int8(1)], &[ColumnType::Int4], &mut out).is_err());
        assert!(encode_into(&[Datum::Int4(1)], &[], &mut out).is_err());
        assert!(!is_storable(ColumnType::Numeric));
    }
}
