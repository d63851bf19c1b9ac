//! A client: a thread that runs drawn transactions and writes down what it was answered.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use super::history::{Key, Level, Outcome, Statement, Transaction, Value, Work};
use crate::client::Client;
use crate::clock::now_ns;
use crate::draw::Draw;
use crate::reply::Reply;
use crate::talk::{Connect, Trouble, ask, connect};

const KEY_SHARE: &str = " FOR KEY SHARE";
/// How a read may lock what it reads.
const LOCKS: [&str; 4] = [" FOR UPDATE", " FOR NO KEY UPDATE", " FOR SHARE", KEY_SHARE];

/// What the clients of a round share.
pub(super) struct Round {
    pub connect: Connect,
    /// The lists of the round.
    pub keys: Vec<Key>,
    /// The next value to append: each is given once.
    pub next_value: AtomicI64,
    pub stop: AtomicBool,
}

/// What a client comes back with.
#[derive(Default)]
pub(super) struct Done {
    pub transactions: Vec<Transaction>,
    /// What the server did that no list can show.
    pub violations: Vec<String>,
}

/// Works until told to stop.
pub(super) fn work(round: &Round, client: usize, mut draw: Draw) -> Done {
    let mut done = Done::default();
    while !round.stop.load(Ordering::Relaxed) && done.violations.is_empty() {
        let mut session = match connect(&round.connect, &round.stop) {
            Ok(Some(session)) => session,
            Ok(None) => break,
            Err(why) => {
                done.violations.push(format!("client {client}: {why}"));
                break;
            }
        };
        // By an index, where there is one: the tables are too small for the planner to take it.
        if draw.percent(50) && session.ask("SET enable_seqscan = off").is_err() {
            continue;
        }
        while !round.stop.load(Ordering::Relaxed) {
            let mut run = Run { round, session: &mut session, draw: &mut draw };
            let (transaction, ended) = run.transaction(client);
            done.transactions.push(transaction);
            match ended {
                Ok(()) => {}
                Err(Trouble::Wrong(why)) => {
                    done.violations.push(format!("client {client}: {why}"));
                    return done;
                }
                Err(Trouble::Disconnected | Trouble::Refused) => break,
            }
        }
    }
    done
}

/// A transaction being run.
struct Run<'a> {
    round: &'a Round,
    session: &'a mut Client,
    draw: &'a mut Draw,
}

impl Run<'_> {
    /// Runs a transaction that is drawn on the way.
    fn transaction(&mut self, client: usize) -> (Transaction, Result<(), Trouble>) {
        let repeatable = self.draw.percent(55);
        let level = if repeatable { Level::RepeatableRead } else { Level::ReadCommitted };
        let statements = Vec::new();
        let mut transaction =
            Transaction { client, level, statements, outcome: Outcome::RolledBack };
        let ended = if self.draw.percent(10) {
            self.alone(&mut transaction)
        } else {
            self.block(&mut transaction)
        };
        let ended = match ended {
            Err(Trouble::Refused) => self.roll_back(),
            other => other,
        };
        (transaction, ended)
    }

    /// A statement that is a transaction of its own, at the level that the session has by default.
    fn alone(&mut self, transaction: &mut Transaction) -> Result<(), Trouble> {
        transaction.level = Level::ReadCommitted;
        let appends = self.draw.percent(50);
        let sent_ns = now_ns();
        if appends {
            // If the answer does not come, it may have committed: what it would have appended is
            // known before.
            transaction.outcome = Outcome::Unknown;
            let pairs = self.pairs();
            let work = Work::Append(pairs.clone());
            transaction.statements.push(Statement { sent_ns, work });
            let ended = self.append(&pairs);
            transaction.outcome = match ended {
                Ok(()) => Outcome::Committed { at_ns: now_ns() },
                Err(Trouble::Refused) => Outcome::RolledBack,
                Err(_) => Outcome::Unknown,
            };
            // A single statement leaves no transaction behind that would have to be rolled back.
            return match ended {
                Err(Trouble::Refused) => Ok(()),
                other => other,
            };
        }
        let work = match self.read(transaction.level) {
            Err(Trouble::Refused) => return Ok(()),
            other => other?,
        };
        transaction.statements.push(Statement { sent_ns, work });
        transaction.outcome = Outcome::Committed { at_ns: now_ns() };
        Ok(())
    }

    fn block(&mut self, transaction: &mut Transaction) -> Result<(), Trouble> {
        let begin = format!("BEGIN ISOLATION LEVEL {}", transaction.level.name());
        self.ask(&begin, "BEGIN")?;
        let mut saved = false;
        for _ in 0..1 + self.draw.below(6) {
            let kind = self.draw.below(100);
            let sent_ns = now_ns();
            let work = match kind {
                0..4 => {
                    self.ask("SAVEPOINT s", "SAVEPOINT")?;
                    saved = true;
                    Work::Savepoint
                }
                4..8 if saved => {
                    self.ask("ROLLBACK TO s", "ROLLBACK")?;
                    Work::RollBackTo
                }
                4..45 => {
                    let pairs = self.pairs();
                    // Written down before it is sent: where the connection ends, the transaction is
                    // rolled back, and none of it may be seen.
                    let work = Work::Append(pairs.clone());
                    transaction.statements.push(Statement { sent_ns, work });
                    self.append(&pairs)?;
                    continue;
                }
                _ => self.read(transaction.level)?,
            };
            transaction.statements.push(Statement { sent_ns, work });
            if self.draw.percent(15) {
                std::thread::sleep(Duration::from_micros(self.draw.below(3000)));
            }
        }
        match self.draw.below(100) {
            0..8 => self.ask("ROLLBACK", "ROLLBACK"),
            8..11 => Err(Trouble::Disconnected),
            _ => {
                transaction.outcome = Outcome::Unknown;
                match self.ask("COMMIT", "COMMIT") {
                    Ok(()) => transaction.outcome = Outcome::Committed { at_ns: now_ns() },
                    Err(Trouble::Refused) => transaction.outcome = Outcome::RolledBack,
                    Err(other) => return Err(other),
                }
                Ok(())
            }
        }
    }

    fn roll_back(&mut self) -> Result<(), Trouble> {
        self.ask("ROLLBACK", "ROLLBACK")
    }

    /// One or two of the lists, each once.
    fn keys(&mut self, most: u64) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        for _ in 0..1 + self.draw.below(most) {
            let key = *self.draw.pick(&self.round.keys);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// What to append. One statement appends the same value to each of its lists but for the sign
    /// and the list's number, so that all values differ.
    fn pairs(&mut self) -> Vec<(Key, Value)> {
        let most = if self.draw.percent(20) { 2 } else { 1 };
        let keys = self.keys(most);
        let value = |key| (key, self.round.next_value.fetch_add(1, Ordering::Relaxed));
        keys.into_iter().map(value).collect()
    }

    /// Appends by one statement: one that changes no indexed column, one that does, or one that would
    /// insert the list if it were not there.
    fn append(&mut self, pairs: &[(Key, Value)]) -> Result<(), Trouble> {
        let count = pairs.len();
        if self.draw.percent(25) {
            let rows: Vec<String> =
                pairs.iter().map(|(key, value)| format!("({key}, '{value} ', 0)")).collect();
            let line = format!(
                "INSERT INTO list VALUES {} ON CONFLICT (k) DO UPDATE SET v = list.v || excluded.v",
                rows.join(", ")
            );
            return self.ask(&line, &format!("INSERT 0 {count}"));
        }
        let indexed = if self.draw.percent(30) { ", n = n + 1" } else { "" };
        let line = match pairs {
            [(key, value)] => {
                format!("UPDATE list SET v = v || '{value} '{indexed} WHERE k = {key}")
            }
            [(one, first), (other, second)] => format!(
                "UPDATE list SET v = v || CASE WHEN k = {one} THEN '{first} ' ELSE '{second} ' \
                 END{indexed} WHERE k = {one} OR k = {other}"
            ),
            _ => unreachable!("one or two lists are drawn"),
        };
        self.ask(&line, &format!("UPDATE {count}"))
    }

    /// Reads up to three lists by one statement, which may lock them. Under read committed one that
    /// locks reads one list: each row is as it is when it is locked, so several are of no one snapshot.
    fn read(&mut self, level: Level) -> Result<Work, Trouble> {
        let lock = self.draw.percent(25).then(|| *self.draw.pick(&LOCKS));
        let several = lock.is_none() || level == Level::RepeatableRead;
        let keys = self.keys(if several { 3 } else { 1 });
        let nowait = lock.is_some() && self.draw.percent(20);
        let wanted: Vec<String> = keys.iter().map(|key| format!("k = {key}")).collect();
        let line = format!(
            "SELECT k, v FROM list WHERE {}{}{}",
            wanted.join(" OR "),
            lock.unwrap_or_default(),
            if nowait { " NOWAIT" } else { "" }
        );
        let reply = match ask(self.session, &line, &format!("SELECT {}", keys.len())) {
            // It would have had to wait.
            Err(Trouble::Wrong(why)) if nowait && why.contains("55P03") => {
                return Err(Trouble::Refused);
            }
            reply => reply?,
        };
        let lists = lists(&reply).map_err(Trouble::Wrong)?;
        // KEY SHARE lets appends in that count nothing up.
        let holds = lock.is_some_and(|lock| lock != KEY_SHARE);
        Ok(if holds { Work::Lock(lists) } else { Work::Read(lists) })
    }

    fn ask(&mut self, line: &str, tag: &str) -> Result<(), Trouble> {
        ask(self.session, line, tag).map(|_| ())
    }
}

/// The lists of a reply.
pub(super) fn lists(reply: &Reply) -> Result<Vec<(Key, Vec<Value>)>, String> {
    let row = |row: Vec<Option<String>>| {
        let [Some(key), Some(list)] = row.as_slice() else { return Err(format!("row {row:?}")) };
        let values: Result<Vec<Value>, _> = list.split_whitespace().map(str::parse).collect();
        match (key.parse(), values) {
            (Ok(key), Ok(values)) => Ok((key, values)),
            _ => Err(format!("row {row:?}")),
        }
    };
    reply.rows().into_iter().map(row).collect()
}
