//! LOCK TABLE: tables locked by hand until the end of the transaction. With a view all that its query
//! reads is locked, as in PostgreSQL.

use std::collections::HashSet;
use std::rc::Rc;

use catalog::{TableDef, TableKind};
use types::{Oid, SqlState};

use super::Session;
use super::transaction::Block;
use crate::bind::TableName;
use crate::bind::stored::named_relations;
use crate::error::{Error, Result};
use crate::exec::undefined_table;
use crate::parse::LockStatement;

impl Session {
    /// Locks the tables, one after the other.
    pub(super) fn lock_tables(&mut self, lock: &LockStatement) -> Result<String> {
        if self.block == Block::None {
            let message = "LOCK TABLE can only be used in transaction blocks";
            return Err(Error::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, message));
        }
        for name in &lock.tables {
            if !self.lock_table(name, lock)? {
                return Err(not_obtained(&name.name));
            }
        }
        Ok("LOCK TABLE".to_owned())
    }

    /// `false`: somebody else has it.
    fn lock_table(&self, name: &TableName, lock: &LockStatement) -> Result<bool> {
        let storage = &self.context.storage;
        if let Some(view) = self.context.views.find(name) {
            return storage.lock_view(&view, lock.mode, lock.nowait);
        }
        let locked = storage.lock_table(name, lock.mode, lock.nowait)?;
        let locked = locked.ok_or_else(|| undefined_table(name))?;
        if locked {
            let schema = name.schema.as_deref();
            let found = storage.define(|catalog, tx| catalog.lookup(tx, schema, &name.name))?;
            found.map_or(Ok(()), |view| self.lock_beneath(view, lock))?;
        }
        Ok(locked)
    }

    /// Locks what a view reads, and what the views among that read.
    fn lock_beneath(&self, view: Rc<TableDef>, lock: &LockStatement) -> Result<()> {
        let storage = &self.context.storage;
        let mut seen: HashSet<Oid> = HashSet::from([view.oid]);
        let mut views = vec![view];
        while let Some(view) = views.pop() {
            if view.kind != TableKind::View {
                continue;
            }
            for oid in named_relations(&view.query)? {
                if !seen.insert(oid) {
                    continue;
                }
                let obtained = !lock.nowait || storage.try_lock(oid, lock.mode)?;
                let found = storage.define(|catalog, tx| match obtained {
                    true => catalog.open_oid(tx, oid, lock.mode),
                    false => catalog.find_by_oid(tx, oid),
                })?;
                match found {
                    Some(table) if !obtained => return Err(not_obtained(&table.name)),
                    found => views.extend(found),
                }
            }
        }
        Ok(())
    }
}

/// `55P03`
fn not_obtained(name: &str) -> Error {
    let message = format!("could not obtain lock on relation \"{name}\"");
    Error::new(SqlState::LOCK_NOT_AVAILABLE, message)
}
