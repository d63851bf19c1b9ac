//! The judgement of a history.

use std::fmt;

use super::cycles::{Cycle, find_cycles};
use super::graph::Graph;
use super::history::{History, Lists};
use super::observe::observe;
use super::settle::settle;
use super::words;

/// What a history can show that may not be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A cycle of ww.
    G0,
    /// What was rolled back was seen, or is there.
    G1a,
    /// A state in the middle of a transaction was seen.
    G1b,
    /// A cycle of ww and wr.
    G1c,
    /// A cycle with one rw.
    GSingle,
    /// A cycle with one rw and one ww over the same list.
    LostUpdate,
    /// A cycle with several rw, no two of them in a row.
    GNonadjacent,
    /// A transaction does not see its own appends, or sees a list that it holds change, or under
    /// repeatable read any list.
    Internal,
    /// A list was seen that is no beginning of what it became.
    IncompatibleOrder,
    /// What was committed before the snapshot is not seen.
    Stale,
    /// What was committed is not there at the end.
    Lost,
    /// A transaction is there in part.
    InPart,
    /// A value that nobody appended.
    Garbage,
    /// A value that is there twice.
    Duplicate,
}

/// Something that may not be, told in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anomaly {
    /// Which.
    pub kind: Kind,
    /// How it shows.
    pub story: String,
}

impl Anomaly {
    pub(super) fn new(kind: Kind, story: String) -> Anomaly {
        Anomaly { kind, story }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.story)
    }
}

/// All that is wrong with a history at whose end the lists held this; of cycles, a few. Where lists
/// are wrong already, no cycles are looked for: the order of versions is not known then.
pub fn check(history: &History, end: &Lists) -> Vec<Anomaly> {
    let settled = settle(history, end);
    let mut anomalies = settled.anomalies.clone();
    if anomalies.is_empty() {
        let (observations, wrong) = observe(history, &settled, end);
        anomalies = wrong;
        if anomalies.is_empty() {
            let graph = Graph::new(history, &settled, &observations, end);
            let cycles = find_cycles(&graph);
            anomalies.extend(cycles.iter().map(|cycle| tell(history, &graph, cycle)));
        }
    }
    anomalies
}

fn tell(history: &History, graph: &Graph, cycle: &Cycle) -> Anomaly {
    Anomaly::new(cycle.kind, words::cycle(history, graph, cycle))
}
