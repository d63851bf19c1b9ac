//! What is asked of a run of rounds, and what it has shown.

use std::collections::BTreeMap;
use std::fmt;

use crate::crash::load::Tally;
use crate::crash::victim::Victim;

/// Which clients commit synchronously.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Commits {
    /// All of them.
    Synchronous,
    /// None.
    Asynchronous,
    /// Every other.
    Mixed,
}

impl Commits {
    /// Whether that client commits synchronously.
    pub fn is_synchronous(self, client: usize) -> bool {
        match self {
            Commits::Synchronous => true,
            Commits::Asynchronous => false,
            Commits::Mixed => client.is_multiple_of(2),
        }
    }
}

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Order {
    /// How many rounds.
    pub rounds: u32,
    /// What everything is drawn from.
    pub seed: u64,
    /// How many clients.
    pub clients: usize,
    /// How they commit.
    pub commits: Commits,
    /// Only these are killed.
    pub victims: Vec<Victim>,
    /// Whether to tell of each round.
    pub verbose: bool,
}

impl fmt::Display for Order {
    /// The command that runs it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commits = match self.commits {
            Commits::Synchronous => "on",
            Commits::Asynchronous => "off",
            Commits::Mixed => "mixed",
        };
        write!(
            f,
            "just crash --rounds {} --seed {} --clients {} --synchronous-commit {commits}",
            self.rounds, self.seed, self.clients
        )
    }
}

/// What a run of rounds has shown.
#[derive(Clone, Default, Debug)]
pub struct Summary {
    /// How many rounds passed.
    pub rounds: u32,
    /// How often each victim was struck.
    pub struck: BTreeMap<Victim, u32>,
    /// How many recoveries were interrupted.
    pub interrupted: u32,
    /// What the clients did.
    pub tally: Tally,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.tally;
        writeln!(
            f,
            "{} rounds: {} commits acknowledged, {} rolled back, {} in doubt ({} were there), \
             {} asynchronous ones lost (the oldest {} ms old), {} connections",
            self.rounds,
            t.acknowledged,
            t.rolled_back,
            t.in_doubt,
            t.doubt_present,
            t.lost,
            t.lost_age_ns / 1_000_000,
            t.connections
        )?;
        let struck: Vec<String> =
            self.struck.iter().map(|(victim, n)| format!("{victim:?} {n}")).collect();
        let struck = struck.join(", ");
        write!(f, "killed: {struck}; {} recoveries interrupted", self.interrupted)
    }
}
