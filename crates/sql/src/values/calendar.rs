//! Days and dates of the proleptic Gregorian calendar.
//!
//! Days count from 2000-01-01. Years are astronomical: 0 is 1 BC. The algorithm counts days in
//! eras of 400 years that begin on a 1st of March (Howard Hinnant, "chrono-Compatible Low-Level
//! Date Algorithms").

/// The first day that exists here: 4714-11-24 BC, day 0 of the Julian period.
pub(crate) const MIN_DAY: i64 = -2_451_545;
/// The last day of a `date`: 5874897-12-31.
pub(crate) const MAX_DAY: i64 = 2_145_031_948;
/// The first day that a timestamp can't reach: 294277-01-01.
pub(crate) const END_TIMESTAMP_DAY: i64 = 106_751_983;
/// The Julian day of 2000-01-01.
pub(crate) const JULIAN_2000: i64 = 2_451_545;
/// 1970-01-01.
pub(crate) const UNIX_EPOCH_DAY: i64 = -10_957;
/// Microseconds in a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// Days from 1970-01-01 to 2000-01-01.
const TO_2000: i64 = 10_957;

/// The day of a date; the date need not exist, but its month must.
pub(crate) fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - TO_2000
}

/// The year, month and day.
pub(crate) fn date_of(day: i64) -> (i64, i64, i64) {
    let shifted = day + TO_2000 + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, date)
}

/// Whether the year has a 29th of February.
pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// How many days the month has.
pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// 0 for Sunday to 6 for Saturday.
pub(crate) fn day_of_week(day: i64) -> i64 {
    (day + 6).rem_euclid(7)
}

/// The ISO 8601 year and week of a day.
pub(crate) fn iso_week(day: i64) -> (i64, i64) {
    let weekday = (day + 5).rem_euclid(7);
    let thursday = day - weekday + 3;
    let (year, _, _) = date_of(thursday);
    let first = day_of(year, 1, 1);
    (year, (thursday - first) / 7 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for day in (MIN_DAY..MAX_DAY).step_by(99_991).chain([MIN_DAY, MAX_DAY, -1, 0, 59, 60]) {
            let (year, month, date) = date_of(day);
            assert_eq!(day_of(year, month, date), day);
            assert!((1..=days_in_month(year, month)).contains(&date));
        }
    }

    #[test]
    fn known_days() {
        assert_eq!(date_of(0), (2000, 1, 1));
        assert_eq!(day_of(1970, 1, 1), UNIX_EPOCH_DAY);
        assert_eq!(date_of(MIN_DAY), (-4713, 11, 24));
        assert_eq!(date_of(MAX_DAY), (5_874_897, 12, 31));
        assert_eq!(date_of(END_TIMESTAMP_DAY), (294_277, 1, 1));
        assert_eq!(day_of_week(0), 6);
        assert_eq!(iso_week(day_of(2021, 1, 3)), (2020, 53));
        assert_eq!(iso_week(day_of(2018, 12, 31)), (2019, 1));
    }
}
