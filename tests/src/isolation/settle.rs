//! What became of each transaction: known from its end, or from what is there when all have ended.

use std::collections::{HashMap, HashSet};

use super::check::{Anomaly, Kind};
use super::history::{History, Key, Lists, Outcome, Value};
use super::words;

/// Who appended a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Writer {
    /// The transaction.
    pub transaction: usize,
    /// Whether the transaction took it back itself (ROLLBACK TO).
    pub undone: bool,
}

/// What is known once everything has ended.
pub(super) struct Settled {
    /// Whether each transaction committed.
    pub committed: Vec<bool>,
    /// Who appended each value.
    pub writers: HashMap<Value, Writer>,
    /// What is wrong with the lists at the end.
    pub anomalies: Vec<Anomaly>,
}

impl Settled {
    /// Whether a value may be seen by others.
    pub fn stands(&self, value: Value) -> bool {
        let writer = self.writers.get(&value);
        writer.is_some_and(|writer| self.committed[writer.transaction] && !writer.undone)
    }
}

/// Settles the outcomes, and compares what should be there with what is.
pub(super) fn settle(history: &History, end: &Lists) -> Settled {
    let present: HashSet<(Key, Value)> =
        end.iter().flat_map(|(key, list)| list.iter().map(|value| (*key, *value))).collect();
    let mut settled =
        Settled { committed: Vec::new(), writers: HashMap::new(), anomalies: Vec::new() };
    for (number, transaction) in history.transactions.iter().enumerate() {
        let left = transaction.appended();
        let pairs = || left.iter().flat_map(|(key, list)| list.iter().map(|v| (*key, *v)));
        for (key, value) in transaction.all_appends() {
            let undone = !left.get(&key).is_some_and(|list| list.contains(&value));
            let writer = Writer { transaction: number, undone };
            let before = settled.writers.insert(value, writer);
            assert!(before.is_none(), "the load appended {value} twice");
        }
        let missing: Vec<(Key, Value)> = pairs().filter(|pair| !present.contains(pair)).collect();
        let all = pairs().count();
        let who = || words::name(history, number);
        let committed = match transaction.outcome {
            Outcome::Committed { .. } => true,
            Outcome::RolledBack => false,
            // One that has appended nothing leaves no trace: that its reads were answered is all.
            Outcome::Unknown => all == 0 || missing.len() < all,
        };
        if committed && !missing.is_empty() {
            let kind = if missing.len() == all { Kind::Lost } else { Kind::InPart };
            let story = format!("{} committed, and {} at the end", who(), words::missing(&missing));
            settled.anomalies.push(Anomaly::new(kind, story));
        }
        settled.committed.push(committed);
    }
    let wrong = strangers(history, &settled, end);
    settled.anomalies.extend(wrong);
    settled
}

/// Values at the end that should not be there.
fn strangers(history: &History, settled: &Settled, end: &Lists) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for (key, list) in end {
        let mut seen = HashSet::new();
        for value in list {
            if !seen.insert(value) {
                let story = format!("list {key} holds {value} twice: {}", words::list(list));
                anomalies.push(Anomaly::new(Kind::Duplicate, story));
            }
            if settled.stands(*value) {
                continue;
            }
            anomalies.push(match settled.writers.get(value) {
                Some(writer) => {
                    let who = words::name(history, writer.transaction);
                    let story =
                        format!("list {key} holds {value} at the end, which {who} took back");
                    Anomaly::new(Kind::G1a, story)
                }
                None => {
                    let story = format!("list {key} holds {value}, which nobody appended");
                    Anomaly::new(Kind::Garbage, story)
                }
            });
        }
    }
    anomalies
}
