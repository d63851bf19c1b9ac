//! Statistics as bytes, as they stand in `pg_statistic.stadata`.
//!
//! ```text
//! u8   format, 1
//! f64  null fraction      u32  width       f64  distinct      u8 has correlation   f64  correlation
//! u16  common values, each f64 share and a value
//! u16  bounds of the histogram, each a value
//!
//! value: u8 kind, then its bytes: fixed width little-endian, or u32 length and bytes
//! ```
//!
//! Bytes that come from disk are not trusted: what does not fit is no statistics.

use types::Datum;

use super::ColumnStatistics;

const FORMAT: u8 = 1;

/// The bytes of statistics.
pub(crate) fn encode(statistics: &ColumnStatistics) -> Vec<u8> {
    let mut out = vec![FORMAT];
    out.extend(statistics.null_fraction.to_le_bytes());
    out.extend(statistics.width.to_le_bytes());
    out.extend(statistics.distinct.to_le_bytes());
    out.push(u8::from(statistics.correlation.is_some()));
    out.extend(statistics.correlation.unwrap_or(0.0).to_le_bytes());
    out.extend(count(statistics.common.len()));
    for (value, share) in &statistics.common {
        out.extend(share.to_le_bytes());
        push(value, &mut out);
    }
    out.extend(count(statistics.histogram.len()));
    statistics.histogram.iter().for_each(|value| push(value, &mut out));
    out
}

/// The statistics of bytes; `None`: they are none.
pub(crate) fn decode(bytes: &[u8]) -> Option<ColumnStatistics> {
    let mut bytes = Bytes(bytes);
    if bytes.take::<1>()? != [FORMAT] {
        return None;
    }
    let mut statistics = ColumnStatistics {
        null_fraction: bytes.share()?,
        width: u32::from_le_bytes(bytes.take()?),
        distinct: bytes.float()?,
        ..ColumnStatistics::default()
    };
    let has_correlation = bytes.take::<1>()? == [1];
    let correlation = bytes.float()?;
    statistics.correlation = has_correlation.then_some(correlation);
    for _ in 0..u16::from_le_bytes(bytes.take()?) {
        let share = bytes.share()?;
        statistics.common.push((bytes.value()?, share));
    }
    for _ in 0..u16::from_le_bytes(bytes.take()?) {
        statistics.histogram.push(bytes.value()?);
    }
    bytes.0.is_empty().then_some(statistics)
}

fn count(number: usize) -> [u8; 2] {
    u16::try_from(number).expect("default_statistics_target is at most 10,000").to_le_bytes()
}

fn push(value: &Datum, out: &mut Vec<u8>) {
    let mut fixed = |kind: u8, bytes: &[u8]| {
        out.push(kind);
        out.extend_from_slice(bytes);
    };
    match value {
        // Never kept: NULLs are counted, and columns cannot be numeric.
        Datum::Null | Datum::Numeric(_) => fixed(0, &[]),
        Datum::Bool(v) => fixed(1, &[u8::from(*v)]),
        Datum::Int2(v) => fixed(2, &v.to_le_bytes()),
        Datum::Int4(v) => fixed(3, &v.to_le_bytes()),
        Datum::Int8(v) => fixed(4, &v.to_le_bytes()),
        Datum::Float4(v) => fixed(5, &v.to_le_bytes()),
        Datum::Float8(v) => fixed(6, &v.to_le_bytes()),
        Datum::Text(v) => variable(7, v.as_bytes(), out),
        Datum::Bytea(v) => variable(8, v, out),
        Datum::Date(v) => fixed(9, &v.to_le_bytes()),
        Datum::Timestamp(v) => fixed(10, &v.to_le_bytes()),
        Datum::Timestamptz(v) => fixed(11, &v.to_le_bytes()),
        Datum::Oid(v) => fixed(12, &v.to_le_bytes()),
        Datum::PgLsn(v) => fixed(13, &v.to_le_bytes()),
    }
}

fn variable(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Bytes that are left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn float(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.take()?)).filter(|number| number.is_finite())
    }

    fn share(&mut self) -> Option<f64> {
        self.float().filter(|share| (0.0..=1.0).contains(share))
    }

    fn variable(&mut self) -> Option<Vec<u8>> {
        let length = u32::from_le_bytes(self.take()?) as usize;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes.to_vec())
    }

    fn value(&mut self) -> Option<Datum> {
        Some(match self.take::<1>()?[0] {
            1 => Datum::Bool(self.take::<1>()? == [1]),
            2 => Datum::Int2(i16::from_le_bytes(self.take()?)),
            3 => Datum::Int4(i32::from_le_bytes(self.take()?)),
            4 => Datum::Int8(i64::from_le_bytes(self.take()?)),
            5 => Datum::Float4(f32::from_le_bytes(self.take()?)),
            6 => Datum::Float8(f64::from_le_bytes(self.take()?)),
            7 => Datum::Text(String::from_utf8(self.variable()?).ok()?),
            8 => Datum::Bytea(self.variable()?),
            9 => Datum::Date(i32::from_le_bytes(self.take()?)),
            10 => Datum::Timestamp(i64::from_le_bytes(self.take()?)),
            11 => Datum::Timestamptz(i64::from_le_bytes(self.take()?)),
            12 => Datum::Oid(u32::from_le_bytes(self.take()?)),
            13 => Datum::PgLsn(u64::from_le_bytes(self.take()?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics() -> ColumnStatistics {
        let all = [
            Datum::Bool(true),
            Datum::Int2(-2),
            Datum::Int4(3),
            Datum::Int8(i64::MIN),
            Datum::Float4(1.5),
            Datum::Float8(f64::INFINITY),
            Datum::Text("мамонт".to_owned()),
            Datum::Bytea(vec![0, 255]),
            Datum::Date(9),
            Datum::Timestamp(10),
            Datum::Timestamptz(11),
            Datum::Oid(12),
            Datum::PgLsn(13),
        ];
        ColumnStatistics {
            null_fraction: 0.25,
            width: 7,
            distinct: -0.5,
            common: all.iter().map(|value| (value.clone(), 0.01)).collect(),
            histogram: all.to_vec(),
            correlation: Some(-0.75),
        }
    }

    #[test]
    fn statistics_come_back() {
        assert_eq!(decode(&encode(&statistics())), Some(statistics()));
        let none = ColumnStatistics::default();
        assert_eq!(decode(&encode(&none)), Some(none));
    }

    #[test]
    fn hostile_bytes_are_no_statistics_and_no_panic() {
        let bytes = encode(&statistics());
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x80;
            let _ = decode(&damaged);
        }
    }
}
