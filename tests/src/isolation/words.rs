//! Anomalies told in words.

use super::cycles::Cycle;
use super::graph::{Edge, Graph, Reason};
use super::history::{History, Key, Value};

/// More elements of a list than these are not written out.
const SHOWN_MAX: usize = 12;

/// A list as it is read aloud: its end, if it is long.
pub(super) fn list(values: &[Value]) -> String {
    let from = values.len().saturating_sub(SHOWN_MAX);
    let shown: Vec<String> = values[from..].iter().map(Value::to_string).collect();
    let before = if from > 0 { format!("{from} more, ") } else { String::new() };
    format!("[{before}{}]", shown.join(", "))
}

/// A transaction by its name.
pub(super) fn name(history: &History, number: usize) -> String {
    let transaction = &history.transactions[number];
    format!("T{number} (client {}, {})", transaction.client, transaction.level.name())
}

/// What is not there.
pub(super) fn missing(values: &[(Key, Value)]) -> String {
    let told: Vec<String> =
        values.iter().map(|(key, value)| format!("{value} is missing in list {key}")).collect();
    told.join(", ")
}

/// A cycle, one sentence for each edge.
pub(super) fn cycle(history: &History, graph: &Graph, cycle: &Cycle) -> String {
    let told: Vec<String> =
        cycle.edges.iter().map(|(from, edge)| sentence(history, graph, *from, edge)).collect();
    format!("{}; a cycle", told.join("; "))
}

fn sentence(history: &History, graph: &Graph, from: usize, edge: &Edge) -> String {
    let (first, second) = (node(history, graph, from), node(history, graph, edge.to));
    let Edge { key, value, .. } = edge;
    match edge.reason {
        Reason::Ww => format!("{first} appended to list {key}, and next {second} its {value} (ww)"),
        Reason::Wr => format!("{second} saw {value} in list {key}, which {first} appended (wr)"),
        Reason::Rw => {
            format!("{first} read list {key} without {value}, which {second} appended next (rw)")
        }
    }
}

fn node(history: &History, graph: &Graph, at: usize) -> String {
    let node = graph.nodes[at];
    let name = name(history, node.transaction);
    match node.statement {
        Some(statement) => format!("statement {statement} of {name}"),
        None => name,
    }
}
