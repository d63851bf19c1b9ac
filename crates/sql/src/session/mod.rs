//! A session: from the line of a client to transactions and results.
//!
//! ```text
//!  line ──► plan kept for this text? ──yes──────────────────────────┐
//!    │ no                                                           │
//!    └──► parse ──► for each statement: transaction state ──► bind ─┴─► run ──► output
//!                                                                  │
//!                                             commit if the line was its own transaction
//! ```
//!
//! | file | |
//! |---|---|
//! | `context`, `environment` | what the executor and functions see of the session |
//! | `names` | names of relations in texts |
//! | `transaction` | the states of a transaction: PostgreSQL's simple query protocol |
//! | `savepoints` | SAVEPOINT, ROLLBACK TO, RELEASE |
//! | `settings` | SET, RESET, SHOW; what a rollback takes back |
//! | `statements` | what each statement does |
//! | `maintenance`, `chores` | VACUUM, ANALYZE; what autovacuum does |
//! | `explain` | EXPLAIN and its options |
//! | `lock` | LOCK TABLE |
//! | `sequences` | what functions of sequences do |
//! | `prepared` | PREPARE, EXECUTE, DEALLOCATE |
//! | `cache` | plans kept by the text of the line |
//! | `literals`, `kept` | the text without its literals; running a kept plan with them |
//!
//! What if the process dies: the transaction aborts; nothing of a session is shared.

mod cache;
mod chores;
mod context;
mod environment;
mod explain;
mod kept;
mod literals;
mod lock;
mod maintenance;
mod names;
mod prepared;
mod savepoints;
mod sequences;
mod settings;
mod statements;
mod tables;
mod transaction;

use std::rc::Rc;
use std::time::Duration;

use ::types::{Severity, SqlState};
use config::Settings;

use crate::error::{Error, Report, Result};
use crate::exec::Reader;
use crate::output::{Output, Stop};
use crate::parse::{Request, parse};
use crate::storage::Storage;
use cache::PlanCache;
pub use chores::{Chore, Ended};
pub(crate) use context::{Context, Weight};
use kept::Keep;
pub(crate) use names::parse_name;
use prepared::Prepared;
pub(crate) use savepoints::SavepointStatement;
use transaction::Block;

/// What a session is between two requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TxStatus {
    /// Outside of a transaction.
    Idle,
    /// Inside of one.
    Transaction,
    /// Inside of one that an error has aborted.
    Failed,
}

/// A session.
pub struct Session {
    context: Context,
    block: Block,
    /// The names of the savepoints, each within the one before it.
    savepoints: Vec<String>,
    /// Whether the storage has a transaction.
    in_transaction: bool,
    /// Whether a statement of the transaction has begun that is a query.
    has_run: bool,
    prepared: Prepared,
    cache: PlanCache,
    /// The key of the line being executed; its memory is used again.
    key: String,
}

impl Session {
    /// A session over a storage, with these settings.
    pub(crate) fn over(storage: Rc<dyn Storage>, settings: Settings) -> Session {
        Session {
            context: Context::new(storage, settings),
            block: Block::None,
            savepoints: Vec::new(),
            in_transaction: false,
            has_run: false,
            prepared: Prepared::default(),
            cache: PlanCache::default(),
            key: String::new(),
        }
    }

    /// What the session is.
    pub fn status(&self) -> TxStatus {
        match self.block {
            Block::None | Block::Implicit => TxStatus::Idle,
            Block::Explicit => TxStatus::Transaction,
            Block::Failed => TxStatus::Failed,
        }
    }

    /// How long the session may be idle where it is now.
    pub fn idle_limit(&self) -> Option<Duration> {
        self.context.idle_limit(self.status() != TxStatus::Idle)
    }

    /// Takes over settings that were read again, but for those that the session has set.
    pub fn reload_settings(&mut self, fresh: &Settings) {
        self.context.reload(fresh);
    }

    /// Rolls back what is open and lets go of what the session holds: the client is gone.
    pub fn rollback_on_disconnect(&mut self) {
        self.roll_back();
        self.context.storage.end_session();
    }

    /// Executes a request. When it returns `Ok`, the reply is complete but for its end; `Err` means
    /// that the session is over: nothing more can be sent.
    pub fn execute_line(
        &mut self,
        line: &str,
        out: &mut dyn Output,
    ) -> std::result::Result<(), Stop> {
        self.context.begin_request();
        let done = self.execute_by_key(line, out);
        sys::interrupt::disarm();
        self.report(done, out)
    }

    /// Executes a line the long way.
    fn execute_parsed(&mut self, line: &str, keep: Keep<'_>, out: &mut dyn Output) -> Result<()> {
        match parse(line) {
            Ok(request) => self.execute_request(&request, keep, out),
            Err(error) => {
                self.fail();
                Err(error)
            }
        }
    }

    /// Tells the client of an error.
    fn report(&mut self, done: Result<()>, out: &mut dyn Output) -> std::result::Result<(), Stop> {
        let warned = self.context.send_warnings(out);
        match done.and(warned) {
            Ok(()) => Ok(()),
            Err(Error::Stop(stop)) => {
                self.roll_back();
                Err(stop)
            }
            Err(Error::Report(report)) => {
                if report.severity != Severity::Error {
                    self.roll_back();
                    out.error(&report)?;
                    return Err(Stop::Fatal);
                }
                out.error(&report)
            }
        }
    }

    fn execute_request(
        &mut self,
        request: &Request,
        keep: Keep<'_>,
        out: &mut dyn Output,
    ) -> Result<()> {
        let copy = request.copy_from_stdin().is_some();
        let before = request.statements.len() - usize::from(copy);
        let several = request.statements.len() > 1;
        let mut result = Ok(());
        for (place, parsed) in request.statements[..before].iter().enumerate() {
            let last = place + 1 == request.statements.len();
            let keep = if several { Keep::Nothing } else { keep };
            result = self.execute_statement(request, parsed, several, last, keep, out);
            if result.is_err() {
                break;
            }
        }
        if copy {
            result = self.execute_copy_in(request, several, result, out);
        }
        if let Err(error) = &result
            && !matches!(error, Error::Stop(_))
        {
            self.fail();
        }
        result
    }

    /// The COPY … FROM STDIN at the end of a request. Its data is read whatever happened before.
    fn execute_copy_in(
        &mut self,
        request: &Request,
        several: bool,
        before: Result<()>,
        out: &mut dyn Output,
    ) -> Result<()> {
        if let Err(error @ Error::Stop(_)) = before {
            return Err(error);
        }
        let mut reader = Reader::new(out);
        let copied = before.and_then(|()| self.copy_in(request, several, &mut reader));
        if let Err(error @ Error::Stop(_)) = copied {
            return Err(error);
        }
        let fatal = matches!(&copied, Err(Error::Report(r)) if r.severity != Severity::Error);
        if fatal {
            return copied.map(|_| ());
        }
        // What failed is undone at once: locks are not held while the client sends the rest.
        if copied.is_err() {
            self.fail();
        }
        let out = reader.drain()?;
        let count = copied?;
        self.end_statement(true)?;
        out.done(&format!("COPY {count}"))?;
        Ok(())
    }
}

/// `25P02`
fn transaction_is_aborted() -> Error {
    Error::new(
        SqlState::IN_FAILED_SQL_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

/// A warning's report.
fn warning(code: SqlState, message: &str) -> Report {
    Report::new(code, message)
}
