//! The rows of a table that have certain values in some columns: by an index if there is one whose
//! leading columns are among them, else by reading all.

use std::rc::Rc;

use access::btree::{Key, KeyRange};
use catalog::{ConstraintDef, IndexDef, TableDef};
use smallvec::SmallVec;
use txn::RowLockMode;
use types::{Datum, TupleId};

use super::Run;
use super::key::{Sought, as_child, as_parent, is_equal};
use crate::error::{Error, Result};
use crate::plan::conditions::key_columns;
use crate::storage::{Flow, IndexScan, RowLocked, Storage, Version};

/// The values of a key, as values of the columns that are referred to.
pub(super) type Values = SmallVec<[Datum; 2]>;

/// The rows on one side of a foreign key.
pub(super) struct Rows<'a> {
    /// The table that is looked through.
    table: &'a TableDef,
    /// The columns in it.
    columns: &'a [usize],
    /// The table that is referred to, and its columns.
    parent: &'a TableDef,
    parent_columns: &'a [usize],
    /// The values in those.
    values: &'a [Datum],
    /// Whether they are looked for in what is committed now, which every index leads to.
    newest: bool,
}

impl<'a> Rows<'a> {
    /// The row that has a key.
    pub(super) fn of_parent(
        parent: &'a TableDef,
        key: &'a ConstraintDef,
        values: &'a [Datum],
    ) -> Self {
        let columns = &key.foreign_columns;
        Rows { table: parent, columns, parent, parent_columns: columns, values, newest: true }
    }

    /// The same, in what the transaction sees.
    pub(super) fn in_own_sight(self) -> Self {
        Rows { newest: false, ..self }
    }

    /// The rows that refer to a key.
    pub(super) fn of_child(
        child: &'a TableDef,
        parent: &'a TableDef,
        key: &'a ConstraintDef,
        values: &'a [Datum],
    ) -> Self {
        let parent_columns = &key.foreign_columns;
        Rows { table: child, columns: &key.columns, parent, parent_columns, values, newest: true }
    }

    /// Each column that is looked through, that which it refers to, and the value in that.
    fn columns(&self) -> impl Iterator<Item = (usize, usize, &Datum)> {
        let pairs = self.columns.iter().zip(self.parent_columns).zip(self.values);
        pairs.map(|((column, parent), value)| (*column, *parent, value))
    }

    /// Whether a row is one of them.
    pub(super) fn has(&self, row: &[Datum]) -> bool {
        self.columns().all(|(column, parent, value)| {
            let (from, to) = (self.table.columns[column].ty, self.parent.columns[parent].ty);
            let there = row.get(column).filter(|there| !there.is_null());
            let there = there.and_then(|there| as_parent(there, from, to));
            there.is_some_and(|there| is_equal(to, &there, value))
        })
    }

    /// Calls for each of them that the statement sees.
    pub(super) fn each(
        &self,
        storage: &dyn Storage,
        visit: &mut dyn FnMut(Version<'_>) -> Result<Flow>,
    ) -> Result<()> {
        let mut sought: SmallVec<[(usize, Sought); 2]> = SmallVec::new();
        for (column, parent, value) in self.columns() {
            let (from, to) = (self.parent.columns[parent].ty, self.table.columns[column].ty);
            match as_child(value, from, to) {
                Sought::Nothing => return Ok(()),
                found => sought.push((column, found)),
            }
        }
        let wanted = vec![true; self.table.columns.len()];
        let mut count = 0u32;
        let mut each = |version: Version<'_>| {
            if count.is_multiple_of(super::INTERRUPT_EVERY) {
                storage.check_interrupts()?;
            }
            count = count.wrapping_add(1);
            version.row.truncate(self.table.columns.len());
            if self.has(version.row) { visit(version) } else { Ok(Flow::Continue) }
        };
        match self.best_index(storage, &sought)? {
            None => storage.scan(self.table, &wanted, &mut each),
            Some((index, leading)) => {
                let key = Key::encode(&key_columns(&index), &leading)
                    .map_err(|error| Error::from_diagnostic(&error))?;
                let ranges = [KeyRange::starting_with(key)];
                let scan =
                    IndexScan { index: &index, ranges: &ranges, backward: false, only: false };
                storage.index_scan(self.table, &scan, &wanted, &mut each)?;
                Ok(())
            }
        }
    }

    /// Locks a row of them FOR KEY SHARE, waiting for whoever is at it; `false`: it has gone, or is
    /// none of them any more.
    fn lock(&self, storage: &dyn Storage, mut place: TupleId) -> Result<bool> {
        loop {
            match storage.lock_row(self.table, place, RowLockMode::KeyShare, true)? {
                RowLocked::Done => return Ok(true),
                RowLocked::Gone => return Ok(false),
                RowLocked::Busy => return Err(Error::internal("row that was not waited for")),
                RowLocked::Replaced(newest, row) if self.has(&row) => place = newest,
                RowLocked::Replaced(..) => return Ok(false),
            }
        }
    }

    /// Whether there is any; one is locked FOR KEY SHARE if `lock`.
    pub(super) fn any(&self, storage: &dyn Storage, lock: bool) -> Result<bool> {
        let mut found = false;
        self.each(storage, &mut |version| {
            found = !lock || self.lock(storage, version.place)?;
            Ok(if found { Flow::Stop } else { Flow::Continue })
        })?;
        Ok(found)
    }

    /// The index that knows most of the columns whose values are known, and those values in its order.
    fn best_index(
        &self,
        storage: &dyn Storage,
        sought: &[(usize, Sought)],
    ) -> Result<Option<(Rc<IndexDef>, Vec<Datum>)>> {
        let value_of = |column: usize| match sought.iter().find(|(known, _)| *known == column) {
            Some((_, Sought::Value(value))) => Some(value),
            _ => None,
        };
        let leading = |index: &IndexDef| -> Vec<Datum> {
            index.columns.iter().map_while(|column| value_of(column.column).cloned()).collect()
        };
        let mut best: Option<(Rc<IndexDef>, Vec<Datum>)> = None;
        for index in &self.table.indexes {
            let leading = leading(index);
            let rank = |index: &IndexDef, leading: &[Datum]| {
                (leading.len(), index.unique, std::cmp::Reverse(index.columns.len()))
            };
            let better = best.as_ref().is_none_or(|(i, l)| rank(index, &leading) > rank(i, l));
            if !leading.is_empty() && better && (self.newest || storage.sees_index(index)?) {
                best = Some((Rc::clone(index), leading));
            }
        }
        Ok(best)
    }
}

/// Whether the row that a key refers to is there, for a row that refers to it.
pub(super) fn parent_is_there(
    run: &Run<'_, '_>,
    parent: &TableDef,
    key: &ConstraintDef,
    values: &[Datum],
) -> Result<bool> {
    Rows::of_parent(parent, key, values).any(run.storage(), true)
}
