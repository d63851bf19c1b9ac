//! Keys: values as bytes whose order is the order of the index; and ranges of them.
//!
//! ```text
//! entry on a leaf:  column | column | ... | block u32 BE | offset u16 BE | [trailer | 0x80, length]
//!                   '------ key ---------' '----- the row's place -----'
//! ```
//!
//! Every column ends by itself (`encode`), so no key is the beginning of another of the same
//! columns, and entries compare as plain bytes: first by key, then by place. The trailer holds what
//! equal values differ in (the sign of a zero, the digits behind a numeric's point); it stands
//! behind the place, which is unique, so it never decides. Offsets are far below 2^15, so the
//! highest bit of an entry's last two bytes tells whether there is one.
//!
//! A key of fewer columns is a prefix of the keys that begin with those values. So every range is
//! a half-open range of bytes: `[start, end)`.

use std::ops::Bound;

use smallvec::SmallVec;
use types::{ColumnType, Datum, TupleId};

use super::{decode, encode};
use crate::error::Error;
use crate::tuple::Malformed;

/// Bytes of a row's place in an entry.
pub(super) const PLACE_SIZE: usize = 6;
/// The longest key with its row's place: three entries fit on a page.
pub const ENTRY_SIZE_MAX: usize = 2704;

const TRAILER_MARK: u8 = 0x80;

/// Most keys are no longer than this, and need no memory of their own.
pub(super) type Bytes = SmallVec<[u8; 32]>;

/// How a column of an index is ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyColumn {
    /// The type of its values.
    pub ty: ColumnType,
    /// Greater values come first. NULLs are not affected.
    pub descending: bool,
    /// NULLs come before all values; otherwise behind them.
    pub nulls_first: bool,
}

/// The values of an index's columns, or of the first few of them, as bytes that compare as the
/// values do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Key {
    pub(super) bytes: Bytes,
    /// What equal values may differ in, if it isn't the usual.
    pub(super) trailer: SmallVec<[u8; 8]>,
    pub(super) has_null: bool,
}

impl Key {
    /// The key of these values; of fewer values than columns: a prefix.
    ///
    /// Errors: a value that is not of its column's type, or that no key can hold.
    pub fn encode(columns: &[KeyColumn], values: &[Datum]) -> Result<Key, Error> {
        if values.len() > columns.len() {
            return Err(Error::Shape { values: values.len(), columns: columns.len() });
        }
        let mut key = Key::default();
        encode::columns(columns, values, &mut key)?;
        Ok(key)
    }

    /// Makes it the key of these values, one for each column.
    pub fn set_to<'v>(
        &mut self,
        columns: &[KeyColumn],
        values: impl IntoIterator<Item = &'v Datum>,
    ) -> Result<(), Error> {
        self.bytes.clear();
        self.trailer.clear();
        self.has_null = false;
        encode::columns(columns, values, self)
    }

    /// The values of a key that [`Key::encode`] made, or that a scan returned.
    pub fn decode(&self, columns: &[KeyColumn]) -> Result<Vec<Datum>, Malformed> {
        decode::columns(columns, &self.bytes, &self.trailer)
    }

    /// Puts the values into a row: of each column to the place given for it, if there is one.
    pub fn decode_into(
        &self,
        columns: &[KeyColumn],
        places: &[Option<usize>],
        row: &mut [Datum],
    ) -> Result<(), Malformed> {
        let to = |at: usize| places.get(at).copied().flatten();
        decode::each(columns, &self.bytes, &self.trailer, to, |at, value| {
            if let Some(slot) = row.get_mut(at) {
                *slot = value;
            }
        })
    }

    /// Whether one of the values is NULL. Of keys made by [`Key::encode`] only.
    pub fn has_null(&self) -> bool {
        self.has_null
    }

    /// The bytes that decide the order.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key's entry for a row.
    pub(super) fn entry(&self, place: TupleId) -> SmallVec<[u8; 48]> {
        let mut entry = SmallVec::from_slice(&self.bytes);
        self.push_rest(place, |bytes| entry.extend_from_slice(bytes));
        entry
    }

    /// What stands in an entry behind the key's own bytes.
    pub(super) fn push_rest(&self, place: TupleId, mut push: impl FnMut(&[u8])) {
        push(&place.block.to_be_bytes());
        push(&place.offset.to_be_bytes());
        if !self.trailer.is_empty() {
            push(&self.trailer);
            push(&[TRAILER_MARK, self.trailer.len() as u8]);
        }
    }

    /// Takes over the key of an entry.
    pub(super) fn set(&mut self, entry: &Entry<'_>) {
        self.bytes.clear();
        self.bytes.extend_from_slice(entry.key);
        self.trailer.clear();
        self.trailer.extend_from_slice(entry.trailer);
    }
}

/// An entry of a leaf taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry<'a> {
    pub key: &'a [u8],
    pub place: TupleId,
    pub trailer: &'a [u8],
}

impl<'a> Entry<'a> {
    /// `None`: the bytes are no entry.
    pub fn read(bytes: &'a [u8]) -> Option<Entry<'a>> {
        let (mut rest, mut last) = bytes.split_last_chunk::<2>()?;
        let mut trailer = &bytes[bytes.len()..];
        if last[0] == TRAILER_MARK {
            (rest, trailer) = rest.split_at(rest.len().checked_sub(usize::from(last[1]))?);
            (rest, last) = rest.split_last_chunk::<2>()?;
        }
        let (key, block) = rest.split_last_chunk::<4>()?;
        let offset = u16::from_be_bytes(*last);
        let place = TupleId { block: u32::from_be_bytes(*block), offset };
        (offset < 1 << 15).then_some(Entry { key, place, trailer })
    }
}

/// The first bytes that are greater than everything that begins with `prefix`; `None`: nothing is.
pub(super) fn successor(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut next = Bytes::from_slice(&prefix[..=last]);
    next[last] += 1;
    Some(next)
}

/// Which entries of an index: those between two ends, in the order of the index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRange {
    /// The first entry is this or greater.
    pub(super) start: Bytes,
    /// All entries are less.
    pub(super) end: Option<Bytes>,
}

impl KeyRange {
    /// All entries.
    pub fn all() -> KeyRange {
        KeyRange { start: Bytes::new(), end: None }
    }

    /// The entries between two keys. A key of fewer columns than the index stands for all entries
    /// that begin with it. The ends are those of the index's order: in a descending column the
    /// greater value is the lower end.
    pub fn new(lower: Bound<Key>, upper: Bound<Key>) -> KeyRange {
        let start = match lower {
            Bound::Unbounded => Some(Bytes::new()),
            Bound::Included(key) => Some(key.bytes),
            Bound::Excluded(key) => successor(&key.bytes),
        };
        let end = match upper {
            Bound::Unbounded => None,
            Bound::Included(key) => successor(&key.bytes),
            Bound::Excluded(key) => Some(key.bytes),
        };
        match start {
            Some(start) => KeyRange { start, end },
            None => KeyRange { start: Bytes::new(), end: Some(Bytes::new()) },
        }
    }

    /// The entries whose leading columns equal the key.
    pub fn starting_with(prefix: Key) -> KeyRange {
        KeyRange { end: successor(&prefix.bytes), start: prefix.bytes }
    }

    /// Whether surely no entry lies in it.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: KeyColumn =
        KeyColumn { ty: ColumnType::Int4, descending: false, nulls_first: false };

    fn key(values: &[Datum]) -> Key {
        Key::encode(&[INT, INT], values).expect("a key")
    }

    #[test]
    fn an_entry_is_taken_apart_with_and_without_trailer() {
        let place = TupleId { block: 0x0102_0304, offset: 2039 };
        let mut key = key(&[Datum::Int4(1), Datum::Null]);
        assert!(key.has_null());
        for trailer in [&[][..], &[7], &[0x80, 0xFF, 1]] {
            key.trailer = SmallVec::from_slice(trailer);
            let bytes = key.entry(place);
            let entry = Entry::read(&bytes).expect("an entry");
            assert_eq!(entry, Entry { key: &key.bytes, place, trailer });
        }
    }

    #[test]
    fn hostile_entries_are_none() {
        for bytes in [&[][..], &[1], &[0x80, 0xFF], &[1, 2, 3, 0x80, 2], &[0, 0, 0, 0, 0x81, 0]] {
            assert_eq!(Entry::read(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn ranges_hold_what_they_say() {
        let two = |a, b| key(&[Datum::Int4(a), Datum::Int4(b)]);
        let one = |a| key(&[Datum::Int4(a)]);
        let holds = |range: &KeyRange, key: &Key| {
            let entry = key.entry(TupleId { block: u32::MAX, offset: 9 });
            entry[..] >= range.start[..] && range.end.as_ref().is_none_or(|end| entry[..] < end[..])
        };
        let check = |range: KeyRange, inside: [bool; 4]| {
            let keys = [two(1, 9), two(2, i32::MIN), two(2, i32::MAX), two(3, 0)];
            assert_eq!(keys.map(|key| holds(&range, &key)), inside, "{range:?}");
        };
        check(KeyRange::all(), [true; 4]);
        check(KeyRange::starting_with(one(2)), [false, true, true, false]);
        check(
            KeyRange::new(Bound::Excluded(one(2)), Bound::Unbounded),
            [false, false, false, true],
        );
        check(KeyRange::new(Bound::Unbounded, Bound::Included(one(2))), [true, true, true, false]);
        check(
            KeyRange::new(Bound::Included(two(1, 9)), Bound::Excluded(one(2))),
            [true, false, false, false],
        );
        assert!(KeyRange::new(Bound::Excluded(one(2)), Bound::Excluded(one(2))).is_empty());
        assert!(!KeyRange::starting_with(Key::default()).is_empty());
    }

    #[test]
    fn nothing_comes_behind_bytes_of_ones() {
        assert_eq!(successor(&[1, 255, 255]), Some(Bytes::from_slice(&[2])));
        assert_eq!(successor(&[255, 255]), None);
        assert_eq!(successor(&[]), None);
    }
}
