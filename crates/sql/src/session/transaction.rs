//! The states of a session's transaction, as in PostgreSQL's simple query protocol.
//!
//! | state | is left by |
//! |---|---|
//! | `None` | the first statement begins a transaction; it ends with the statement, or, if the line has several, with the line (`Implicit`) |
//! | `Implicit` | BEGIN makes it `Explicit`, with what was done before in it; COMMIT and ROLLBACK end it, with a warning |
//! | `Explicit` | COMMIT, ROLLBACK; an error makes it `Failed` |
//! | `Failed` | COMMIT and ROLLBACK, which both roll back; ROLLBACK TO a savepoint, which makes it `Explicit`; everything else is refused |

use types::SqlState;

use super::{Session, Weight, warning};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::parse::{Access, TransactionModes};

/// The state of the transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Block {
    None,
    Implicit,
    Explicit,
    Failed,
}

impl Session {
    /// Begins a transaction if there is none.
    pub(super) fn ensure_transaction(&mut self, several: bool) {
        if !self.in_transaction {
            self.context.begin_transaction();
            self.in_transaction = true;
            self.has_run = false;
        }
        if several && self.block == Block::None {
            self.block = Block::Implicit;
        }
    }

    /// Ends a statement that has done its work; commits if it, or the line, was a transaction of
    /// its own. `last`: no other statement of the line follows.
    pub(super) fn end_statement(&mut self, last: bool) -> Result<()> {
        self.context.end_statement()?;
        let own = self.block == Block::None || (self.block == Block::Implicit && last);
        if own && self.in_transaction {
            return self.commit();
        }
        Ok(())
    }

    /// Commits what is open; what cannot be committed is rolled back.
    pub(super) fn commit(&mut self) -> Result<()> {
        let done = self.context.commit();
        if done.is_err() {
            self.roll_back();
        }
        self.in_transaction = false;
        self.savepoints.clear();
        self.block = Block::None;
        done
    }

    /// Rolls back what is open.
    pub(super) fn roll_back(&mut self) {
        if self.in_transaction {
            self.context.abort();
            self.in_transaction = false;
        }
        self.savepoints.clear();
        self.block = Block::None;
    }

    /// An error: the transaction, or its innermost subtransaction, is undone; an explicit one
    /// remains as failed.
    pub(super) fn fail(&mut self) {
        let explicit = matches!(self.block, Block::Explicit | Block::Failed);
        match self.savepoints.len().checked_sub(1) {
            // What is failed already is undone, and nothing ran since.
            Some(_) if self.block == Block::Failed => {}
            Some(innermost) => self.context.rollback_to_savepoint(innermost),
            None => self.roll_back(),
        }
        if explicit {
            self.block = Block::Failed;
        }
    }

    /// BEGIN
    pub(super) fn begin_block(
        &mut self,
        modes: &TransactionModes,
        out: &mut dyn Output,
    ) -> Result<()> {
        modes.level()?;
        if self.block == Block::Explicit {
            let code = SqlState::ACTIVE_SQL_TRANSACTION;
            let report = warning(code, "there is already a transaction in progress");
            self.context.notice(out, Weight::Warning, &report)?;
        }
        self.ensure_transaction(false);
        self.block = Block::Explicit;
        self.apply_modes(modes)
    }

    /// Takes over the modes of BEGIN and SET TRANSACTION.
    pub(super) fn apply_modes(&mut self, modes: &TransactionModes) -> Result<()> {
        let mut settings = self.context.settings.borrow_mut();
        settings.keep_for_savepoint();
        let current = &mut settings.current;
        let within = !self.savepoints.is_empty();
        if let Some(level) = modes.level()?
            && level != current.transaction_isolation
        {
            self.refuse_after_query("SET TRANSACTION ISOLATION LEVEL must be called")?;
            refuse_if(
                within,
                "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction",
            )?;
            current.transaction_isolation = level;
        }
        if let Some(access) = modes.access {
            let read_only = access == Access::ReadOnly;
            if current.transaction_read_only && !read_only {
                let message =
                    "cannot set transaction read-write mode inside a read-only transaction";
                refuse_if(within, message)?;
                self.refuse_after_query("transaction read-write mode must be set")?;
            }
            current.transaction_read_only = read_only;
        }
        if let Some(deferrable) = modes.deferrable {
            refuse_if(
                within,
                "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction",
            )?;
            self.refuse_after_query("SET TRANSACTION [NOT] DEFERRABLE must be called")?;
            current.transaction_deferrable = deferrable;
        }
        Ok(())
    }

    /// `25001` once a query has run.
    fn refuse_after_query(&self, what: &str) -> Result<()> {
        if !self.has_run {
            return Ok(());
        }
        let message = format!("{what} before any query");
        Err(Error::new(SqlState::ACTIVE_SQL_TRANSACTION, message))
    }

    /// A statement begins that reads, writes or plans. From the first of them on, the transaction's
    /// modes are fixed, and under repeatable read what it sees. As in PostgreSQL that is before the
    /// statement's own tables are locked, and after what is no query: LOCK TABLE, SET, SHOW,
    /// CHECKPOINT.
    pub(super) fn begin_query(&mut self) -> Result<()> {
        if !self.has_run {
            self.has_run = true;
            if self.context.settings.borrow().is_repeatable_read() {
                self.context.storage.keep_snapshot()?;
            }
        }
        Ok(())
    }

    /// COMMIT: answers the tag.
    pub(super) fn commit_block(&mut self, out: &mut dyn Output) -> Result<&'static str> {
        match self.block {
            Block::Failed => {
                self.roll_back();
                return Ok("ROLLBACK");
            }
            Block::Explicit => {}
            Block::None | Block::Implicit => self.warn_no_transaction(out)?,
        }
        if self.in_transaction {
            self.commit()?;
        }
        Ok("COMMIT")
    }

    /// ROLLBACK: answers the tag.
    pub(super) fn roll_back_block(&mut self, out: &mut dyn Output) -> Result<&'static str> {
        if matches!(self.block, Block::None | Block::Implicit) {
            self.warn_no_transaction(out)?;
        }
        self.roll_back();
        Ok("ROLLBACK")
    }

    fn warn_no_transaction(&self, out: &mut dyn Output) -> Result<()> {
        let code = SqlState::NO_ACTIVE_SQL_TRANSACTION;
        let report = warning(code, "there is no transaction in progress");
        self.context.notice(out, Weight::Warning, &report)
    }
}

/// `25001` where a mode cannot be changed.
fn refuse_if(refused: bool, message: &str) -> Result<()> {
    if refused { Err(Error::new(SqlState::ACTIVE_SQL_TRANSACTION, message)) } else { Ok(()) }
}
