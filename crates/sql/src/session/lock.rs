//! LOCK TABLE: tables locked by hand until the end of the transaction.

use types::SqlState;

use super::Session;
use super::transaction::Block;
use crate::bind::TableName;
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
                let message = format!("could not obtain lock on relation \"{}\"", name.name);
                return Err(Error::new(SqlState::LOCK_NOT_AVAILABLE, message));
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
        storage.lock_table(name, lock.mode, lock.nowait)?.ok_or_else(|| undefined_table(name))
    }
}
