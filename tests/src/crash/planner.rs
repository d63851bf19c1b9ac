//! Draws the work of the load: which statements a client's next transaction is made of.
//!
//! A planner knows what its client's tables hold, so that the steps it draws are right one after
//! another, and gives no key twice: a row that stands twice is then never the load's doing.

use serde::{Deserialize, Serialize};

use crate::crash::step::{ACCOUNTS, How, NewRow, Step, Table, Tables};
use crate::draw::Draw;

/// Draws the steps of a client's transactions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Planner {
    client: usize,
    next_key: i32,
    next_table: u32,
    rows_only: bool,
}

/// More rows than this in a table, and deleting becomes more likely than inserting.
const ROWS_MANY: usize = 250;
/// More tables than this, and no further one is made.
const TABLES_MANY: usize = 6;

impl Planner {
    /// The planner of that client.
    pub fn new(client: usize) -> Planner {
        Planner { client, next_key: 1, next_table: 1, rows_only: false }
    }

    /// Whether to leave out TRUNCATE, CREATE and DROP: they make the log durable, and with it every
    /// asynchronous commit before them.
    pub fn set_rows_only(&mut self, rows_only: bool) {
        self.rows_only = rows_only;
    }

    /// One to four steps that are right one after another, applied to `tables`; with each the tags
    /// that the server must answer with. At most one is a COPY.
    pub fn plan(
        &mut self,
        draw: &mut Draw,
        tables: &mut Tables,
        seq: i64,
    ) -> Vec<(Step, Vec<String>)> {
        let count = 1 + draw.below(4) as usize;
        let mut steps: Vec<(Step, Vec<String>)> = Vec::new();
        while steps.len() < count {
            let step = match draw.percent(20) {
                true => self.part(draw, tables, seq, 3),
                false => self.step(draw, tables),
            };
            let second_copy = matches!(step, Step::Copy(..))
                && steps.iter().any(|(s, _)| matches!(s, Step::Copy(..)));
            if !second_copy {
                let tags = step.apply(tables, seq);
                steps.push((step, tags));
            }
        }
        steps
    }

    /// Some steps within a savepoint, among them further such parts, up to that depth.
    fn part(&mut self, draw: &mut Draw, tables: &Tables, seq: i64, depth: u32) -> Step {
        let mut tables = tables.clone();
        // Now and then many: each has an id of its own.
        let count = if draw.percent(3) { 60 } else { 1 + draw.below(3) as usize };
        let mut steps = Vec::new();
        while steps.len() < count {
            let step = match draw.percent(if count > 3 { 90 } else { 35 }) && depth > 1 {
                true => self.part(draw, &tables, seq, if count > 3 { 1 } else { depth - 1 }),
                false => self.step(draw, &tables),
            };
            if !matches!(step, Step::Copy(..)) {
                step.apply(&mut tables, seq);
                steps.push(step);
            }
        }
        match draw.below(4) {
            0 | 1 => Step::Within(steps),
            2 => Step::Undone(steps, How::AtWill),
            _ => Step::Undone(steps, How::ByMistake),
        }
    }

    fn step(&mut self, draw: &mut Draw, tables: &Tables) -> Step {
        let names: Vec<&String> = tables.keys().collect();
        let name = (*draw.pick(&names)).clone();
        let table = &tables[&name];
        let kind = draw.below(100);
        match kind {
            0..40 if table.len() < ROWS_MANY => {
                let count = 1 + draw.below(20);
                Step::Insert(name, self.rows(draw, count, false))
            }
            40..52 if table.len() < ROWS_MANY => {
                let count = if draw.percent(10) { 200 } else { 1 + draw.below(40) };
                Step::Copy(name, self.rows(draw, count, true))
            }
            52..70 => {
                let (low, high) = some_keys(draw, table);
                Step::Update(name, low, high, draw.between(-100, 100))
            }
            70..82 => self.transfer(draw),
            82..86 if !self.rows_only => Step::Truncate(name),
            86..91 if !self.rows_only && tables.len() < TABLES_MANY => {
                self.next_table += 1;
                Step::Create(format!("c{}_d{}", self.client, self.next_table))
            }
            91..95 if !self.rows_only && name.contains("_d") => Step::Drop(name),
            _ => {
                let (low, high) = some_keys(draw, table);
                Step::Delete(name, low, high)
            }
        }
    }

    fn transfer(&self, draw: &mut Draw) -> Step {
        let from = draw.below(ACCOUNTS as u64) as i64;
        let to = (from + 1 + draw.below(ACCOUNTS as u64 - 1) as i64) % ACCOUNTS;
        Step::Move(from, to, draw.between(1, 50))
    }

    fn rows(&mut self, draw: &mut Draw, count: u64, any_character: bool) -> Vec<NewRow> {
        let row = |_| {
            let id = self.next_key;
            self.next_key += 1;
            (id, draw.between(-1_000_000, 1_000_000), note(draw, any_character))
        };
        (0..count).map(row).collect()
    }
}

/// A run of keys of which most rows are there.
fn some_keys(draw: &mut Draw, table: &Table) -> (i32, i32) {
    let keys: Vec<&i32> = table.keys().collect();
    if keys.is_empty() {
        return (0, 0);
    }
    let at = draw.below(keys.len() as u64) as usize;
    let most = if keys.len() > ROWS_MANY { keys.len() as u64 } else { 30 };
    let last = (at + draw.below(most) as usize).min(keys.len() - 1);
    (*keys[at], *keys[last])
}

/// Text to store: mostly short, sometimes a good part of a page.
fn note(draw: &mut Draw, any_character: bool) -> Option<String> {
    const PLAIN: &[&str] = &["a", "b", "c", "x", "0", " ", "'", "\\", "ä", "мамонт", ",", "\""];
    const AWKWARD: &[&str] = &["\t", "\n", "\r", "\\.", "\\N"];
    let length = match draw.below(20) {
        0 => return None,
        1 => 800 + draw.below(800),
        2..5 => draw.below(250),
        _ => draw.below(30),
    };
    let piece = |_| {
        let list = if any_character && draw.percent(15) { AWKWARD } else { PLAIN };
        *draw.pick(list)
    };
    Some((0..length).map(piece).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(seed: u64) -> (Vec<Step>, Tables) {
        let mut draw = Draw::new(seed);
        let mut planner = Planner::new(0);
        let mut tables = Tables::from([("c0_a".to_owned(), Table::new())]);
        let mut steps = Vec::new();
        for seq in 1..200 {
            steps.extend(planner.plan(&mut draw, &mut tables, seq).into_iter().map(|(s, _)| s));
        }
        (steps, tables)
    }

    #[test]
    fn the_same_seed_plans_the_same_work() {
        assert_eq!(planned(7), planned(7));
        assert_ne!(planned(7).0, planned(8).0);
    }

    #[test]
    fn every_kind_of_statement_is_planned() {
        let (steps, _) = planned(7);
        let has = |kind: fn(&Step) -> bool| steps.iter().any(kind);
        assert!(has(|s| matches!(s, Step::Insert(..))));
        assert!(has(|s| matches!(s, Step::Copy(..))));
        assert!(has(|s| matches!(s, Step::Update(..))));
        assert!(has(|s| matches!(s, Step::Delete(..))));
        assert!(has(|s| matches!(s, Step::Truncate(..))));
        assert!(has(|s| matches!(s, Step::Create(..))));
        assert!(has(|s| matches!(s, Step::Drop(..))));
        assert!(has(|s| matches!(s, Step::Move(..))));
        assert!(has(|s| matches!(s, Step::Within(..))));
        assert!(has(|s| matches!(s, Step::Undone(_, How::AtWill))));
        assert!(has(|s| matches!(s, Step::Undone(_, How::ByMistake))));
    }
}
