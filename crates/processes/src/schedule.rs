//! When a checkpoint is due and how fast it may write: arithmetic, without a clock of its own.
//!
//! A checkpoint is due after `checkpoint_timeout`, or when so much log has been written that the
//! log would outgrow `max_wal_size` before the next one is through: log since the redo position of
//! the last checkpoint is still needed while the next one runs, which takes
//! `checkpoint_completion_target` of the distance. Hence the trigger at
//! `max_wal_size / (1 + checkpoint_completion_target)`, as in PostgreSQL.
//!
//! A spread checkpoint is on schedule while the part of its writes that is done is at least the
//! part of the interval that has passed, measured in time and in log, whichever is further:
//!
//! ```text
//!   written / total * target   >=   max(elapsed / timeout, log since redo / trigger)
//! ```

use std::time::Duration;

/// The settings that pace checkpoints.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pace {
    /// `checkpoint_timeout`
    pub timeout: Duration,
    /// `max_wal_size` in bytes
    pub max_wal_bytes: u64,
    /// `checkpoint_completion_target`, 0 to 1
    pub completion_target: f64,
}

/// How far a checkpoint has come.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Position {
    /// Buffers written so far.
    pub written: u64,
    /// Buffers to write in all.
    pub total: u64,
    /// Time since the checkpoint began.
    pub elapsed: Duration,
    /// Bytes of log since the checkpoint's redo position.
    pub wal_bytes: u64,
}

impl Pace {
    /// After this many bytes of log since the last redo position a checkpoint is due.
    pub fn wal_trigger_bytes(&self) -> u64 {
        let trigger = self.max_wal_bytes as f64 / (1.0 + self.completion_target);
        (trigger as u64).max(wal::position::SEGMENT_SIZE)
    }

    /// How long until the next timed checkpoint, given the time since the last one began.
    pub fn time_left(&self, since_last: Duration) -> Duration {
        self.timeout.saturating_sub(since_last)
    }

    /// Whether a spread checkpoint may rest.
    pub fn is_on_schedule(&self, at: Position) -> bool {
        let done = at.written as f64 / at.total.max(1) as f64 * self.completion_target;
        let time = at.elapsed.as_secs_f64() / self.timeout.as_secs_f64().max(f64::MIN_POSITIVE);
        let log = at.wal_bytes as f64 / self.wal_trigger_bytes() as f64;
        done >= time.max(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace =
        Pace { timeout: Duration::from_secs(100), max_wal_bytes: 1 << 30, completion_target: 0.5 };

    fn at(written: u64, seconds: u64, wal_bytes: u64) -> Position {
        Position { written, total: 1000, elapsed: Duration::from_secs(seconds), wal_bytes }
    }

    #[test]
    fn the_log_triggers_before_it_is_too_large() {
        assert_eq!(PACE.wal_trigger_bytes(), (1 << 30) / 3 * 2);
        let tiny = Pace { max_wal_bytes: 1, ..PACE };
        assert_eq!(tiny.wal_trigger_bytes(), wal::position::SEGMENT_SIZE);
    }

    #[test]
    fn half_the_writes_are_due_after_a_quarter_of_the_interval() {
        assert!(PACE.is_on_schedule(at(500, 25, 0)));
        assert!(!PACE.is_on_schedule(at(499, 25, 0)));
        assert!(!PACE.is_on_schedule(at(500, 26, 0)));
    }

    #[test]
    fn fast_growth_of_the_log_hurries() {
        let quarter = PACE.wal_trigger_bytes() / 4;
        assert!(PACE.is_on_schedule(at(500, 0, quarter)));
        assert!(!PACE.is_on_schedule(at(490, 0, quarter)));
    }

    #[test]
    fn a_target_of_zero_never_rests_and_nothing_divides_by_zero() {
        let hurry = Pace { completion_target: 0.0, ..PACE };
        assert!(!hurry.is_on_schedule(at(999, 1, 0)));
        let nothing = Position { total: 0, ..at(0, 0, 0) };
        assert!(PACE.is_on_schedule(nothing));
    }

    #[test]
    fn the_timer_counts_from_the_last_start() {
        assert_eq!(PACE.time_left(Duration::from_secs(30)), Duration::from_secs(70));
        assert_eq!(PACE.time_left(Duration::from_secs(300)), Duration::ZERO);
    }
}
