//! Rounds of work, a kill, and the count of the money, on one data directory that grows older.
//!
//! What is drawn comes from the seed: the configurations, the victims, the moments and the work. The
//! interleaving of the processes is the kernel's.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use super::agreement::disagreements;
use super::auditor::{self, Audits};
use super::housekeeper::Chores;
use super::order::{Order, Summary};
use super::teller::Teller;
use super::{ACCOUNTS, OPENING_BALANCE, Office, TOTAL};
use crate::amcheck::check_at_rest;
use crate::client::Client;
use crate::crash::victim::{Victim, strike};
use crate::draw::Draw;
use crate::scratch::Scratch;
use crate::server::{Server, Stop, try_connect};
use crate::setup::Setup;

/// So many rounds are run with one configuration before the next is drawn.
const ROUNDS_A_CONFIGURATION: u32 = 10;
const AUDITORS: usize = 2;
/// Autovacuum comes as often as it can, for a handful of rows.
const AUTOVACUUM: [(&str, &str); 5] = [
    ("autovacuum_naptime", "1s"),
    ("autovacuum_vacuum_threshold", "20"),
    ("autovacuum_vacuum_scale_factor", "0"),
    ("autovacuum_analyze_threshold", "20"),
    ("autovacuum_analyze_scale_factor", "0"),
];

/// A round that has shown a fault.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, and in which round.
    pub what: String,
    /// Where the server's directory and log lie.
    pub directory: PathBuf,
}

/// Runs all rounds.
///
/// # Errors
/// The first round that shows a fault ends the run.
pub fn run(order: &Order) -> Result<Summary, Box<Failure>> {
    let mut bank = Bank::open(order);
    let mut summary = Summary::default();
    for round in 0..order.rounds {
        if let Err(what) = bank.round(round, &mut summary) {
            let log = bank.server.log().tail(25);
            let what = format!("round {round} of `{order}`: {what}\n{log}");
            return Err(Box::new(Failure { what, directory: bank.server.keep_directory() }));
        }
        summary.rounds += 1;
    }
    bank.count_all(&mut summary);
    bank.server.stop(Stop::Fast);
    Ok(summary)
}

struct Bank {
    order: Order,
    server: Server,
    port: Arc<AtomicU16>,
    tellers: Vec<Teller>,
    audits: Audits,
    chores: Chores,
    savepoints: bool,
}

impl Bank {
    fn open(order: &Order) -> Bank {
        let mut setup = Setup::new().allow_crashes().set("deadlock_timeout", "20ms");
        for (name, value) in AUTOVACUUM {
            setup.change(name, value);
        }
        if let Some(mutant) = &order.mutant {
            setup = setup.with_mutant(mutant);
        }
        configure(&mut setup, order.seed, 0);
        let scratch = Scratch::new();
        let data = scratch.join("d");
        let server = setup.start_in(scratch, data);
        let mut session = server.connect();
        create_tables(&mut session, order.tellers);
        let savepoints = session.ask("BEGIN; SAVEPOINT s").is_ok_and(|reply| reply.is_ok());
        session.ok("ROLLBACK");
        let teller = |number| Teller { number, ..Teller::default() };
        Bank {
            order: order.clone(),
            port: Arc::new(AtomicU16::new(server.port())),
            server,
            tellers: (0..order.tellers).map(teller).collect(),
            audits: Audits::default(),
            chores: Chores::of(&mut session),
            savepoints,
        }
    }

    fn round(&mut self, round: u32, summary: &mut Summary) -> Result<(), String> {
        let mut draw = Draw::part(self.order.seed, 1000 + u64::from(round));
        if round > 0 && round.is_multiple_of(ROUNDS_A_CONFIGURATION) {
            configure(self.server.setup_mut(), self.order.seed, round);
            self.server.stop(Stop::Fast);
            check_at_rest(self.server.data())?;
            self.server.try_start()?;
            self.port.store(self.server.port(), Ordering::Relaxed);
        }
        let victim = self.victim(round);
        let port = Arc::clone(&self.port);
        let office = Office {
            connect: Arc::new(move || try_connect(port.load(Ordering::Relaxed))),
            stop: AtomicBool::new(false),
            violations: Mutex::default(),
            savepoints: self.savepoints,
        };
        let struck = self.work(&office, victim, &mut draw);
        *summary.struck.entry(victim).or_default() += 1;
        let mut wrong = office.violations.into_inner().expect("nobody panicked with it");
        wrong.extend(struck.err());
        if wrong.is_empty() {
            wrong = self.count()?;
        }
        if self.order.verbose {
            let done: u64 = self.tellers.iter().map(|teller| teller.done).sum();
            eprintln!("round {round}: {victim:?} killed; so far {done} transfers");
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{victim:?}: {}", wrong.join("\n  "))) }
    }

    /// Everybody works, something is killed, and in half of the rounds work goes on after that.
    fn work(&mut self, office: &Office, victim: Victim, draw: &mut Draw) -> Result<(), String> {
        let seed = draw.next();
        let Bank { server, port, tellers, audits, chores, .. } = self;
        let (struck, back) = std::thread::scope(|scope| {
            let threads = open_office(scope, office, tellers, (audits, chores), seed);
            std::thread::sleep(Duration::from_millis(50 + draw.below(900)));
            let goes_on = draw.percent(50);
            let note = || {
                if !goes_on {
                    office.stop.store(true, Ordering::Relaxed);
                }
            };
            let struck =
                if office.is_closed() { Ok(0) } else { strike(server, victim, draw, &note) };
            if struck.is_ok() && goes_on {
                port.store(server.port(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(100 + draw.below(300)));
            }
            office.stop.store(true, Ordering::Relaxed);
            let join = |thread: ScopedJoinHandle<'_, Teller>| {
                thread.join().expect("a teller tells of trouble, it does not panic")
            };
            (struck, threads.into_iter().map(join).collect())
        });
        self.tellers = back;
        if self.server.is_running() {
            self.port.store(self.server.port(), Ordering::Relaxed);
        }
        struck.map(|_| ())
    }

    /// Every victim is struck as often as any other, in an order of its own for each seed.
    fn victim(&self, round: u32) -> Victim {
        let mut victims = Victim::ALL;
        let turn = round as usize / victims.len();
        let mut draw = Draw::part(self.order.seed, 5_000_000 + turn as u64);
        for i in (1..victims.len()).rev() {
            victims.swap(i, draw.below(i as u64 + 1) as usize);
        }
        victims[round as usize % victims.len()]
    }

    /// Counts the money and reads the ledger, when everybody has gone home. Whoever of a session that
    /// vanished is still at an account is waited for.
    fn count(&mut self) -> Result<Vec<String>, String> {
        let mut session = self.server.connect_patiently();
        let mut wrong = Vec::new();
        let line = "BEGIN; UPDATE ledger SET seq = seq; SELECT teller, seq FROM ledger; \
                    SELECT id, balance FROM account; COMMIT";
        let reply = session.ask(line).map_err(|e| format!("counting: {e}"))?;
        let [ledger, accounts] = reply.sets.as_slice() else {
            return Err(format!("counting: {:?}", reply.lines));
        };
        let pairs = |rows: Vec<Vec<Option<String>>>| {
            let number = |value: &Option<String>| value.as_ref()?.parse::<i64>().ok();
            let pair = |row: &Vec<Option<String>>| Some((number(&row[0])?, number(&row[1])?));
            rows.iter().map(pair).collect::<Option<Vec<_>>>()
        };
        let ledger = pairs(ledger.rows()).ok_or("a value of the ledger is no number")?;
        let accounts = pairs(accounts.rows()).ok_or("a balance is no number")?;
        let ids: BTreeSet<i64> = accounts.iter().map(|(id, _)| *id).collect();
        let sum: i64 = accounts.iter().map(|(_, balance)| balance).sum();
        if sum != TOTAL || ids.len() != accounts.len() || ids.len() as i64 != ACCOUNTS {
            wrong.push(format!(
                "a sum of {sum} in {} accounts of {} numbers",
                accounts.len(),
                ids.len()
            ));
        }
        let accounts: BTreeSet<(i64, i64)> = accounts.into_iter().collect();
        let disagreements = disagreements(&mut session, &accounts);
        wrong.extend(disagreements.map_err(|e| format!("comparing: {e}"))?);
        for teller in &mut self.tellers {
            let lines: Vec<i64> = ledger
                .iter()
                .filter(|(number, _)| *number == teller.number as i64)
                .map(|(_, seq)| *seq)
                .collect();
            match lines.as_slice() {
                [seq] if (teller.answered..=teller.sent).contains(seq) => {
                    (teller.answered, teller.sent) = (*seq, *seq);
                }
                _ => wrong.push(format!("the ledger says {lines:?} of {teller:?}")),
            }
        }
        Ok(wrong)
    }

    fn count_all(&self, summary: &mut Summary) {
        summary.transfers = self.tellers.iter().map(|teller| teller.done).sum();
        summary.rolled_back = self.tellers.iter().map(|teller| teller.rolled_back).sum();
        let Audits { statements, snapshots } = &self.audits;
        summary.audits = [statements, snapshots].map(|count| count.load(Ordering::Relaxed));
        summary.chores = self.chores.done();
    }
}

/// Sends everybody to work; the tellers come back with what they know.
fn open_office<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    office: &'scope Office,
    tellers: &[Teller],
    (audits, chores): (&'scope Audits, &'scope Chores),
    seed: u64,
) -> Vec<ScopedJoinHandle<'scope, Teller>> {
    for number in 0..AUDITORS {
        let draw = Draw::part(seed, 100 + number as u64);
        scope.spawn(move || auditor::work(office, number, audits, draw));
    }
    scope.spawn(move || chores.work(office, Draw::part(seed, 200)));
    let teller = |teller: &Teller| {
        let (teller, draw) = (*teller, Draw::part(seed, teller.number as u64));
        scope.spawn(move || teller.work(office, draw))
    };
    tellers.iter().map(teller).collect()
}

/// Few buffers or many, checkpoints all the time or none.
fn configure(setup: &mut Setup, seed: u64, round: u32) {
    let mut draw = Draw::part(seed, 77 + u64::from(round));
    setup.change("shared_buffers", if draw.percent(50) { "128kB" } else { "64MB" });
    setup.change("checkpoint_timeout", if draw.percent(50) { "1s" } else { "1h" });
}

fn create_tables(session: &mut Client, tellers: usize) {
    const COLUMNS: &str = "owner int NOT NULL, balance bigint NOT NULL, note text NOT NULL";
    let keyed = session.ask(&format!("CREATE TABLE account (id int PRIMARY KEY, {COLUMNS})"));
    match keyed.expect("the server answers").error {
        None => {}
        Some(error) if error.sqlstate == "0A000" => {
            session.ok(&format!("CREATE TABLE account (id int NOT NULL, {COLUMNS})"));
        }
        Some(error) => panic!("{error}"),
    }
    // Notes that are long enough for the accounts to lie on several pages.
    session.ok(&format!(
        "INSERT INTO account SELECT id, id % 7, {OPENING_BALANCE}, repeat('x', 20 + id * 17 % 500) \
         FROM generate_series(0, {}) AS id",
        ACCOUNTS - 1
    ));
    session.ok("CREATE TABLE ledger (teller int NOT NULL, seq bigint NOT NULL)");
    for teller in 0..tellers {
        session.ok(&format!("INSERT INTO ledger VALUES ({teller}, 0)"));
    }
}
