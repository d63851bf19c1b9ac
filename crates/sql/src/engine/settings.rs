//! What the rooms have of a session's settings, and its sleep.

use std::time::{Duration, Instant};

use config::Settings;
use shmem::{WaitEvent, proc};

use super::Engine;
use crate::bind::names::split_identifiers;
use crate::error::Result;
use crate::storage::Storage;

impl Engine {
    /// Hands settings on to those who keep values of them.
    pub(super) fn take_settings(&self, settings: &Settings) {
        let least = settings.log_min_messages;
        if self.log_level.replace(Some(least)).is_some_and(|before| before != least) {
            self.rooms.host.set_log_level(least);
        }
        let path = split_identifiers(&settings.search_path).unwrap_or_default();
        let user = proc::me().user();
        let path = path.into_iter().map(|name| if name == "$user" { user.clone() } else { name });
        self.rooms.catalog.set_search_path(path.collect());
        proc::me().set_application(&settings.application_name);
        self.memory.set(settings.maintenance_work_mem);
        self.rooms.txn.locks().set_deadlock_timeout(settings.deadlock_timeout);
        self.rooms.txn.locks().set_lock_timeout(settings.lock_timeout);
        let mut options = self.rooms.wal.options();
        options.compress = settings.wal_compression != config::WalCompression::Off;
        options.commit_siblings = settings.commit_siblings;
        options.commit_delay_us =
            u64::try_from(settings.commit_delay.as_micros()).unwrap_or(u64::MAX);
        self.rooms.wal.set_options(options);
    }

    /// `pg_sleep`
    pub(super) fn pause(&self, seconds: f64) -> Result<()> {
        let start = Instant::now();
        let _wait = proc::me().waiting(WaitEvent::PgSleep);
        loop {
            proc::me().latch.reset();
            self.check_interrupts()?;
            let left = seconds - start.elapsed().as_secs_f64();
            if left.is_nan() || left <= 0.0 {
                return Ok(());
            }
            // An hour at a time: no duration is too long for the clock.
            let mut left = Duration::from_secs_f64(left.min(3600.0));
            if let Some(look) = sys::interrupt::next_look() {
                left = left.min(look.saturating_sub(sys::clock::monotonic()));
            }
            proc::me().latch.wait(Some(left));
        }
    }
}
