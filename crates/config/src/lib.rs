//! The settings: one struct, one annotated TOML file, one table that says what each of them is.
//!
//! ```text
//!  mamont.toml ──► load ──┐
//!                         ├──► Settings ──► fields (typed: Duration, bytes as u64, enums)
//!  --set NAME=VALUE ──────┘        │
//!                                  ├──► SHOW, SET           show.rs
//!  HUP: load again ──► reload ─────┤
//!                                  └──► pg_settings         show.rs
//! ```
//!
//! A setting is declared once, in `table.rs`: its field, its PostgreSQL name, its table in the
//! TOML file, its kind with unit and range, its default, and who may change it when
//! ([`Context`]). Parsing, SHOW, SET, `pg_settings`, reload and the check of the default file all
//! read that one declaration.
//!
//! Invariants:
//! - A [`Settings`] that came out of [`load()`] or [`parse`] is complete and consistent: every value
//!   is in its range and no combination is impossible. There is no half-read configuration.
//! - All that is wrong with a file is reported at once, each with line, column and what would be
//!   right.
//! - Sizes are bytes and times are `Duration`s in the fields; the unit that a plain number counts
//!   matters only where text comes in or goes out.
//!
//! A process owns its copy: nothing here is shared, and nothing here outlives it. The postmaster
//! reads the file; children inherit the result by fork and, on HUP, read the file themselves.
//! A session changes its own copy with SET and gives the rooms that hold values of it a chance to
//! see the new ones.

mod check;
mod error;
mod kind;
mod load;
mod nearest;
mod reload;
mod show;
mod table;
mod units;
mod value;

pub use check::MAX_LISTEN_ADDRESSES;
pub use error::{Error, Problem};
pub use kind::{Context, Kind, MemoryUnit, Setting, TimeUnit};
pub use load::{DEFAULT_FILE, MAX_FILE_SIZE, load, load_by, parse};
pub use reload::Changes;
pub use show::SettingRow;
pub use table::{Settings, find, settings};
pub use value::{
    ByteaOutput, IsolationLevel, MessageLevel, Origin, Provenance, SynchronousCommit, Value,
    WalCompression, WalLevel,
};
