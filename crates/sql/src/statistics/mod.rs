//! What ANALYZE finds out about the values of columns, and what the planner makes of it.
//!
//! ```text
//!  sample of rows ──► gather ──► ColumnStatistics ──► codec ──► pg_statistic
//!                                       ▲                           │
//!                                       └───────── codec ◄──────────┘
//!  condition + ColumnStatistics ──► selectivity ──► a share of the rows
//! ```
//!
//! - `gather` computes statistics from a sample; `codec` turns them into bytes and back.
//! - `selectivity` estimates conditions; `scale` puts values on a line, `pattern` takes LIKE apart.
//!
//! Everything here is arithmetic: no pages, no locks. The estimators are PostgreSQL's: Haas and
//! Stokes for the number of distinct values, equi-depth histograms of what is not common.

mod codec;
mod gather;
mod pattern;
mod scale;
pub(crate) mod selectivity;
mod table;

use types::Datum;

pub(crate) use codec::{decode, encode};
pub(crate) use gather::gather;
pub(crate) use table::{Statistics, TableStatistics};

/// What is known of the values of a column.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct ColumnStatistics {
    /// Which share of the rows is NULL.
    pub null_fraction: f64,
    /// Bytes of a value that is not NULL, on average.
    pub width: u32,
    /// How many distinct values there are; below 0: as a share of the rows, negated; 0: unknown.
    pub distinct: f64,
    /// The most common values, with the share of the rows that has each.
    pub common: Vec<(Datum, f64)>,
    /// Bounds between which there are equally many of the other values; fewer than 2: none.
    pub histogram: Vec<Datum>,
    /// How far the order of the values is the order of the rows: from -1 to 1.
    pub correlation: Option<f64>,
}

impl ColumnStatistics {
    /// How many distinct values there are among so many rows.
    pub(crate) fn distinct_of(&self, rows: f64) -> Option<f64> {
        match self.distinct {
            0.0 => None,
            share if share < 0.0 => Some((-share * rows).max(1.0)),
            number => Some(number),
        }
    }

    /// The share of rows that has one of the most common values.
    pub(crate) fn common_share(&self) -> f64 {
        self.common.iter().map(|(_, share)| share).sum()
    }
}
