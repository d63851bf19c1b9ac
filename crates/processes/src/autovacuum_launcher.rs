//! The autovacuum launcher: has a worker started every `autovacuum_naptime`.
//!
//! It looks at no table itself: the worker does, and ends at once if none needs anything. Another
//! worker is started after each naptime while the first still works, up to
//! `autovacuum_max_workers`.
//!
//! Where a table is changed so fast that by the end of the naptime more of its rows would be dead than
//! alive, a worker is started as soon as the table is due for one. The counts stand in shared memory
//! and are looked at once in a second.
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

use config::Settings;
use shmem::{WaitEvent, proc};
use sys::process::Signal;
use sys::signal::Pending;
use txn::statistics::{Count, Counts};
use types::RelFileNumber;

use crate::autovacuum::Autovacuum;
use crate::server::Server;

/// How often the counts are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

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
        let settings = server.settings();
        if !settings.autovacuum {
            return 0;
        }
        let left = settings.autovacuum_naptime.saturating_sub(last.elapsed());
        let urgent = dead.look(&server.txn().statistics().all(), Instant::now(), left, &settings);
        if left.is_zero() || urgent {
            last = Instant::now();
            dead.started();
            launch(server);
            continue;
        }
        let _wait = proc::me().waiting(WaitEvent::AutovacuumMain);
        proc::me().latch.wait(Some(left.min(LOOK_INTERVAL)));
    }
}

/// The dead rows of each relation that has any, as they were seen last.
#[derive(Default)]
struct DeadRows {
    relations: HashMap<RelFileNumber, Seen>,
    at: Option<Instant>,
}

struct Seen {
    dead: i64,
    /// How many there were when a worker was started last, or fewer: those that a vacuum had to leave.
    known: i64,
}

impl DeadRows {
    /// Takes note of the counts. Whether a relation is due for a vacuum whose dead rows, if they go on
    /// growing as since the last look, outnumber the living when `left` has passed.
    fn look(
        &mut self,
        all: &[(RelFileNumber, Counts)],
        now: Instant,
        left: Duration,
        settings: &Settings,
    ) -> bool {
        let passed = self.at.replace(now).map_or(Duration::ZERO, |before| now - before);
        let mut urgent = false;
        let mut relations = HashMap::new();
        for (relation, counts) in all {
            let (dead, live) = (counts.get(Count::Dead), counts.get(Count::Live).max(0) as f64);
            if dead <= 0 {
                continue;
            }
            let before = self.relations.get(relation);
            let known = before.map_or(0, |seen| seen.known.min(dead));
            let grown = (dead - before.map_or(0, |seen| seen.dead)).max(0) as f64;
            let looks_left =
                if passed.is_zero() { 0.0 } else { left.as_secs_f64() / passed.as_secs_f64() };
            let new = (dead - known) as f64;
            let due = f64::from(settings.autovacuum_vacuum_threshold)
                + settings.autovacuum_vacuum_scale_factor * live;
            urgent |= new > due && new + grown * looks_left > live;
            relations.insert(*relation, Seen { dead, known });
        }
        self.relations = relations;
        urgent
    }

    /// A worker is started: it knows of all that have been seen.
    fn started(&mut self) {
        self.relations.values_mut().for_each(|seen| seen.known = seen.dead);
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
    fn a_table_whose_dead_rows_would_outnumber_the_living_is_not_left_waiting() {
        let settings = Settings::default();
        let start = Instant::now();
        let mut dead = DeadRows::default();
        let look = |dead: &mut DeadRows, second: u64, of: &[(RelFileNumber, Counts)]| {
            let (now, left) = (Duration::from_secs(second), Duration::from_secs(60 - second));
            dead.look(of, start + now, left, &settings)
        };
        assert!(!look(&mut dead, 1, &[counts(20, 1000, 200)]));
        assert!(!look(&mut dead, 2, &[counts(20, 1000, 250)]), "not yet due");
        assert!(!look(&mut dead, 3, &[counts(20, 1000, 251)]), "due, but it grows slowly");
        assert!(look(&mut dead, 4, &[counts(19, 0, 0), counts(20, 1000, 280)]));
        dead.started();
        assert!(!look(&mut dead, 5, &[counts(20, 1000, 530)]), "most are known already");
        assert!(!look(&mut dead, 6, &[counts(20, 1000, 0)]), "vacuumed");
        assert!(look(&mut dead, 7, &[counts(20, 1000, 251)]), "and grown again");
        assert!(look(&mut dead, 8, &[counts(20, 1000, 2000)]));
        assert!(look(&mut dead, 9, &[counts(20, 1000, 2000)]), "they outnumber them already");
    }
}
