//! What the transaction has counted and not added yet.

use types::RelFileNumber;

use super::table::{COUNTS, Count, Entry, OF_THE_FILE, Table};

/// The counts of one relation in this transaction.
struct Line {
    rel: RelFileNumber,
    counts: [u64; COUNTS],
}

/// All relations of the transaction.
#[derive(Default)]
pub(super) struct Pending {
    lines: Vec<Line>,
    /// The line that was added to last: most often it is the next too.
    last: usize,
    /// Relations that got a new file.
    moved: Vec<(RelFileNumber, RelFileNumber)>,
}

impl Pending {
    pub fn add(&mut self, rel: RelFileNumber, count: Count, number: u64) {
        if self.lines.get(self.last).is_none_or(|line| line.rel != rel) {
            let found = self.lines.iter().position(|line| line.rel == rel);
            self.last = found.unwrap_or_else(|| {
                self.lines.push(Line { rel, counts: [0; COUNTS] });
                self.lines.len() - 1
            });
        }
        self.lines[self.last].counts[count as usize] += number;
    }

    /// Adds what a part of it has counted.
    pub fn join(&mut self, part: &Pending) {
        for line in &part.lines {
            self.add_line(line);
        }
        self.moved.extend_from_slice(&part.moved);
    }

    fn add_line(&mut self, added: &Line) {
        match self.lines.iter_mut().find(|line| line.rel == added.rel) {
            Some(line) => {
                line.counts.iter_mut().zip(added.counts).for_each(|(sum, count)| *sum += count);
            }
            None => self.lines.push(Line { rel: added.rel, counts: added.counts }),
        }
    }

    pub fn moved(&mut self, from: RelFileNumber, to: RelFileNumber) {
        self.moved.push((from, to));
    }

    /// Adds everything to the table and forgets it.
    pub fn drain(&mut self, table: &Table, committed: bool) {
        for line in self.lines.drain(..) {
            if let Some(entry) = table.find_or_make(line.rel) {
                line.add_to(entry, committed);
            }
        }
        for (from, to) in self.moved.drain(..) {
            if committed && let Some(from) = table.find(from) {
                inherit(table, from, to);
            }
        }
        self.last = 0;
    }
}

impl Line {
    fn add_to(&self, entry: &Entry, committed: bool) {
        let counted = |count: Count| i64::try_from(self.counts[count as usize]).unwrap_or(i64::MAX);
        for count in [Count::SeqScan, Count::SeqRead, Count::IndexScan, Count::IndexFetch] {
            entry.raise(count, counted(count));
        }
        for count in [Count::Inserted, Count::Updated, Count::Deleted, Count::HotUpdated] {
            entry.raise(count, counted(count));
        }
        let (inserted, updated) = (counted(Count::Inserted), counted(Count::Updated));
        let deleted = counted(Count::Deleted);
        entry.raise(Count::InsertedSinceVacuum, inserted);
        if committed {
            entry.raise(Count::Live, inserted - deleted);
            entry.raise(Count::Dead, updated + deleted);
            entry.raise(Count::ModifiedSinceAnalyze, inserted + updated + deleted);
        } else {
            entry.raise(Count::Dead, inserted + updated);
        }
    }
}

/// Adds the history of a relation's old file to its new one.
fn inherit(table: &Table, from: &Entry, to: RelFileNumber) {
    let Some(to) = table.find_or_make(to) else { return };
    let (old, new) = (from.read(), to.read());
    let mut words: Vec<i64> = new.words().iter().zip(old.words()).map(|(a, b)| a + b).collect();
    for count in OF_THE_FILE {
        words[count as usize] = new.words()[count as usize];
    }
    if let Some(sum) = super::Counts::from_words(&words) {
        to.write(&sum);
    }
}
