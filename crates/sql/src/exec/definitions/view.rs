//! CREATE VIEW: makes a view, or gives one that is there another query.

use std::rc::Rc;

use catalog::{ColumnDef, NewView, TableDef, TableKind};
use txn::LockMode;
use types::SqlState;

use super::super::Execution;
use crate::bind::BindContext;
use crate::bind::stored::{StoredQuery, store_query};
use crate::error::{Error, Result};
use crate::parse::CreateView;
use crate::values::type_name;

/// CREATE VIEW. Its query is bound first: what it uses is locked then, and stays.
pub(super) fn create_view(
    execution: &Execution<'_>,
    context: &BindContext<'_>,
    create: &CreateView,
) -> Result<()> {
    let CreateView { name, or_replace, columns, query, tokens } = create;
    let storage = &execution.session.storage;
    let StoredQuery { text, columns, uses } = store_query(context, query, tokens, columns)?;
    let columns = columns.into_iter().map(|column| ColumnDef::new(column.name, column.ty));
    let view = NewView { columns: columns.collect(), query: text, uses };
    let old = if *or_replace { replaced(execution, create)? } else { None };
    if let Some(old) = &old {
        check_columns(old, &view.columns)?;
    }
    storage.define(|catalog, tx| match &old {
        Some(old) => catalog.replace_view(tx, old, &view),
        None => catalog.create_view(tx, name.schema.as_deref(), &name.name, &view),
    })?;
    Ok(())
}

/// The view that OR REPLACE replaces, locked: one of that name in the schema where it would be made.
fn replaced(execution: &Execution<'_>, create: &CreateView) -> Result<Option<Rc<TableDef>>> {
    let storage = &execution.session.storage;
    let name = &create.name;
    let old = storage.define(|catalog, tx| {
        let (_, schema) = catalog.schema_for_creation(tx, name.schema.as_deref(), &name.name)?;
        catalog.open(tx, Some(&schema), &name.name, LockMode::AccessExclusive)
    })?;
    match old {
        Some(old) if old.kind != TableKind::View => {
            let message = format!("\"{}\" is not a view", old.name);
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
        }
        old => Ok(old),
    }
}

/// `42P16` unless a new query of a view has the columns of the old one first.
fn check_columns(old: &TableDef, new: &[ColumnDef]) -> Result<()> {
    let refused = |message: String| Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
    if new.len() < old.columns.len() {
        return refused("cannot drop columns from view".to_owned());
    }
    for (old, new) in old.columns.iter().zip(new) {
        if old.name != new.name {
            let message =
                format!("cannot change name of view column \"{}\" to \"{}\"", old.name, new.name);
            let hint =
                "Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.";
            return refused(message).map_err(|error| error.hint(hint));
        }
        if old.ty != new.ty {
            return refused(format!(
                "cannot change data type of view column \"{}\" from {} to {}",
                old.name,
                type_name(old.ty),
                type_name(new.ty)
            ));
        }
    }
    Ok(())
}
