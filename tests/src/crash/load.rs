//! The clients of the crash test: a thread each, working until it is told to stop, connecting again
//! when the connection dies, and checking on the way what it reads of itself and of others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use std::io;

use crate::client::Client;
use crate::clock::now_ns;
use crate::crash::attempt::{Plan, Trouble};
use crate::crash::history::{Attempt, History, Outcome};
use crate::crash::oracle::{compare_tables, read_table};
use crate::draw::Draw;

/// How long a client tries to connect before it counts the server as gone for good.
const RECONNECT_LIMIT: Duration = Duration::from_secs(60);

/// Makes a session. The address behind it may change when the server is started again.
pub type Connect = Arc<dyn Fn() -> io::Result<Client> + Send + Sync>;

/// What the clients need to know of the world around them.
#[derive(Clone)]
pub struct Circumstances {
    /// Makes a session.
    pub connect: Connect,
    /// The times of all crashes: the maker of a crash notes it just before.
    pub cuts_ns: Arc<Mutex<Vec<u64>>>,
    /// How long before a crash an asynchronous commit may have been answered and yet be lost:
    /// three `wal_writer_delay`s.
    pub window_ns: u64,
    /// Whether clients say CHECKPOINT now and then.
    pub checkpoints: bool,
    /// SQLSTATEs that abort a transaction without being wrong.
    pub tolerated: Vec<String>,
}

impl Circumstances {
    /// Whether an asynchronous commit that was answered then may be lost.
    pub fn may_be_lost(&self, acknowledged_ns: u64) -> bool {
        let cuts = self.cuts_ns.lock().expect("no client panics with it");
        cuts.iter().any(|cut| acknowledged_ns >= cut.saturating_sub(self.window_ns))
    }
}

/// What the clients did, in numbers.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Commits that were answered.
    pub acknowledged: u64,
    /// Attempts rolled back, by the client or by the server.
    pub rolled_back: u64,
    /// Commits that were sent and never answered.
    pub in_doubt: u64,
    /// Of those, how many were there afterwards.
    pub doubt_present: u64,
    /// Asynchronous commits that were answered and lost.
    pub lost: u64,
    /// The oldest of them, in nanoseconds before the crash.
    pub lost_age_ns: u64,
    /// Connections made.
    pub connections: u64,
}

impl Tally {
    /// Adds another's numbers.
    pub fn add(&mut self, other: &Tally) {
        self.acknowledged += other.acknowledged;
        self.rolled_back += other.rolled_back;
        self.in_doubt += other.in_doubt;
        self.doubt_present += other.doubt_present;
        self.lost += other.lost;
        self.lost_age_ns = self.lost_age_ns.max(other.lost_age_ns);
        self.connections += other.connections;
    }
}

/// Clients at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Worker>>,
}

/// What the clients come back with.
pub struct Done {
    /// One for each client, in order.
    pub histories: Vec<History>,
    /// What they saw that may not be.
    pub violations: Vec<String>,
    /// What they did.
    pub tally: Tally,
}

impl Load {
    /// Sends the clients to work, each to go on where its history ends.
    pub fn start(histories: Vec<History>, circumstances: &Circumstances, seed: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = |history: History| {
            let worker = Worker {
                draw: Draw::part(seed, history.client as u64),
                seen: vec![0; history.read.len()],
                history,
                circumstances: circumstances.clone(),
                stop: Arc::clone(&stop),
                tally: Tally::default(),
                violations: Vec::new(),
            };
            std::thread::spawn(move || worker.run())
        };
        let threads = histories.into_iter().map(thread).collect();
        Load { stop, threads }
    }

    /// Tells the clients to stop after what they are doing, without waiting for them.
    pub fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether a client has stopped by itself, because it saw what may not be.
    pub fn has_stopped(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Stops the clients and collects what they know.
    pub fn stop(self) -> Done {
        self.ask_to_stop();
        let mut done =
            Done { histories: Vec::new(), violations: Vec::new(), tally: Tally::default() };
        for thread in self.threads {
            let worker = thread.join().expect("a client reports trouble, it does not panic");
            done.violations.extend(worker.violations);
            done.tally.add(&worker.tally);
            done.histories.push(worker.history);
        }
        done
    }
}

struct Worker {
    history: History,
    draw: Draw,
    /// The highest number of each client seen since the last connection was made.
    seen: Vec<i64>,
    circumstances: Circumstances,
    stop: Arc<AtomicBool>,
    tally: Tally,
    violations: Vec<String>,
}

impl Worker {
    fn run(mut self) -> Worker {
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
                let read = &mut self.history.read[client as usize];
                *read = (*read).max(seq);
            }
        }
        own.ok_or_else(|| Trouble::Wrong("progress has lost a row".to_owned()))
    }

    fn work(&mut self, session: &mut Client) -> Result<(), Trouble> {
        while !self.stopped() {
            if self.draw.percent(50) {
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
                8 if self.circumstances.checkpoints && self.draw.percent(30) => {
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
            self.history.read[other] = self.history.read[other].max(seq);
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
