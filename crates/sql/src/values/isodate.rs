//! Dates and moments as they are most often written: `2024-03-01`, `2024-03-01 12:30:15.25`.
//!
//! Reads exactly that, digit by digit and without allocation, and leaves everything else (another
//! order, words, zones, 24:00, a year before 1000, a mistake) to `datefields`, which reads this form
//! just the same.

use super::calendar;
use super::datefields::Decoded;

/// The moment that the text names; `None`: it is not written in this form, or makes no sense.
pub(super) fn read(text: &str) -> Option<Decoded> {
    let bytes = text.as_bytes();
    let (date, time) = bytes.split_first_chunk::<10>()?;
    let day = day(date)?;
    let time = if time.is_empty() { 0 } else { micros(time)? };
    Some(Decoded::Moment { day, time, zone: None })
}

/// `2024-03-01`
fn day(date: &[u8; 10]) -> Option<i64> {
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&date[..4])?, number(&date[5..7])?, number(&date[8..])?);
    let exists = year >= 1000
        && (1..=12).contains(&month)
        && (1..=calendar::days_in_month(year, month)).contains(&day);
    exists.then(|| calendar::day_of(year, month, day))
}

/// ` 12:30:15`, perhaps with a point and up to six digits behind it.
fn micros(time: &[u8]) -> Option<i64> {
    let (time, fraction) = time.split_first_chunk::<9>()?;
    if time[0] != b' ' || time[3] != b':' || time[6] != b':' {
        return None;
    }
    let (hour, minute, second) = (number(&time[1..3])?, number(&time[4..6])?, number(&time[7..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
            number(digits)? * 10_i64.pow(6 - digits.len() as u32)
        }
        _ => return None,
    };
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// The number that a few digits write; `None`: one of them is none.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::super::datefields::decode;
    use super::*;

    #[test]
    fn it_reads_what_the_long_way_reads() {
        for text in [
            "2024-02-29",
            "1000-01-01",
            "9999-12-31 23:59:59.999999",
            "2024-03-01 00:00:00",
            "2024-03-01 12:30:15.25",
            "1999-11-30 01:02:03.000001",
        ] {
            let short = read(text).expect("it has this form");
            assert_eq!(decode(text), Ok(short), "{text}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_long_way() {
        for text in [
            "",
            "2024-3-1",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "0999-01-01",
            "2024-03-01 24:00:00",
            "2024-03-01 12:60:00",
            "2024-03-01 12:30:60",
            "2024-03-01 12:30",
            "2024-03-01 12:30:15.",
            "2024-03-01 12:30:15.1234567",
            "2024-03-01 12:30:15+01",
            "2024-03-01T12:30:15",
            "2024-03-01 ",
            " 2024-03-01",
            "2024-03-0a",
            "2024-03-01 BC",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
