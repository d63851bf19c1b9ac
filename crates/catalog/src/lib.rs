//! The system tables, and what a process remembers of them.
//!
//! ```text
//! name ── search path ── cache, if the relation's version counter still stands
//!                          │          │ miss, or changed by this transaction itself
//!      Rc<TableDef> <──────┴──────────┴── scans of pg_class, pg_attribute, pg_attrdef, pg_index,
//!                                         pg_constraint, pg_rewrite
//! ```
//!
//! The system tables are heap tables like any other: what DDL does to them is seen, undone and
//! recovered like rows. Their own shape is fixed ([`system`]).
//!
//! - [`Catalog::lookup`] and [`Catalog::open`] find a table; [`Catalog::create_table`],
//!   [`Catalog::create_index`] and the like change the system tables; [`bootstrap`] makes them.
//! - [`Catalog::record_dependency`] and [`Catalog::drop_objects`]: what depends on what.
//! - [`kinds`] tells how types stand in them.
//!
//! # Rules
//! 1. A reader locks the table first and compares the version counter then: a change is visible
//!    before its counter rises, and the counter rises before its locks go.
//! 2. A definition is read with a snapshot that is younger than the counter it is kept under.
//! 3. Whoever creates a name holds the lock on the name; whoever changes a table holds
//!    `AccessExclusive` on it, `Share` to give it an index, or `ShareUpdateExclusive` to note its
//!    size and statistics. So no two transactions change the
//!    same rows of the system tables, but for the table's row of `pg_class`: of two who change that
//!    the later waits for the earlier and changes what that has made of it.
//! 4. Every change is a command of its own, so the transaction sees it at once, by a new snapshot.
//!
//! Everything here is private to the process. What if it dies: its transaction aborts, and with it
//! its DDL.

pub mod bootstrap;
mod cache;
mod catalog;
mod changes;
mod ddl;
mod definition;
mod error;
pub mod kinds;
mod names;
mod read;
mod read_indexes;
mod read_sequences;
mod relations;
mod rows;
mod statistics;
pub mod system;

pub use catalog::{Catalog, Opened};
pub use ddl::{
    DependKind, NewCheck, NewForeignKey, NewIndex, NewView, Object, Owner, quote_identifier,
};
pub use definition::{
    ColumnDef, ConstraintDef, ConstraintKind, Counted, Identity, IndexColumn, IndexDef,
    ReferentialAction, SequenceDef, TableDef, TableKind,
};
pub use error::{Error, listed};
pub use relations::Relation;
pub use statistics::RelationSize;
pub use system::{CATALOG_VERSION, FIRST_NORMAL_OID, FIRST_NORMAL_RELFILE};

/// The longest name, in bytes; PostgreSQL's `NAMEDATALEN` less one.
pub const NAME_LENGTH_MAX: usize = 63;

/// The most columns of a table; PostgreSQL's.
pub const COLUMNS_MAX: usize = access::tuple::MAX_COLUMNS;
