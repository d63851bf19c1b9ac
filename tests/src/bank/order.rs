//! What is asked of a run of rounds, and what it has shown.

use std::collections::BTreeMap;
use std::fmt;

use crate::crash::victim::Victim;

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Order {
    /// How many rounds.
    pub rounds: u32,
    /// What everything is drawn from.
    pub seed: u64,
    /// How many tellers.
    pub tellers: usize,
    /// The bug that the server is to have (`sys::mutant`).
    pub mutant: Option<String>,
    /// Whether to tell of each round.
    pub verbose: bool,
}

impl fmt::Display for Order {
    /// The command that runs it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Order { rounds, seed, tellers, .. } = self;
        write!(f, "just bank --rounds {rounds} --seed {seed} --tellers {tellers}")
    }
}

/// What a run has shown.
#[derive(Clone, Default, Debug)]
pub struct Summary {
    /// How many rounds passed.
    pub rounds: u32,
    /// How often each victim was struck.
    pub struck: BTreeMap<Victim, u32>,
    /// Transfers that were answered.
    pub transfers: u64,
    /// Transfers that were rolled back.
    pub rolled_back: u64,
    /// Audits by one statement, and by a snapshot.
    pub audits: [u64; 2],
    /// How often each chore was done.
    pub chores: BTreeMap<&'static str, u64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<K: fmt::Debug, V: fmt::Display>(map: &BTreeMap<K, V>) -> String {
            map.iter().map(|(key, n)| format!("{key:?} {n}")).collect::<Vec<_>>().join(", ")
        }
        let Summary { rounds, transfers, rolled_back, audits: [statements, snapshots], .. } = self;
        writeln!(
            f,
            "{rounds} rounds: {transfers} transfers committed, {rolled_back} rolled back; audits: \
             {statements} by one statement, {snapshots} by snapshots of several"
        )?;
        writeln!(f, "killed: {}", list(&self.struck))?;
        write!(f, "housekeeping: {}", list(&self.chores))
    }
}
