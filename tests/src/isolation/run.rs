//! Rounds of clients, kills and judgement, on one data directory.
//!
//! Each round has lists of its own, so that its history is judged alone; all of them lie in one
//! table, where rows of older rounds are deleted. What is drawn comes from the seed: the
//! configurations, the victims, the moments and the transactions. The interleaving is the kernel's.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::check::check;
use super::client::{Done, Round, lists, work};
use super::history::{History, Key, Level, Lists, Outcome, Work};
use super::housekeeper;
use crate::amcheck::wrong_in;
use crate::client::Client;
use crate::crash::victim::{Victim, strike};
use crate::draw::Draw;
use crate::scratch::Scratch;
use crate::server::{Server, Stop, try_connect};
use crate::setup::Setup;

/// Lists of so many rounds are kept.
const ROUNDS_KEPT: i64 = 3;
/// Autovacuum comes as often as it can, for a handful of rows.
const AUTOVACUUM: [(&str, &str); 3] = [
    ("autovacuum_naptime", "1s"),
    ("autovacuum_vacuum_threshold", "20"),
    ("autovacuum_vacuum_scale_factor", "0"),
];

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Order {
    /// How long it goes on; a round that has begun is finished.
    pub time: Duration,
    /// What everything is drawn from.
    pub seed: u64,
    /// How many clients.
    pub clients: usize,
    /// The bug that the server is to have (`sys::mutant`).
    pub mutant: Option<String>,
    /// Whether to tell of each round.
    pub verbose: bool,
}

impl fmt::Display for Order {
    /// The command that runs it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, seed, clients) = (self.time.as_secs(), self.seed, self.clients);
        write!(f, "just isolation --seconds {seconds} --seed {seed} --clients {clients}")
    }
}

/// What a run has shown.
#[derive(Clone, Default, Debug)]
pub struct Summary {
    /// How many rounds passed.
    pub rounds: u32,
    /// How often each victim was struck.
    pub struck: BTreeMap<Victim, u32>,
    /// Transactions, by level and outcome.
    pub transactions: BTreeMap<&'static str, [usize; 3]>,
    /// Lists read.
    pub reads: usize,
    /// Values appended.
    pub appends: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rounds:", self.rounds)?;
        for (level, [committed, rolled_back, unknown]) in &self.transactions {
            write!(
                f,
                " {level}: {committed} committed, {rolled_back} rolled back, {unknown} unknown;"
            )?;
        }
        let struck: Vec<String> =
            self.struck.iter().map(|(victim, n)| format!("{victim:?} {n}")).collect();
        let (appends, reads) = (self.appends, self.reads);
        write!(f, " {appends} appends, {reads} lists read; killed: {}", struck.join(", "))
    }
}

/// A round that has shown a fault.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, and in which round.
    pub what: String,
    /// Where the server's directory and log lie.
    pub directory: PathBuf,
}

/// Runs rounds until the time is over.
///
/// # Errors
/// The first round that shows a fault ends the run.
pub fn run(order: &Order) -> Result<Summary, Box<Failure>> {
    let start = Instant::now();
    let mut arena = Arena::new(order);
    let mut summary = Summary::default();
    while summary.rounds == 0 || start.elapsed() < order.time {
        if let Err(what) = arena.round(&mut summary) {
            let log = arena.server.log().tail(25);
            let what = format!("round {} of `{order}`: {what}\n{log}", summary.rounds);
            return Err(Box::new(Failure { what, directory: arena.server.keep_directory() }));
        }
        summary.rounds += 1;
    }
    arena.server.stop(Stop::Fast);
    Ok(summary)
}

struct Arena {
    order: Order,
    server: Server,
    port: Arc<AtomicU16>,
}

impl Arena {
    fn new(order: &Order) -> Arena {
        let mut draw = Draw::part(order.seed, 1);
        let mut setup = Setup::new().allow_crashes().set("deadlock_timeout", "20ms");
        for (name, value) in AUTOVACUUM {
            setup.change(name, value);
        }
        if let Some(mutant) = &order.mutant {
            setup = setup.with_mutant(mutant);
        }
        if draw.percent(50) {
            setup.change("shared_buffers", "128kB");
        }
        if draw.percent(50) {
            setup.change("checkpoint_timeout", "1s");
        }
        let scratch = Scratch::new();
        let data = scratch.join("d");
        let server = setup.start_in(scratch, data);
        let mut session = server.connect();
        create_table(&mut session);
        let port = Arc::new(AtomicU16::new(server.port()));
        Arena { order: order.clone(), server, port }
    }

    fn round(&mut self, summary: &mut Summary) -> Result<(), String> {
        let number = i64::from(summary.rounds);
        let mut draw = Draw::part(self.order.seed, 1000 + number as u64);
        let keys: Vec<Key> = (0..3 + draw.below(8) as i64).map(|at| number * 100 + at).collect();
        self.make_lists(number, &keys)?;
        let port = Arc::clone(&self.port);
        let round = Round {
            connect: Arc::new(move || try_connect(port.load(Ordering::Relaxed))),
            keys: keys.clone(),
            next_value: AtomicI64::new(1),
            stop: AtomicBool::new(false),
        };
        let seed = draw.next();
        let clients = self.order.clients;
        let (struck, done) = std::thread::scope(|scope| {
            let start = |client| {
                let (round, draw) = (&round, Draw::part(seed, client as u64));
                scope.spawn(move || work(round, client, draw))
            };
            let keeper = scope.spawn(|| housekeeper::work(&round, Draw::part(seed, 1000)));
            let threads: Vec<_> = (0..clients).map(start).collect();
            let struck = self.disturb(&mut draw, summary);
            round.stop.store(true, Ordering::Relaxed);
            let join = |thread: std::thread::ScopedJoinHandle<'_, Done>| {
                thread.join().expect("a client tells of trouble, it does not panic")
            };
            let mut done: Vec<Done> = threads.into_iter().map(join).collect();
            done.push(join(keeper));
            (struck, done)
        });
        struck?;
        let violations: Vec<&str> =
            done.iter().flat_map(|done| done.violations.iter().map(String::as_str)).collect();
        if !violations.is_empty() {
            return Err(violations.join("\n  "));
        }
        let transactions = done.into_iter().flat_map(|done| done.transactions).collect();
        self.judge(History { transactions }, &keys, summary)
    }

    /// Lets the clients work, and kills something once, twice or not at all.
    fn disturb(&mut self, draw: &mut Draw, summary: &mut Summary) -> Result<(), String> {
        std::thread::sleep(Duration::from_millis(100 + draw.below(900)));
        for _ in 0..draw.below(3) {
            let victim = *draw.pick(&Victim::ALL);
            // It has recovered from the strike before; and there is a backend.
            let _session = self.server.connect_patiently();
            strike(&mut self.server, victim, draw, &|| {})?;
            self.port.store(self.server.port(), Ordering::Relaxed);
            *summary.struck.entry(victim).or_default() += 1;
            std::thread::sleep(Duration::from_millis(50 + draw.below(500)));
        }
        Ok(())
    }

    fn make_lists(&mut self, number: i64, keys: &[Key]) -> Result<(), String> {
        let mut session = self.server.connect_patiently();
        let rows: Vec<String> = keys.iter().map(|key| format!("({key}, '', 0)")).collect();
        let line = format!(
            "DELETE FROM list WHERE k < {}; INSERT INTO list VALUES {}",
            (number - ROUNDS_KEPT) * 100,
            rows.join(", ")
        );
        let reply = session.ask(&line).map_err(|e| e.to_string())?;
        if reply.is_ok() { Ok(()) } else { Err(format!("{line}: {:?}", reply.lines)) }
    }

    fn judge(&self, history: History, keys: &[Key], summary: &mut Summary) -> Result<(), String> {
        let end = self.end(keys)?;
        count(&history, summary);
        if self.order.verbose {
            let (count, round) = (history.transactions.len(), summary.rounds);
            eprintln!("round {round}: {count} transactions over {} lists", keys.len());
        }
        let anomalies = check(&history, &end);
        let mut told: Vec<String> = anomalies.iter().map(ToString::to_string).collect();
        let mut session = self.server.connect_patiently();
        told.extend(wrong_in(&mut session, "list").map_err(|e| e.to_string())?);
        if told.is_empty() { Ok(()) } else { Err(told.join("\n  ")) }
    }

    /// What the lists hold, when nobody is at them any more: sessions of clients that went away in
    /// mid-transaction are waited for.
    fn end(&self, keys: &[Key]) -> Result<Lists, String> {
        let mut session = self.server.connect_patiently();
        let (low, high) = (keys[0], keys[keys.len() - 1]);
        let line = format!("UPDATE list SET v = v WHERE k >= {low} AND k <= {high} RETURNING k, v");
        let reply = session.ask(&line).map_err(|e| e.to_string())?;
        if reply.tags != [format!("UPDATE {}", keys.len())] {
            return Err(format!("{line}: {:?}", reply.lines));
        }
        Ok(lists(&reply)?.into_iter().collect())
    }
}

/// Makes the table. What changes `v` alone leaves the index entries as they are; what counts up `n`
/// makes new ones, in two indexes, of which one is unique.
fn create_table(session: &mut Client) {
    session.ok("CREATE TABLE list (k int PRIMARY KEY, v text NOT NULL, n int NOT NULL)");
    session.ok("CREATE UNIQUE INDEX list_kn ON list (k, n)");
    session.ok("CREATE INDEX list_n ON list (n)");
}

fn count(history: &History, summary: &mut Summary) {
    for transaction in &history.transactions {
        let outcomes = summary.transactions.entry(Level::name(transaction.level)).or_default();
        outcomes[match transaction.outcome {
            Outcome::Committed { .. } => 0,
            Outcome::RolledBack => 1,
            Outcome::Unknown => 2,
        }] += 1;
        summary.appends += transaction.all_appends().count();
        summary.reads += transaction
            .statements
            .iter()
            .map(|statement| match &statement.work {
                Work::Read(lists) | Work::Lock(lists) => lists.len(),
                _ => 0,
            })
            .sum::<usize>();
    }
}
