//! CHECK constraints, keys that are made of an index that is there, and names of constraints.

use std::rc::Rc;

use txn::Transaction;
use types::{Datum, Oid};

use super::depend::{DependKind, Object};
use super::table::check_name;
use crate::catalog::Catalog;
use crate::changes::{is, text};
use crate::definition::{ConstraintDef, ConstraintKind, IndexDef, TableDef};
use crate::error::Error;
use crate::rows::{constraint as columns, row_of_constraint};
use crate::system::{PG_CLASS, PG_CONSTRAINT, PG_DEPEND, PG_INDEX};

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
        let oid = self.txn().new_oid()?;
        let constraint = ConstraintDef {
            columns: check.columns.clone(),
            expression: check.expression.clone(),
            ..ConstraintDef::new(oid, ConstraintKind::Check, &name, table.oid)
        };
        self.add_constraint(tx, table, &constraint)?;
        Ok((self.again(tx, table.oid)?, name))
    }

    /// Puts a constraint into the system tables; it goes with its columns.
    pub(super) fn add_constraint(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        constraint: &ConstraintDef,
    ) -> Result<(), Error> {
        let (into, row) = row_of_constraint(table.namespace, constraint);
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
    pub(super) fn check_constraint_name(&self, table: &TableDef, name: &str) -> Result<(), Error> {
        check_name(name)?;
        if table.constraints.iter().any(|known| known.name == name) {
            let (constraint, table) = (name.to_owned(), table.name.clone());
            return Err(Error::DuplicateConstraint { constraint, table });
        }
        Ok(())
    }

    /// Makes a PRIMARY KEY or UNIQUE of a unique index of the table. The transaction has the table
    /// locked `AccessExclusive`, and has seen that the index is fit for it. Answers the table as it
    /// is now.
    pub fn adopt_index(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: &IndexDef,
        kind: ConstraintKind,
        name: &str,
    ) -> Result<Rc<TableDef>, Error> {
        self.check_constraint_name(table, name)?;
        if index.name != name {
            self.rename_index(tx, table, index.oid, name)?;
        }
        let oid = self.txn().new_oid()?;
        let constraint = ConstraintDef {
            index: index.oid,
            columns: index.columns.iter().map(|column| column.column).collect(),
            ..ConstraintDef::new(oid, kind, name, table.oid)
        };
        // From now on it goes with its constraint, which goes with the columns.
        let depender = Object::relation(index.oid);
        self.delete_rows(tx, &PG_DEPEND, &|row| {
            is(row, 0, depender.class) && is(row, 1, depender.oid) && is(row, 4, table.oid)
        })?;
        let owner = Object::constraint(oid);
        self.record_dependency(tx, depender, owner, DependKind::Internal)?;
        self.add_constraint(tx, table, &constraint)?;
        if kind == ConstraintKind::PrimaryKey {
            self.update_rows(tx, &PG_INDEX, &|row| is(row, 0, index.oid), &mut |row| {
                row[4] = Datum::Bool(true);
            })?;
        }
        self.changed(tx, index.oid);
        self.changed(tx, table.oid);
        self.again(tx, table.oid)
    }

    fn rename_index(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        index: Oid,
        name: &str,
    ) -> Result<(), Error> {
        self.claim_name(tx, &table.schema, name)?;
        self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, index), &mut |row| {
            row[1] = Datum::Text(name.to_owned());
        })?;
        self.changed(tx, index);
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
        if constraint.kind == ConstraintKind::ForeignKey {
            // The other table tells its name, too.
            self.changed(tx, constraint.foreign_table);
        } else if table.index(constraint.index).is_some() {
            self.rename_index(tx, table, constraint.index, name)?;
        }
        self.check_constraint_name(table, name)?;
        self.update_rows(tx, &PG_CONSTRAINT, &|row| is(row, 0, constraint.oid), &mut |row| {
            row[columns::NAME] = Datum::Text(name.to_owned());
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
                row[columns::EXPRESSION] = Datum::Text(expression.clone());
            })?;
        }
        self.changed(tx, table);
        Ok(())
    }
}
