//! How long requests took: a histogram of bounded size.

use std::time::Duration;

/// Buckets grow by an eighth: a quantile is told to 6 %.
const STEPS: usize = 8;
const BUCKETS: usize = 64 * STEPS;

/// Counts of requests by the time that they took, in microseconds.
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
    max: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies { buckets: vec![0; BUCKETS], count: 0, sum: Duration::ZERO, max: Duration::ZERO }
    }
}

impl Latencies {
    /// One more request took so long.
    pub fn add(&mut self, time: Duration) {
        self.buckets[bucket(time)] += 1;
        self.count += 1;
        self.sum += time;
        self.max = self.max.max(time);
    }

    /// Takes in what another client has counted.
    pub fn merge(&mut self, other: &Latencies) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// How many requests there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The average, in milliseconds.
    pub fn average_ms(&self) -> f64 {
        milliseconds(self.sum) / self.count.max(1) as f64
    }

    /// The longest, in milliseconds.
    pub fn max_ms(&self) -> f64 {
        milliseconds(self.max)
    }

    /// The time that this share of the requests did not exceed, in milliseconds.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let rank = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return (upper_bound(index) / 1000.0).min(self.max_ms());
            }
        }
        self.max_ms()
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn bucket(time: Duration) -> usize {
    let micros = time.as_micros().max(1) as f64;
    ((micros.log2() * STEPS as f64) as usize).min(BUCKETS - 1)
}

/// The microseconds at which a bucket ends.
fn upper_bound(index: usize) -> f64 {
    ((index + 1) as f64 / STEPS as f64).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near_the_truth() {
        let mut all = Latencies::default();
        for part in 0..2 {
            let mut one = Latencies::default();
            for micros in (1..=10_000).filter(|n| n % 2 == part) {
                one.add(Duration::from_micros(micros));
            }
            all.merge(&one);
        }
        assert_eq!(all.count(), 10_000);
        assert!((all.average_ms() - 5.0).abs() < 0.01);
        assert_eq!(all.max_ms(), 10.0);
        for (share, truth) in [(0.5, 5.0), (0.99, 9.9), (1.0, 10.0)] {
            let told = all.quantile_ms(share);
            assert!((told / truth - 1.0).abs() < 0.1, "{share}: {told}");
        }
        let mut huge = Latencies::default();
        huge.add(Duration::MAX / 2);
        huge.add(Duration::ZERO);
        assert!(huge.quantile_ms(0.1) < 0.01);
    }
}
