//! A table whose rows move to a new file as they are: what VACUUM FULL does to the system tables.
//!
//! The versions that are copied keep their makers, so the table keeps its horizon until the copy is
//! done, and the values of columns that versions are too old to have. An index gets a file of its
//! own, made by this transaction: its horizon is the transaction, as with REINDEX.

use std::rc::Rc;

use txn::Transaction;

use super::table::check_user_table;
use crate::catalog::Catalog;
use crate::definition::TableDef;
use crate::error::Error;

impl Catalog {
    /// Gives a table that the transaction has locked `AccessExclusive` a new, empty file, and one to
    /// each of its indexes; the old ones go when the transaction commits. Answers the table as it is
    /// now.
    pub fn move_table(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
    ) -> Result<Rc<TableDef>, Error> {
        check_user_table(table)?;
        let file = self.move_to_new_file(tx, table.oid, table.relfile, None)?;
        self.txn().statistics().moved(table.relfile, file);
        for index in &table.indexes {
            self.give_new_file(tx, index.oid, index.relfile)?;
        }
        let missing = Error::Damaged { relation: table.oid, why: "it is gone while it is locked" };
        self.find_by_oid(tx, table.oid)?.ok_or(missing)
    }
}
