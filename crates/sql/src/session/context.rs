//! What functions and the executor see of their session: storage, settings, times.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use catalog::TableKind;
use config::{ByteaOutput, Settings};
use types::{Datum, Lsn, Oid, Row};

use super::settings::SessionSettings;
use crate::bind::TableName;
use crate::error::{Error, Report, Result};
use crate::exec::{check_heap, check_index, undefined_table};
use crate::functions::{AdvisoryLock, Environment, LogPosition};
use crate::output::{Output, TextRow};
use crate::plan::path::Allowed;
use crate::storage::Storage;
use crate::values::Style;
use crate::values::datetime::Now;
use crate::views::Views;
use crate::views::definitions::{self, WhichView};
use sys::process::Signal;
use txn::{AdvisoryKey, LockMode};

/// A row that took more memory than this gives it back.
const ROW_KEPT: usize = 64 << 10;

/// How much a notice weighs, against `client_min_messages`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Weight {
    Notice,
    Warning,
}

/// The part of a session that statements see.
pub(crate) struct Context {
    pub(crate) storage: Rc<dyn Storage>,
    pub(super) settings: RefCell<SessionSettings>,
    pub(crate) views: Views,
    style: Cell<Style>,
    limits: Cell<Limits>,
    /// What functions have warned of and the client has not been told yet.
    warnings: RefCell<Vec<Report>>,
    statement_time: Cell<i64>,
    clock: TransactionClock,
    /// The row that was sent last; its memory is used again.
    text: Cell<TextRow>,
}

/// How long things may take; zero: as long as they like.
#[derive(Clone, Copy, Default)]
struct Limits {
    statement: Duration,
    client_check: Duration,
    idle: Duration,
    idle_in_transaction: Duration,
}

impl Limits {
    fn of(settings: &Settings) -> Limits {
        Limits {
            statement: settings.statement_timeout,
            client_check: settings.client_connection_check_interval,
            idle: settings.idle_session_timeout,
            idle_in_transaction: settings.idle_in_transaction_session_timeout,
        }
    }
}

/// The time of the transaction, and whether anybody asked for it.
#[derive(Default)]
pub(super) struct TransactionClock {
    micros: Cell<i64>,
    asked: Cell<bool>,
}

impl Now for TransactionClock {
    fn transaction_time(&self) -> i64 {
        self.asked.set(true);
        self.micros.get()
    }
}

fn style_of(settings: &Settings) -> Style {
    Style {
        extra_float_digits: settings.extra_float_digits,
        bytea_hex: settings.bytea_output == ByteaOutput::Hex,
    }
}

impl Context {
    pub(super) fn new(storage: Rc<dyn Storage>, settings: Settings) -> Context {
        let style = Cell::new(style_of(&settings));
        let limits = Cell::new(Limits::of(&settings));
        storage.apply(&settings);
        Context {
            storage,
            settings: RefCell::new(SessionSettings::new(settings)),
            views: Views::default(),
            style,
            limits,
            warnings: RefCell::default(),
            statement_time: Cell::new(0),
            clock: TransactionClock::default(),
            text: Cell::default(),
        }
    }

    /// A request has come.
    pub(super) fn begin_request(&self) {
        self.statement_time.set(self.storage.clock());
    }

    /// A statement begins: its time runs from now on.
    pub(super) fn begin_statement(&self) {
        let limits = self.limits.get();
        sys::interrupt::arm(limits.statement, limits.client_check);
    }

    /// How long the session may be idle, outside or inside of a transaction.
    pub(super) fn idle_limit(&self, in_transaction: bool) -> Option<Duration> {
        let limits = self.limits.get();
        let limit = if in_transaction { limits.idle_in_transaction } else { limits.idle };
        Some(limit).filter(|limit| !limit.is_zero())
    }

    pub(super) fn begin_transaction(&self) {
        self.storage.begin();
        self.clock.micros.set(self.statement_time.get());
        self.settings.borrow_mut().begin();
    }

    pub(super) fn end_statement(&self) -> Result<()> {
        // Nothing that it still has to do may be interrupted.
        sys::interrupt::disarm();
        self.storage.end_command()
    }

    pub(super) fn commit(&self) -> Result<()> {
        sys::interrupt::disarm();
        let synchronous = {
            let settings = self.settings.borrow();
            settings.current.synchronous_commit == config::SynchronousCommit::On
        };
        self.storage.commit(synchronous)?;
        if self.settings.borrow_mut().commit() {
            self.settings_changed();
        }
        Ok(())
    }

    pub(super) fn abort(&self) {
        sys::interrupt::disarm();
        self.storage.abort();
        if self.settings.borrow_mut().abort() {
            self.settings_changed();
        }
    }

    /// Takes over settings that were read again.
    pub(super) fn reload(&self, fresh: &Settings) {
        self.settings.borrow_mut().reload(fresh);
        self.settings_changed();
    }

    /// Tells those who hold values of settings.
    pub(super) fn settings_changed(&self) {
        let settings = self.settings.borrow();
        self.style.set(style_of(&settings.current));
        self.limits.set(Limits::of(&settings.current));
        self.storage.apply(&settings.current);
    }

    /// Forgets that somebody asked for the time.
    pub(super) fn forget_asked(&self) {
        self.clock.asked.set(false);
    }

    /// Whether somebody asked for the time of the transaction since [`Context::forget_asked`].
    pub(super) fn was_asked(&self) -> bool {
        self.clock.asked.get()
    }

    /// What the planner may use.
    pub(crate) fn allowed_paths(&self) -> Allowed {
        let settings = self.settings.borrow();
        let settings = &settings.current;
        Allowed {
            sequential: settings.enable_seqscan,
            index: settings.enable_indexscan,
            index_only: settings.enable_indexonlyscan,
            sort: settings.enable_sort,
        }
    }

    /// `work_mem` in bytes.
    pub(crate) fn work_mem(&self) -> u64 {
        self.settings.borrow().current.work_mem
    }

    /// A row to put values into, with the memory of an earlier one.
    pub(crate) fn take_text(&self) -> TextRow {
        self.text.take()
    }

    /// Keeps the memory of a row, unless it is much.
    pub(crate) fn give_back_text(&self, row: TextRow) {
        if row.memory() <= ROW_KEPT {
            self.text.set(row);
        }
    }

    /// The clock for input of dates and times.
    pub(crate) fn clock(&self) -> &dyn Now {
        &self.clock
    }

    /// Sends a notice, if the client wants to hear of such.
    pub(crate) fn notice(
        &self,
        out: &mut dyn Output,
        weight: Weight,
        report: &Report,
    ) -> Result<()> {
        use config::MessageLevel as Level;
        let least = self.settings.borrow().current.client_min_messages;
        let wanted = match least {
            Level::Warning => weight >= Weight::Warning,
            Level::Error | Level::Fatal | Level::Panic => false,
            _ => true,
        };
        if wanted {
            out.notice(report)?;
        }
        Ok(())
    }

    /// Sends what functions have warned of.
    pub(crate) fn send_warnings(&self, out: &mut dyn Output) -> Result<()> {
        if self.warnings.borrow().is_empty() {
            return Ok(());
        }
        for report in self.warnings.take() {
            self.notice(out, Weight::Warning, &report)?;
        }
        Ok(())
    }

    /// The rows of a view.
    pub(crate) fn view_rows(&self, name: &str) -> Result<Vec<Row>> {
        if name == "pg_settings" {
            let settings = self.settings.borrow();
            return Ok(crate::views::settings_rows(&settings.current, &settings.base));
        }
        if name == "pg_views" {
            return definitions::rows(self.storage.as_ref());
        }
        match self.storage.view(name)? {
            Some(rows) => Ok(rows),
            None => Err(Error::internal(format!("view \"{name}\" has no rows"))),
        }
    }
}

impl Environment for Context {
    fn style(&self) -> Style {
        self.style.get()
    }

    fn now(&self) -> &dyn Now {
        &self.clock
    }

    fn statement_time(&self) -> i64 {
        self.statement_time.get()
    }

    fn clock_time(&self) -> i64 {
        self.storage.clock()
    }

    fn user(&self) -> String {
        self.storage.user()
    }

    fn schemas(&self, system: bool) -> Result<Vec<String>> {
        self.storage.define(|catalog, tx| catalog.current_schemas(tx, system))
    }

    fn setting(&self, name: &str) -> Result<String> {
        self.settings.borrow().show(name)
    }

    fn backend_pid(&self) -> i32 {
        self.storage.pid()
    }

    fn transaction_id(&self) -> Result<u64> {
        self.storage.transaction_id()
    }

    fn log_position(&self, position: LogPosition) -> Lsn {
        self.storage.log_position(position)
    }

    fn sleep(&self, seconds: f64) -> Result<()> {
        self.storage.sleep(seconds)
    }

    fn check_index(&self, name: &str) -> Result<()> {
        check_index(&self.storage, &parse_name(name)?)
    }

    fn next_value(&self, sequence: &str) -> Result<i64> {
        self.nextval(sequence)
    }

    fn current_value(&self, sequence: &str) -> Result<i64> {
        self.currval(sequence)
    }

    fn last_value(&self) -> Result<i64> {
        self.lastval()
    }

    fn set_value(&self, sequence: &str, value: i64, called: bool) -> Result<()> {
        self.setval(sequence, value, called)
    }

    fn serial_sequence(&self, table: &str, column: &str) -> Result<Option<String>> {
        self.sequence_of_column(table, column)
    }

    fn check_heap(&self, name: &str) -> Result<()> {
        check_heap(&self.storage, &parse_name(name)?)
    }

    fn lock_advisory(&self, lock: AdvisoryLock, wait: bool) -> Result<bool> {
        self.storage.lock_advisory(lock, wait)
    }

    fn unlock_advisory(&self, key: AdvisoryKey, mode: LockMode) -> bool {
        self.storage.unlock_advisory(key, mode)
    }

    fn unlock_all_advisory(&self) {
        self.storage.unlock_all_advisory();
    }

    fn cancel_backend(&self, pid: i32) -> Result<bool> {
        self.storage.signal_backend(pid, Signal::SIGINT)
    }

    fn terminate_backend(&self, pid: i32) -> Result<bool> {
        self.storage.signal_backend(pid, Signal::SIGTERM)
    }

    fn await_end_of_backend(&self, pid: i32, at_most: Duration) -> Result<bool> {
        self.storage.await_end_of_backend(pid, at_most)
    }

    fn blocking_pids(&self, pid: i32) -> Vec<i32> {
        self.storage.blocking_pids(pid)
    }

    fn warn(&self, code: types::SqlState, message: String) {
        self.warnings.borrow_mut().push(Report::new(code, message));
    }

    fn view_definition(&self, name: &str) -> Result<Datum> {
        let name = parse_name(name)?;
        if self.views.find(&name).is_some() {
            return Ok(Datum::Null);
        }
        let which = WhichView::Name(name.clone());
        let found = definitions::definition(self.storage.as_ref(), &which)?;
        found.ok_or_else(|| undefined_table(&name))
    }

    fn view_definition_by_oid(&self, oid: Oid) -> Result<Datum> {
        let found = definitions::definition(self.storage.as_ref(), &WhichView::Oid(oid))?;
        Ok(found.unwrap_or(Datum::Null))
    }

    fn relation_size(&self, name: &str) -> Result<i64> {
        let name = parse_name(name)?;
        match self.storage.open(&name, LockMode::AccessShare)? {
            Some(table) if table.kind == TableKind::View => Ok(0),
            Some(table) => {
                let pages = i64::from(self.storage.pages(&table)?);
                Ok(pages * types::PAGE_SIZE as i64)
            }
            None if self.views.find(&name).is_some() => Ok(0),
            None => Err(undefined_table(&name)),
        }
    }
}

/// A relation's name in a text: parts between points, quoted ones as they stand.
pub(crate) fn parse_name(text: &str) -> Result<TableName> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    let mut blank = false;
    for c in text.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            c if quoted => part.push(c),
            c if c.is_whitespace() => blank = true,
            c => part.push(c.to_ascii_lowercase()),
        }
    }
    parts.push(part);
    if quoted || blank || parts.iter().any(String::is_empty) {
        let code = types::SqlState::INVALID_NAME;
        return Err(Error::new(code, "invalid name syntax"));
    }
    TableName::from_parts(parts, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_texts() {
        let name = parse_name(" Public.\"My.T\" ").expect("good");
        assert_eq!((name.schema.as_deref(), name.name.as_str()), (Some("public"), "My.T"));
        assert!(parse_name("a..b").is_err());
        assert!(parse_name("a b").is_err());
        assert!(parse_name("\"a").is_err());
    }
}
