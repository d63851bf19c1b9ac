//! How far the bgwriter goes in one round: arithmetic on the clock hand, without I/O.
//!
//! ```text
//!      hand (backends take victims here)          point (the bgwriter cleans here)
//!        v                                          v
//! ...----+==========================================+-----------------------------------...
//!         ahead: seen by the bgwriter already         lap: still to be seen before the hand
//! ```
//!
//! The round asks two things of the past: how many buffers backends will take until the next round
//! (the recent rate of allocation, rising at once and falling slowly, times
//! `bgwriter_lru_multiplier`), and how many buffers the hand passes for each one it finds reusable
//! (the *density*, smoothed). It cleans until the stretch ahead holds enough reusable buffers. Even
//! if nothing is allocated it goes round the whole pool in two minutes, so that a pool which has
//! become quiet becomes clean. The idea is PostgreSQL's (`BgBufferSync`).
//!
//! - The point is never behind the hand, and never more than one lap ahead of it.
//! - A round looks at no buffer twice.

use std::time::Duration;

/// Even an idle pool is looked through once in this time.
const WHOLE_POOL: Duration = Duration::from_secs(120);
/// Over how many rounds the averages reach.
const SMOOTHING: f64 = 16.0;
/// The density assumed before anything is known.
const FIRST_DENSITY: f64 = 10.0;

/// Where the clock hand stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hand {
    /// Buffers that the hand has passed since the server started; modulo the pool's size it is
    /// the buffer that the hand looks at next.
    pub passed: u64,
    /// Buffers allocated since the server started.
    pub allocated: u64,
}

/// What the bgwriter found in a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Someone needs it: pinned, used lately, or not to be written yet.
    InUse,
    /// It could be taken as it is.
    Reusable,
    /// It was dirty, and is now written and reusable.
    Written,
}

/// The settings that bound a round.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// `bgwriter_lru_maxpages`
    pub pages_max: u64,
    /// `bgwriter_lru_multiplier`
    pub multiplier: f64,
    /// `bgwriter_delay`
    pub delay: Duration,
}

/// What the bgwriter remembers from round to round. Private to it; a new one starts afresh.
#[derive(Debug)]
pub struct Cleaner {
    buffers: u64,
    last: Option<Hand>,
    /// In the units of [`Hand::passed`].
    point: u64,
    allocation_rate: f64,
    density: f64,
}

/// One round under way.
#[derive(Debug)]
pub struct Round {
    point: u64,
    lap_end: u64,
    reusable: u64,
    reusable_wanted: u64,
    reusable_before: u64,
    first: u64,
    written: u64,
    pages_max: u64,
    quiet: bool,
}

impl Cleaner {
    /// For a pool of so many buffers.
    pub fn new(buffers: u64) -> Cleaner {
        Cleaner { buffers, last: None, point: 0, allocation_rate: 0.0, density: FIRST_DENSITY }
    }

    /// Begins a round with the hand where it is now.
    pub fn begin(&mut self, hand: Hand, limits: Limits) -> Round {
        let last = self.last.replace(hand).unwrap_or(hand);
        let (passed, allocated) = (
            hand.passed.saturating_sub(last.passed),
            hand.allocated.saturating_sub(last.allocated),
        );
        self.learn_density(passed, allocated);
        let recent = allocated as f64;
        self.allocation_rate = if self.allocation_rate <= recent {
            recent
        } else {
            self.allocation_rate + (recent - self.allocation_rate) / SMOOTHING
        };
        self.point = self.point.clamp(hand.passed, hand.passed + self.buffers);
        let ahead = self.point - hand.passed;
        let reusable = (ahead as f64 / self.density) as u64;
        let rounds = (WHOLE_POOL.as_secs_f64() / limits.delay.as_secs_f64().max(0.001)).max(1.0);
        let at_least = (self.buffers as f64 / rounds) as u64 + reusable;
        let upcoming = (self.allocation_rate * limits.multiplier) as u64;
        Round {
            point: self.point,
            lap_end: hand.passed + self.buffers,
            reusable,
            reusable_wanted: upcoming.max(at_least),
            reusable_before: reusable,
            first: self.point,
            written: 0,
            pages_max: limits.pages_max,
            quiet: allocated == 0,
        }
    }

    /// Ends the round. Answers whether the bgwriter may sleep long: nothing is being allocated,
    /// and everything has been looked at.
    pub fn end(&mut self, round: Round) -> bool {
        self.learn_density(round.point - round.first, round.reusable - round.reusable_before);
        self.point = round.point;
        round.quiet && round.point == round.lap_end
    }

    fn learn_density(&mut self, passed: u64, found: u64) {
        if passed > 0 && found > 0 {
            self.density += (passed as f64 / found as f64 - self.density) / SMOOTHING;
        }
    }
}

impl Round {
    /// The next position to look at, in the units of [`Hand::passed`]; `None` when enough is done.
    pub fn next_position(&self) -> Option<u64> {
        let more = self.point < self.lap_end
            && self.reusable < self.reusable_wanted
            && self.written < self.pages_max;
        more.then_some(self.point)
    }

    /// What was found there.
    pub fn found(&mut self, what: Found) {
        self.point += 1;
        self.reusable += u64::from(what != Found::InUse);
        self.written += u64::from(what == Found::Written);
    }

    /// Whether the round stopped because it had written `bgwriter_lru_maxpages`.
    pub fn hit_limit(&self) -> bool {
        self.written > 0 && self.written >= self.pages_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { pages_max: 100, multiplier: 2.0, delay: Duration::from_millis(200) };

    fn hand(passed: u64, allocated: u64) -> Hand {
        Hand { passed, allocated }
    }

    /// Runs a round in which every buffer is as given; answers how many it looked at.
    fn run(cleaner: &mut Cleaner, at: Hand, limits: Limits, what: Found) -> (u64, bool) {
        let mut round = cleaner.begin(at, limits);
        let mut looked = 0;
        while round.next_position().is_some() {
            round.found(what);
            looked += 1;
        }
        (looked, cleaner.end(round))
    }

    #[test]
    fn it_cleans_twice_what_was_allocated() {
        let mut cleaner = Cleaner::new(10_000);
        run(&mut cleaner, hand(0, 0), LIMITS, Found::InUse);
        cleaner = Cleaner { point: 0, last: Some(hand(0, 0)), ..Cleaner::new(10_000) };
        let (looked, _) = run(&mut cleaner, hand(300, 30), LIMITS, Found::Written);
        assert_eq!(looked, 60);
    }

    #[test]
    fn a_round_writes_no_more_than_its_limit() {
        let mut cleaner = Cleaner::new(10_000);
        cleaner.last = Some(hand(0, 0));
        let mut round = cleaner.begin(hand(1000, 1000), LIMITS);
        while round.next_position().is_some() {
            round.found(Found::Written);
        }
        assert_eq!(round.written, 100);
        assert!(round.hit_limit());
        let none = Limits { pages_max: 0, ..LIMITS };
        assert_eq!(run(&mut cleaner, hand(1000, 1000), none, Found::Written).0, 0);
    }

    #[test]
    fn it_never_looks_at_more_than_a_lap() {
        let mut cleaner = Cleaner::new(16);
        cleaner.last = Some(hand(0, 0));
        let (looked, idle) = run(&mut cleaner, hand(5, 1000), LIMITS, Found::InUse);
        assert_eq!((looked, idle), (16, false));
        // The hand has not moved: everything ahead of it has been seen.
        assert_eq!(run(&mut cleaner, hand(5, 1000), LIMITS, Found::InUse), (0, true));
    }

    #[test]
    fn a_hand_that_has_overtaken_the_point_takes_it_along() {
        let mut cleaner = Cleaner::new(100);
        run(&mut cleaner, hand(0, 0), LIMITS, Found::Reusable);
        let round = cleaner.begin(hand(1000, 50), LIMITS);
        assert_eq!(round.next_position(), Some(1000));
    }

    #[test]
    fn a_quiet_pool_is_gone_through_in_two_minutes() {
        let mut cleaner = Cleaner::new(60_000);
        let mut looked = 0;
        for _ in 0..600 {
            looked += run(&mut cleaner, hand(0, 0), LIMITS, Found::Reusable).0;
        }
        assert!((55_000..=60_000).contains(&looked), "{looked}");
    }
}
