//! Changes of a table that exists. The transaction has it locked.

use std::rc::Rc;

use txn::{LockMode, Transaction};
use types::{Datum, Oid, RelFileNumber};

use super::depend::Object;
use super::table::{check_columns, check_name};
use crate::catalog::Catalog;
use crate::changes::{is, number, oid};
use crate::definition::{ColumnDef, TableDef};
use crate::error::Error;
use crate::rows::{attribute, attribute_row, class};
use crate::system::{PG_ATTRDEF, PG_ATTRIBUTE, PG_CLASS, PG_CONSTRAINT, PG_DEPEND};

impl Catalog {
    /// Moves a table, with what belongs to it, into another schema.
    pub fn set_schema(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        schema: &str,
    ) -> Result<(), Error> {
        let (to, schema) = self.schema_for_creation(tx, Some(schema), &table.name)?;
        if to == table.namespace {
            return Ok(());
        }
        let taken = |error: Error| match error {
            Error::DuplicateTable(name) => {
                Error::DuplicateInSchema { name, schema: schema.clone() }
            }
            other => other,
        };
        let mut moved = vec![(table.oid, table.name.clone())];
        moved.extend(table.indexes.iter().map(|index| (index.oid, index.name.clone())));
        for (sequence, _) in self.sequences_of(tx, table.oid)? {
            let locked = self.open_oid(tx, sequence, LockMode::AccessExclusive)?;
            moved.extend(locked.map(|sequence| (sequence.oid, sequence.name.clone())));
        }
        for (relation, name) in moved {
            self.claim_name(tx, &schema, &name).map_err(taken)?;
            self.move_relation(tx, relation, table.namespace, to)?;
        }
        Ok(())
    }

    fn move_relation(
        &self,
        tx: &mut Transaction,
        relation: Oid,
        from: Oid,
        to: Oid,
    ) -> Result<(), Error> {
        let set = |column: usize| move |row: &mut Vec<Datum>| row[column] = Datum::Oid(to.0);
        self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, relation), &mut set(2))?;
        self.update_rows(tx, &PG_CONSTRAINT, &|row| is(row, 4, relation), &mut set(2))?;
        let (depender, on) = (Object::relation(relation), Object::schema(from));
        let depends = |row: &[Datum]| {
            is(row, 0, depender.class)
                && is(row, 1, depender.oid)
                && is(row, 3, on.class)
                && is(row, 4, on.oid)
        };
        self.update_rows(tx, &PG_DEPEND, &depends, &mut set(4))?;
        self.changed(tx, relation);
        Ok(())
    }

    /// The table as it is now.
    pub(super) fn again(&self, tx: &Transaction, table: Oid) -> Result<Rc<TableDef>, Error> {
        let missing = || Error::Damaged { relation: table, why: "it is gone while it is locked" };
        self.find_by_oid(tx, table)?.ok_or_else(missing)
    }

    /// Renames a table.
    pub fn rename_table(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        name: &str,
    ) -> Result<Rc<TableDef>, Error> {
        check_name(name)?;
        self.claim_name(tx, &table.schema, name)?;
        self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, table.oid), &mut |row| {
            row[1] = Datum::Text(name.to_owned());
        })?;
        self.changed(tx, table.oid);
        self.again(tx, table.oid)
    }

    /// Adds a column. Rows that are there already have its `missing` value.
    pub fn add_column(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        column: &ColumnDef,
    ) -> Result<Rc<TableDef>, Error> {
        let index = table.columns.len();
        let mut all: Vec<ColumnDef> = table.columns.clone();
        all.push(column.clone());
        check_columns(&all)?;
        let row = attribute_row(table.oid, index, column);
        self.insert_row(tx, &PG_ATTRIBUTE, &row)?;
        self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, table.oid), &mut |row| {
            row[class::RELNATTS] = Datum::Int2(all.len() as i16);
        })?;
        if let Some(text) = &column.default {
            self.add_default(tx, table.oid, index, text)?;
        }
        self.changed(tx, table.oid);
        self.again(tx, table.oid)
    }

    /// Changes the row of `pg_attribute` of a column.
    pub(super) fn update_column(
        &self,
        tx: &mut Transaction,
        table: Oid,
        index: usize,
        change: &mut dyn FnMut(&mut Vec<Datum>),
    ) -> Result<Rc<TableDef>, Error> {
        let wanted =
            |row: &[Datum]| is(row, 0, table) && number(row, attribute::NUMBER) == index as i64 + 1;
        self.update_rows(tx, &PG_ATTRIBUTE, &wanted, change)?;
        self.changed(tx, table);
        self.again(tx, table)
    }

    /// Marks a column as dropped: it keeps its place in the rows.
    pub(super) fn remove_column(
        &self,
        tx: &mut Transaction,
        table: Oid,
        index: usize,
    ) -> Result<(), Error> {
        let name = format!("........pg.dropped.{}........", index + 1);
        self.update_column(tx, table, index, &mut |row| {
            row[attribute::NAME] = Datum::Text(name.clone());
            for flag in [attribute::NOT_NULL, attribute::HAS_DEFAULT, attribute::HAS_MISSING] {
                row[flag] = Datum::Bool(false);
            }
            row[attribute::IS_DROPPED] = Datum::Bool(true);
            row[attribute::IDENTITY] = Datum::Text(String::new());
        })?;
        Ok(())
    }

    /// Renames a column.
    pub fn rename_column(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: usize,
        name: &str,
    ) -> Result<Rc<TableDef>, Error> {
        check_name(name)?;
        self.update_column(tx, table.oid, index, &mut |row| {
            row[attribute::NAME] = Datum::Text(name.to_owned());
        })
    }

    /// Says whether a column must have a value. That the rows have one is for the caller to see.
    pub fn set_not_null(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: usize,
        not_null: bool,
    ) -> Result<Rc<TableDef>, Error> {
        self.update_column(tx, table.oid, index, &mut |row| {
            row[attribute::NOT_NULL] = Datum::Bool(not_null);
        })
    }

    /// Gives a column a default, or takes it away.
    pub fn set_default(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: usize,
        default: Option<&str>,
    ) -> Result<Rc<TableDef>, Error> {
        let old = self.row(tx, &PG_ATTRDEF, &|row| {
            is(row, 1, table.oid) && number(row, 2) == index as i64 + 1
        })?;
        if let Some(old) = old {
            self.drop_objects(tx, &[Object::default(oid(&old, 0))], false)?;
        }
        if let Some(text) = default {
            self.add_default(tx, table.oid, index, text)?;
        }
        self.update_column(tx, table.oid, index, &mut |row| {
            row[attribute::HAS_DEFAULT] = Datum::Bool(default.is_some());
        })
    }

    /// Sets the storage parameters of a table.
    pub fn set_options(
        &self,
        tx: &mut Transaction,
        table: Oid,
        options: &str,
    ) -> Result<Rc<TableDef>, Error> {
        self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, table), &mut |row| {
            row[class::RELOPTIONS] = Datum::Text(options.to_owned());
        })?;
        self.changed(tx, table);
        self.again(tx, table)
    }

    /// Gives a table a new, empty file, for its rows to be written anew; the old one stays until
    /// the transaction commits. No row has missing values any more.
    pub fn begin_rewrite(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
    ) -> Result<Rc<TableDef>, Error> {
        let file: RelFileNumber = self.give_new_file(tx, table.oid, table.relfile)?;
        self.txn().statistics().moved(table.relfile, file);
        let of_table = |row: &[Datum]| is(row, 0, table.oid);
        self.update_rows(tx, &PG_ATTRIBUTE, &of_table, &mut |row| {
            row[attribute::HAS_MISSING] = Datum::Bool(false);
        })?;
        self.changed(tx, table.oid);
        self.again(tx, table.oid)
    }
}
