//! The tables that a statement uses, as the binder asks for them: found, locked, and noted, so
//! that a kept plan can be checked against them later.

use std::cell::RefCell;
use std::rc::Rc;

use catalog::{TableDef, TableKind};
use txn::LockMode;
use types::{Oid, SqlState};

use super::Context;
use super::cache::KeptPlan;
use crate::bind::{TableName, Tables};
use crate::error::{Error, Result};
use crate::exec::undefined_table;

/// A table that a plan was made for.
#[derive(Debug)]
pub(super) struct UsedTable {
    pub named: Named,
    pub mode: LockMode,
    pub table: Rc<TableDef>,
    /// How many pages it had; 0 where nothing depends on it.
    pub pages: u32,
}

/// How a statement names a table.
#[derive(Debug)]
pub(super) enum Named {
    /// By its name.
    Name(TableName),
    /// By its oid: the query of a view does.
    Oid(Oid),
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
        let named = Named::Name(name.clone());
        let table = find(self.context, &named, mode)?.ok_or_else(|| undefined_table(name))?;
        self.note(named, mode, table)
    }

    fn table_by_oid(&self, oid: Oid, mode: LockMode) -> Result<Rc<TableDef>> {
        let named = Named::Oid(oid);
        let table = find(self.context, &named, mode)?;
        let table = table.ok_or_else(|| {
            Error::internal(format!("view uses relation {}, which is not there", oid.0))
        })?;
        self.note(named, mode, table)
    }
}

impl UsedTables<'_> {
    fn note(&self, named: Named, mode: LockMode, table: Rc<TableDef>) -> Result<Rc<TableDef>> {
        if matches!(table.kind, TableKind::Index(_)) {
            let message = format!("cannot open relation \"{}\"", table.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .detail("This operation is not supported for indexes."));
        }
        let pages =
            if table.indexes.is_empty() { 0 } else { self.context.storage.pages(&table)? };
        let noted = UsedTable { named, mode, table: Rc::clone(&table), pages };
        self.used.borrow_mut().push(noted);
        Ok(table)
    }
}

/// The table or view of that name.
fn find(context: &Context, named: &Named, mode: LockMode) -> Result<Option<Rc<TableDef>>> {
    match named {
        Named::Name(name) => match context.views.find(name) {
            Some(view) => Ok(Some(view)),
            None => context.storage.open(name, mode),
        },
        Named::Oid(oid) => context.storage.define(|catalog, tx| catalog.open_oid(tx, *oid, mode)),
    }
}

/// A kept plan's tables are measured once in so many uses.
const MEASURED_EVERY: u32 = 64;

/// Locks the tables of a kept plan; says whether they are still those that it was made for, and it
/// is still the plan that would be made.
pub(super) fn still_stands(context: &Context, kept: &KeptPlan) -> Result<bool> {
    if kept.allowed != context.allowed_paths() {
        return Ok(false);
    }
    kept.uses.set(kept.uses.get().wrapping_add(1));
    let measures = kept.uses.get().is_multiple_of(MEASURED_EVERY);
    for UsedTable { named, mode, table, pages } in &kept.tables {
        match find(context, named, *mode)? {
            Some(now) if Rc::ptr_eq(&now, table) => {}
            _ => return Ok(false),
        }
        if measures && !table.indexes.is_empty() && has_grown(context, table, *pages)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a table is so much larger than it was that another plan might be better.
fn has_grown(context: &Context, table: &TableDef, then: u32) -> Result<bool> {
    let now = context.storage.pages(table)?;
    Ok(now > then.saturating_mul(2).max(then + 10))
}
