//! One run: start, script, the end of the fault, a start without it, judgement.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::client::Client;
use crate::clock::{now_ns, ns, wait_for};
use crate::crash::conversation::Trouble;
use crate::crash::found;
use crate::crash::history::History;
use crate::crash::oracle::{self, Judgement};
use crate::faults::case::{Case, Scene, Times};
use crate::faults::counter::Counter;
use crate::faults::performer::Performer;
use crate::faults::script::{self, Act};
use crate::faults::template::{Template, setup};
use crate::scratch::Scratch;
use crate::server::{Server, Stop};

/// How long before a crash was noticed an asynchronous commit may have been answered and be lost.
const WINDOW: Duration = Duration::from_millis(600);
/// How long a server under faults is tried to be reached before it counts as of no use.
const REACH: Duration = Duration::from_secs(15);

/// How the server took it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ending {
    /// There were fewer operations.
    NotReached,
    /// No client saw it, and no process ended.
    Unseen,
    /// Statements failed, or a checkpoint.
    Errors,
    /// A PANIC, and a recovery.
    Panic,
    /// The server ended, and said why.
    Down,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Ending::NotReached => "not reached",
            Ending::Unseen => "unseen",
            Ending::Errors => "errors",
            Ending::Panic => "panic",
            Ending::Down => "down",
        })
    }
}

/// A run in which something was wrong.
#[derive(Debug)]
pub struct Failure {
    /// What.
    pub what: String,
    /// Where the directory is kept.
    pub directory: PathBuf,
}

struct Run<'a> {
    case: &'a Case,
    server: Server,
    counter: Counter,
    history: History,
    /// When connections were found to be gone.
    cuts_ns: Vec<u64>,
    /// How many the log tells of.
    panics: usize,
    errors: u32,
    down: bool,
}

/// Runs the case.
///
/// # Errors
/// What was wrong.
pub fn run(case: &Case, template: &Template) -> Result<(Ending, String), Box<Failure>> {
    let scratch = Scratch::in_memory();
    let counter = Counter::create(&scratch.join("counter"));
    let data = scratch.join("d");
    if case.scene != Scene::Initialisation {
        template.copy(&data);
    }
    let plan = format!("{},counter={}", case.plan(), counter.path().display());
    let server = Server::new(setup().environment("MAMONT_FAULT", plan), scratch, data);
    let history = template.history.clone();
    let mut run = Run {
        case,
        server,
        counter,
        history,
        cuts_ns: Vec::new(),
        panics: 0,
        errors: 0,
        down: false,
    };
    match run.all(template) {
        Ok(ending) => Ok((ending, run.counter.hit())),
        Err(why) => {
            let hit = run.counter.hit();
            let log = run.server.log().tail(60);
            let what = format!("just faults --only {case}\n  hit {hit}\n  {why}\n{log}");
            Err(Box::new(Failure { what, directory: run.server.keep_directory() }))
        }
    }
}

impl Run<'_> {
    fn all(&mut self, template: &Template) -> Result<Ending, String> {
        self.with_faults()?;
        let ending = self.ending()?;
        // The log so far is judged; the server may not crash from here on.
        let log_from = self.server.log().len();
        *self.server.setup_mut() = setup();
        self.server.try_start().map_err(|why| format!("without faults: {why}"))?;
        self.judge(template)?;
        let status = self.server.stop(Stop::Fast);
        let rest = self.server.log().text_from(log_from);
        if !status.success() || rest.contains("PANIC") || rest.contains(" ERROR ") {
            return Err(format!("without faults it ended with {status}"));
        }
        Ok(ending)
    }

    fn with_faults(&mut self) -> Result<(), String> {
        if let Err(why) = self.server.try_start() {
            self.down = true;
            return if why.contains("it ended with") { Ok(()) } else { Err(why) };
        }
        if self.case.scene != Scene::Initialisation {
            self.script(script::during(), false)?;
        }
        if self.case.times == Times::Forever {
            self.counter.end();
        }
        let over = self.case.times == Times::Forever || self.counter.made() > 0;
        if self.case.scene != Scene::Initialisation && !self.down {
            let acts = vec![script::after(0), Act::Checkpoint, script::after(1)];
            self.script(acts, over)?;
        }
        self.stop()
    }

    /// Goes through the acts; on a lost connection, with the next one. `strict`: nothing may fail.
    fn script(&mut self, acts: Vec<Act>, strict: bool) -> Result<(), String> {
        let mut acts = acts.into_iter().peekable();
        while acts.peek().is_some() {
            let Some(mut session) = self.connect()? else { return Ok(()) };
            match self.catch_up(&mut session) {
                Ok(true) => {}
                // One act is given up for it, so that this comes to an end.
                Ok(false) if !strict => {
                    acts.next();
                    continue;
                }
                Ok(false) => return Err("it fails again".to_owned()),
                Err(Trouble::Wrong(why)) => return Err(why),
                Err(Trouble::Disconnected) if strict => return Err("it crashed again".to_owned()),
                Err(Trouble::Disconnected) => {
                    self.crashed()?;
                    acts.next();
                    continue;
                }
            }
            let mut performer = Performer::new(&mut self.history, self.case.codes(), strict);
            let mut trouble = None;
            for act in acts.by_ref() {
                if let Err(found) = performer.act(&mut session, act) {
                    trouble = Some(found);
                    break;
                }
            }
            self.errors += performer.errors;
            match trouble {
                None => {}
                Some(Trouble::Wrong(why)) => return Err(why),
                Some(Trouble::Disconnected) if strict => return Err("it crashed later".to_owned()),
                Some(Trouble::Disconnected) => self.crashed()?,
            }
        }
        Ok(())
    }

    /// A session was lost: what had been answered just before may be lost with it.
    fn crashed(&mut self) -> Result<(), String> {
        self.cuts_ns.push(now_ns());
        self.wait_recovered()
    }

    /// After a PANIC, until the server has noticed it still lets clients in, who would not see what
    /// the log holds. The line of the log stands there before the process dies.
    fn wait_recovered(&mut self) -> Result<(), String> {
        let over = wait_for(REACH, || {
            self.down = self.down || self.server.has_ended().is_some();
            let log = self.server.log().text();
            let ready = log.rfind("ready to accept");
            let recovered = log.rfind("PANIC").is_none_or(|at| ready > Some(at));
            (self.down || recovered).then_some(())
        });
        over.ok_or_else(|| format!("no recovery within {REACH:?}"))
    }

    /// A session; `None` if the server has ended.
    fn connect(&mut self) -> Result<Option<Client>, String> {
        let found = wait_for(REACH, || {
            if self.down || self.server.has_ended().is_some() {
                return Some(None);
            }
            self.server.try_connect().ok().map(Some)
        });
        match found {
            Some(Some(session)) => Ok(Some(session)),
            Some(None) => {
                self.down = true;
                Ok(None)
            }
            None if self.case.times == Times::Forever && self.counter.made() > 0 => {
                // It lets nobody in as long as this lasts.
                self.counter.end();
                Ok(wait_for(REACH, || self.server.try_connect().ok()))
            }
            None => Err(format!("no session within {REACH:?}")),
        }
    }

    /// Which of the attempts is there, the server says; false: it is kept from saying so by the fault.
    fn catch_up(&mut self, session: &mut Client) -> Result<bool, Trouble> {
        let mode = if self.case.scene == Scene::Asynchronous { "off" } else { "on" };
        session.ask(&format!("SET synchronous_commit = {mode}"))?;
        let reply = session.ask("SELECT seq FROM progress WHERE client = 0")?;
        if let Some(problem) = reply.problem() {
            if problem.sqlstate.starts_with("57P") {
                return Err(Trouble::Disconnected);
            }
            if self.case.codes().contains(&problem.sqlstate) {
                self.errors += 1;
                return Ok(false);
            }
            return Err(Trouble::Wrong(format!("progress: {problem}")));
        }
        let number = reply.rows().pop().and_then(|row| row.first().cloned().flatten());
        let seq = number.and_then(|text| text.parse().ok());
        let seq = seq.ok_or_else(|| Trouble::Wrong("progress has no row".to_owned()))?;
        let panics = self.server.log().text().matches("PANIC").count();
        if std::mem::replace(&mut self.panics, panics) < panics {
            // There may have been no session that could see it.
            self.cuts_ns.push(now_ns());
        }
        let recent = |at: u64| self.cuts_ns.iter().any(|cut| at + ns(WINDOW) >= *cut);
        self.history.found(seq, now_ns(), recent).map_err(Trouble::Wrong)?;
        Ok(true)
    }

    /// Shuts the server down. Where the fault has not struck before, it may strike now.
    fn stop(&mut self) -> Result<(), String> {
        if self.down || self.server.has_ended().is_some() {
            self.down = true;
            return Ok(());
        }
        let before = self.counter.made();
        let status = self.server.stop(Stop::Fast);
        if status.success() {
            return Ok(());
        }
        self.down = true;
        // Now, or so shortly before that the server had not recovered when it was asked.
        let log = self.server.log().text();
        let struck = self.counter.made() > before || log.rfind("PANIC") > log.rfind("is ready to");
        if struck { Ok(()) } else { Err(format!("the shutdown ended with {status}")) }
    }

    /// What became of the server under the fault, and whether it should have.
    fn ending(&self) -> Result<Ending, String> {
        let log = self.server.log().text();
        if log.contains("panicked at") {
            return Err("a process panicked".to_owned());
        }
        let panicked = log.contains("PANIC");
        let hit = self.counter.hit();
        if self.counter.made() == 0 {
            let well = self.errors == 0 && !panicked && !self.down;
            return if well { Ok(Ending::NotReached) } else { Err("without a fault".to_owned()) };
        }
        let ending = match () {
            () if self.down => Ending::Down,
            () if panicked => Ending::Panic,
            () if self.errors > 0 => Ending::Errors,
            () => Ending::Unseen,
        };
        if self.down && !log.contains(" ERROR ") {
            return Err("it ended without a word".to_owned());
        }
        if self.must_panic(&hit) && !panicked && !self.down {
            return Err(format!("no PANIC, it was {ending}"));
        }
        if panicked && !self.may_panic(&hit) {
            return Err("a PANIC that nothing called for".to_owned());
        }
        let room = matches!(self.case.op.as_str(), "space" | "extend");
        let running = self.case.scene != Scene::Initialisation;
        if room && running && matches!(ending, Ending::Panic | Ending::Down) {
            return Err(format!("want of room must be lived with, it was {ending}"));
        }
        if self.case.fault == "short" && ending != Ending::Unseen {
            return Err(format!("a short write must be gone on from, it was {ending}"));
        }
        Ok(ending)
    }

    /// A failed sync, but of a file that nobody uses yet; a failed write of the log.
    fn must_panic(&self, hit: &str) -> bool {
        let temporary = hit.contains("xlogtemp") || hit.contains(".tmp");
        let bare = self.case.fault == "short";
        let sync = matches!(self.case.op.as_str(), "sync" | "syncdir") && !temporary;
        sync || self.case.op == "write" && self.case.class == "wal" && !bare
    }

    /// What must, and what comes to the same: a file that cannot be opened for it, and, if the
    /// fault does not end, whatever recovery then meets.
    fn may_panic(&self, hit: &str) -> bool {
        let opens = self.case.op == "open";
        self.must_panic(hit) || opens || self.case.times == Times::Forever
    }

    fn judge(&mut self, template: &Template) -> Result<(), String> {
        let mut session = self.server.connect();
        if self.case.scene == Scene::Initialisation {
            session.ok("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
            return Ok(());
        }
        let found = found::read(&mut session).map_err(|e| format!("reading: {e}"))?;
        if self.counter.made() > 0 {
            // The end of a server that ended by itself is not noted otherwise.
            self.cuts_ns.push(now_ns());
        }
        let judgement = Judgement {
            cuts_ns: self.cuts_ns.clone(),
            window_ns: if self.down { u64::MAX } else { ns(WINDOW) },
            horizon_ns: u64::MAX,
        };
        let histories = std::slice::from_ref(&self.history);
        let mut wrong = oracle::judge(histories, &template.accounts, &found, &judgement);
        let strays = found::stray_files(&mut session, self.server.data());
        wrong.extend(strays.map_err(|e| format!("reading pg_class: {e}"))?);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n  ")) }
    }
}
