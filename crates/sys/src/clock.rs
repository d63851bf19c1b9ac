//! What time it is: one clock for intervals, one for timestamps.
//!
//! Both are read without entering the kernel on ordinary machines, so callers need not save them up.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Seconds from 1970-01-01 to 2000-01-01, the epoch of every timestamp in the server.
const SECONDS_1970_TO_2000: i64 = 946_684_800;

/// Time since some moment in the past, the same for all processes; never goes backwards.
pub fn monotonic() -> Duration {
    Duration::from_nanos(monotonic_ns())
}

/// [`monotonic`] in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Microseconds since 2000-01-01 00:00:00 UTC, as `timestamptz` counts them.
pub fn wall_micros_since_2000() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    (now.tv_sec - SECONDS_1970_TO_2000) * 1_000_000 + now.tv_nsec / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_go_forward_in_their_units() {
        let (mono, wall) = (monotonic(), wall_micros_since_2000());
        std::thread::sleep(Duration::from_millis(20));
        let elapsed = monotonic() - mono;
        assert!(elapsed >= Duration::from_millis(20) && elapsed < Duration::from_secs(20));
        let micros = wall_micros_since_2000() - wall;
        assert!((10_000..20_000_000).contains(&micros), "{micros}");
    }

    #[test]
    fn timestamps_count_from_the_year_2000() {
        let unix = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_micros() as i64;
        assert!((unix - 946_684_800_000_000 - wall_micros_since_2000()).abs() < 10_000_000);
    }
}
