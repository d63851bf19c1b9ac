//! Plans kept by the text of the line that they were made of, without its literals.
//!
//! Kept are plans of lines with one SELECT, INSERT, UPDATE or DELETE in them. A line that has a
//! key (`literals`) shares a plan with parameters with all lines of that key; such a plan is made
//! when a key is seen for the second time. Where that cannot be done, because a literal is part of
//! a type or a column's number, the plan is kept by the whole text.
//!
//! Before a kept plan runs, its tables are locked and compared with those that it was made for; the
//! catalog hands out the same definition as long as nothing has changed. A plan that was made for
//! tables that have grown much since is made anew, too. The least recently used
//! one of [`ENTRIES_MAX`] entries makes room for the next.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use types::ColumnType;

use super::tables::UsedTable;
use crate::plan::path::Allowed;
use crate::planned::Plan;

/// How many entries are kept.
const ENTRIES_MAX: usize = 256;

/// A plan and what it was made for.
#[derive(Debug)]
pub(super) struct KeptPlan {
    pub plan: Plan,
    pub tables: Vec<UsedTable>,
    /// The types of its parameters.
    pub types: Vec<ColumnType>,
    /// What the planner was allowed to use.
    pub allowed: Allowed,
    /// How often it was used.
    pub uses: Cell<u32>,
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// It was seen once.
    Seen,
    /// A plan with parameters cannot be made.
    Unfit,
    /// A plan.
    Plan(Rc<KeptPlan>),
    /// An EXECUTE of that statement, with literals as its parameters.
    Execute(Rc<str>),
}

/// What a session knows of the lines that it has executed.
#[derive(Default)]
pub(super) struct PlanCache {
    entries: HashMap<String, (Entry, u64)>,
    clock: u64,
}

impl PlanCache {
    /// What is known of a key.
    pub(super) fn get(&mut self, key: &str) -> Option<Entry> {
        self.clock += 1;
        let (entry, used) = self.entries.get_mut(key)?;
        *used = self.clock;
        Some(entry.clone())
    }

    /// Notes what is known of a key.
    pub(super) fn put(&mut self, key: &str, entry: Entry) {
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(key) {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
        self.clock += 1;
        self.entries.insert(key.to_owned(), (entry, self.clock));
    }

    /// Forgets what is known of a key.
    pub(super) fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_entry_makes_room() {
        let mut cache = PlanCache::default();
        for number in 0..ENTRIES_MAX {
            cache.put(&number.to_string(), Entry::Seen);
        }
        assert!(cache.get("0").is_some());
        cache.put("new", Entry::Unfit);
        assert!(matches!(cache.get("0"), Some(Entry::Seen)));
        assert!(cache.get("1").is_none());
        assert_eq!(cache.entries.len(), ENTRIES_MAX);
    }
}
