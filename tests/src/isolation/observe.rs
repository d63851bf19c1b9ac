//! What each read saw: how much of its list, and whether that could be seen at all.

use super::check::{Anomaly, Kind};
use super::history::{History, Key, Level, Lists, Outcome, Statement, Transaction, Value, Work};
use super::settle::Settled;
use super::words;
use std::collections::HashMap;

/// A read of one list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Observation {
    /// The transaction that read.
    pub transaction: usize,
    /// The statement of it.
    pub statement: usize,
    /// The list.
    pub key: Key,
    /// How many elements of the list as it became it saw, without its own.
    pub length: usize,
}

/// All reads that make sense, and what is wrong with the others.
pub(super) fn observe(
    history: &History,
    settled: &Settled,
    end: &Lists,
) -> (Vec<Observation>, Vec<Anomaly>) {
    let acknowledged = Acknowledged::new(history, settled, end);
    let mut observations = Vec::new();
    let mut anomalies = Vec::new();
    for (number, transaction) in history.transactions.iter().enumerate() {
        let mut reader =
            Reader { history, settled, end, number, transaction, held: HashMap::new() };
        for (at, statement) in transaction.statements.iter().enumerate() {
            if statement.work == Work::RollBackTo {
                reader.let_go();
            }
            let (lists, locks) = match &statement.work {
                Work::Read(lists) => (lists, false),
                Work::Lock(lists) => (lists, true),
                _ => continue,
            };
            let own = transaction.appended_before(at);
            for (key, list) in lists {
                let read = Read { key: *key, list, own: own.get(key).map_or(&[], Vec::as_slice) };
                let length = match reader.length(&read) {
                    Ok(length) => length,
                    Err(anomaly) => {
                        anomalies.push(anomaly);
                        continue;
                    }
                };
                anomalies.extend(reader.repeats(&read, length, locks));
                anomalies.extend(acknowledged.is_stale(&reader, statement, &read, length));
                let (transaction, statement) = (number, at);
                observations.push(Observation { transaction, statement, key: *key, length });
            }
        }
    }
    (observations, anomalies)
}

/// One list as it was read.
struct Read<'a> {
    key: Key,
    list: &'a [Value],
    /// What the reader had appended to it by then.
    own: &'a [Value],
}

struct Reader<'a> {
    history: &'a History,
    settled: &'a Settled,
    end: &'a Lists,
    number: usize,
    transaction: &'a Transaction,
    /// How much it has seen of lists, and whether they must not change for it any more because it has
    /// appended to them or locked them.
    held: HashMap<Key, (usize, bool)>,
}

impl Reader<'_> {
    fn anomaly(&self, kind: Kind, read: &Read<'_>, why: &str) -> Anomaly {
        let who = words::name(self.history, self.number);
        let story = format!("{who} read list {} as {}: {why}", read.key, words::list(read.list));
        Anomaly::new(kind, story)
    }

    /// How much of the list as it became was seen; the reader's own elements stand behind that.
    fn length(&self, read: &Read<'_>) -> Result<usize, Anomaly> {
        let Some(seen) = read.list.strip_suffix(read.own) else {
            let why = format!("it had appended {}", words::list(read.own));
            return Err(self.anomaly(Kind::Internal, read, &why));
        };
        for value in seen {
            self.may_see(read, *value)?;
        }
        let whole = self.end.get(&read.key).map_or(&[][..], Vec::as_slice);
        if !whole.starts_with(seen) {
            let why = format!("it became {}", words::list(whole));
            return Err(self.anomaly(Kind::IncompatibleOrder, read, &why));
        }
        let committed = self.settled.committed[self.number];
        let kept = self.transaction.appended().remove(&read.key).unwrap_or_default();
        if committed && kept.starts_with(read.own) && !whole[seen.len()..].starts_with(read.own) {
            let why = format!("it became {}", words::list(whole));
            return Err(self.anomaly(Kind::IncompatibleOrder, read, &why));
        }
        self.is_whole(read, seen, whole)?;
        Ok(seen.len())
    }

    /// G1a: nothing is seen that did not commit.
    fn may_see(&self, read: &Read<'_>, value: Value) -> Result<(), Anomaly> {
        let Some(writer) = self.settled.writers.get(&value) else {
            return Err(self.anomaly(Kind::Garbage, read, &format!("nobody appended {value}")));
        };
        if self.settled.stands(value) && writer.transaction != self.number {
            return Ok(());
        }
        if writer.transaction == self.number {
            let why = format!("{value} is its own, and not where it belongs");
            return Err(self.anomaly(Kind::Internal, read, &why));
        }
        let who = words::name(self.history, writer.transaction);
        Err(self.anomaly(
            Kind::G1a,
            read,
            &format!("{who}, which appended {value}, rolled it back"),
        ))
    }

    /// G1b: what is seen of a transaction's appends to a list is all of them.
    fn is_whole(&self, read: &Read<'_>, seen: &[Value], whole: &[Value]) -> Result<(), Anomaly> {
        let (Some(last), Some(next)) = (seen.last(), whole.get(seen.len())) else { return Ok(()) };
        let writer = |value| self.settled.writers.get(value).map(|writer| writer.transaction);
        if writer(last) != writer(next) {
            return Ok(());
        }
        let who = words::name(self.history, writer(last).unwrap_or_default());
        let why = format!("{who} appended {last} and then {next}");
        Err(self.anomaly(Kind::G1b, read, &why))
    }

    /// What it had locked may be free again.
    fn let_go(&mut self) {
        self.held.values_mut().for_each(|(_, holds)| *holds = false);
    }

    /// A list that the transaction has appended to, or locked by this read, is locked for others. Under
    /// repeatable read no list changes for it.
    fn repeats(&mut self, read: &Read<'_>, length: usize, locks: bool) -> Option<Anomaly> {
        let always = self.transaction.level == Level::RepeatableRead;
        let before = self.held.get(&read.key).copied();
        let holds = locks || !read.own.is_empty() || before.is_some_and(|(_, held)| held);
        self.held.insert(read.key, (length, holds));
        let (before, held) = before?;
        if before == length || !(always || held) {
            return None;
        }
        let why = format!("before, {before} of its elements were there that are not its own");
        Some(self.anomaly(Kind::Internal, read, &why))
    }
}

/// When the elements of each list were known to be committed: for each place the earliest moment of
/// that element and all behind it.
struct Acknowledged(HashMap<Key, Vec<u64>>);

impl Acknowledged {
    fn new(history: &History, settled: &Settled, end: &Lists) -> Acknowledged {
        let moment = |value: &Value| {
            let writer = settled.writers.get(value)?;
            match history.transactions[writer.transaction].outcome {
                Outcome::Committed { at_ns } => Some(at_ns),
                _ => None,
            }
        };
        let earliest = |list: &Vec<Value>| {
            let mut earliest = u64::MAX;
            let mut moments: Vec<u64> = list
                .iter()
                .rev()
                .map(|value| {
                    earliest = earliest.min(moment(value).unwrap_or(u64::MAX));
                    earliest
                })
                .collect();
            moments.reverse();
            moments
        };
        Acknowledged(end.iter().map(|(key, list)| (*key, earliest(list))).collect())
    }

    /// Whether a commit that was answered before the snapshot was taken is not seen.
    fn is_stale(
        &self,
        reader: &Reader<'_>,
        statement: &Statement,
        read: &Read<'_>,
        length: usize,
    ) -> Option<Anomaly> {
        let asked = match reader.transaction.level {
            Level::ReadCommitted => statement.sent_ns,
            Level::RepeatableRead => reader.transaction.began_ns(),
        };
        let unseen = *self.0.get(&read.key)?.get(length)?;
        if unseen >= asked {
            return None;
        }
        let ago = (asked - unseen) / 1000;
        let why = format!("what follows was committed {ago} us before it asked");
        Some(reader.anomaly(Kind::Stale, read, &why))
    }
}
