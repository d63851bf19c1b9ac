//! What one client did: its attempts, how each ended, and the state that any of them leaves.
//!
//! Attempts form a tree. Its root is the state that the oracle last found to be there; an attempt's
//! parent is the attempt on whose state it was planned. Without crashes the tree is a line. After a
//! crash an attempt in doubt, and one that came later on the same parent, are siblings, of which at
//! most one can have happened.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::crash::planner::Planner;
use crate::crash::step::{Step, Table, Tables};

/// How an attempt at a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Its commit was answered at that time (or it was found to be there by then).
    Acknowledged {
        /// Nanoseconds of the monotonic clock.
        at_ns: u64,
    },
    /// It was rolled back, or never asked to commit, or was found to be absent.
    RolledBack,
    /// It asked to commit and the connection died.
    InDoubt,
    /// It was acknowledged, and was gone after a crash (asynchronous commits only).
    Lost {
        /// When it had been acknowledged.
        at_ns: u64,
    },
}

/// One attempt at a transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, higher than that of any earlier attempt of this client.
    pub seq: i64,
    /// The number of the attempt on whose state it was planned.
    pub parent: i64,
    /// What it did, in order.
    pub steps: Vec<Step>,
    /// The highest number of each client that it had seen when it wrote its row of `log`.
    pub seen: Vec<i64>,
    /// When the first byte was sent that could make it commit.
    pub sent_ns: u64,
    /// How it ended.
    pub outcome: Outcome,
}

impl Attempt {
    /// Its row of `log`.
    pub fn log_row(&self) -> LogRow {
        let moves = self.steps.iter().flat_map(Step::moves);
        LogRow { seen: self.seen.clone(), moves: moves.collect() }
    }
}

/// A row of `log`, without its key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogRow {
    /// The highest number of each client that the transaction had seen.
    pub seen: Vec<i64>,
    /// From, to, amount.
    pub moves: Vec<(i64, i64, i64)>,
}

impl LogRow {
    /// The column `seen`: `0,4,17`.
    pub fn seen_text(&self) -> String {
        let texts: Vec<String> = self.seen.iter().map(i64::to_string).collect();
        texts.join(",")
    }

    /// The column `moves`: `3>5:20 5>3:1`.
    pub fn moves_text(&self) -> String {
        let text = |(from, to, amount): &(i64, i64, i64)| format!("{from}>{to}:{amount}");
        let texts: Vec<String> = self.moves.iter().map(text).collect();
        texts.join(" ")
    }
}

/// Another client's number, as one has read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Read {
    /// The number.
    pub seq: i64,
    /// When it was there to be read.
    pub at_ns: u64,
}

/// Everything that one client did since the oracle last looked, and the state that it looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    /// Which client.
    pub client: usize,
    /// Whether it commits with `synchronous_commit = on`.
    pub synchronous: bool,
    /// The number that the oracle found in `progress`.
    pub base_seq: i64,
    /// The tables that it found.
    pub base_tables: Tables,
    /// The rows of `log` that it found, by number.
    pub base_log: BTreeMap<i64, LogRow>,
    /// Rows of `log` up to this number have been cleared away.
    pub log_floor: i64,
    /// The attempts since, in order.
    pub attempts: Vec<Attempt>,
    /// The number of the attempt that the client believes to be the last one there.
    pub head: i64,
    /// The tables as the client believes them to be.
    pub tables: Tables,
    /// Of each client, the numbers that this one has read as committed, each higher than the one
    /// before, and when it had read them.
    pub read: Vec<Vec<Read>>,
    /// The number that the next attempt gets.
    pub next_seq: i64,
    /// Plans the client's steps.
    pub planner: Planner,
}

impl History {
    /// The history of a client that has done nothing yet, of a number of clients.
    pub fn new(client: usize, clients: usize, synchronous: bool) -> History {
        let tables: Tables =
            ["a", "t"].iter().map(|t| (format!("c{client}_{t}"), Table::new())).collect();
        History {
            client,
            synchronous,
            base_seq: 0,
            base_tables: tables.clone(),
            base_log: BTreeMap::new(),
            log_floor: 0,
            attempts: Vec::new(),
            head: 0,
            tables,
            read: vec![Vec::new(); clients],
            next_seq: 1,
            planner: Planner::new(client),
        }
    }

    /// Takes note that `seq` of another client was read as committed.
    pub fn saw(&mut self, client: usize, seq: i64, at_ns: u64) {
        let reads = &mut self.read[client];
        if reads.last().is_none_or(|last| last.seq < seq) {
            reads.push(Read { seq, at_ns });
        }
    }

    /// The highest number of a client that was read as committed before that moment.
    pub fn read_before(&self, client: usize, horizon_ns: u64) -> Option<i64> {
        let reads = self.read.get(client)?;
        reads.iter().rev().find(|read| read.at_ns < horizon_ns).map(|read| read.seq)
    }

    /// The attempt of that number.
    pub fn attempt(&self, seq: i64) -> Option<&Attempt> {
        let at = self.attempts.binary_search_by_key(&seq, |a| a.seq).ok()?;
        self.attempts.get(at)
    }

    /// The attempts from the base to `seq`, oldest first; `None` if there is no such attempt.
    pub fn chain(&self, seq: i64) -> Option<Vec<&Attempt>> {
        let mut chain = Vec::new();
        let mut at = seq;
        while at != self.base_seq {
            let attempt = self.attempt(at)?;
            chain.push(attempt);
            at = attempt.parent;
        }
        chain.reverse();
        Some(chain)
    }

    /// The tables after the attempts of a chain.
    pub fn tables_after(&self, chain: &[&Attempt]) -> Tables {
        let mut tables = self.base_tables.clone();
        for attempt in chain {
            for step in &attempt.steps {
                step.apply(&mut tables, attempt.seq);
            }
        }
        tables
    }

    /// Takes note of an attempt that has ended; `after` is what the tables are if it is there.
    pub fn record(&mut self, attempt: Attempt, after: Tables) {
        if matches!(attempt.outcome, Outcome::Acknowledged { .. }) {
            self.head = attempt.seq;
            self.tables = after;
        }
        self.attempts.push(attempt);
    }

    /// Takes note that the server says, after a lost connection, that `seq` is the last attempt
    /// that is there. Settles what was in doubt, and what is lost.
    ///
    /// # Errors
    /// What that breaks: `may_be_lost` tells of the time of an acknowledgement whether a crash came
    /// soon enough after it.
    pub fn found(
        &mut self,
        seq: i64,
        now_ns: u64,
        may_be_lost: impl Fn(u64) -> bool,
    ) -> Result<(), String> {
        let client = self.client;
        let chain = self.chain(seq).ok_or(format!("client {client}: nobody sent number {seq}"))?;
        let there: Vec<i64> = chain.iter().map(|a| a.seq).collect();
        let tables = self.tables_after(&chain);
        for attempt in &mut self.attempts {
            let present = there.binary_search(&attempt.seq).is_ok();
            let seq = attempt.seq;
            attempt.outcome = match (attempt.outcome, present) {
                (Outcome::InDoubt, true) => Outcome::Acknowledged { at_ns: now_ns },
                (Outcome::InDoubt, false) => Outcome::RolledBack,
                (Outcome::Acknowledged { at_ns }, false) => {
                    if self.synchronous || !may_be_lost(at_ns) {
                        return Err(format!("client {client}: acknowledged {seq} is gone"));
                    }
                    Outcome::Lost { at_ns }
                }
                (outcome @ (Outcome::RolledBack | Outcome::Lost { .. }), true) => {
                    return Err(format!("client {client}: {seq} is there, and was {outcome:?}"));
                }
                (outcome, _) => outcome,
            };
        }
        self.head = seq;
        self.tables = tables;
        Ok(())
    }

    /// Makes what the oracle found the new base, and forgets how it came to be.
    pub fn settle(&mut self) {
        let chain = self.chain(self.head).expect("the head was found to be an attempt's");
        let rows: Vec<(i64, LogRow)> = chain.iter().map(|a| (a.seq, a.log_row())).collect();
        self.base_log.extend(rows);
        self.base_seq = self.head;
        self.base_tables = self.tables.clone();
        self.attempts.clear();
        self.read.iter_mut().for_each(Vec::clear);
    }

    /// Takes note that `log` has been emptied, right after [`History::settle`].
    pub fn log_was_emptied(&mut self) {
        self.base_log.clear();
        self.log_floor = self.base_seq;
    }
}

#[cfg(test)]
mod tests;
