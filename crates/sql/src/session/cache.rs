//! Plans kept by the text of the line that they were made of.
//!
//! Kept are plans of lines with one SELECT, INSERT, UPDATE or DELETE in them. Before a kept plan
//! runs, its tables are locked and compared with those that it was made for; the catalog hands out
//! the same definition as long as nothing has changed. The least recently used one of
//! [`ENTRIES_MAX`] makes room for the next.

use std::collections::HashMap;
use std::rc::Rc;

use super::tables::UsedTable;
use crate::planned::Plan;

/// How many plans are kept.
const ENTRIES_MAX: usize = 256;
/// The longest text that a plan is kept for, in bytes.
const TEXT_MAX: usize = 2048;

/// A plan and what it was made for.
#[derive(Debug)]
pub(super) struct KeptPlan {
    pub plan: Plan,
    pub tables: Vec<UsedTable>,
}

/// The kept plans of a session.
#[derive(Default)]
pub(super) struct PlanCache {
    entries: HashMap<String, (Rc<KeptPlan>, u64)>,
    clock: u64,
}

impl PlanCache {
    /// The plan for a text.
    pub(super) fn get(&mut self, text: &str) -> Option<Rc<KeptPlan>> {
        self.clock += 1;
        let (plan, used) = self.entries.get_mut(text)?;
        *used = self.clock;
        Some(Rc::clone(plan))
    }

    /// Keeps a plan.
    pub(super) fn put(&mut self, text: &str, plan: Rc<KeptPlan>) {
        if text.len() > TEXT_MAX {
            return;
        }
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(text) {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(text, _)| text.clone()) {
                self.entries.remove(&oldest);
            }
        }
        self.clock += 1;
        self.entries.insert(text.to_owned(), (plan, self.clock));
    }

    /// Forgets the plan for a text.
    pub(super) fn remove(&mut self, text: &str) {
        self.entries.remove(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Rc<KeptPlan> {
        Rc::new(KeptPlan { plan: Plan::Truncate(Vec::new()), tables: Vec::new() })
    }

    #[test]
    fn the_least_recently_used_plan_makes_room() {
        let mut cache = PlanCache::default();
        for number in 0..ENTRIES_MAX {
            cache.put(&number.to_string(), plan());
        }
        assert!(cache.get("0").is_some());
        cache.put("new", plan());
        assert!(cache.get("0").is_some());
        assert!(cache.get("1").is_none());
        assert_eq!(cache.entries.len(), ENTRIES_MAX);
    }

    #[test]
    fn long_texts_are_not_kept() {
        let mut cache = PlanCache::default();
        cache.put(&"x".repeat(TEXT_MAX + 1), plan());
        assert!(cache.entries.is_empty());
    }
}
