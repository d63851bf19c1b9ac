//! The housekeeper: what a server does for itself, all the time, beside those who work.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::Office;
use crate::client::Client;
use crate::draw::Draw;
use crate::talk::connect;

/// What there is to do, as far as the server knows it.
const CHORES: &[&str] = &[
    "CHECKPOINT",
    "VACUUM account",
    "VACUUM",
    "VACUUM FULL account",
    "ANALYZE account",
    "CREATE INDEX account_owner ON account (owner)",
    "CREATE INDEX account_balance ON account (balance DESC, id)",
    "DROP INDEX account_owner",
    "DROP INDEX account_balance",
    "REINDEX TABLE account",
];

/// Errors that are no fault: a deadlock; an index that is there already, or is not there.
const TOLERATED: [&str; 3] = ["40P01", "42P07", "42704"];

/// The chores that the server knows, and how often each was done.
#[derive(Default, Debug)]
pub struct Chores {
    known: Vec<&'static str>,
    done: Mutex<BTreeMap<&'static str, u64>>,
}

impl Chores {
    /// Asks the server what it knows.
    pub(super) fn of(session: &mut Client) -> Chores {
        let mut knows = |chore: &&str| {
            let reply = session.ask(chore).expect("the server answers");
            reply.error.is_none_or(|error| error.sqlstate != "0A000")
        };
        let known = CHORES.iter().copied().filter(|chore| knows(chore)).collect();
        Chores { known, done: Mutex::default() }
    }

    /// How often each was done.
    pub fn done(&self) -> BTreeMap<&'static str, u64> {
        self.done.lock().expect("nobody panics with it").clone()
    }

    /// Works until the office closes.
    pub(super) fn work(&self, office: &Office, mut draw: Draw) {
        while !office.is_closed() {
            let mut session = match connect(&office.connect, &office.stop) {
                Ok(Some(session)) => session,
                Ok(None) => break,
                Err(why) => return office.violation("housekeeper", &why),
            };
            while !office.is_closed() {
                let chore = *draw.pick(&self.known);
                let Ok(reply) = session.ask(chore) else { break };
                match reply.problem() {
                    None => {
                        *self.done.lock().expect("as above").entry(chore).or_default() += 1;
                    }
                    Some(problem) if TOLERATED.contains(&problem.sqlstate.as_str()) => {}
                    Some(problem) if problem.sqlstate.starts_with("57P0") => break,
                    Some(problem) => {
                        return office.violation("housekeeper", &format!("{chore}: {problem}"));
                    }
                }
                std::thread::sleep(std::time::Duration::from_millis(draw.below(60)));
            }
        }
    }
}
