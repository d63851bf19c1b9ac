//! CREATE INDEX; PRIMARY KEY and UNIQUE in CREATE TABLE.

use catalog::ColumnDef;
use sqlparser::ast::{
    CreateIndex as AstCreateIndex, Expr as AstExpr, Ident, IndexColumn, IndexOption, IndexType,
    KeyOrIndexDisplay, NullsDistinctOption, OrderByExpr, OrderByOptions, OrderBySort,
    PrimaryKeyConstraint, TableConstraint, UniqueConstraint,
};
use types::SqlState;

use super::clauses::refuse;
use super::define::table_name;
use super::foreign_keys::refuse_characteristics;
use super::names::name_of;
use super::{BindContext, TableName};
use crate::error::{Error, Result};
use crate::planned::{CreateIndex, IndexedColumn, Key};

/// CREATE INDEX
pub(crate) fn bind_create_index(
    context: &BindContext<'_>,
    create: &AstCreateIndex,
) -> Result<CreateIndex> {
    let AstCreateIndex {
        name,
        table_name: table,
        using,
        columns,
        unique,
        concurrently,
        r#async,
        if_not_exists,
        include,
        nulls_distinct,
        with,
        predicate,
        index_options,
        alter_options,
    } = create;
    refuse(&[
        (*concurrently, "CREATE INDEX CONCURRENTLY"),
        (!include.is_empty(), "INCLUDE (a covering index)"),
        (*nulls_distinct == Some(false), "NULLS NOT DISTINCT"),
        (!with.is_empty(), "WITH behind CREATE INDEX"),
        (predicate.is_some(), "WHERE behind CREATE INDEX (a partial index)"),
        (*r#async || !index_options.is_empty() || !alter_options.is_empty(), "an index option"),
    ])?;
    check_method(using.as_ref())?;
    let name = match name {
        None => None,
        Some(name) => {
            let TableName { schema, name, .. } = table_name(context, name)?;
            if schema.is_some() {
                return Err(Error::syntax("syntax error at or near \".\""));
            }
            Some(name)
        }
    };
    if name.is_none() && *if_not_exists {
        return Err(Error::syntax("syntax error at or near \"ON\""));
    }
    let columns = columns.iter().map(|column| indexed_column(context, column));
    Ok(CreateIndex {
        name,
        table: table_name(context, table)?,
        unique: *unique,
        columns: columns.collect::<Result<_>>()?,
        if_not_exists: *if_not_exists,
    })
}

fn check_method(using: Option<&IndexType>) -> Result<()> {
    match using {
        None | Some(IndexType::BTree) => Ok(()),
        Some(IndexType::Custom(name)) if name.value.eq_ignore_ascii_case("btree") => Ok(()),
        Some(other) => {
            let name = other.to_string().to_lowercase();
            Err(Error::unsupported(format!("the access method \"{name}\"")))
        }
    }
}

fn indexed_column(context: &BindContext<'_>, column: &IndexColumn) -> Result<IndexedColumn> {
    let IndexColumn { column: OrderByExpr { expr, options, with_fill }, operator_class } = column;
    refuse(&[
        (operator_class.is_some(), "an operator class"),
        (with_fill.is_some(), "WITH FILL"),
        (matches!(expr, AstExpr::Collate { .. }), "COLLATE"),
    ])?;
    let AstExpr::Identifier(ident) = expr else {
        return Err(Error::unsupported("an index on an expression"));
    };
    let OrderByOptions { sort, nulls_first } = options;
    let descending = match sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(_)) => return Err(Error::unsupported("USING in an index")),
    };
    Ok(IndexedColumn {
        name: name_of(ident)
            .map_err(|error| error.at(context.source.position(ident.span.start)))?,
        descending,
        nulls_first: nulls_first.unwrap_or(descending),
    })
}

/// The keys of a table that is being made, or that it is to get.
#[derive(Default)]
pub(crate) struct Keys {
    keys: Vec<Key>,
}

impl Keys {
    /// PRIMARY KEY behind a column.
    pub(super) fn add_primary(
        &mut self,
        name: Option<&Ident>,
        key: &PrimaryKeyConstraint,
        column: usize,
    ) -> Result<()> {
        let named = check_primary(key)?;
        self.add(name.or(named), true, vec![column])
    }

    /// UNIQUE behind a column.
    pub(super) fn add_unique(
        &mut self,
        name: Option<&Ident>,
        key: &UniqueConstraint,
        column: usize,
    ) -> Result<()> {
        let named = check_unique(key)?;
        self.add(name.or(named), false, vec![column])
    }

    /// Whether a column stands in the primary key.
    pub(crate) fn is_primary(&self, column: usize) -> bool {
        self.keys.iter().any(|key| key.primary && key.columns.contains(&column))
    }

    /// A constraint behind the columns.
    pub(crate) fn add_of_table(
        &mut self,
        context: &BindContext<'_>,
        constraint: &TableConstraint,
        columns: &[ColumnDef],
    ) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                let name = check_primary(key)?;
                let columns = key_columns(context, &key.columns, columns, "primary key")?;
                self.add(name, true, columns)
            }
            TableConstraint::Unique(key) => {
                let name = check_unique(key)?;
                let columns = key_columns(context, &key.columns, columns, "unique")?;
                self.add(name, false, columns)
            }
            TableConstraint::ForeignKey(_) | TableConstraint::Check(_) => {
                Err(Error::internal("this constraint is no key"))
            }
            TableConstraint::PrimaryKeyUsingIndex(_) | TableConstraint::UniqueUsingIndex(_) => {
                Err(Error::syntax("USING INDEX makes a key of an index of a table that is there"))
            }
            _ => Err(Error::unsupported("a constraint that PostgreSQL does not have")),
        }
    }

    fn add(&mut self, name: Option<&Ident>, primary: bool, columns: Vec<usize>) -> Result<()> {
        let name = name.map(name_of).transpose()?;
        // As in PostgreSQL two keys of the same columns are one, the primary one if there is that.
        let same =
            |known: &&mut Key| known.columns == columns && (known.name.is_none() || name.is_none());
        if let Some(known) = self.keys.iter_mut().find(same)
            && !(known.primary && primary)
        {
            known.primary |= primary;
            known.name = known.name.take().or(name);
            return Ok(());
        }
        self.keys.push(Key { name, primary, columns });
        Ok(())
    }

    /// The keys, the primary one first; its columns cannot be NULL.
    pub(crate) fn finish(mut self, table: &str, columns: &mut [ColumnDef]) -> Result<Vec<Key>> {
        if self.keys.iter().filter(|key| key.primary).count() > 1 {
            let message = format!("multiple primary keys for table \"{table}\" are not allowed");
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        }
        self.keys.sort_by_key(|key| !key.primary);
        for &column in self.keys.iter().filter(|key| key.primary).flat_map(|key| &key.columns) {
            columns[column].not_null = true;
        }
        Ok(self.keys)
    }
}

fn check_options(
    index_name: Option<&Ident>,
    index_type: Option<&IndexType>,
    include: &[Ident],
    options: &[IndexOption],
) -> Result<()> {
    refuse(&[
        (index_name.is_some() || index_type.is_some(), "a name or method of a key's index"),
        (!include.is_empty(), "INCLUDE (a covering index)"),
        (!options.is_empty(), "an index option"),
    ])
}

fn check_primary(key: &PrimaryKeyConstraint) -> Result<Option<&Ident>> {
    let PrimaryKeyConstraint {
        name,
        index_name,
        index_type,
        columns: _,
        include,
        index_options,
        characteristics,
    } = key;
    check_options(index_name.as_ref(), index_type.as_ref(), include, index_options)?;
    refuse_characteristics(characteristics.as_ref())?;
    Ok(name.as_ref())
}

fn check_unique(key: &UniqueConstraint) -> Result<Option<&Ident>> {
    let UniqueConstraint {
        name,
        index_name,
        index_type_display,
        index_type,
        columns: _,
        include,
        index_options,
        characteristics,
        nulls_distinct,
    } = key;
    check_options(index_name.as_ref(), index_type.as_ref(), include, index_options)?;
    refuse(&[
        (matches!(nulls_distinct, NullsDistinctOption::NotDistinct), "NULLS NOT DISTINCT"),
        (!matches!(index_type_display, KeyOrIndexDisplay::None), "UNIQUE KEY"),
    ])?;
    refuse_characteristics(characteristics.as_ref())?;
    Ok(name.as_ref())
}

/// The positions of the columns that a constraint names.
fn key_columns(
    context: &BindContext<'_>,
    named: &[IndexColumn],
    columns: &[ColumnDef],
    kind: &str,
) -> Result<Vec<usize>> {
    let mut positions = Vec::with_capacity(named.len());
    for column in named {
        let IndexedColumn { name, .. } = indexed_column(context, column)?;
        let position = columns.iter().position(|known| !known.dropped && known.name == name);
        let position = position.ok_or_else(|| {
            let message = format!("column \"{name}\" named in key does not exist");
            Error::new(SqlState::UNDEFINED_COLUMN, message)
        })?;
        if positions.contains(&position) {
            let message = format!("column \"{name}\" appears twice in {kind} constraint");
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        positions.push(position);
    }
    Ok(positions)
}
