//! The tree inside one page of the free space map.
//!
//! ```text
//!                   4                 a parent holds the greater of its children,
//!                4     2              so the root tells what the page can offer
//!              3   4  0  2
//! slots        0   1  2  3
//! ```
//!
//! The nodes stand in an array, level by level, so the children of node `i` are `2i + 1` and
//! `2i + 2`, and its parent is `(i - 1) / 2`. The last level is not complete: what lies behind the
//! array counts as zero. The algorithm is that of PostgreSQL's `freespace/README`.
//!
//! These are plain functions over the array of nodes; whoever calls them holds the page's lock.

use types::PAGE_SIZE;

/// Where the array of nodes starts: behind the page header.
pub const NODES_START: usize = 32;
const NODES: usize = PAGE_SIZE - NODES_START;
/// Nodes above the last level: a full binary tree.
const INNER_NODES: usize = PAGE_SIZE / 2 - 1;
/// Values that one page holds.
pub const SLOTS: usize = NODES - INNER_NODES;

const _: () = assert!(INNER_NODES.count_ones() == INNER_NODES.trailing_ones());
const _: () = assert!(SLOTS <= INNER_NODES + 1);

/// A parent promises more than its children have: the page must be rebuilt.
#[derive(Debug, PartialEq, Eq)]
pub struct Inconsistent;

/// The greatest value in the page.
pub fn root(nodes: &[u8]) -> u8 {
    nodes.first().copied().unwrap_or(0)
}

/// The value in a slot.
pub fn get(nodes: &[u8], slot: usize) -> u8 {
    nodes.get(INNER_NODES + slot).copied().unwrap_or(0)
}

/// Sets a slot and corrects its ancestors. Returns whether the root changed.
pub fn set(nodes: &mut [u8], slot: usize, value: u8) -> bool {
    let old_root = root(nodes);
    let mut node = INNER_NODES + slot;
    nodes[node] = value;
    while node > 0 {
        node = (node - 1) / 2;
        let greatest = greatest_child(nodes, node);
        if nodes[node] == greatest {
            break;
        }
        nodes[node] = greatest;
    }
    root(nodes) != old_root
}

/// Computes every inner node anew from the slots.
pub fn rebuild(nodes: &mut [u8]) {
    for node in (0..INNER_NODES).rev() {
        nodes[node] = greatest_child(nodes, node);
    }
}

/// A slot that holds at least `least`, if there is one: the next at or behind `start`, or else one
/// from the beginning.
pub fn search(nodes: &[u8], least: u8, start: usize) -> Result<Option<usize>, Inconsistent> {
    if root(nodes) < least {
        return Ok(None);
    }
    let start = if start < SLOTS { start } else { 0 };
    let mut node = INNER_NODES + start;
    // Upwards and to the right, until a subtree has enough.
    while node > 0 && value(nodes, node) < least {
        node = parent(right_neighbour(node));
    }
    // Downwards again, leftmost first.
    while node < INNER_NODES {
        node = match (value(nodes, 2 * node + 1), value(nodes, 2 * node + 2)) {
            (left, _) if left >= least => 2 * node + 1,
            (_, right) if right >= least => 2 * node + 2,
            _ => return Err(Inconsistent),
        };
    }
    Ok(Some(node - INNER_NODES))
}

fn value(nodes: &[u8], node: usize) -> u8 {
    nodes.get(node).copied().unwrap_or(0)
}

fn greatest_child(nodes: &[u8], node: usize) -> u8 {
    value(nodes, 2 * node + 1).max(value(nodes, 2 * node + 2))
}

fn parent(node: usize) -> usize {
    (node - 1) / 2
}

/// The next node of the same level, the first of the level behind the last.
fn right_neighbour(node: usize) -> usize {
    let next = node + 1;
    // Levels start at 2^k - 1; one behind the last of a level is the first of the next.
    if (next + 1).is_power_of_two() { next / 2 } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Vec<u8> {
        vec![0; NODES]
    }

    #[test]
    fn a_slot_with_enough_is_found_from_every_start() {
        let mut nodes = empty();
        assert_eq!(search(&nodes, 1, 0), Ok(None));
        for slot in [0, 1, 63, SLOTS / 2, SLOTS - 1] {
            set(&mut nodes, slot, 100);
            for start in [0, slot, slot + 1, SLOTS - 1, SLOTS, usize::MAX] {
                assert_eq!(search(&nodes, 100, start), Ok(Some(slot)), "{slot} from {start}");
                assert_eq!(search(&nodes, 101, start), Ok(None));
            }
            set(&mut nodes, slot, 0);
        }
    }

    #[test]
    fn the_search_goes_on_behind_the_start() {
        let mut nodes = empty();
        for slot in [5, 700, 4000] {
            set(&mut nodes, slot, 9);
        }
        assert_eq!(search(&nodes, 9, 6), Ok(Some(700)));
        assert_eq!(search(&nodes, 9, 700), Ok(Some(700)));
        assert_eq!(search(&nodes, 9, 701), Ok(Some(4000)));
        assert!(matches!(search(&nodes, 9, 4001), Ok(Some(_))));
    }

    #[test]
    fn set_tells_whether_the_root_changed() {
        let mut nodes = empty();
        assert!(set(&mut nodes, 3, 7));
        assert!(!set(&mut nodes, 4, 7));
        assert!(!set(&mut nodes, 3, 0));
        assert_eq!(root(&nodes), 7);
        assert!(set(&mut nodes, 4, 2));
        assert_eq!((root(&nodes), get(&nodes, 4)), (2, 2));
    }

    #[test]
    fn a_broken_promise_is_noticed_and_mended() {
        let mut nodes = empty();
        set(&mut nodes, 10, 20);
        nodes[INNER_NODES + 10] = 0;
        assert_eq!(search(&nodes, 20, 11), Err(Inconsistent));
        rebuild(&mut nodes);
        assert_eq!(search(&nodes, 1, 11), Ok(None));
    }
}
