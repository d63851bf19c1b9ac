//! Rounds of load, SIGKILL and judgement, on one data directory that grows older from round to
//! round.
//!
//! Everything that is drawn comes from the seed: the configurations, the victims, the moments and
//! the load. Only the interleaving of the processes is the kernel's, so that a seed that has found
//! something finds it again with luck, not with certainty.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::client::Client;
use crate::clock::{now_ns, ns};
use crate::crash::found;
use crate::crash::history::History;
use crate::crash::load::{Circumstances, Load};
use crate::crash::oracle::{self, Judgement};
use crate::crash::order::{Commits, Order, Summary};
use crate::crash::step::{ACCOUNTS, OPENING_BALANCE};
use crate::crash::victim::{Victim, strike};
use crate::draw::Draw;
use crate::scratch::Scratch;
use crate::server::{Server, Stop, try_connect};
use crate::setup::Setup;

/// `wal_writer_delay` of the servers.
const WAL_WRITER_DELAY: Duration = Duration::from_millis(200);
/// An asynchronous commit is flushed within this many of them.
const DELAYS_MAX: u32 = 3;
/// After so many rows `log` is emptied.
const LOG_ROWS_MAX: usize = 15_000;
/// So many rounds are run with one configuration before the next is drawn.
const ROUNDS_A_CONFIGURATION: u32 = 3;

/// How the server is configured for some rounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Configuration {
    /// 16 pages of shared buffers, or plenty.
    small_buffers: bool,
    /// A checkpoint every second and on command, or none but the necessary.
    many_checkpoints: bool,
}

impl Configuration {
    /// The four of them in turn, beginning anywhere.
    fn draw(seed: u64, round: u32) -> Configuration {
        let turn = u64::from(round / ROUNDS_A_CONFIGURATION) + Draw::part(seed, 77).below(4);
        Configuration { small_buffers: turn & 1 != 0, many_checkpoints: turn & 2 != 0 }
    }

    fn put_into(self, setup: &mut Setup) {
        setup.change("shared_buffers", if self.small_buffers { "128kB" } else { "64MB" });
        let timeout = if self.many_checkpoints { "1s" } else { "1h" };
        setup.change("checkpoint_timeout", timeout);
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

/// Runs all rounds.
///
/// # Errors
/// The first round that shows a fault ends the run.
pub fn run(order: &Order) -> Result<Summary, Box<Failure>> {
    let mut arena = Arena::new(order);
    let mut summary = Summary::default();
    for round in 0..order.rounds {
        let outcome = arena.round(round, &mut summary);
        if let Err(what) = outcome {
            let what =
                format!("round {round} of `{order}`: {what}\n{}", arena.server.log().tail(25));
            return Err(Box::new(Failure { what, directory: arena.server.keep_directory() }));
        }
        summary.rounds += 1;
    }
    arena.server.stop(Stop::Fast);
    Ok(summary)
}

/// The server, and what is known of it between rounds.
struct Arena {
    order: Order,
    server: Server,
    /// Where the server listens now.
    port: Arc<AtomicU16>,
    histories: Vec<History>,
    /// What `account` holds.
    accounts: BTreeMap<i64, i64>,
    configuration: Configuration,
}

impl Arena {
    fn new(order: &Order) -> Arena {
        let configuration = Configuration::draw(order.seed, 0);
        let mut setup = Setup::new().allow_crashes();
        setup.change("deadlock_timeout", "50ms");
        setup.change("wal_writer_delay", &format!("{}ms", WAL_WRITER_DELAY.as_millis()));
        configuration.put_into(&mut setup);
        let scratch = Scratch::new();
        let data = scratch.join("d");
        let server = setup.start_in(scratch, data);
        oracle::create_tables(&mut server.connect(), order.clients);
        let history = |c| History::new(c, order.clients, order.commits.is_synchronous(c));
        Arena {
            order: order.clone(),
            port: Arc::new(AtomicU16::new(server.port())),
            server,
            histories: (0..order.clients).map(history).collect(),
            accounts: (0..ACCOUNTS).map(|id| (id, OPENING_BALANCE)).collect(),
            configuration,
        }
    }

    fn round(&mut self, round: u32, summary: &mut Summary) -> Result<(), String> {
        let mut draw = Draw::part(self.order.seed, 1000 + u64::from(round));
        self.configure(round)?;
        let victim = self.victim(round);
        let circumstances = self.circumstances();
        let rows_only = self.order.commits != Commits::Synchronous && draw.percent(60);
        self.histories.iter_mut().for_each(|history| history.planner.set_rows_only(rows_only));
        let load_seed = draw.next();
        let load = Load::start(std::mem::take(&mut self.histories), &circumstances, load_seed);
        std::thread::sleep(self.working_time(&mut draw));
        let goes_on = draw.percent(50);
        // In half of the rounds what is judged is what recovery left, in the other half what came of
        // working on.
        let note = || {
            if !goes_on {
                load.ask_to_stop();
            }
            let mut cuts = circumstances.cuts_ns.lock().expect("no client panics with it");
            cuts.push(now_ns());
        };
        let struck = match load.has_stopped() {
            true => Err("a client has stopped".to_owned()),
            false => strike(&mut self.server, victim, &mut draw, &note),
        };
        *summary.struck.entry(victim).or_default() += 1;
        if struck.is_ok() && goes_on {
            self.port.store(self.server.port(), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(100 + draw.below(300)));
        }
        let done = load.stop();
        summary.tally.add(&done.tally);
        self.histories = done.histories;
        let told = format!("{victim:?} killed, {:?}", self.configuration);
        let mut wrong = done.violations;
        match struck {
            Ok(interrupted) => summary.interrupted += interrupted,
            Err(why) => wrong.push(why),
        }
        if wrong.is_empty() {
            let cuts = circumstances.cuts_ns.lock().expect("nobody else has it now").clone();
            wrong = self.judge(cuts)?;
        }
        if self.order.verbose {
            eprintln!("round {round}: {told}; so far {}", summary.tally.acknowledged);
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{told}\n  {}", wrong.join("\n  "))) }
    }

    /// How long the clients work before the kill. Where commits may be lost, mostly longer than they
    /// may be lost for: else a log that nobody flushes at all would pass.
    fn working_time(&self, draw: &mut Draw) -> Duration {
        let least = if self.order.commits == Commits::Asynchronous { 300 } else { 30 };
        Duration::from_millis(least + draw.below(700))
    }

    /// Every victim is struck as often as any other, in an order of its own for each seed.
    fn victim(&self, round: u32) -> Victim {
        let victims = &self.order.victims;
        let mut order: Vec<usize> = (0..victims.len()).collect();
        let turn = round as usize / victims.len();
        let mut draw = Draw::part(self.order.seed, 5_000_000 + turn as u64);
        for i in (1..order.len()).rev() {
            order.swap(i, draw.below(i as u64 + 1) as usize);
        }
        victims[order[round as usize % victims.len()]]
    }

    /// Restarts the server when it is time for another configuration.
    fn configure(&mut self, round: u32) -> Result<(), String> {
        let wanted = Configuration::draw(self.order.seed, round);
        if wanted != self.configuration {
            wanted.put_into(self.server.setup_mut());
            self.configuration = wanted;
            self.server.stop(Stop::Fast);
            self.server.try_start()?;
        }
        self.port.store(self.server.port(), Ordering::Relaxed);
        Ok(())
    }

    fn circumstances(&self) -> Circumstances {
        let port = Arc::clone(&self.port);
        Circumstances {
            connect: Arc::new(move || try_connect(port.load(Ordering::Relaxed))),
            cuts_ns: Arc::new(Mutex::new(Vec::new())),
            window_ns: window_ns(),
            checkpoints: self.configuration.many_checkpoints,
            tolerated: vec!["40P01".to_owned()],
        }
    }

    /// Judges what is there now, and makes it the base of the next round.
    fn judge(&mut self, cuts_ns: Vec<u64>) -> Result<Vec<String>, String> {
        let mut session = self.server.connect_patiently();
        let judgement = Judgement { cuts_ns, window_ns: window_ns(), horizon_ns: u64::MAX };
        let found = found::read(&mut session).map_err(|e| format!("reading: {e}"))?;
        let mut wrong = oracle::judge(&self.histories, &self.accounts, &found, &judgement);
        let strays = found::stray_files(&mut session, self.server.data());
        wrong.extend(strays.map_err(|e| format!("reading pg_class: {e}"))?);
        let broken = found::broken_relations(&mut session);
        wrong.extend(broken.map_err(|e| format!("checking relations: {e}"))?);
        if wrong.is_empty() {
            make_durable(&mut session)?;
            oracle::settle(&mut self.histories, &found, &judgement)?;
            self.accounts.clone_from(&found.accounts);
            self.clear_log(&mut session, found.log.len())?;
        }
        Ok(wrong)
    }

    fn clear_log(&mut self, session: &mut Client, rows: usize) -> Result<(), String> {
        if rows <= LOG_ROWS_MAX {
            return Ok(());
        }
        let failed = |e: io::Error| format!("emptying log: {e}");
        let reply = session.ask("TRUNCATE log").map_err(failed)?;
        if reply.tags != ["TRUNCATE TABLE"] {
            return Err(format!("emptying log: {:?}", reply.lines));
        }
        self.histories.iter_mut().for_each(History::log_was_emptied);
        Ok(())
    }
}

/// Makes what was found durable, whoever committed it: the next round takes it for granted. A
/// synchronous commit flushes all that was committed before it.
fn make_durable(session: &mut Client) -> Result<(), String> {
    let line = "SET synchronous_commit = on; UPDATE account SET balance = balance";
    let reply = session.ask(line).map_err(|e| format!("making durable: {e}"))?;
    if reply.is_ok() { Ok(()) } else { Err(format!("making durable: {:?}", reply.lines)) }
}

fn window_ns() -> u64 {
    ns(WAL_WRITER_DELAY * DELAYS_MAX)
}
