//! What functions ask of their session, answered by its storage and settings.

use std::time::Duration;

use catalog::TableKind;
use sys::process::Signal;
use txn::{AdvisoryKey, LockMode};
use types::{Datum, Lsn, Oid};

use super::context::Context;
use super::names::parse_name;
use crate::error::{Report, Result};
use crate::exec::{check_heap, check_index, undefined_table};
use crate::functions::{AdvisoryLock, Environment, LogPosition};
use crate::values::Style;
use crate::values::datetime::Now;
use crate::views::definitions::{self, WhichView};

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
