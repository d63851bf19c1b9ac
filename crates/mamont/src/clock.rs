//! Times as people read them.

/// Microseconds since 2000-01-01 as `2026-11-20 12:34:56.789012 UTC`.
pub fn timestamp(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06} UTC")
}

/// Year, month and day of a day counted from 2000-01-01.
///
/// Years are counted from March, so that the leap day is a year's last: the first of March of
/// year 0 lies 730,425 days before 2000-01-01, and 400 years have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 730_425;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (0, month + 3) } else { (1, month - 9) };
    (year + year_of_era + 400 * era, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        let day = 86_400_000_000;
        assert_eq!(timestamp(0), "2000-01-01 00:00:00.000000 UTC");
        assert_eq!(timestamp(-1), "1999-12-31 23:59:59.999999 UTC");
        assert_eq!(timestamp(59 * day), "2000-02-29 00:00:00.000000 UTC");
        assert_eq!(timestamp(60 * day), "2000-03-01 00:00:00.000000 UTC");
        assert_eq!(timestamp(36_583 * day), "2100-02-28 00:00:00.000000 UTC");
        assert_eq!(timestamp(36_584 * day), "2100-03-01 00:00:00.000000 UTC");
        assert_eq!(timestamp(848_413_296_000_001), "2026-11-19 14:21:36.000001 UTC");
        timestamp(i64::MIN);
        timestamp(i64::MAX);
    }
}
