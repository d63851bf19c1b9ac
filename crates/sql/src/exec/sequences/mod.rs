//! Sequences: created and altered, and what columns have of them.
//!
//! | file | |
//! |---|---|
//! | `options` | what was said of a sequence, and what follows from it |
//! | `define` | CREATE SEQUENCE, ALTER SEQUENCE |
//! | `columns` | the sequences of `serial` and identity columns |

mod columns;
mod define;
mod options;

pub(crate) use columns::{add_to_table, make, note_defaults, restart_all};
pub(crate) use define::{alter_sequence, create_sequence, definition_of, set_schema};

use catalog::TableDef;

use super::Execution;
use crate::error::Result;
use crate::parse::SequenceOptions;

/// Changes the sequence of an identity column, as ALTER COLUMN SET says.
pub(crate) fn change_of_column(
    execution: &Execution<'_>,
    sequence: &TableDef,
    options: &SequenceOptions,
) -> Result<()> {
    columns::refuse_names(options)?;
    define::change_options(execution, sequence, options)
}
