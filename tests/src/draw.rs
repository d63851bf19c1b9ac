//! Seeded draws: SplitMix64 (Steele, Lea, Flood 2014).
//!
//! Written out here so that a seed means the same load in every version of every library.

/// A source of pseudo-random numbers.
#[derive(Clone, Debug)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The source that `seed` starts.
    pub fn new(seed: u64) -> Draw {
        Draw { state: seed }
    }

    /// A source of its own for part `stream` of the work under the same seed.
    pub fn part(seed: u64, stream: u64) -> Draw {
        let mut mix = Draw::new(seed ^ stream.wrapping_mul(0xD605_BBB5_8C8A_BBED));
        Draw::new(mix.next())
    }

    /// 64 random bits.
    #[allow(clippy::should_implement_trait, reason = "an endless source is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// True `percent` times of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which is not empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Draw;

    #[test]
    fn a_seed_means_the_same_numbers_for_ever() {
        // The reference output of SplitMix64 for seed 1234567.
        let mut draw = Draw::new(1_234_567);
        assert_eq!(draw.next(), 6_457_827_717_110_365_317);
        assert_eq!(draw.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn parts_differ_and_stay_in_their_limits() {
        let mut a = Draw::part(1, 1);
        let mut b = Draw::part(1, 2);
        assert_ne!(a.next(), b.next());
        for _ in 0..1000 {
            assert!((-3..=4).contains(&a.between(-3, 4)));
        }
    }
}
