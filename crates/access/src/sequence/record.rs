//! The record of sequences, and its redo.

use buffer::{BufferPool, Redone};
use wal::DecodedRecord;

use super::page::{self, State};
use crate::codec::{Fields, Short};
use crate::error::Error;

/// Kinds of records of `Rmgr::Sequence`.
pub mod kind {
    /// A sequence goes on from there. The data of its block: a number, i64, and whether it counts
    /// as given, u8.
    pub const LOG: u8 = 0;

    /// The name of a kind for `waldump`.
    pub fn name(kind: u8) -> &'static str {
        match kind {
            LOG => "LOG",
            _ => "UNKNOWN",
        }
    }
}

/// What the record says.
pub(super) fn encode(last_value: i64, is_called: bool) -> [u8; 9] {
    let mut data = [0; 9];
    data[..8].copy_from_slice(&last_value.to_le_bytes());
    data[8] = u8::from(is_called);
    data
}

fn decode(data: &[u8]) -> Result<State, Short> {
    let mut fields = Fields(data);
    let last_value = fields.u64()? as i64;
    let is_called = fields.u8()? != 0;
    if fields.is_empty() { Ok(State { last_value, log_cnt: 0, is_called }) } else { Err(Short) }
}

/// A record in words, for `waldump`.
pub fn describe(record: &DecodedRecord) -> String {
    let data = if record.blocks().is_empty() { &[] } else { record.block_data(0) };
    match decode(data) {
        Ok(State { last_value, is_called: true, .. }) => format!("last {last_value}"),
        Ok(State { last_value, .. }) => format!("next {last_value}"),
        Err(Short) => String::new(),
    }
}

/// Redoes the block of a record. Repeating it does no harm.
pub fn redo(pool: &BufferPool, record: &DecodedRecord, number: usize) -> Result<Redone, Error> {
    pool.redo_block(record, number, |page| {
        match (record.kind(), number, decode(record.block_data(number))) {
            (kind::LOG, 0, Ok(state)) => {
                page::put(page, state);
                Ok(())
            }
            _ => Err(record.invalid("sequence record is damaged").into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_and_other_lengths_are_damage() {
        let data = encode(-5, true);
        assert_eq!(decode(&data), Ok(State { last_value: -5, log_cnt: 0, is_called: true }));
        for length in [0, 8] {
            assert_eq!(decode(&data[..length]), Err(Short));
        }
        assert_eq!(decode(&[0; 10]), Err(Short));
    }
}
