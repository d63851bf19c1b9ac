//! Who must have come before whom.
//!
//! A node is a transaction, or one statement of a read committed transaction that reads: that has a
//! snapshot of its own. Edges are of three kinds, each with the list and the element that prove it.

use super::history::{History, Key, Level, Lists, Value};
use super::observe::Observation;
use super::settle::Settled;
use std::collections::HashMap;

/// Why one comes before another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// The second appended next after the first.
    Ww,
    /// The second saw what the first had appended.
    Wr,
    /// The first did not see what the second appended.
    Rw,
}

/// An edge to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The node that comes later.
    pub to: usize,
    /// Why.
    pub reason: Reason,
    /// The list.
    pub key: Key,
    /// ww: the second's element. wr: the first's. rw: the second's.
    pub value: Value,
}

/// A node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// The transaction.
    pub transaction: usize,
    /// The statement of it, if it is one alone.
    pub statement: Option<usize>,
}

/// The graph. Edges of kind rw go out of nodes that see with one snapshot only.
pub struct Graph {
    /// The nodes: first the transactions in their order.
    pub nodes: Vec<Node>,
    /// The edges that go out of each.
    pub edges: Vec<Vec<Edge>>,
}

impl Graph {
    pub(super) fn new(
        history: &History,
        settled: &Settled,
        observations: &[Observation],
        end: &Lists,
    ) -> Graph {
        let count = history.transactions.len();
        let nodes = (0..count).map(|transaction| Node { transaction, statement: None }).collect();
        let mut graph = Graph { nodes, edges: vec![Vec::new(); count] };
        let writer = |value: &Value| settled.writers[value].transaction;
        for (key, list) in end {
            for pair in list.windows(2) {
                let (first, second) = (writer(&pair[0]), writer(&pair[1]));
                graph
                    .add(first, Edge { to: second, reason: Reason::Ww, key: *key, value: pair[1] });
            }
        }
        let mut statements: HashMap<Node, usize> = HashMap::new();
        for seen in observations {
            let list = end.get(&seen.key).map_or(&[][..], Vec::as_slice);
            let last = seen.length.checked_sub(1).map(|at| list[at]);
            let next = list.get(seen.length).copied().filter(|v| writer(v) != seen.transaction);
            let level = history.transactions[seen.transaction].level;
            let snapshot = match level {
                Level::RepeatableRead => seen.transaction,
                Level::ReadCommitted => {
                    // What a read committed transaction as a whole has seen, it has.
                    graph.saw(last.map(|v| (writer(&v), v)), seen.key, seen.transaction);
                    let Observation { transaction, statement, .. } = *seen;
                    let node = Node { transaction, statement: Some(statement) };
                    *statements.entry(node).or_insert_with(|| graph.add_node(node))
                }
            };
            graph.saw(last.map(|v| (writer(&v), v)), seen.key, snapshot);
            if let Some(value) = next {
                let edge = Edge { to: writer(&value), reason: Reason::Rw, key: seen.key, value };
                graph.add(snapshot, edge);
            }
        }
        graph
    }

    fn add_node(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.edges.push(Vec::new());
        self.nodes.len() - 1
    }

    fn add(&mut self, from: usize, edge: Edge) {
        if from != edge.to {
            self.edges[from].push(edge);
        }
    }

    /// A node saw the last element of a list, and so the transaction that appended it.
    fn saw(&mut self, last: Option<(usize, Value)>, key: Key, node: usize) {
        if let Some((from, value)) = last {
            self.add(from, Edge { to: node, reason: Reason::Wr, key, value });
        }
    }
}
