//! Columns that a row version does not have, because they were added to the table after it was
//! stored.

use types::Datum;

use super::Malformed;
use super::header::Header;

/// Gives a row that was decoded from `bytes` the values that its table says for columns that the
/// version does not have. `missing` has a value for each column, or for none; those that are not
/// `wanted` stay NULL.
pub fn fill_missing(
    bytes: &[u8],
    missing: &[Datum],
    wanted: Option<&[bool]>,
    row: &mut [Datum],
) -> Result<(), Malformed> {
    if missing.is_empty() {
        return Ok(());
    }
    let stored = usize::from(Header::read(bytes)?.natts);
    for (index, (slot, value)) in row.iter_mut().zip(missing).enumerate().skip(stored) {
        let wanted = wanted.is_none_or(|wanted| wanted.get(index).copied().unwrap_or(false));
        if wanted && !value.is_null() {
            *slot = value.clone();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use types::ColumnType;

    use super::super::{decode_into, encode_into};
    use super::*;

    #[test]
    fn a_version_with_fewer_columns_gets_the_missing_values_and_others_do_not() {
        let columns = [ColumnType::Int4, ColumnType::Int4, ColumnType::Text];
        let missing = [Datum::Null, Datum::Int4(7), Datum::Text("x".to_owned())];
        let (mut bytes, mut row) = (Vec::new(), Vec::new());
        let mut decoded = |values: &[Datum], wanted: Option<&[bool]>| {
            encode_into(values, &columns[..values.len()], &mut bytes).expect("fits");
            decode_into(&bytes, &columns, wanted, &mut row).expect("valid");
            fill_missing(&bytes, &missing, wanted, &mut row).expect("valid");
            row.clone()
        };
        let one = [Datum::Int4(1)];
        assert_eq!(decoded(&one, None)[1..], missing[1..]);
        assert_eq!(decoded(&one, Some(&[true, false, true]))[1], Datum::Null);
        let null = [Datum::Int4(1), Datum::Null];
        assert_eq!(decoded(&null, None)[1..], [Datum::Null, missing[2].clone()]);
    }
}
