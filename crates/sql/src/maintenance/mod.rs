//! VACUUM and ANALYZE: what the commands and autovacuum's workers do to one table.
//!
//! ```text
//!  session: which tables, one transaction for each ──► vacuum, analyze ──► heap, catalog, statistics
//!                                                           │
//!                                                        pacing: looks for interrupts, sleeps
//! ```
//!
//! Both hold `ShareUpdateExclusive` on their table: readers and writers go on, DDL and another VACUUM
//! wait. VACUUM FULL (`full`) holds `AccessExclusive`, and so does a vacuum for the moment in which it
//! gives empty pages back (`tail`). No lock on a page is held while they sleep. Whether they run in a session or in a worker
//! makes no difference here.
//!
//! What if the process dies: a vacuum's pages are changed one record at a time, each change whole by
//! itself; what it notes in the system tables is a transaction's, and is there or not.

mod analyze;
mod building;
mod full;
mod pacing;
mod progress;
mod tail;
mod vacuum;

pub(crate) use analyze::analyze;
pub(crate) use building::{Builder, Building, building_of};
pub(crate) use full::Full;
pub(crate) use pacing::Costs;
use pacing::Pacer;
pub(crate) use progress::{full_of, vacuum_of};
pub(crate) use vacuum::vacuum;

use buffer::BufferPool;

use crate::error::Result;
use crate::storage::Job;

/// A job that runs.
pub(crate) struct Work<'a, 'j> {
    job: &'a mut Job<'j>,
    /// What looks for interrupts, and slows the work down.
    pacer: Pacer,
}

impl<'a, 'j> Work<'a, 'j> {
    /// A job that begins now.
    pub(crate) fn new(job: &'a mut Job<'j>, pool: &BufferPool) -> Work<'a, 'j> {
        let pacer = Pacer::new(job.costs, pool);
        Work { job, pacer }
    }

    /// Tells who wants to know.
    fn tell(&mut self, text: impl FnOnce() -> String) -> Result<()> {
        match &mut self.job.tell {
            Some(tell) => tell(text()),
            None => Ok(()),
        }
    }
}
