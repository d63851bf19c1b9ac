//! The tables that a statement uses, as the binder asks for them: found, locked, and noted, so
//! that a kept plan can be checked against them later.

use std::cell::RefCell;
use std::rc::Rc;

use catalog::{TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

use super::Context;
use crate::bind::{TableName, Tables};
use crate::error::{Error, Result};
use crate::exec::undefined_table;

/// A table that a plan was made for.
#[derive(Debug)]
pub(super) struct UsedTable {
    pub name: TableName,
    pub mode: LockMode,
    pub table: Rc<TableDef>,
}

/// Finds tables and notes which.
pub(super) struct UsedTables<'a> {
    context: &'a Context,
    used: RefCell<Vec<UsedTable>>,
}

impl<'a> UsedTables<'a> {
    pub(super) fn new(context: &'a Context) -> UsedTables<'a> {
        UsedTables { context, used: RefCell::default() }
    }

    pub(super) fn into_used(self) -> Vec<UsedTable> {
        self.used.into_inner()
    }
}

impl Tables for UsedTables<'_> {
    fn table(&self, name: &TableName, mode: LockMode) -> Result<Rc<TableDef>> {
        let table = find(self.context, name, mode)?.ok_or_else(|| undefined_table(name))?;
        if matches!(table.kind, TableKind::Index(_)) {
            let message = format!("cannot open relation \"{}\"", table.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .detail("This operation is not supported for indexes."));
        }
        let noted = UsedTable { name: name.clone(), mode, table: Rc::clone(&table) };
        self.used.borrow_mut().push(noted);
        Ok(table)
    }
}

/// The table or view of that name.
fn find(context: &Context, name: &TableName, mode: LockMode) -> Result<Option<Rc<TableDef>>> {
    if let Some(view) = context.views.find(name) {
        return Ok(Some(view));
    }
    context.storage.open(name, mode)
}

/// Locks the tables of a kept plan; says whether they are still those that it was made for.
pub(super) fn still_stand(context: &Context, used: &[UsedTable]) -> Result<bool> {
    for UsedTable { name, mode, table } in used {
        match find(context, name, *mode)? {
            Some(now) if Rc::ptr_eq(&now, table) => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}
