//! What a server does for itself, beside those who append and read.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::client::{Done, Round};
use crate::draw::Draw;
use crate::talk::connect;

const CHORES: &[&str] = &[
    "VACUUM list",
    "VACUUM list",
    "VACUUM FULL list",
    "ANALYZE list",
    "CHECKPOINT",
    "REINDEX TABLE list",
    "DROP INDEX list_n",
    "CREATE INDEX list_n ON list (n)",
];

/// Errors that are no fault: a deadlock; an index that is there already, or is not there; what the
/// server does not know.
const TOLERATED: [&str; 4] = ["40P01", "42P07", "42704", "0A000"];

/// Works until the round is over.
pub(super) fn work(round: &Round, mut draw: Draw) -> Done {
    let mut done = Done::default();
    while !round.stop.load(Ordering::Relaxed) {
        let mut session = match connect(&round.connect, &round.stop) {
            Ok(Some(session)) => session,
            Ok(None) => break,
            Err(why) => {
                done.violations.push(format!("housekeeper: {why}"));
                break;
            }
        };
        while !round.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(draw.below(100)));
            let chore = *draw.pick(CHORES);
            let Ok(reply) = session.ask(chore) else { break };
            match reply.problem() {
                None => {}
                Some(problem) if TOLERATED.contains(&problem.sqlstate.as_str()) => {}
                Some(problem) if problem.sqlstate.starts_with("57P0") => break,
                Some(problem) => {
                    done.violations.push(format!("housekeeper: {chore}: {problem}"));
                    return done;
                }
            }
        }
    }
    done
}
