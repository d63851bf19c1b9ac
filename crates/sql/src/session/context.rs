//! What functions and the executor see of their session: storage, settings, times.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use config::{ByteaOutput, Settings};
use types::Row;

use super::settings::SessionSettings;
use crate::error::{Error, Report, Result};
use crate::output::{Output, TextRow};
use crate::plan::path::Allowed;
use crate::storage::Storage;
use crate::values::Style;
use crate::values::datetime::Now;
use crate::views::{Views, definitions};

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
    pub(super) style: Cell<Style>,
    limits: Cell<Limits>,
    /// What functions have warned of and the client has not been told yet.
    pub(super) warnings: RefCell<Vec<Report>>,
    pub(super) statement_time: Cell<i64>,
    pub(super) clock: TransactionClock,
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
