//! Autovacuum's side of a session: which tables need work, and doing it.
//!
//! | | done when there are more than … since the last one |
//! |---|---|
//! | vacuum | threshold + factor × rows dead versions |
//! | vacuum | insert threshold + insert factor × rows inserted rows |
//! | vacuum | `autovacuum_freeze_max_age` transactions, whether or not the table has changed |
//! | analyze | threshold + factor × rows changed rows |

use std::rc::Rc;

use ::types::{Oid, Severity, SqlState};
use config::Settings;
use txn::LockMode;
use txn::statistics::{Count, Counts};

use super::Session;
use crate::bind::TableName;
use crate::error::{Error, Report, Result};
use crate::maintenance::Costs;
use crate::storage::{Job, Needy};

/// A table that needs work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chore {
    /// The table.
    pub relation: Oid,
    schema: String,
    table: String,
    vacuum: bool,
    analyze: bool,
}

impl Chore {
    /// Its command.
    pub fn command(&self) -> &'static str {
        match (self.vacuum, self.analyze) {
            (true, true) => "VACUUM ANALYZE",
            (true, false) => "VACUUM",
            _ => "ANALYZE",
        }
    }

    /// The table with its schema.
    pub fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

/// How a chore ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is done; what there is to say of it.
    Done(String),
    /// The table is there no longer, or somebody has it locked.
    Gone,
    /// Somebody needs the table more.
    Canceled,
}

impl Session {
    /// The tables that need work now, by what has been counted of them.
    pub fn chores(&mut self) -> std::result::Result<Vec<Chore>, Box<Report>> {
        self.context.begin_request();
        self.ensure_transaction(false);
        let found = self.context.storage.needy();
        let found = self.conclude(found)?;
        let settings = self.context.settings.borrow();
        let chores = found.into_iter().filter_map(|table| chore(table, &settings.current));
        Ok(chores.collect())
    }

    /// Does a chore, as one of so many workers.
    pub fn do_chore(
        &mut self,
        chore: &Chore,
        workers: usize,
    ) -> std::result::Result<Ended, Box<Report>> {
        let mut told = String::new();
        for vacuum in [true, false] {
            if !(if vacuum { chore.vacuum } else { chore.analyze }) {
                continue;
            }
            self.context.begin_request();
            self.ensure_transaction(false);
            let done = self.run_chore(chore, vacuum, workers, &mut told);
            match self.conclude(done) {
                Ok(true) => {}
                Ok(false) => return Ok(Ended::Gone),
                Err(report) if report.sqlstate == SqlState::QUERY_CANCELED => {
                    return Ok(Ended::Canceled);
                }
                Err(report) => return Err(report),
            }
        }
        Ok(Ended::Done(told))
    }

    /// Gives back the status of transactions that no table needs any more.
    pub fn trim_status(&mut self) -> std::result::Result<(), Box<Report>> {
        self.context.begin_request();
        self.ensure_transaction(false);
        let done = self.context.storage.trim_status();
        self.conclude(done)
    }

    /// Runs one of the two; `false`: the table is gone, or somebody has it locked.
    fn run_chore(
        &self,
        chore: &Chore,
        vacuum: bool,
        workers: usize,
        told: &mut String,
    ) -> Result<bool> {
        let storage = Rc::clone(&self.context.storage);
        let (schema, name) = (Some(chore.schema.clone()), chore.table.clone());
        let name = TableName { schema, name, at: 0 };
        // Whoever has it locked goes first: the table's turn comes again.
        let mode = LockMode::ShareUpdateExclusive;
        if !storage.try_lock(chore.relation, mode)? {
            return Ok(false);
        }
        let table = storage.open(&name, mode)?;
        let Some(table) = table.filter(|table| table.oid == chore.relation) else {
            return Ok(false);
        };
        let (costs, target, memory) = {
            let current = &self.context.settings.borrow().current;
            let memory = current.autovacuum_work_mem.unwrap_or(current.maintenance_work_mem);
            let target = current.default_statistics_target as usize;
            let memory = usize::try_from(memory).unwrap_or(usize::MAX);
            (Costs::of_worker(current, workers), target, memory)
        };
        let mut tell = |text: String| {
            // The last words are those that count.
            *told = text.split_once(": ").map_or(text.clone(), |(_, rest)| rest.to_owned());
            Ok(())
        };
        let truncate = table.vacuum_truncate();
        let mut job = Job { costs, target, memory, truncate, auto: true, tell: Some(&mut tell) };
        if vacuum {
            storage.vacuum(&table, &mut job)?;
        } else {
            let columns: Vec<usize> = (0..table.columns.len()).collect();
            storage.analyze(&table, &columns, &mut job)?;
        }
        Ok(true)
    }

    /// Commits what went well, and rolls the rest back.
    fn conclude<T>(&mut self, done: Result<T>) -> std::result::Result<T, Box<Report>> {
        let concluded = done.and_then(|value| {
            self.context.end_statement()?;
            self.commit()?;
            Ok(value)
        });
        concluded.map_err(|error| {
            self.roll_back();
            match error {
                Error::Report(report) => report,
                Error::Stop(stop) => {
                    let mut report = Report::new(SqlState::INTERNAL_ERROR, stop.to_string());
                    report.severity = Severity::Fatal;
                    Box::new(report)
                }
            }
        })
    }
}

/// What a table needs, if anything.
fn chore(table: Needy, settings: &Settings) -> Option<Chore> {
    let Needy { relation, schema, table, rows, age, counts } = table;
    let (vacuum, analyze) = needs(&counts, rows, settings);
    let vacuum = vacuum || age > u64::from(settings.autovacuum_freeze_max_age);
    (vacuum || analyze).then_some(Chore { relation, schema, table, vacuum, analyze })
}

/// Whether a table needs a vacuum, and an ANALYZE.
fn needs(counts: &Counts, rows: f64, settings: &Settings) -> (bool, bool) {
    let more = |count, threshold: f64, factor: f64| {
        counts.get(count) as f64 > threshold + factor * rows.max(0.0)
    };
    let dead = more(
        Count::Dead,
        f64::from(settings.autovacuum_vacuum_threshold),
        settings.autovacuum_vacuum_scale_factor,
    );
    let inserted = settings.autovacuum_vacuum_insert_threshold >= 0
        && more(
            Count::InsertedSinceVacuum,
            f64::from(settings.autovacuum_vacuum_insert_threshold),
            settings.autovacuum_vacuum_insert_scale_factor,
        );
    let changed = more(
        Count::ModifiedSinceAnalyze,
        f64::from(settings.autovacuum_analyze_threshold),
        settings.autovacuum_analyze_scale_factor,
    );
    (dead || inserted, changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_table_needs_a_vacuum_whatever_has_become_of_it() {
        let settings = Settings { autovacuum_freeze_max_age: 1000, ..Settings::default() };
        let of_age = |age| {
            let (schema, table) = ("s".to_owned(), "t".to_owned());
            let (relation, rows, counts) = (Oid(1), 0.0, Counts::default());
            chore(Needy { relation, schema, table, rows, age, counts }, &settings)
        };
        assert_eq!(of_age(1000), None);
        assert_eq!(of_age(1001).expect("a chore").command(), "VACUUM");
    }

    fn counts(of: &[(Count, i64)]) -> Counts {
        let mut words = Counts::default().words().to_vec();
        of.iter().for_each(|(count, number)| words[*count as usize] = *number);
        Counts::from_words(&words).expect("as many")
    }

    #[test]
    fn thresholds_grow_with_the_table() {
        let settings = Settings::default();
        let need = |of: &[(Count, i64)], rows| needs(&counts(of), rows, &settings);
        assert_eq!(need(&[(Count::Dead, 50)], 0.0), (false, false));
        assert_eq!(need(&[(Count::Dead, 51)], 0.0), (true, false));
        assert_eq!(need(&[(Count::Dead, 250)], 1000.0), (false, false));
        assert_eq!(need(&[(Count::Dead, 251)], 1000.0), (true, false));
        assert_eq!(need(&[(Count::Dead, 51)], -1.0), (true, false), "never counted");
        assert_eq!(need(&[(Count::InsertedSinceVacuum, 1201)], 1000.0), (true, false));
        assert_eq!(need(&[(Count::ModifiedSinceAnalyze, 151)], 1000.0), (false, true));
        let never = Settings { autovacuum_vacuum_insert_threshold: -1, ..Settings::default() };
        let many = counts(&[(Count::InsertedSinceVacuum, 1 << 40)]);
        assert!(!needs(&many, 0.0, &never).0);
    }
}
