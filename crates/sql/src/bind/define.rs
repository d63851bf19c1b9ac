//! CREATE TABLE and TRUNCATE.

use catalog::{ColumnDef, NewCheck, TableDef, TableKind};
use sqlparser::ast::{
    CascadeOption, CheckConstraint, ColumnDef as AstColumn, ColumnOption, ColumnOptionDef,
    CreateTable, Expr as AstExpr, Ident, ObjectName, Spanned, TableConstraint,
    Truncate as AstTruncate, TruncateIdentityOption, TruncateTableTarget,
};
use types::{ColumnType, SqlState};

use super::checks::bind_new_check;
use super::foreign_keys::bind_foreign_key;
use super::indexes::Keys;
use super::modify::bind_default;
use super::names::{name_of, relation_name};
use super::options::{changed_options, options_of};
use super::types::bind_type;
use super::{BindContext, TableName};
use crate::error::{Error, Result};
use crate::planned::{Create, ForeignKey, Truncate};

pub(super) fn table_name(context: &BindContext<'_>, name: &ObjectName) -> Result<TableName> {
    let at = context.source.place(name.span().start);
    let parts = relation_name(name).map_err(|error| error.at(position_of(at)))?;
    TableName::from_parts(parts, at)
}

fn position_of(at: u32) -> Option<usize> {
    (at != 0).then_some(at as usize)
}

/// The constraints that stand behind columns, as the parser read them.
#[derive(Default)]
pub(crate) struct Behind<'a> {
    checks: Vec<(Option<&'a Ident>, &'a CheckConstraint, usize)>,
    /// PRIMARY KEY and UNIQUE.
    pub keys: Keys,
    /// REFERENCES
    pub foreign_keys: Vec<ForeignKey>,
}

impl Behind<'_> {
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
    let mut behind = Behind::default();
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
    let keys = std::mem::take(&mut behind.keys).finish(&name.name, &mut table.columns)?;
    let given = options_of(&create.table_options)?;
    Ok(Create {
        name,
        columns: table.columns,
        checks,
        keys,
        foreign_keys: behind.foreign_keys,
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

/// A column as CREATE TABLE and ALTER TABLE define it; it will be the one of that number.
pub(crate) fn bind_column<'a>(
    context: &BindContext<'_>,
    column: &'a AstColumn,
    number: usize,
    behind: &mut Behind<'a>,
) -> Result<ColumnDef> {
    let AstColumn { name, data_type, options } = column;
    let position = context.source.position(name.span.start);
    let column_name = name_of(name).map_err(|error| error.at(position))?;
    let ty = bind_type(data_type).map_err(|error| error.at(position))?;
    if !is_storable(ty.ty) {
        let type_name = crate::values::type_name(crate::values::names::base(ty.ty));
        return Err(Error::unsupported(format!("a column of type {type_name}")).at(position));
    }
    let system = super::scope::SYSTEM_COLUMNS.iter().any(|(system, _)| *system == column_name)
        || matches!(column_name.as_str(), "cmin" | "cmax");
    if system {
        let message = format!("column name \"{column_name}\" conflicts with a system column name");
        return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(position));
    }
    let (mut not_null, mut default) = (None, None);
    for ColumnOptionDef { name: constraint, option } in options {
        let twice = |what: &str| {
            Error::syntax(format!("{what} specified for column \"{column_name}\"")).at(position)
        };
        let nameable = matches!(
            option,
            ColumnOption::NotNull
                | ColumnOption::Check(_)
                | ColumnOption::PrimaryKey(_)
                | ColumnOption::Unique(_)
                | ColumnOption::ForeignKey(_)
        );
        if constraint.is_some() && !nameable {
            return Err(Error::unsupported("a named constraint").at(position));
        }
        match option {
            ColumnOption::Null | ColumnOption::NotNull => {
                let wanted = matches!(option, ColumnOption::NotNull);
                if not_null.is_some_and(|known| known != wanted) {
                    return Err(twice("conflicting NULL/NOT NULL declarations"));
                }
                not_null = Some(wanted);
            }
            ColumnOption::Default(expr) => {
                if default.is_some() {
                    return Err(twice("multiple default values"));
                }
                default = Some(default_text(context, expr, &column_name, ty.ty)?);
            }
            ColumnOption::Check(check) => behind.checks.push((constraint.as_ref(), check, number)),
            ColumnOption::PrimaryKey(key) => {
                behind
                    .keys
                    .add_primary(constraint.as_ref(), key, number)
                    .map_err(|e| e.at(position))?;
            }
            ColumnOption::Unique(key) => {
                behind
                    .keys
                    .add_unique(constraint.as_ref(), key, number)
                    .map_err(|e| e.at(position))?;
            }
            ColumnOption::ForeignKey(key) => {
                let of_column = Some((constraint.as_ref(), column_name.as_str()));
                behind.foreign_keys.push(bind_foreign_key(context, key, of_column)?);
            }
            other => return Err(Error::unsupported(option_name(other)).at(position)),
        }
    }
    if not_null == Some(false) && behind.keys.is_primary(number) {
        let message =
            format!("conflicting NULL/NOT NULL declarations for column \"{column_name}\"");
        return Err(Error::syntax(message).at(position));
    }
    let not_null = not_null == Some(true);
    Ok(ColumnDef { not_null, default, ..ColumnDef::new(column_name, ty.ty) })
}

fn is_storable(ty: ColumnType) -> bool {
    !matches!(ty, ColumnType::Numeric | ColumnType::Unknown | ColumnType::Bpchar(0))
}

/// The text of a default, once it is known to be good.
pub(crate) fn default_text(
    context: &BindContext<'_>,
    expr: &AstExpr,
    name: &str,
    ty: ColumnType,
) -> Result<String> {
    let text = expr.to_string();
    let position = context.source.position(expr.span().start);
    bind_default(context, &text, name, ty)
        .map_err(|error| error.without_position().at(position))?;
    Ok(text)
}

fn option_name(option: &ColumnOption) -> String {
    match option {
        ColumnOption::Collation(_) => "COLLATE",
        ColumnOption::Generated { .. } | ColumnOption::Identity(_) => "GENERATED",
        _ => "this option of a column",
    }
    .to_owned()
}

/// TRUNCATE
pub(crate) fn bind_truncate(context: &BindContext<'_>, truncate: &AstTruncate) -> Result<Truncate> {
    let AstTruncate { table_names, partitions, table: _, if_exists, identity, cascade, on_cluster } =
        truncate;
    if partitions.is_some() || *if_exists || on_cluster.is_some() {
        return Err(Error::unsupported("an option of TRUNCATE that PostgreSQL does not have"));
    }
    // There are no sequences to restart.
    match identity {
        None | Some(TruncateIdentityOption::Continue | TruncateIdentityOption::Restart) => {}
    }
    let cascade = match cascade {
        None | Some(CascadeOption::Restrict) => false,
        Some(CascadeOption::Cascade) => true,
    };
    let mut names = Vec::with_capacity(table_names.len());
    for TruncateTableTarget { name, only: _, has_asterisk: _ } in table_names {
        names.push(table_name(context, name)?);
    }
    Ok(Truncate { names, cascade })
}
