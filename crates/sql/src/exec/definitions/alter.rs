//! ALTER TABLE: finds and locks the table, and has the catalog change what it says of it.

use catalog::TableDef;
use txn::LockMode;
use types::SqlState;

use super::super::Execution;
use super::super::define::{check_table, undefined_table};
use super::notice;
use crate::error::Result;
use crate::output::Output;
use crate::parse::{AlterTable, Alteration};

/// ALTER TABLE
pub(super) fn alter_table(
    execution: &Execution<'_>,
    alter: &AlterTable,
    out: &mut dyn Output,
) -> Result<()> {
    let AlterTable { name, if_exists, action } = alter;
    let storage = &execution.session.storage;
    let Some(table) = storage.open(name, LockMode::AccessExclusive)? else {
        if *if_exists {
            let message = format!("relation \"{}\" does not exist, skipping", name.name);
            return notice(execution, out, SqlState::SUCCESSFUL_COMPLETION, message);
        }
        return Err(undefined_table(name).without_position());
    };
    check_table(&table, "alter")?;
    apply(execution, &table, action)
}

fn apply(execution: &Execution<'_>, table: &TableDef, action: &Alteration) -> Result<()> {
    let storage = &execution.session.storage;
    match action {
        Alteration::SetSchema(schema) => {
            storage.define(|catalog, tx| catalog.set_schema(tx, table, schema))
        }
    }
}
