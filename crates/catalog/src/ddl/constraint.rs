//! Constraints that stand on no index, and names of constraints.

use std::rc::Rc;

use txn::Transaction;
use types::{Datum, Oid};

use super::depend::{DependKind, Object};
use super::table::check_name;
use crate::catalog::Catalog;
use crate::changes::{is, text};
use crate::definition::{ConstraintDef, ConstraintKind, TableDef};
use crate::error::Error;
use crate::rows::row_of_constraint;
use crate::system::{PG_CLASS, PG_CONSTRAINT};

/// A CHECK that a table is to get.
#[derive(Clone, Debug)]
pub struct NewCheck {
    /// Its name; none: one is made of the names of table and column.
    pub name: Option<String>,
    /// The SQL expression.
    pub expression: String,
    /// The positions of the columns that it looks at.
    pub columns: Vec<usize>,
    /// The column that it stands behind.
    pub behind: Option<usize>,
}

impl Catalog {
    /// Gives a table a CHECK. The transaction has the table locked. Answers the table as it is now,
    /// and the name of the constraint.
    pub fn add_check(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        check: &NewCheck,
    ) -> Result<(Rc<TableDef>, String), Error> {
        let name = match &check.name {
            Some(name) => name.clone(),
            None => {
                let one = match check.columns.as_slice() {
                    [one] => Some(*one),
                    _ => check.behind,
                };
                let column = one.and_then(|one| table.columns.get(one));
                let columns: Vec<&str> = column.iter().map(|column| column.name.as_str()).collect();
                self.choose_name(tx, table, &columns, "check")?
            }
        };
        self.check_constraint_name(table, &name)?;
        let constraint = ConstraintDef {
            oid: self.txn().new_oid()?,
            name: name.clone(),
            kind: ConstraintKind::Check,
            index: Oid(0),
            columns: check.columns.clone(),
            foreign_table: Oid(0),
            foreign_columns: Vec::new(),
            on_update: ' ',
            on_delete: ' ',
            expression: check.expression.clone(),
        };
        self.add_constraint(tx, table, &constraint)?;
        Ok((self.again(tx, table.oid)?, name))
    }

    /// Puts a constraint into the system tables; it goes with its columns.
    fn add_constraint(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        constraint: &ConstraintDef,
    ) -> Result<(), Error> {
        let (into, row) = row_of_constraint(table.oid, table.namespace, constraint);
        self.insert_row(tx, into, &row)?;
        let depender = Object::constraint(constraint.oid);
        if constraint.columns.is_empty() {
            let on = Object::relation(table.oid);
            self.record_dependency(tx, depender, on, DependKind::Auto)?;
        }
        for column in &constraint.columns {
            let on = Object::column(table.oid, *column);
            self.record_dependency(tx, depender, on, DependKind::Auto)?;
        }
        self.changed(tx, table.oid);
        Ok(())
    }

    /// `42710` if the table has a constraint of that name.
    fn check_constraint_name(&self, table: &TableDef, name: &str) -> Result<(), Error> {
        check_name(name)?;
        if table.constraints.iter().any(|known| known.name == name) {
            let (constraint, table) = (name.to_owned(), table.name.clone());
            return Err(Error::DuplicateConstraint { constraint, table });
        }
        Ok(())
    }

    /// Renames a constraint, and the index that it stands on.
    pub fn rename_constraint(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        constraint: &ConstraintDef,
        name: &str,
    ) -> Result<(), Error> {
        self.check_constraint_name(table, name)?;
        if table.index(constraint.index).is_some() {
            self.claim_name(tx, &table.schema, name)?;
            let index = constraint.index;
            self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, index), &mut |row| {
                row[1] = Datum::Text(name.to_owned());
            })?;
            self.changed(tx, index);
        }
        self.update_rows(tx, &PG_CONSTRAINT, &|row| is(row, 0, constraint.oid), &mut |row| {
            row[1] = Datum::Text(name.to_owned());
        })?;
        self.changed(tx, table.oid);
        Ok(())
    }

    /// Gives CHECKs of a table other expressions: names in them have changed.
    pub fn rewrite_checks(
        &self,
        tx: &mut Transaction,
        table: Oid,
        rewritten: &[(Oid, String)],
    ) -> Result<(), Error> {
        for (constraint, expression) in rewritten {
            let of = |row: &[Datum]| is(row, 0, *constraint) && text(row, 3) == "c";
            self.update_rows(tx, &PG_CONSTRAINT, &of, &mut |row| {
                row[11] = Datum::Text(expression.clone());
            })?;
        }
        self.changed(tx, table);
        Ok(())
    }
}
