//! The autovacuum launcher: has a worker started every `autovacuum_naptime`.
//!
//! It looks at no table itself: the worker does, and ends at once if none needs anything. Another
//! worker is started after each naptime while the first still works, up to
//! `autovacuum_max_workers`.
//!
//! Where a table is changed so fast that within a naptime it would grow to a multiple of itself, a
//! worker is started sooner: when some table has got more dead rows since the last start than it has
//! live ones. These counts stand in shared memory, and are looked at twelve times in a naptime, at
//! most once in a second.
//!
//! | signal | what it means here |
//! |---|---|
//! | TERM | end |
//! | HUP | read the configuration again; end if autovacuum is turned off |
//! | QUIT | end at once |
//!
//! It waits for nobody and nobody waits for it. If it ends by itself while autovacuum is on, the
//! postmaster starts another; if it crashes, the server recovers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use shmem::{WaitEvent, proc};
use sys::process::Signal;
use sys::signal::Pending;
use txn::statistics::{Count, Counts};
use types::RelFileNumber;

use crate::autovacuum::Autovacuum;
use crate::server::Server;

/// So often in a naptime the counts are looked at.
const LOOKS: u32 = 12;
/// But not more often than this.
const LOOK_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Runs until TERM, or until autovacuum is turned off; answers the exit code.
pub fn main(server: &Server) -> i32 {
    let mut last = Instant::now();
    let mut dead = DeadRows::default();
    loop {
        proc::me().latch.reset();
        if Pending::term() {
            return 0;
        }
        if Pending::take_hup() {
            server.reload_in_child();
        }
        if !server.settings().autovacuum {
            return 0;
        }
        let naptime = server.settings().autovacuum_naptime;
        let left = naptime.saturating_sub(last.elapsed());
        let counts = server.txn().statistics().all();
        let threshold = i64::from(server.settings().autovacuum_vacuum_threshold);
        if left.is_zero() || dead.outnumber_the_living(&counts, threshold) {
            last = Instant::now();
            dead.note(&counts);
            launch(server);
            continue;
        }
        let _wait = proc::me().waiting(WaitEvent::AutovacuumMain);
        let look = (naptime / LOOKS).max(LOOK_INTERVAL_MIN);
        proc::me().latch.wait(Some(left.min(look)));
    }
}

/// The dead rows of each relation when a worker was started last, or fewer.
#[derive(Default)]
struct DeadRows(HashMap<RelFileNumber, i64>);

impl DeadRows {
    /// Whether a relation has got more dead rows since then than it has live ones, and than the
    /// threshold. Those that a vacuum had to leave do not count again.
    fn outnumber_the_living(&mut self, all: &[(RelFileNumber, Counts)], threshold: i64) -> bool {
        all.iter().any(|(rel, counts)| {
            let dead = counts.get(Count::Dead);
            let before = self.0.get_mut(rel).map_or(0, |before| {
                *before = dead.min(*before);
                *before
            });
            dead - before > threshold + counts.get(Count::Live).max(0)
        })
    }

    fn note(&mut self, all: &[(RelFileNumber, Counts)]) {
        let dead = all.iter().map(|(rel, counts)| (*rel, counts.get(Count::Dead)));
        self.0 = dead.filter(|(_, dead)| *dead > 0).collect();
    }
}

fn launch(server: &Server) {
    let most = server.settings().autovacuum_max_workers as usize;
    if Autovacuum::workers(server.procs()) >= most {
        return;
    }
    server.autovacuum().request();
    let postmaster = sys::process::parent_pid();
    if let Err(error) = sys::process::kill(postmaster, Signal::SIGUSR1) {
        tracing::warn!("could not ask for an autovacuum worker: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rel: u64, live: i64, dead: i64) -> (RelFileNumber, Counts) {
        let mut words = Counts::default().words().to_vec();
        words[Count::Live as usize] = live;
        words[Count::Dead as usize] = dead;
        (RelFileNumber(rel), Counts::from_words(&words).expect("as many"))
    }

    #[test]
    fn a_table_whose_dead_rows_outnumber_the_living_is_not_left_waiting() {
        let mut dead = DeadRows::default();
        assert!(!dead.outnumber_the_living(&[counts(20, 100, 150)], 50));
        assert!(dead.outnumber_the_living(&[counts(19, 0, 0), counts(20, 100, 151)], 50));
        dead.note(&[counts(20, 100, 151)]);
        assert!(!dead.outnumber_the_living(&[counts(20, 100, 300)], 50), "counted already");
        assert!(!dead.outnumber_the_living(&[counts(20, 100, 0)], 50), "vacuumed");
        assert!(dead.outnumber_the_living(&[counts(20, 100, 151)], 50), "and grown again");
    }
}
