//! The clauses of CREATE TABLE, each looked at: sqlparser reads those of many systems.

use sqlparser::ast::{CreateTable, HiveDistributionStyle};

use crate::error::{Error, Result};

/// Whether a clause was written.
trait Written {
    fn is_written(&self) -> bool;
}

impl Written for bool {
    fn is_written(&self) -> bool {
        *self
    }
}

impl<T> Written for Option<T> {
    fn is_written(&self) -> bool {
        self.is_some()
    }
}

/// Whether any of some clauses was written.
macro_rules! any_written {
    ($($clause:ident)*) => { false $(|| $clause.is_written())* };
}

/// Names the first clause that is not supported.
pub(super) fn refuse(create: &CreateTable) -> Result<()> {
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
        constraints: _,
        hive_distribution,
        hive_formats,
        table_options: _,
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
        (query.is_some() || with_data.is_some(), "CREATE TABLE AS"),
        (like.is_some(), "LIKE in CREATE TABLE"),
        (on_commit.is_some(), "ON COMMIT"),
        (inherits.is_some(), "INHERITS"),
        (partition_by.is_some(), "PARTITION BY"),
        (partition_of.is_some() || for_values.is_some(), "PARTITION OF"),
    ];
    let foreign = any_written! {
        dynamic transient volatile iceberg snapshot hive_formats file_format location
        primary_key without_rowid clone version comment on_cluster order_by cluster_by clustered_by strict
        copy_grants enable_schema_evolution change_tracking data_retention_time_in_days
        max_data_extension_time_in_days default_ddl_collation with_aggregation_policy
        with_row_access_policy with_storage_lifecycle_policy with_tags external_volume
        with_connection base_location catalog catalog_sync storage_serialization_policy
        target_lag warehouse refresh_mode initialize require_user diststyle distkey sortkey
        backup multiset fallback
    };
    let distributed = !matches!(hive_distribution, HiveDistributionStyle::NONE);
    match named.iter().find(|(written, _)| *written) {
        Some((_, construct)) => Err(Error::unsupported(construct)),
        None if foreign || distributed => {
            Err(Error::unsupported("a clause of CREATE TABLE that PostgreSQL does not have"))
        }
        None => Ok(()),
    }
}
