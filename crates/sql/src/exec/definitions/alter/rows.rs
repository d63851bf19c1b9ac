//! What ALTER TABLE has to do with rows: it looks at all of them, or writes all anew.
//!
//! The table is locked, so nobody else changes it meanwhile. The rows are read as they are now, not
//! as the transaction's snapshot sees them: what is said of the table must hold for all of them.

use std::rc::Rc;

use catalog::{NewCheck, TableDef};
use types::{Datum, Row, SqlState};

use super::super::super::modify::{check_not_null, check_row};
use super::Alter;
use crate::bind::bind_checks;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::storage::Flow;

impl Alter<'_, '_> {
    /// Calls for each row of a table as it is now.
    fn each_row(
        &self,
        table: &TableDef,
        visit: &mut dyn FnMut(&mut Row) -> Result<Flow>,
    ) -> Result<()> {
        let storage = &self.execution.session.storage;
        storage.read_newest()?;
        let wanted = vec![true; table.columns.len()];
        let mut count = 0u32;
        storage.scan(table, &wanted, &mut |version| {
            if count.is_multiple_of(256) {
                storage.check_interrupts()?;
            }
            count = count.wrapping_add(1);
            version.row.truncate(table.columns.len());
            visit(version.row)
        })
    }

    pub(super) fn has_rows(&self) -> Result<bool> {
        let mut found = false;
        self.each_row(&self.table, &mut |_| {
            found = true;
            Ok(Flow::Stop)
        })?;
        Ok(found)
    }

    /// `23502` if a row has no value in a column.
    pub(super) fn check_no_nulls(&self, column: usize) -> Result<()> {
        self.each_row(&self.table, &mut |row| match row.get(column) {
            Some(Datum::Null) | None => Err(self.contains_nulls(&self.table.columns[column].name)),
            Some(_) => Ok(Flow::Continue),
        })
    }

    /// Gives the table a CHECK that all its rows must satisfy.
    pub(super) fn add_check(&mut self, check: &NewCheck) -> Result<()> {
        let before = Rc::clone(&self.table);
        let (table, name) = self
            .execution
            .session
            .storage
            .define(|catalog, tx| catalog.add_check(tx, &before, check))?;
        self.table = table;
        let checks = bind_checks(self.context, &self.table)?;
        let Some(check) = checks.iter().find(|check| check.name == name) else {
            return Err(Error::internal("constraint is gone as soon as made"));
        };
        let evaluator = self.execution.evaluator();
        self.each_row(&self.table, &mut |row| {
            if evaluator.value(&check.expr, row)? != Datum::Bool(false) {
                return Ok(Flow::Continue);
            }
            let table = &self.table.name;
            let message = format!(
                "check constraint \"{name}\" of relation \"{table}\" is violated by some row"
            );
            Err(Error::new(SqlState::CHECK_VIOLATION, message))
        })
    }

    /// Writes all rows of the table as it was `before` into its new file, with the value of a new
    /// column behind the others.
    pub(super) fn rewrite(&self, before: &TableDef, default: &Expr) -> Result<()> {
        let storage = &self.execution.session.storage;
        let evaluator = self.execution.evaluator();
        let checks = bind_checks(self.context, &self.table)?;
        self.each_row(before, &mut |row| {
            let mut new = std::mem::take(row);
            new.push(evaluator.value(default, &[])?);
            if check_not_null(&self.table, &new).is_err() {
                let added = self.table.columns.last().map_or("", |column| column.name.as_str());
                return Err(self.contains_nulls(added));
            }
            check_row(&evaluator, &self.table, &checks, &new)?;
            storage.insert(&self.table, &new)?;
            Ok(Flow::Continue)
        })
    }
}
