//! What the clients did and saw.

use std::collections::BTreeMap;

/// A list.
pub type Key = i64;
/// An element of a list. Each is appended once.
pub type Value = i64;
/// What all lists hold.
pub type Lists = BTreeMap<Key, Vec<Value>>;

/// The level that a transaction ran at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Read committed.
    ReadCommitted,
    /// Repeatable read.
    RepeatableRead,
}

impl Level {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Level::ReadCommitted => "read committed",
            Level::RepeatableRead => "repeatable read",
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Its commit was answered at that moment.
    Committed {
        /// In nanoseconds of the monotonic clock.
        at_ns: u64,
    },
    /// It was rolled back, or never said COMMIT.
    RolledBack,
    /// COMMIT was sent and not answered.
    Unknown,
}

/// What a statement did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Work {
    /// It appended these, each to its list.
    Append(Vec<(Key, Value)>),
    /// It read these lists, all at once.
    Read(Vec<(Key, Vec<Value>)>),
    /// It read these lists and locked them: nobody appends to them until it ends.
    Lock(Vec<(Key, Vec<Value>)>),
    /// SAVEPOINT
    Savepoint,
    /// ROLLBACK TO the last savepoint, which stays.
    RollBackTo,
}

/// A statement that was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// When it was sent.
    pub sent_ns: u64,
    /// What it did.
    pub work: Work,
}

/// A transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// Who ran it.
    pub client: usize,
    /// At which level.
    pub level: Level,
    /// Its statements in order.
    pub statements: Vec<Statement>,
    /// How it ended.
    pub outcome: Outcome,
}

/// All transactions, in any order. They are called by their places: T0, T1, …
#[derive(Clone, Default, Debug)]
pub struct History {
    /// The transactions.
    pub transactions: Vec<Transaction>,
}

impl Transaction {
    /// What it has appended to each list before a statement, without what it has taken back; with
    /// the number of its statements, what it leaves.
    pub fn appended_before(&self, statement: usize) -> Lists {
        let mut own = Lists::new();
        let mut saved: Option<Lists> = None;
        for Statement { work, .. } in &self.statements[..statement] {
            match work {
                Work::Append(appends) => {
                    for (key, value) in appends {
                        own.entry(*key).or_default().push(*value);
                    }
                }
                Work::Savepoint => saved = Some(own.clone()),
                Work::RollBackTo => own = saved.clone().unwrap_or_default(),
                Work::Read(_) | Work::Lock(_) => {}
            }
        }
        own
    }

    /// What it has appended, if it committed.
    pub fn appended(&self) -> Lists {
        self.appended_before(self.statements.len())
    }

    /// All values that it ever appended, those that it took back too.
    pub fn all_appends(&self) -> impl Iterator<Item = (Key, Value)> + '_ {
        let appends = self.statements.iter().filter_map(|statement| match &statement.work {
            Work::Append(appends) => Some(appends.iter().copied()),
            _ => None,
        });
        appends.flatten()
    }

    /// When it sent its first query: its snapshot at repeatable read is not older.
    pub fn began_ns(&self) -> u64 {
        let is_query =
            |statement: &&Statement| !matches!(statement.work, Work::Savepoint | Work::RollBackTo);
        self.statements.iter().find(is_query).map_or(u64::MAX, |statement| statement.sent_ns)
    }
}
