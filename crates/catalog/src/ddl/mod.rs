//! Changes of the system tables: what CREATE, ALTER, DROP and TRUNCATE do.
//!
//! | file | |
//! |---|---|
//! | `table` | tables: created, emptied |
//! | `index` | indexes, and the constraints that stand on them |
//! | `constraint` | CHECK |
//! | `rewrite` | tables that move to a new file with their rows |
//! | `alter` | changes of tables that exist |
//! | `schema` | schemas, and where names are looked for |
//! | `depend` | what depends on what; dropping with all that depends on it |
//! | `remove` | taking single things out of the system tables |
//! | `describe` | things as messages name them |

mod alter;
mod constraint;
mod depend;
mod describe;
mod index;
mod remove;
mod rewrite;
mod schema;
mod table;

pub use constraint::NewCheck;
pub use depend::{DependKind, Object};
pub use describe::quote_identifier;
pub use index::NewIndex;
