//! Which numbers a sequence gives: arithmetic alone.

use super::page::State;

/// How many numbers a record covers beyond those that are given at once; PostgreSQL's number.
pub const NUMBERS_AHEAD: i64 = 32;

/// The rule by which a sequence goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbering {
    /// From one number to the next; not 0.
    pub increment: i64,
    /// The least number.
    pub min: i64,
    /// The greatest number.
    pub max: i64,
    /// How many numbers a session takes at once; at least 1.
    pub cache: i64,
    /// Whether it begins again at its other end when it comes to one.
    pub cycle: bool,
}

/// Numbers drawn from a sequence, and what that makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Drawn {
    /// The first of them.
    pub first: i64,
    /// The last of them.
    pub last: i64,
    /// What stands on the page then.
    pub state: State,
    /// How far the log goes: no number up to there is given after a crash.
    pub logged: i64,
}

impl Numbering {
    /// How many steps from a number stay within the bounds.
    fn room(&self, from: i64) -> i64 {
        let rises = self.increment > 0;
        let (low, high) = if rises { (from, self.max) } else { (self.min, from) };
        let room = (i128::from(high) - i128::from(low)).max(0);
        let steps = room / i128::from(self.increment).abs().max(1);
        i64::try_from(steps).unwrap_or(i64::MAX)
    }

    /// The number so many steps on, which are within the bounds.
    fn at(&self, from: i64, steps: i64) -> i64 {
        let number = i128::from(from) + i128::from(self.increment) * i128::from(steps);
        i64::try_from(number).expect("steps within the bounds stay within the type")
    }

    /// Draws as many numbers as a session takes at once, or as there are. `logs`: a record is to
    /// cover them and further ones; without it the last record covers them. `None`: there is none.
    pub(super) fn draw(&self, before: State, logs: bool) -> Option<Drawn> {
        let first = if !before.is_called {
            before.last_value
        } else if self.room(before.last_value) > 0 {
            self.at(before.last_value, 1)
        } else if self.cycle {
            if self.increment > 0 { self.min } else { self.max }
        } else {
            return None;
        };
        let more = self.room(first).min(self.cache.saturating_sub(1)).max(0);
        let last = self.at(first, more);
        let ahead = if logs {
            self.room(last).min(NUMBERS_AHEAD)
        } else {
            before.log_cnt.saturating_sub(more).saturating_sub(1)
        };
        let state = State { last_value: last, log_cnt: ahead, is_called: true };
        Some(Drawn { first, last, state, logged: self.at(last, ahead.min(self.room(last))) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Numbering =
        Numbering { increment: 1, min: 1, max: i64::MAX, cache: 1, cycle: false };

    fn fresh(last_value: i64) -> State {
        State { last_value, log_cnt: 0, is_called: false }
    }

    fn called(last_value: i64, log_cnt: i64) -> State {
        State { last_value, log_cnt, is_called: true }
    }

    #[test]
    fn a_record_covers_numbers_to_come() {
        let drawn = PLAIN.draw(fresh(1), true).expect("a number");
        assert_eq!((drawn.first, drawn.last, drawn.logged), (1, 1, 33));
        assert_eq!(drawn.state, called(1, 32));
        let drawn = PLAIN.draw(drawn.state, false).expect("a number");
        assert_eq!((drawn.first, drawn.state, drawn.logged), (2, called(2, 31), 33));
        let cached = Numbering { cache: 10, increment: 5, ..PLAIN };
        let drawn = cached.draw(called(5, 0), true).expect("numbers");
        assert_eq!((drawn.first, drawn.last, drawn.logged), (10, 55, 215));
    }

    #[test]
    fn it_ends_or_begins_again_at_its_bounds() {
        let short = Numbering { max: 3, cache: 5, ..PLAIN };
        let drawn = short.draw(fresh(2), true).expect("numbers");
        assert_eq!((drawn.first, drawn.last, drawn.logged, drawn.state.log_cnt), (2, 3, 3, 0));
        assert_eq!(short.draw(drawn.state, true), None);
        let cycle = Numbering { cycle: true, ..short };
        assert_eq!(cycle.draw(drawn.state, true).expect("numbers").first, 1);
        let down = Numbering { increment: -2, min: -4, max: -1, cache: 1, cycle: true };
        assert_eq!(down.draw(called(-3, 0), true).expect("a number").first, -1);
        assert_eq!(down.draw(called(-1, 0), true).expect("a number").first, -3);
    }

    #[test]
    fn the_ends_of_the_type_and_a_page_out_of_bounds_do_no_harm() {
        let wide = Numbering { increment: i64::MAX, min: i64::MIN, cache: i64::MAX, ..PLAIN };
        let drawn = wide.draw(called(i64::MIN, 0), true).expect("numbers");
        assert_eq!((drawn.first, drawn.last), (-1, i64::MAX - 1));
        assert_eq!(wide.draw(drawn.state, true), None);
        let least = Numbering { increment: i64::MIN, min: i64::MIN, ..PLAIN };
        assert_eq!(least.draw(called(0, 0), true).expect("a number").first, i64::MIN);
        assert_eq!(PLAIN.draw(called(i64::MAX, i64::MAX), false), None);
        let high = Numbering { max: 5, ..PLAIN };
        assert_eq!(high.draw(called(9, 3), false), None);
        assert_eq!(high.draw(fresh(9), true).expect("as it stands").logged, 9);
    }
}
