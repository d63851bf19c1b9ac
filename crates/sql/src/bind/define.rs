//! CREATE TABLE and TRUNCATE.

use catalog::{ColumnDef, NewCheck, TableDef, TableKind};
use sqlparser::ast::{
    CascadeOption, CheckConstraint, CreateTable, Ident, ObjectName, Spanned, TableConstraint,
    Truncate as AstTruncate, TruncateIdentityOption, TruncateTableTarget,
};
use types::SqlState;

use super::checks::bind_new_check;
use super::columns::bind_column;
use super::foreign_keys::bind_foreign_key;
use super::indexes::Keys;
use super::names::relation_name;
use super::options::{changed_options, options_of};
use super::{BindContext, TableName};
use crate::error::{Error, Result};
use crate::planned::{ColumnSequence, Create, ForeignKey, Truncate};

pub(super) fn table_name(context: &BindContext<'_>, name: &ObjectName) -> Result<TableName> {
    let at = context.source.place(name.span().start);
    let parts = relation_name(name).map_err(|error| error.at(position_of(at)))?;
    TableName::from_parts(parts, at)
}

fn position_of(at: u32) -> Option<usize> {
    (at != 0).then_some(at as usize)
}

/// What stands behind columns besides what a column itself is, as the parser read it.
#[derive(Default)]
pub(crate) struct Behind<'a> {
    /// The name of the table, for messages.
    pub table: String,
    /// The sequences of `serial` and identity columns.
    pub sequences: Vec<ColumnSequence>,
    /// CHECK
    pub checks: Vec<(Option<&'a Ident>, &'a CheckConstraint, usize)>,
    /// PRIMARY KEY and UNIQUE.
    pub keys: Keys,
    /// REFERENCES
    pub foreign_keys: Vec<ForeignKey>,
}

impl Behind<'_> {
    /// Nothing yet, for columns of that table.
    pub(crate) fn of(table: &str) -> Self {
        Behind { table: table.to_owned(), ..Behind::default() }
    }

    /// The sequences that the columns are to get.
    pub(crate) fn take_sequences(&mut self) -> Vec<ColumnSequence> {
        std::mem::take(&mut self.sequences)
    }

    /// The CHECKs, bound over the columns of the table.
    pub(crate) fn checks(
        &self,
        context: &BindContext<'_>,
        table: &TableDef,
    ) -> Result<Vec<NewCheck>> {
        let checks = self.checks.iter();
        checks
            .map(|(name, check, column)| {
                bind_new_check(context, check, *name, table, Some(*column))
            })
            .collect()
    }
}

/// CREATE TABLE
pub(crate) fn bind_create(context: &BindContext<'_>, create: &CreateTable) -> Result<Create> {
    super::create_clauses::refuse(create)?;
    let name = table_name(context, &create.name)?;
    let mut behind = Behind::of(&name.name);
    let mut columns: Vec<ColumnDef> = Vec::with_capacity(create.columns.len());
    for column in &create.columns {
        let column = bind_column(context, column, columns.len(), &mut behind)?;
        if columns.iter().any(|known| known.name == column.name) {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        columns.push(column);
    }
    let mut table = TableDef::new("", &name.name, TableKind::Table, columns);
    let mut checks = behind.checks(context, &table)?;
    for constraint in &create.constraints {
        match constraint {
            TableConstraint::Check(check) => {
                checks.push(bind_new_check(context, check, None, &table, None)?);
            }
            TableConstraint::ForeignKey(key) => {
                behind.foreign_keys.push(bind_foreign_key(context, key, None)?);
            }
            other => behind.keys.add_of_table(context, other, &table.columns)?,
        }
    }
    let sequences = behind.take_sequences();
    let keys = std::mem::take(&mut behind.keys).finish(&name.name, &mut table.columns)?;
    let given = options_of(&create.table_options)?;
    Ok(Create {
        name,
        columns: table.columns,
        checks,
        keys,
        foreign_keys: behind.foreign_keys,
        sequences,
        options: changed_options("", &given)?,
        if_not_exists: create.if_not_exists,
    })
}

/// What a constraint of a table is called.
pub(crate) fn constraint_name(constraint: &TableConstraint) -> &'static str {
    match constraint {
        TableConstraint::PrimaryKey(_) => "PRIMARY KEY",
        TableConstraint::Unique(_) => "UNIQUE",
        TableConstraint::ForeignKey(_) => "FOREIGN KEY",
        TableConstraint::Check(_) => "CHECK",
        TableConstraint::PrimaryKeyUsingIndex(_) | TableConstraint::UniqueUsingIndex(_) => {
            "USING INDEX"
        }
        _ => "a constraint that PostgreSQL does not have",
    }
}

/// TRUNCATE
pub(crate) fn bind_truncate(context: &BindContext<'_>, truncate: &AstTruncate) -> Result<Truncate> {
    let AstTruncate { table_names, partitions, table: _, if_exists, identity, cascade, on_cluster } =
        truncate;
    if partitions.is_some() || *if_exists || on_cluster.is_some() {
        return Err(Error::unsupported("an option of TRUNCATE that PostgreSQL does not have"));
    }
    let restart = match identity {
        None | Some(TruncateIdentityOption::Continue) => false,
        Some(TruncateIdentityOption::Restart) => true,
    };
    let cascade = match cascade {
        None | Some(CascadeOption::Restrict) => false,
        Some(CascadeOption::Cascade) => true,
    };
    let mut names = Vec::with_capacity(table_names.len());
    for TruncateTableTarget { name, only: _, has_asterisk: _ } in table_names {
        names.push(table_name(context, name)?);
    }
    Ok(Truncate { names, cascade, restart })
}
