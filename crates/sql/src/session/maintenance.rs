//! VACUUM and ANALYZE as a session runs them: which tables, and in which transactions.
//!
//! VACUUM never runs inside a transaction block: each table is a transaction of its own, which takes
//! its lock, and gives it back before the next one's. VACUUM FULL of everything vacuums the system
//! tables as VACUUM does. ANALYZE alone may run inside of one.

use std::rc::Rc;

use catalog::{TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

use super::transaction::Block;
use super::{Session, Weight, warning};
use crate::bind::TableName;
use crate::error::{Error, Report, Result};
use crate::exec::undefined_table;
use crate::maintenance::Costs;
use crate::output::Output;
use crate::parse::{Maintenance, Target};
use crate::storage::Job;

/// The schema of the system tables.
const SYSTEM_SCHEMA: &str = "pg_catalog";

impl Session {
    /// Runs VACUUM or ANALYZE; answers its tag. `several`: the line has other statements.
    pub(super) fn maintain(
        &mut self,
        work: &Maintenance,
        several: bool,
        last: bool,
        out: &mut dyn Output,
    ) -> Result<&'static str> {
        let own = self.block == Block::None && !several;
        if work.vacuum && !own {
            let message = "VACUUM cannot run inside a transaction block";
            return Err(Error::new(SqlState::ACTIVE_SQL_TRANSACTION, message));
        }
        self.ensure_transaction(several);
        let everything = self.every_table(work)?;
        let named = !work.targets.is_empty();
        for target in if named { &work.targets } else { &everything } {
            if work.vacuum {
                self.own_transaction(own, |session| session.vacuum_one(target, named, work, out))?;
            }
            if work.analyze {
                self.own_transaction(own, |session| session.analyze_one(target, named, work, out))?;
            }
        }
        if work.vacuum {
            self.own_transaction(own, |session| session.context.storage.trim_status())?;
        }
        self.end_statement(last)?;
        Ok(if work.vacuum { "VACUUM" } else { "ANALYZE" })
    }

    /// Runs a step in a transaction of its own, unless it is to be part of one that is open.
    fn own_transaction(
        &mut self,
        own: bool,
        step: impl FnOnce(&mut Session) -> Result<()>,
    ) -> Result<()> {
        if own && self.in_transaction {
            self.context.end_statement()?;
            self.commit()?;
        }
        self.ensure_transaction(!own);
        step(self)?;
        self.context.end_statement()?;
        if own { self.commit() } else { Ok(()) }
    }

    /// Every table, if none is named.
    fn every_table(&self, work: &Maintenance) -> Result<Vec<Target>> {
        if !work.targets.is_empty() {
            return Ok(Vec::new());
        }
        let tables = self.context.storage.tables()?;
        Ok(tables.into_iter().map(|name| Target { name, columns: Vec::new() }).collect())
    }

    /// Locks a table to be worked on; `None`: it is passed over, with a warning.
    fn open_for(
        &self,
        target: &Target,
        named: bool,
        verb: &str,
        mode: LockMode,
        out: &mut dyn Output,
    ) -> Result<Option<Rc<TableDef>>> {
        let Target { name, .. } = target;
        if self.context.views.find(name).is_some() {
            return self.skip_non_table(name, verb, out);
        }
        match self.context.storage.open(name, mode)? {
            None if named => Err(undefined_table(name).at(None)),
            // It was dropped since the list was made.
            None => Ok(None),
            Some(table) if table.kind == TableKind::View => self.skip_non_table(name, verb, out),
            Some(table) => Ok(Some(table)),
        }
    }

    fn skip_non_table(
        &self,
        name: &TableName,
        verb: &str,
        out: &mut dyn Output,
    ) -> Result<Option<Rc<TableDef>>> {
        let message = format!(
            "skipping \"{}\" --- cannot {verb} non-tables or special system tables",
            name.name
        );
        let report = warning(SqlState::WARNING, &message);
        self.context.notice(out, Weight::Warning, &report)?;
        Ok(None)
    }

    /// Runs a job with the settings of the session, and tells the client what it does.
    fn run_job(
        &self,
        (verbose, truncate): (bool, bool),
        out: &mut dyn Output,
        run: impl FnOnce(&mut Job<'_>) -> Result<()>,
    ) -> Result<()> {
        let (costs, target, memory) = {
            let current = &self.context.settings.borrow().current;
            (Costs::of(current), current.default_statistics_target, current.maintenance_work_mem)
        };
        let mut tell = |text: String| {
            // Asked for, so told whatever `client_min_messages` says.
            out.notice(&Report::new(SqlState::SUCCESSFUL_COMPLETION, text)).map_err(Error::from)
        };
        run(&mut Job {
            costs,
            target: target as usize,
            memory: usize::try_from(memory).unwrap_or(usize::MAX),
            truncate,
            auto: false,
            tell: verbose.then_some(&mut tell),
        })
    }

    fn vacuum_one(
        &mut self,
        target: &Target,
        named: bool,
        work: &Maintenance,
        out: &mut dyn Output,
    ) -> Result<()> {
        // The system tables stand in files with fixed numbers.
        let full = work.full && (named || target.name.schema.as_deref() != Some(SYSTEM_SCHEMA));
        let mode = if full { LockMode::AccessExclusive } else { LockMode::ShareUpdateExclusive };
        let Some(table) = self.open_for(target, named, "vacuum", mode, out)? else {
            return Ok(());
        };
        if full && table.kind == TableKind::System {
            return Err(Error::unsupported("VACUUM FULL of a system table"));
        }
        let storage = Rc::clone(&self.context.storage);
        let truncate = work.truncate.unwrap_or_else(|| table.vacuum_truncate());
        self.run_job((work.verbose, truncate), out, |job| match full {
            true => storage.vacuum_full(&table, job),
            false => storage.vacuum(&table, job),
        })
    }

    fn analyze_one(
        &mut self,
        target: &Target,
        named: bool,
        work: &Maintenance,
        out: &mut dyn Output,
    ) -> Result<()> {
        let mode = LockMode::ShareUpdateExclusive;
        let Some(table) = self.open_for(target, named, "analyze", mode, out)? else {
            return Ok(());
        };
        let columns = columns_of(&table, &target.columns)?;
        let storage = Rc::clone(&self.context.storage);
        self.run_job((work.verbose, false), out, |job| storage.analyze(&table, &columns, job))
    }
}

/// The places of the columns named; of all, if none is.
fn columns_of(table: &TableDef, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..table.columns.len()).collect());
    }
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let place = table.column_index(name).ok_or_else(|| {
            let relation = &table.name;
            let message = format!("column \"{name}\" of relation \"{relation}\" does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })?;
        if places.contains(&place) {
            let relation = &table.name;
            let message =
                format!("column \"{name}\" of relation \"{relation}\" appears more than once");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        places.push(place);
    }
    Ok(places)
}
