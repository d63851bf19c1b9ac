//! Judges what is found in a server after a crash against what the clients know.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::clock::now_ns;
use crate::crash::found::{Found, compare_tables};
use crate::crash::history::{Attempt, History, LogRow, Outcome};
use crate::crash::step::{ACCOUNTS, OPENING_BALANCE, create_table};

/// Makes the tables that the load needs, for that many clients.
#[track_caller]
pub fn create_tables(session: &mut Client, clients: usize) {
    session.ok("CREATE TABLE progress (client int PRIMARY KEY, seq bigint NOT NULL)");
    session.ok("CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL)");
    session
        .ok("CREATE TABLE log (client int NOT NULL, seq bigint NOT NULL, seen text, moves text)");
    session.ok("CREATE INDEX ON account (balance)");
    session.ok("CREATE INDEX ON log (client, seq)");
    for id in 0..ACCOUNTS {
        session.ok(&format!("INSERT INTO account VALUES ({id}, {OPENING_BALANCE})"));
    }
    for client in 0..clients {
        session.ok(&format!("INSERT INTO progress VALUES ({client}, 0)"));
        session.ok(&create_table(&format!("c{client}_a")));
        session.ok(&create_table(&format!("c{client}_t")));
    }
}

/// What a judgement goes by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judgement {
    /// The times of the crashes since the histories' base.
    pub cuts_ns: Vec<u64>,
    /// How long before a crash an asynchronous commit may be answered and lost.
    pub window_ns: u64,
    /// What was answered from this moment on is not promised: the state is of an earlier time.
    /// `u64::MAX` for a server that was killed.
    pub horizon_ns: u64,
}

impl Judgement {
    /// Whether an attempt with this outcome must be there.
    fn must_be_there(&self, history: &History, attempt: &Attempt) -> bool {
        let Outcome::Acknowledged { at_ns } = attempt.outcome else { return false };
        if at_ns >= self.horizon_ns {
            return false;
        }
        history.synchronous || !self.is_recent(at_ns)
    }

    /// Whether a crash came so soon that an asynchronous commit answered then may be lost.
    fn is_recent(&self, at_ns: u64) -> bool {
        self.cuts_ns.iter().any(|cut| at_ns >= cut.saturating_sub(self.window_ns))
    }

    /// Whether an attempt with this outcome may be there.
    fn may_be_there(&self, attempt: &Attempt) -> bool {
        let possible = matches!(attempt.outcome, Outcome::Acknowledged { .. } | Outcome::InDoubt);
        possible && attempt.sent_ns < self.horizon_ns
    }
}

/// Everything that is wrong with what was found. `opening` is what `account` held at the
/// histories' base.
pub fn judge(
    histories: &[History],
    opening: &BTreeMap<i64, i64>,
    found: &Found,
    judgement: &Judgement,
) -> Vec<String> {
    let mut wrong = found.oddities.clone();
    let mut expected_log: BTreeMap<(usize, i64), LogRow> = BTreeMap::new();
    let mut expected_tables: BTreeSet<&str> = BTreeSet::new();
    let mut chains = Vec::new();
    for history in histories {
        match judge_client(history, found, judgement, &mut wrong) {
            Some(chain) => chains.push((history, chain)),
            None => return wrong,
        }
    }
    let mut accounts = opening.clone();
    for (history, chain) in &chains {
        let client = history.client;
        expected_log
            .extend(history.base_log.iter().map(|(seq, row)| ((client, *seq), row.clone())));
        for attempt in chain {
            let row = attempt.log_row();
            for (from, to, amount) in &row.moves {
                *accounts.entry(*from).or_default() -= amount;
                *accounts.entry(*to).or_default() += amount;
            }
            expected_log.insert((client, attempt.seq), row);
        }
        let tables = history.tables_after(chain);
        for (name, expected) in &tables {
            match found.tables.get_key_value(name) {
                None => wrong.push(format!("table {name} is gone")),
                Some((name, table)) => {
                    expected_tables.insert(name);
                    let differ = compare_tables(expected, table);
                    wrong.extend(differ.map(|how| format!("{name}: {how}")));
                }
            }
        }
    }
    for name in found.tables.keys().filter(|name| !expected_tables.contains(name.as_str())) {
        wrong.push(format!("table {name} should not be there"));
    }
    judge_log(histories, &expected_log, found, &mut wrong);
    judge_reads(&chains, judgement, &mut wrong);
    if accounts != found.accounts {
        wrong.push(format!("account: expected {accounts:?}, found {:?}", found.accounts));
    }
    wrong
}

/// Makes what was found, and judged right, the base of what comes next.
///
/// # Errors
/// It was not right.
pub fn settle(
    histories: &mut [History],
    found: &Found,
    judgement: &Judgement,
) -> Result<(), String> {
    for history in histories {
        let seq = found.progress.get(&history.client).copied();
        let seq = seq.ok_or(format!("progress has no row of client {}", history.client))?;
        history.found(seq, now_ns(), |at_ns| judgement.is_recent(at_ns))?;
        history.settle();
    }
    Ok(())
}

/// The chain of attempts that the client's number in `progress` stands for; `None` if it stands for
/// nothing that can be gone on with.
fn judge_client<'a>(
    history: &'a History,
    found: &Found,
    judgement: &Judgement,
    wrong: &mut Vec<String>,
) -> Option<Vec<&'a Attempt>> {
    let client = history.client;
    let Some(&seq) = found.progress.get(&client) else {
        wrong.push(format!("progress has no row of client {client}"));
        return None;
    };
    let Some(chain) = history.chain(seq) else {
        let base = history.base_seq;
        let why = format!("which it never sent, or which is older than {base}, found before");
        wrong.push(format!("client {client} is at {seq}, {why}"));
        return None;
    };
    let there: BTreeSet<i64> = chain.iter().map(|a| a.seq).collect();
    for attempt in &history.attempts {
        let (seq, outcome) = (attempt.seq, attempt.outcome);
        if there.contains(&seq) {
            if !judgement.may_be_there(attempt) {
                wrong.push(format!("client {client}: {seq} is there, and was {outcome:?}"));
            }
        } else if judgement.must_be_there(history, attempt) {
            wrong.push(format!("client {client}: {seq} is gone, and was {outcome:?}"));
        }
    }
    Some(chain)
}

fn judge_log(
    histories: &[History],
    expected: &BTreeMap<(usize, i64), LogRow>,
    found: &Found,
    wrong: &mut Vec<String>,
) {
    for (key, row) in expected {
        match found.log.get(key) {
            None => wrong.push(format!("log has lost {key:?}")),
            Some((seen, moves)) if *seen != row.seen_text() || *moves != row.moves_text() => {
                wrong.push(format!("log has {seen} {moves} for {key:?}, not {row:?}"));
            }
            Some(_) => {}
        }
    }
    for key in found.log.keys().filter(|key| !expected.contains_key(key)) {
        wrong.push(format!("log has {key:?}, which should not be there"));
    }
    for ((client, seq), row) in expected {
        for (other, &number) in row.seen.iter().enumerate() {
            let cleared = histories.get(other).is_some_and(|h| number <= h.log_floor);
            let there = cleared || found.log.contains_key(&(other, number));
            if other != *client && !there {
                wrong.push(format!(
                    "client {client}'s {seq} is there and had seen {number} of client {other}, \
                     which is not: the losses are no suffix"
                ));
            }
        }
    }
}

/// What anybody has read of a synchronous client must be there.
fn judge_reads(
    chains: &[(&History, Vec<&Attempt>)],
    judgement: &Judgement,
    wrong: &mut Vec<String>,
) {
    for (reader, _) in chains {
        for (history, chain) in chains {
            let read = reader.read_before(history.client, judgement.horizon_ns).unwrap_or(0);
            let there = read <= history.base_seq || chain.iter().any(|a| a.seq == read);
            if history.synchronous && reader.client != history.client && !there {
                let (by, of) = (reader.client, history.client);
                wrong.push(format!("client {by} had read {read} of client {of}, which is gone"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
