//! Slowing the work down: each page costs something, and when a limit is reached, it sleeps.
//!
//! The costs are PostgreSQL's: what is found in the buffers is cheap, what must be read dearer, what
//! is dirtied and so must be written dearest. The sleep is in proportion to what has gathered, at most
//! four times `vacuum_cost_delay`.

use std::time::{Duration, Instant};

use buffer::BufferPool;
use config::Settings;
use shmem::{WaitEvent, proc};

use crate::error::Result;
use crate::interrupts;

/// The settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Costs {
    pub delay: Duration,
    pub limit: u64,
    hit: u64,
    miss: u64,
    dirty: u64,
}

impl Costs {
    /// Those of a session.
    pub(crate) fn of(settings: &Settings) -> Costs {
        Costs {
            delay: settings.vacuum_cost_delay,
            limit: u64::from(settings.vacuum_cost_limit),
            hit: u64::from(settings.vacuum_cost_page_hit),
            miss: u64::from(settings.vacuum_cost_page_miss),
            dirty: u64::from(settings.vacuum_cost_page_dirty),
        }
    }

    /// Those of one of so many workers of autovacuum, who share the limit.
    pub(crate) fn of_worker(settings: &Settings, workers: usize) -> Costs {
        let own = Costs::of(settings);
        let limit = u64::try_from(settings.autovacuum_vacuum_cost_limit).ok().filter(|l| *l > 0);
        Costs {
            delay: settings.autovacuum_vacuum_cost_delay.unwrap_or(own.delay),
            limit: (limit.unwrap_or(own.limit) / workers as u64).max(1),
            ..own
        }
    }

    /// What so many pages cost.
    fn cost(&self, pages: Pages) -> u64 {
        pages.hit * self.hit + pages.read * self.miss + pages.dirtied * self.dirty
    }

    /// How long to sleep for that; `None`: not yet.
    fn sleep(&self, balance: u64) -> Option<Duration> {
        if self.delay.is_zero() || balance < self.limit {
            return None;
        }
        let times = (balance as f64 / self.limit as f64).min(4.0);
        Some(self.delay.mul_f64(times))
    }
}

/// Pages that the process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pages {
    pub hit: u64,
    pub read: u64,
    pub dirtied: u64,
}

impl Pages {
    /// Those used so far.
    pub(crate) fn used(pool: &BufferPool) -> Pages {
        let (hit, read) = pool.own_hits_and_reads();
        Pages { hit, read, dirtied: pool.own_dirtied() }
    }

    /// Those used since.
    pub(crate) fn since(self, before: Pages) -> Pages {
        Pages {
            hit: self.hit - before.hit,
            read: self.read - before.read,
            dirtied: self.dirtied - before.dirtied,
        }
    }
}

/// What the work has cost since it slept last.
#[derive(Debug)]
pub(crate) struct Pacer {
    costs: Costs,
    seen: Pages,
    balance: u64,
}

impl Pacer {
    /// A work that begins now.
    pub(crate) fn new(costs: Costs, pool: &BufferPool) -> Pacer {
        Pacer { costs, seen: Pages::used(pool), balance: 0 }
    }

    /// To be called between two pages, without locks on pages.
    pub(crate) fn pace(&mut self, pool: &BufferPool) -> Result<()> {
        interrupts::check()?;
        let now = Pages::used(pool);
        self.balance += self.costs.cost(now.since(self.seen));
        self.seen = now;
        let Some(sleep) = self.costs.sleep(self.balance) else { return Ok(()) };
        self.balance = 0;
        let until = Instant::now() + sleep;
        let _wait = proc::me().waiting(WaitEvent::VacuumDelay);
        loop {
            proc::me().latch.reset();
            interrupts::check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            proc::me().latch.wait(Some(left));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_add_up_to_a_sleep() {
        let settings =
            Settings { vacuum_cost_delay: Duration::from_millis(2), ..Settings::default() };
        let costs = Costs::of(&settings);
        assert_eq!(costs.cost(Pages { hit: 10, read: 5, dirtied: 2 }), 10 + 10 + 40);
        assert_eq!(costs.sleep(199), None);
        assert_eq!(costs.sleep(200), Some(Duration::from_millis(2)));
        assert_eq!(costs.sleep(300), Some(Duration::from_millis(3)));
        assert_eq!(costs.sleep(1_000_000), Some(Duration::from_millis(8)));
        assert_eq!(Costs::of(&Settings::default()).sleep(1_000_000), None, "no delay, no sleep");
        let worker = Costs::of_worker(&Settings::default(), 3);
        assert_eq!((worker.delay, worker.limit), (Duration::from_millis(2), 66));
    }
}
