//! FOREIGN KEY and REFERENCES as they are written. What the names in them mean is found out when the
//! constraint is made: the table that it refers to may be the one that is just being made.

use catalog::ReferentialAction as Action;
use sqlparser::ast::{
    ConstraintCharacteristics, ConstraintReferenceMatchKind as MatchKind, DeferrableInitial,
    ForeignKeyConstraint, Ident, ObjectName, ReferentialAction, Spanned,
};

use types::SqlState;

use super::names::{name_of, relation_name};
use super::{BindContext, TableName};
use crate::error::{Error, Result};
use crate::parse::SET_COLUMNS;
use crate::planned::ForeignKey;

/// A foreign key; `behind`: the name of the constraint and of the column that it stands behind.
pub(crate) fn bind_foreign_key(
    context: &BindContext<'_>,
    constraint: &ForeignKeyConstraint,
    behind: Option<(Option<&Ident>, &str)>,
) -> Result<ForeignKey> {
    let ForeignKeyConstraint {
        name,
        index_name,
        columns,
        foreign_table,
        referred_columns,
        on_delete,
        on_update,
        match_kind,
        characteristics,
    } = constraint;
    if index_name.is_some() {
        return Err(Error::syntax("syntax error in FOREIGN KEY: a name before the columns"));
    }
    refuse_characteristics(characteristics.as_ref())?;
    let match_full = match match_kind {
        None | Some(MatchKind::Simple) => false,
        Some(MatchKind::Full) => true,
        Some(MatchKind::Partial) => {
            let message = "MATCH PARTIAL not yet implemented";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
    };
    let names = |idents: &[Ident]| idents.iter().map(name_of).collect::<Result<Vec<String>>>();
    let columns = match behind {
        Some((_, column)) => vec![column.to_owned()],
        None => names(columns)?,
    };
    let name = behind.and_then(|(name, _)| name).or(name.as_ref());
    let (parent, delete_columns) = parent_of(context, foreign_table)?;
    Ok(ForeignKey {
        name: name.map(name_of).transpose()?,
        columns,
        parent,
        parent_columns: names(referred_columns)?,
        match_full,
        on_delete: action(*on_delete),
        on_update: action(*on_update),
        delete_columns,
    })
}

/// The table that is referred to, and the columns that the parser has put behind its name.
fn parent_of(context: &BindContext<'_>, name: &ObjectName) -> Result<(TableName, Vec<String>)> {
    let at = context.source.place(name.span().start);
    let mut parts = relation_name(name)?;
    let mut delete_columns = Vec::new();
    if let Some(mark) = parts.iter().position(|part| part == SET_COLUMNS) {
        delete_columns = parts.split_off(mark).split_off(1);
    }
    Ok((TableName::from_parts(parts, at)?, delete_columns))
}

fn action(written: Option<ReferentialAction>) -> Action {
    match written {
        None | Some(ReferentialAction::NoAction) => Action::NoAction,
        Some(ReferentialAction::Restrict) => Action::Restrict,
        Some(ReferentialAction::Cascade) => Action::Cascade,
        Some(ReferentialAction::SetNull) => Action::SetNull,
        Some(ReferentialAction::SetDefault) => Action::SetDefault,
    }
}

/// Constraints are looked at by the end of the statement, and no later.
pub(crate) fn refuse_characteristics(
    characteristics: Option<&ConstraintCharacteristics>,
) -> Result<()> {
    let Some(ConstraintCharacteristics { deferrable, initially, enforced }) = characteristics
    else {
        return Ok(());
    };
    if *initially == Some(DeferrableInitial::Deferred) {
        return Err(Error::unsupported("INITIALLY DEFERRED"));
    }
    if *deferrable == Some(true) {
        return Err(Error::unsupported("DEFERRABLE"));
    }
    if enforced.is_some() {
        return Err(Error::unsupported("ENFORCED"));
    }
    Ok(())
}
