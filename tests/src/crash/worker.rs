//! A client of the crash test: a thread that works until it is told to stop, connects again when the
//! connection dies, and checks on the way what it reads of itself and of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::clock::now_ns;
use crate::crash::attempt::Plan;
use crate::crash::conversation::Trouble;
use crate::crash::found::{compare_tables, read_table};
use crate::crash::history::{Attempt, History, Outcome};
use crate::crash::load::{Circumstances, Tally};
use crate::draw::Draw;

/// How long a client tries to connect before it counts the server as gone for good.
const RECONNECT_LIMIT: Duration = Duration::from_secs(60);

/// One client.
pub(crate) struct Worker {
    pub(crate) history: History,
    draw: Draw,
    /// The highest number of each client seen since the last connection was made.
    seen: Vec<i64>,
    circumstances: Circumstances,
    stop: Arc<AtomicBool>,
    pub(crate) tally: Tally,
    pub(crate) violations: Vec<String>,
}

impl Worker {
    /// A client that goes on where its history ends, until `stop` is set.
    pub(crate) fn new(
        history: History,
        circumstances: Circumstances,
        seed: u64,
        stop: Arc<AtomicBool>,
    ) -> Worker {
        Worker {
            draw: Draw::part(seed, history.client as u64),
            seen: vec![0; history.read.len()],
            history,
            circumstances,
            stop,
            tally: Tally::default(),
            violations: Vec::new(),
        }
    }

    /// Works until told to stop, or until something is wrong.
    pub(crate) fn run(mut self) -> Worker {
        while !self.stopped() && self.violations.is_empty() {
            let Some(mut session) = self.connect() else { break };
            let trouble = self.catch_up(&mut session).and_then(|()| self.work(&mut session));
            if let Err(Trouble::Wrong(why)) = trouble {
                let client = self.history.client;
                self.violations.push(format!("client {client}: {why}"));
            }
        }
        self
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn connect(&mut self) -> Option<Client> {
        let deadline = Instant::now() + RECONNECT_LIMIT;
        while !self.stopped() {
            match (self.circumstances.connect)() {
                Ok(session) => {
                    self.tally.connections += 1;
                    return Some(session);
                }
                Err(error) if Instant::now() > deadline => {
                    self.violations.push(format!("no connection in {RECONNECT_LIMIT:?}: {error}"));
                    return None;
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        None
    }

    /// After connecting: which of the attempts is there? The update of the own row waits for a
    /// predecessor of this session that may not have ended yet, so the answer is final.
    fn catch_up(&mut self, session: &mut Client) -> Result<(), Trouble> {
        let client = self.history.client;
        let mode = if self.history.synchronous { "on" } else { "off" };
        expect(session, &format!("SET synchronous_commit = {mode}"), &["SET"])?;
        let line = format!(
            "BEGIN; UPDATE progress SET seq = seq WHERE client = {client}; \
             SELECT client, seq FROM progress; COMMIT"
        );
        let reply = session.ask(&line)?;
        if let Some(problem) = reply.problem() {
            return Err(trouble(problem, &line));
        }
        self.seen.fill(0);
        let own = self.look(&reply.rows())?;
        let before = self.unsettled();
        let circumstances = self.circumstances.clone();
        let may_be_lost = |at| circumstances.may_be_lost(at);
        self.history.found(own, now_ns(), may_be_lost).map_err(Trouble::Wrong)?;
        self.count(&before);
        for name in self.history.tables.keys() {
            let found = read_table(session, name)?;
            let differ = compare_tables(&self.history.tables[name], &found);
            if let Some(how) = differ {
                return Err(Trouble::Wrong(format!("{name} after connecting: {how}")));
            }
        }
        Ok(())
    }

    /// The attempts whose outcome a new look at the server may change.
    fn unsettled(&self) -> Vec<(usize, Outcome)> {
        let all = self.history.attempts.iter().map(|a| a.outcome).enumerate();
        all.filter(|(_, o)| matches!(o, Outcome::InDoubt | Outcome::Acknowledged { .. })).collect()
    }

    fn count(&mut self, before: &[(usize, Outcome)]) {
        let cuts = self.circumstances.cuts_ns.lock().expect("no client panics with it").clone();
        for (at, was) in before {
            match (was, self.history.attempts[*at].outcome) {
                (Outcome::InDoubt, Outcome::Acknowledged { .. }) => self.tally.doubt_present += 1,
                (Outcome::Acknowledged { .. }, Outcome::Lost { at_ns }) => {
                    self.tally.lost += 1;
                    let cut = cuts.iter().find(|&&cut| cut >= at_ns).unwrap_or(&at_ns);
                    self.tally.lost_age_ns = self.tally.lost_age_ns.max(cut - at_ns);
                }
                _ => {}
            }
        }
    }

    /// Takes in what `progress` says; gives back the own number.
    fn look(&mut self, rows: &[Vec<Option<String>>]) -> Result<i64, Trouble> {
        let clients = self.seen.len();
        let mut own = None;
        if rows.len() != clients {
            return Err(Trouble::Wrong(format!("progress has {} rows: {rows:?}", rows.len())));
        }
        for row in rows {
            let number = |at: usize| row.get(at)?.as_deref()?.parse::<i64>().ok();
            let (Some(client), Some(seq)) = (number(0), number(1)) else {
                return Err(Trouble::Wrong(format!("a row of progress: {row:?}")));
            };
            if client as usize == self.history.client {
                own = Some(seq);
            } else if let Some(seen) = self.seen.get_mut(client as usize) {
                *seen = (*seen).max(seq);
                self.history.saw(client as usize, seq, now_ns());
            }
        }
        own.ok_or_else(|| Trouble::Wrong("progress has lost a row".to_owned()))
    }

    fn work(&mut self, session: &mut Client) -> Result<(), Trouble> {
        // Every fourth client mostly reads: while the others wait for the disk it sees what they do.
        let reads = if self.history.client % 4 == 3 { 90 } else { 40 };
        while !self.stopped() {
            while self.draw.percent(reads) && !self.stopped() {
                let reply = session.ask("SELECT client, seq FROM progress")?;
                if let Some(problem) = reply.problem() {
                    return Err(trouble(problem, "SELECT of progress"));
                }
                let own = self.look(&reply.rows())?;
                if own != self.history.head {
                    let head = self.history.head;
                    return Err(Trouble::Wrong(format!("own number {own}, but {head} is done")));
                }
            }
            match self.draw.below(100) {
                0..5 => self.read_others(session)?,
                5..8 => self.read_own(session)?,
                8..10 if self.circumstances.checkpoints => {
                    expect(session, "CHECKPOINT", &["CHECKPOINT"])?;
                }
                _ => {}
            }
            self.attempt(session)?;
        }
        Ok(())
    }

    /// Reads a table of another client: every row in it was committed.
    fn read_others(&mut self, session: &mut Client) -> Result<(), Trouble> {
        let other = self.draw.below(self.seen.len() as u64) as usize;
        let name = if self.draw.percent(70) { "a" } else { "t" };
        let line = format!("SELECT max(txn) FROM c{other}_{name}");
        let reply = session.ask(&line)?;
        if let Some(problem) = reply.problem() {
            return Err(trouble(problem, &line));
        }
        let value = reply.rows().into_iter().flatten().next().flatten();
        if other != self.history.client
            && let Some(seq) = value
        {
            let seq = seq.parse().map_err(|_| Trouble::Wrong(format!("{line}: {seq}")))?;
            self.seen[other] = self.seen[other].max(seq);
            self.history.saw(other, seq, now_ns());
        }
        Ok(())
    }

    /// Reads an own table, which must be as the model says.
    fn read_own(&mut self, session: &mut Client) -> Result<(), Trouble> {
        let names: Vec<&String> = self.history.tables.keys().collect();
        let name = *self.draw.pick(&names);
        let found = read_table(session, name)?;
        match compare_tables(&self.history.tables[name], &found) {
            Some(how) => Err(Trouble::Wrong(format!("{name} while working: {how}"))),
            None => Ok(()),
        }
    }

    /// One transaction.
    fn attempt(&mut self, session: &mut Client) -> Result<(), Trouble> {
        let history = &mut self.history;
        let seq = history.next_seq;
        history.next_seq += 1;
        let mut after = history.tables.clone();
        let planned = history.planner.plan(&mut self.draw, &mut after, seq);
        let (steps, tags) = planned.into_iter().unzip();
        let attempt = Attempt {
            seq,
            parent: history.head,
            steps,
            seen: self.seen.clone(),
            sent_ns: 0,
            outcome: Outcome::RolledBack,
        };
        let mut plan = Plan::draw(&mut self.draw, attempt, tags);
        let done = plan.perform(session, history.client, &self.circumstances.tolerated);
        match plan.attempt.outcome {
            Outcome::Acknowledged { .. } => self.tally.acknowledged += 1,
            Outcome::InDoubt => self.tally.in_doubt += 1,
            _ => self.tally.rolled_back += 1,
        }
        history.record(plan.attempt, after);
        done
    }
}

/// What a refusal that nobody planned means.
fn trouble(problem: &crate::reply::Problem, line: &str) -> Trouble {
    if problem.sqlstate.starts_with("57P") {
        return Trouble::Disconnected;
    }
    Trouble::Wrong(format!("{line}: {problem}"))
}

fn expect(session: &mut Client, line: &str, tags: &[&str]) -> Result<(), Trouble> {
    let reply = session.ask(line)?;
    if let Some(problem) = reply.problem() {
        return Err(trouble(problem, line));
    }
    if reply.tags == tags {
        Ok(())
    } else {
        Err(Trouble::Wrong(format!("{line}: {:?}", reply.tags)))
    }
}
