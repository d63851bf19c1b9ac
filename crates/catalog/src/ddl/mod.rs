//! Changes of the system tables: what CREATE, ALTER, DROP and TRUNCATE do.
//!
//! | file | |
//! |---|---|
//! | `table` | tables: created, emptied |
//! | `index` | indexes, and the constraints that stand on them |
//! | `constraint` | CHECK; keys made of an index that is there; new names of constraints |
//! | `foreign_key` | FOREIGN KEY |
//! | `rewrite` | tables that move to a new file with their rows |
//! | `alter` | changes of tables that exist |
//! | `sequence` | sequences, and the columns that they belong to |
//! | `schema` | schemas, and where names are looked for |
//! | `depend` | what depends on what; dropping with all that depends on it |
//! | `remove` | taking single things out of the system tables |
//! | `view` | views |
//! | `describe` | things as messages name them |

mod alter;
mod constraint;
mod depend;
mod describe;
mod foreign_key;
mod index;
mod remove;
mod rewrite;
mod schema;
mod sequence;
mod table;
mod view;

pub use constraint::NewCheck;
pub use depend::{DependKind, Object};
pub use describe::quote_identifier;
pub use foreign_key::NewForeignKey;
pub use index::NewIndex;
pub use sequence::Owner;
pub use view::NewView;
