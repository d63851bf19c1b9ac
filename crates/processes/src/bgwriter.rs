//! The background writer: keeps buffers clean ahead of the clock hand, so that a backend that needs
//! one does not have to write it first.
//!
//! | signal | what it means here |
//! |---|---|
//! | TERM | end |
//! | HUP | read the configuration again |
//! | QUIT | end at once |
//!
//! It waits for nobody and nobody waits for it: a buffer that is in use, or whose log is not durable
//! yet, is passed over (the walwriter is asked to flush the latter). If it ends by itself, the
//! postmaster starts another; if it crashes, the server recovers.

use std::time::Duration;

use buffer::Cleaned;
use shmem::{WaitEvent, proc};
use sys::signal::Pending;

use crate::cleaning::{Cleaner, Found, Hand, Limits};
use crate::error::Error;
use crate::server::Server;

/// Between two rounds while there is nothing to do.
const IDLE_DELAY: Duration = Duration::from_secs(1);
/// After an error, so that the log is not flooded.
const ERROR_DELAY: Duration = Duration::from_secs(1);

/// Runs until TERM; answers the exit code.
pub fn main(server: &Server) -> i32 {
    let mut cleaner = Cleaner::new(server.pool().buffers() as u64);
    loop {
        proc::me().latch.reset();
        if Pending::term() {
            return 0;
        }
        if Pending::take_hup() {
            server.reload_in_child();
        }
        let delay = server.settings().bgwriter_delay;
        let delay = match round(server, &mut cleaner) {
            Ok(false) => delay,
            Ok(true) => delay.max(IDLE_DELAY),
            Err(error) => {
                tracing::error!("background writer: {error}");
                delay.max(ERROR_DELAY)
            }
        };
        let _wait = proc::me().waiting(WaitEvent::BgwriterMain);
        proc::me().latch.wait(Some(delay));
    }
}

/// One round; answers whether there is nothing to do at present.
fn round(server: &Server, cleaner: &mut Cleaner) -> Result<bool, Error> {
    let (pool, limits) = (server.pool(), limits(server));
    if limits.pages_max == 0 {
        return Ok(true);
    }
    let (passed, allocated) = pool.clock_hand();
    let mut round = cleaner.begin(Hand { passed, allocated }, limits);
    while let Some(position) = round.next_position() {
        let id = (position % pool.buffers() as u64) as usize;
        round.found(match pool.clean(id)? {
            Cleaned::InUse => Found::InUse,
            Cleaned::Reusable => Found::Reusable,
            Cleaned::Written => Found::Written,
        });
        if Pending::term() {
            break;
        }
    }
    if round.hit_limit() {
        pool.stats().maxwritten_clean.add(1);
    }
    Ok(cleaner.end(round))
}

fn limits(server: &Server) -> Limits {
    let settings = server.settings();
    Limits {
        pages_max: u64::from(settings.bgwriter_lru_maxpages),
        multiplier: settings.bgwriter_lru_multiplier,
        delay: settings.bgwriter_delay,
    }
}
