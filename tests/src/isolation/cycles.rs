//! Finds cycles that are forbidden, in time that grows with the size of the graph.
//!
//! The search goes over *states*: a node together with whether it was reached by rw. From a state
//! that was reached by rw no rw leads on. So a cycle of states is a cycle of the graph in which no
//! two rw follow each other, and those are the forbidden ones; whether there is any is told by the
//! strongly connected components (Tarjan 1972) of the states. In a component, a breadth-first search
//! gives a shortest cycle, which is told as the example.

use std::collections::{HashMap, VecDeque};

use super::check::Kind;
use super::graph::{Edge, Graph, Reason};

/// So many cycles are told at most: one is enough to know, a few help to see why.
const TOLD_MAX: usize = 3;

/// A cycle: each edge with the node that it goes out of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cycle {
    /// What it is.
    pub kind: Kind,
    /// The edges in order.
    pub edges: Vec<(usize, Edge)>,
}

/// A node, and whether it was reached by rw.
type State = (usize, bool);

/// Some forbidden cycles: if there are any without rw, those.
pub fn find_cycles(graph: &Graph) -> Vec<Cycle> {
    for rw in [false, true] {
        let cycles = search(graph, rw);
        if !cycles.is_empty() {
            return cycles;
        }
    }
    Vec::new()
}

fn search(graph: &Graph, rw: bool) -> Vec<Cycle> {
    let components = components(graph, rw);
    let mut cycles: Vec<Cycle> = Vec::new();
    let mut told: Vec<usize> = Vec::new();
    for from in states(graph) {
        let here = components[number(from)];
        for edge in ways(graph, from, rw) {
            let to = (edge.to, edge.reason == Reason::Rw);
            // With rw, only what goes over one is new.
            if components[number(to)] != here || told.contains(&here) || rw != to.1 {
                continue;
            }
            told.push(here);
            let inside = |state: State| components[number(state)] == here;
            cycles.extend(shortest(graph, rw, (from, edge), &inside));
            if cycles.len() == TOLD_MAX {
                return cycles;
            }
        }
    }
    cycles
}

fn states(graph: &Graph) -> impl Iterator<Item = State> {
    (0..graph.nodes.len()).flat_map(|node| [(node, false), (node, true)])
}

fn number((node, by_rw): State) -> usize {
    node * 2 + usize::from(by_rw)
}

/// The edges that lead on from a state.
fn ways(graph: &Graph, (node, by_rw): State, rw: bool) -> impl Iterator<Item = Edge> + '_ {
    let may = move |edge: &&Edge| edge.reason != Reason::Rw || (rw && !by_rw);
    graph.edges[node].iter().filter(may).copied()
}

/// The shortest cycle that begins with an edge, within a component.
fn shortest(
    graph: &Graph,
    rw: bool,
    (from, first): (State, Edge),
    inside: &dyn Fn(State) -> bool,
) -> Option<Cycle> {
    let start = (first.to, first.reason == Reason::Rw);
    let mut reached: HashMap<State, (State, Edge)> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        if state == from {
            break;
        }
        for edge in ways(graph, state, rw) {
            let next = (edge.to, edge.reason == Reason::Rw);
            if next != start && inside(next) && !reached.contains_key(&next) {
                reached.insert(next, (state, edge));
                queue.push_back(next);
            }
        }
    }
    let mut edges = Vec::new();
    let mut at = from;
    while at != start {
        let (before, edge) = reached.get(&at)?;
        edges.push((before.0, *edge));
        at = *before;
    }
    edges.push((from.0, first));
    edges.reverse();
    Some(Cycle { kind: kind(&edges), edges })
}

fn kind(edges: &[(usize, Edge)]) -> Kind {
    let count = |reason| edges.iter().filter(|(_, edge)| edge.reason == reason).count();
    let one_list = edges.iter().all(|(_, edge)| edge.key == edges[0].1.key);
    match (count(Reason::Ww), count(Reason::Wr), count(Reason::Rw)) {
        (_, 0, 0) => Kind::G0,
        (_, _, 0) => Kind::G1c,
        (1, 0, 1) if one_list => Kind::LostUpdate,
        (_, _, 1) => Kind::GSingle,
        _ => Kind::GNonadjacent,
    }
}

/// The strongly connected component of each state, by Tarjan's algorithm with a stack of its own.
fn components(graph: &Graph, rw: bool) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let count = graph.nodes.len() * 2;
    let (mut index, mut low) = (vec![NONE; count], vec![NONE; count]);
    let mut component = vec![NONE; count];
    let (mut next, mut found) = (0, 0);
    let mut path: Vec<usize> = Vec::new();
    for root in states(graph) {
        if index[number(root)] != NONE {
            continue;
        }
        let mut work: Vec<(State, Vec<Edge>)> = Vec::new();
        let mut enter = Some(root);
        loop {
            if let Some(state) = enter.take() {
                (index[number(state)], low[number(state)]) = (next, next);
                next += 1;
                path.push(number(state));
                work.push((state, ways(graph, state, rw).collect()));
            }
            let Some((state, left)) = work.last_mut() else { break };
            let here = number(*state);
            if let Some(edge) = left.pop() {
                let to = (edge.to, edge.reason == Reason::Rw);
                match index[number(to)] {
                    NONE => enter = Some(to),
                    seen if component[number(to)] == NONE => low[here] = low[here].min(seen),
                    _ => {}
                }
                continue;
            }
            work.pop();
            if let Some((above, _)) = work.last() {
                low[number(*above)] = low[number(*above)].min(low[here]);
            }
            if low[here] == index[here] {
                while let Some(member) = path.pop() {
                    component[member] = found;
                    if member == here {
                        break;
                    }
                }
                found += 1;
            }
        }
    }
    component
}
