//! VACUUM FULL as the engine carries it out: the steps of `maintenance/full.rs`, and the indexes,
//! which are built as CREATE INDEX builds them.

use catalog::TableDef;

use super::{Engine, told};
use crate::error::Result;
use crate::maintenance::{Full, Work};
use crate::storage::{Job, Storage};

impl Engine {
    /// Writes a table that the transaction has locked `AccessExclusive` anew, with its indexes.
    pub(super) fn write_anew(&self, table: &TableDef, job: &mut Job<'_>) -> Result<()> {
        self.wrote.set(true);
        let rooms = &self.rooms;
        let mut work = Work::new(job, &rooms.pool);
        let mut full = Full::begin(rooms, table, &mut work)?;
        let new = self.with_transaction(|tx| rooms.catalog.move_table(tx, table).map_err(told))?;
        let done = full.copy(rooms, &self.heap(table), &self.heap(&new), &mut work)?;
        let mut sizes = Vec::with_capacity(new.indexes.len());
        for (number, index) in new.indexes.iter().enumerate() {
            full.show_index(number);
            self.fill_index(&new, index, None)?;
            sizes.push(self.index_pages(index)?);
        }
        self.with_transaction(|tx| full.note(rooms, tx, &new, &done, &sizes))?;
        full.finish(rooms, &done, &mut work)
    }
}
