//! An autovacuum worker: vacuums and analyzes the tables that need it, one after the other, by the
//! code of the commands, and ends when none is left: then it gives back the status of transactions
//! that no table needs any more.
//!
//! | signal | what it means here |
//! |---|---|
//! | INT | somebody waits for the table's lock: leave this table, go on with the next |
//! | TERM | end |
//! | HUP | read the configuration again, before the next table |
//! | QUIT | end at once |
//!
//! A table that another worker has claimed is passed over. What fails with one table is logged, and the
//! next one is worked on. If it dies, its transaction has never been: a vacuum's changes of pages
//! are whole one by one, and the next vacuum finds what is left to do.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use shmem::{SessionState, proc};
use sql::{Chore, Ended, Session};
use sys::signal::Pending;

use crate::autovacuum::Autovacuum;
use crate::host;
use crate::server::Server;

/// Works until no table needs anything; answers the exit code.
pub fn main(server: &Rc<Server>) -> i32 {
    let mut session = Session::new(host::rooms(server), &server.settings());
    let slot = proc::my_index();
    // Each table once: one that still needs work then must wait for the next worker, or this one
    // would never end where an old snapshot keeps dead rows.
    let mut finished = HashSet::new();
    loop {
        if Pending::term() {
            return 0;
        }
        if Pending::take_hup() {
            server.reload_in_child();
            session.reload_settings(&server.settings());
        }
        // Told for a table that is done with by now.
        Pending::take_int();
        let chores = match session.chores() {
            Ok(chores) => chores,
            Err(error) => {
                tracing::error!("autovacuum: could not look for tables: {error}");
                return 1;
            }
        };
        let next = chores.into_iter().find(|chore| {
            !finished.contains(&chore.relation) && server.autovacuum().claim(slot, chore.relation)
        });
        let Some(chore) = next else { return finish(&mut session) };
        work(server, &mut session, &chore);
        server.autovacuum().give_up(slot);
        finished.insert(chore.relation);
    }
}

/// No table is left to be worked on.
fn finish(session: &mut Session) -> i32 {
    if let Err(error) = session.trim_status()
        && !Pending::term()
    {
        tracing::warn!("autovacuum: could not give back the status of transactions: {error}");
    }
    0
}

/// Does what a table needs.
fn work(server: &Server, session: &mut Session, chore: &Chore) {
    let what = format!("autovacuum: {} {}", chore.command(), chore.name());
    sys::process::set_title(&format!("mamont: autovacuum worker {}", chore.name()));
    let me = proc::me();
    me.set_query(&what);
    me.set_state(SessionState::Active);
    let began = Instant::now();
    let workers = Autovacuum::workers(server.procs()).max(1);
    let ended = session.do_chore(chore, workers);
    sys::process::set_title("mamont: autovacuum worker");
    match ended {
        Ok(Ended::Done(report)) => log(server, chore, began.elapsed(), &report),
        Ok(Ended::Gone) => {}
        Ok(Ended::Canceled) => {
            tracing::info!("canceling autovacuum task of table {}", chore.name());
        }
        Err(_) if Pending::term() => {}
        Err(error) => tracing::warn!("{what}: {error}"),
    }
}

fn log(server: &Server, chore: &Chore, took: Duration, report: &str) {
    let least = server.settings().log_autovacuum_min_duration;
    if least.is_some_and(|least| took >= least) {
        let command = chore.command().to_lowercase();
        tracing::info!("automatic {command} of table \"{}\": {report}", chore.name());
    }
}
