//! Definitions that are read by hand: schemas, views, sequences, ALTER TABLE, DROP.

mod alter;
mod drop;
mod view;

use types::SqlState;

use super::{Execution, sequences};
use crate::bind::BindContext;
use crate::error::{Report, Result};
use crate::output::Output;
use crate::parse::Definition;
use crate::session::Weight;

/// Carries a definition out; answers its tag.
pub(crate) fn define(
    execution: &Execution<'_>,
    context: &BindContext<'_>,
    definition: &Definition,
    out: &mut dyn Output,
) -> Result<String> {
    match definition {
        Definition::CreateSchema { name, if_not_exists } => {
            create_schema(execution, name, *if_not_exists, out)?;
        }
        Definition::Drop(what) => drop::drop_things(execution, what, out)?,
        Definition::CreateView(create) => view::create_view(execution, context, create)?,
        Definition::AlterTable(alter) => alter::alter_table(execution, context, alter, out)?,
        Definition::CreateSequence(create) => sequences::create_sequence(execution, create, out)?,
        Definition::AlterSequence(alter) => sequences::alter_sequence(execution, alter, out)?,
    }
    Ok(definition.tag())
}

fn create_schema(
    execution: &Execution<'_>,
    name: &str,
    if_not_exists: bool,
    out: &mut dyn Output,
) -> Result<()> {
    let storage = &execution.session.storage;
    match storage.define(|catalog, tx| catalog.create_schema(tx, name)) {
        Err(error) if if_not_exists && error.sqlstate() == Some(SqlState::DUPLICATE_SCHEMA) => {
            let message = format!("schema \"{name}\" already exists, skipping");
            notice(execution, out, SqlState::DUPLICATE_SCHEMA, message)
        }
        done => done.map(|_| ()),
    }
}

/// Sends a notice.
pub(super) fn notice(
    execution: &Execution<'_>,
    out: &mut dyn Output,
    code: SqlState,
    message: String,
) -> Result<()> {
    execution.session.notice(out, Weight::Notice, &Report::new(code, message))
}
