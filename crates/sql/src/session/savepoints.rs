//! SAVEPOINT, ROLLBACK TO and RELEASE.
//!
//! A savepoint is a name for a subtransaction of the storage: the name at a place of the list is
//! that of the subtransaction at that depth. A name given again hides the older one until it is
//! released, as in PostgreSQL; ROLLBACK TO keeps the savepoint and takes away those after it.
//!
//! | where | SAVEPOINT, RELEASE | ROLLBACK TO |
//! |---|---|---|
//! | outside of BEGIN … COMMIT | 25P01 | 25P01 |
//! | in a transaction | does it | does it |
//! | after an error | 25P02 | does it: the transaction goes on |
//! | name unknown | 3B001 (RELEASE) | 3B001 |
//!
//! An error undoes the innermost subtransaction at once, and lets its locks go; the others wait for
//! what the client decides.

use types::SqlState;

use super::transaction::Block;
use super::{Context, Session};
use crate::error::{Error, Result};

/// What is done with a savepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SavepointStatement {
    /// SAVEPOINT
    Set(String),
    /// RELEASE \[SAVEPOINT\]
    Release(String),
    /// ROLLBACK TO \[SAVEPOINT\]
    RollbackTo(String),
}

impl SavepointStatement {
    /// Whether it is allowed after an error.
    pub(super) fn ends_failure(&self) -> bool {
        matches!(self, SavepointStatement::RollbackTo(_))
    }
}

impl Session {
    /// Does it; answers the tag.
    pub(super) fn savepoint(&mut self, statement: &SavepointStatement) -> Result<&'static str> {
        let command = match statement {
            SavepointStatement::Set(_) => "SAVEPOINT",
            SavepointStatement::Release(_) => "RELEASE SAVEPOINT",
            SavepointStatement::RollbackTo(_) => "ROLLBACK TO SAVEPOINT",
        };
        if matches!(self.block, Block::None | Block::Implicit) {
            let message = format!("{command} can only be used in transaction blocks");
            return Err(Error::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, message));
        }
        match statement {
            SavepointStatement::Set(name) => {
                self.context.set_savepoint()?;
                self.savepoints.push(name.clone());
                Ok("SAVEPOINT")
            }
            SavepointStatement::Release(name) => {
                let depth = self.depth_of(name)?;
                self.context.release_savepoint(depth)?;
                self.savepoints.truncate(depth);
                Ok("RELEASE")
            }
            SavepointStatement::RollbackTo(name) => {
                let depth = self.depth_of(name)?;
                self.context.rollback_to_savepoint(depth);
                self.savepoints.truncate(depth + 1);
                self.block = Block::Explicit;
                Ok("ROLLBACK")
            }
        }
    }

    fn depth_of(&self, name: &str) -> Result<usize> {
        self.savepoints.iter().rposition(|known| known == name).ok_or_else(|| {
            let message = format!("savepoint \"{name}\" does not exist");
            Error::new(SqlState::INVALID_SAVEPOINT_SPECIFICATION, message)
        })
    }
}

impl Context {
    fn set_savepoint(&self) -> Result<()> {
        self.storage.set_savepoint()?;
        self.settings.borrow_mut().set_savepoint();
        Ok(())
    }

    fn release_savepoint(&self, depth: usize) -> Result<()> {
        self.storage.release_savepoint(depth)?;
        self.settings.borrow_mut().release_savepoint(depth);
        Ok(())
    }

    pub(super) fn rollback_to_savepoint(&self, depth: usize) {
        self.storage.rollback_to_savepoint(depth);
        if self.settings.borrow_mut().rollback_to_savepoint(depth) {
            self.settings_changed();
        }
    }
}
