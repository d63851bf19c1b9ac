//! The statistics of a table's columns, as a session remembers them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use catalog::{Catalog, TableDef};
use txn::{CatalogVersion, Transaction};
use types::Oid;

use super::selectivity::Known;
use super::{ColumnStatistics, decode};
use crate::engine::told;
use crate::error::Result;

/// Tables remembered; beyond that all are forgotten.
const TABLES_MAX: usize = 1024;

/// What is known of the columns of a table.
#[derive(Debug, Default)]
pub(crate) struct TableStatistics {
    columns: Vec<Option<ColumnStatistics>>,
    unique: Vec<usize>,
}

impl TableStatistics {
    /// The same, for a table of so many rows.
    pub(crate) fn known(&self, rows: f64) -> Known<'_> {
        Known { rows, columns: &self.columns, unique: &self.unique }
    }
}

/// The statistics of the tables that a session uses. They are read again when the version of the
/// table's entries in the system tables has changed, as every ANALYZE makes it.
#[derive(Default)]
pub(crate) struct Statistics {
    remembered: RefCell<HashMap<Oid, (CatalogVersion, Rc<TableStatistics>)>>,
}

impl Statistics {
    /// The statistics of a table.
    pub(crate) fn of(
        &self,
        catalog: &Catalog,
        tx: &Transaction,
        table: &TableDef,
    ) -> Result<Rc<TableStatistics>> {
        // Version first: what a reading misses raises it.
        let version = catalog.access().txn().relation_version(table.oid);
        if let Some((of, statistics)) = self.remembered.borrow().get(&table.oid)
            && *of == version
        {
            return Ok(Rc::clone(statistics));
        }
        let mut read = catalog.column_statistics(tx, table.oid).map_err(told)?;
        let columns = (0..table.columns.len()).map(|column| {
            // Bytes that make no sense are no statistics.
            read.remove(&column).and_then(|bytes| decode(&bytes))
        });
        let unique = table.indexes.iter().filter(|index| index.unique && index.columns.len() == 1);
        let unique = unique.map(|index| index.columns[0].column).collect();
        let statistics = Rc::new(TableStatistics { columns: columns.collect(), unique });
        let mut remembered = self.remembered.borrow_mut();
        if remembered.len() >= TABLES_MAX {
            remembered.clear();
        }
        remembered.insert(table.oid, (version, Rc::clone(&statistics)));
        Ok(statistics)
    }

    /// Forgets a table, whose statistics this transaction has changed; or has not, after all.
    pub(crate) fn forget(&self) {
        self.remembered.borrow_mut().clear();
    }
}
