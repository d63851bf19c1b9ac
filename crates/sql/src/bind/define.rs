//! CREATE TABLE, DROP TABLE and TRUNCATE.

use catalog::ColumnDef;
use sqlparser::ast::{
    CascadeOption, ColumnDef as AstColumn, ColumnOption, ColumnOptionDef, CreateTable,
    CreateTableOptions, Expr as AstExpr, HiveDistributionStyle, ObjectName, ObjectType, Spanned,
    Statement as AstStatement, Truncate, TruncateIdentityOption, TruncateTableTarget,
};
use types::{ColumnType, SqlState};

use super::modify::bind_default;
use super::names::{name_of, relation_name};
use super::types::bind_type;
use super::{BindContext, TableName};
use crate::error::{Error, Result};
use crate::planned::{Create, Drop};

fn table_name(context: &BindContext<'_>, name: &ObjectName) -> Result<TableName> {
    let at = context.source.place(name.span().start);
    let parts = relation_name(name).map_err(|error| error.at(position_of(at)))?;
    TableName::from_parts(parts, at)
}

fn position_of(at: u32) -> Option<usize> {
    (at != 0).then_some(at as usize)
}

/// CREATE TABLE
pub(crate) fn bind_create(context: &BindContext<'_>, create: &CreateTable) -> Result<Create> {
    refuse_clauses(create)?;
    let mut columns: Vec<ColumnDef> = Vec::with_capacity(create.columns.len());
    for column in &create.columns {
        let column = bind_column(context, column)?;
        if columns.iter().any(|known| known.name == column.name) {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message));
        }
        columns.push(column);
    }
    Ok(Create {
        name: table_name(context, &create.name)?,
        columns,
        if_not_exists: create.if_not_exists,
    })
}

/// Names the first clause that is not supported.
fn refuse_clauses(create: &CreateTable) -> Result<()> {
    let CreateTable {
        or_replace,
        temporary,
        unlogged,
        external,
        dynamic,
        global,
        if_not_exists: _,
        transient,
        volatile,
        iceberg,
        snapshot,
        name: _,
        columns: _,
        constraints,
        hive_distribution,
        hive_formats,
        table_options,
        file_format,
        location,
        query,
        without_rowid,
        like,
        clone,
        version,
        comment,
        on_commit,
        on_cluster,
        primary_key,
        order_by,
        partition_by,
        cluster_by,
        clustered_by,
        inherits,
        partition_of,
        for_values,
        strict,
        copy_grants,
        enable_schema_evolution,
        change_tracking,
        data_retention_time_in_days,
        max_data_extension_time_in_days,
        default_ddl_collation,
        with_aggregation_policy,
        with_row_access_policy,
        with_storage_lifecycle_policy,
        with_tags,
        external_volume,
        with_connection,
        base_location,
        catalog,
        catalog_sync,
        storage_serialization_policy,
        target_lag,
        warehouse,
        refresh_mode,
        initialize,
        require_user,
        diststyle,
        distkey,
        sortkey,
        backup,
        multiset,
        fallback,
        with_data,
    } = create;
    let named = [
        (*or_replace, "CREATE OR REPLACE TABLE"),
        (*temporary || global.is_some(), "CREATE TEMPORARY TABLE"),
        (*unlogged, "CREATE UNLOGGED TABLE"),
        (*external, "CREATE EXTERNAL TABLE"),
        (!constraints.is_empty(), "a constraint of a table"),
        (!matches!(table_options, CreateTableOptions::None), "WITH behind CREATE TABLE"),
        (query.is_some() || with_data.is_some(), "CREATE TABLE AS"),
        (like.is_some(), "LIKE in CREATE TABLE"),
        (on_commit.is_some(), "ON COMMIT"),
        (inherits.is_some(), "INHERITS"),
        (partition_by.is_some(), "PARTITION BY"),
        (partition_of.is_some() || for_values.is_some(), "PARTITION OF"),
        (primary_key.is_some(), "PRIMARY KEY"),
    ];
    let foreign = *dynamic
        || *transient
        || *volatile
        || *iceberg
        || *snapshot
        || !matches!(hive_distribution, HiveDistributionStyle::NONE)
        || hive_formats.is_some()
        || file_format.is_some()
        || location.is_some()
        || *without_rowid
        || clone.is_some()
        || version.is_some()
        || comment.is_some()
        || on_cluster.is_some()
        || order_by.is_some()
        || cluster_by.is_some()
        || clustered_by.is_some();
    let other = *strict
        || *copy_grants
        || enable_schema_evolution.is_some()
        || change_tracking.is_some()
        || data_retention_time_in_days.is_some()
        || max_data_extension_time_in_days.is_some()
        || default_ddl_collation.is_some()
        || with_aggregation_policy.is_some()
        || with_row_access_policy.is_some()
        || with_storage_lifecycle_policy.is_some()
        || with_tags.is_some()
        || external_volume.is_some()
        || with_connection.is_some()
        || base_location.is_some()
        || catalog.is_some()
        || catalog_sync.is_some();
    let more = storage_serialization_policy.is_some()
        || target_lag.is_some()
        || warehouse.is_some()
        || refresh_mode.is_some()
        || initialize.is_some()
        || *require_user
        || diststyle.is_some()
        || distkey.is_some()
        || sortkey.is_some()
        || backup.is_some()
        || multiset.is_some()
        || fallback.is_some();
    match named.iter().find(|(present, _)| *present) {
        Some((_, construct)) => Err(Error::unsupported(construct)),
        None if foreign || other || more => {
            Err(Error::unsupported("a clause of CREATE TABLE that PostgreSQL does not have"))
        }
        None => Ok(()),
    }
}

fn bind_column(context: &BindContext<'_>, column: &AstColumn) -> Result<ColumnDef> {
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
        if constraint.is_some() && !matches!(option, ColumnOption::NotNull) {
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
            other => return Err(Error::unsupported(option_name(other)).at(position)),
        }
    }
    Ok(ColumnDef { name: column_name, ty: ty.ty, not_null: not_null == Some(true), default })
}

fn is_storable(ty: ColumnType) -> bool {
    !matches!(ty, ColumnType::Numeric | ColumnType::Unknown | ColumnType::Bpchar(0))
}

/// The text of a default, once it is known to be good.
fn default_text(
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
        ColumnOption::PrimaryKey(_) => "PRIMARY KEY",
        ColumnOption::Unique(_) => "UNIQUE",
        ColumnOption::ForeignKey(_) => "REFERENCES",
        ColumnOption::Check(_) => "CHECK",
        ColumnOption::Collation(_) => "COLLATE",
        ColumnOption::Generated { .. } | ColumnOption::Identity(_) => "GENERATED",
        _ => "this option of a column",
    }
    .to_owned()
}

/// DROP, of tables only.
pub(crate) fn bind_drop(context: &BindContext<'_>, statement: &AstStatement) -> Result<Drop> {
    let AstStatement::Drop {
        object_type,
        if_exists,
        names,
        cascade: _,
        restrict: _,
        purge,
        temporary,
        table,
    } = statement
    else {
        return Err(Error::internal("not a DROP"));
    };
    if *object_type != ObjectType::Table {
        return Err(Error::unsupported(format!("DROP {object_type}")));
    }
    if *purge || *temporary || table.is_some() {
        return Err(Error::unsupported("an option of DROP TABLE"));
    }
    // Nothing can depend on a table yet, so CASCADE and RESTRICT do the same.
    let names = names.iter().map(|name| table_name(context, name)).collect::<Result<_>>()?;
    Ok(Drop { names, if_exists: *if_exists })
}

/// TRUNCATE
pub(crate) fn bind_truncate(
    context: &BindContext<'_>,
    truncate: &Truncate,
) -> Result<Vec<TableName>> {
    let Truncate { table_names, partitions, table: _, if_exists, identity, cascade, on_cluster } =
        truncate;
    if partitions.is_some() || *if_exists || on_cluster.is_some() {
        return Err(Error::unsupported("an option of TRUNCATE that PostgreSQL does not have"));
    }
    // There are no sequences to restart and no foreign keys to follow.
    match identity {
        None | Some(TruncateIdentityOption::Continue | TruncateIdentityOption::Restart) => {}
    }
    match cascade {
        None | Some(CascadeOption::Cascade | CascadeOption::Restrict) => {}
    }
    let mut names = Vec::with_capacity(table_names.len());
    for TruncateTableTarget { name, only: _, has_asterisk: _ } in table_names {
        names.push(table_name(context, name)?);
    }
    Ok(names)
}
