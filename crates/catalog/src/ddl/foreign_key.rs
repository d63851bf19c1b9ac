//! Foreign keys in the system tables.
//!
//! ```text
//!  child.a  <──auto──  constraint child_a_fkey  ──normal──>  parent.id
//!                                 └──────────────normal──>  index parent_pkey
//! ```
//!
//! A foreign key goes with the columns that it is about, and stands in the way of a drop of those
//! that it refers to, and of the unique index by which they are found. Both tables' definitions tell
//! of it, so a change of it makes both of another version.

use std::rc::Rc;

use txn::Transaction;

use super::depend::{DependKind, Object};
use crate::catalog::Catalog;
use crate::definition::{ConstraintDef, ConstraintKind, IndexDef, ReferentialAction, TableDef};
use crate::error::Error;

/// A foreign key that a table is to get.
#[derive(Clone, Debug)]
pub struct NewForeignKey {
    /// Its name; none: one is made of the names of table and columns.
    pub name: Option<String>,
    /// The positions of the columns that refer to others.
    pub columns: Vec<usize>,
    /// The positions of those in the other table.
    pub foreign_columns: Vec<usize>,
    /// The unique index of the other table that has those columns.
    pub index: Rc<IndexDef>,
    /// What is done when the row referred to gets another key.
    pub on_update: ReferentialAction,
    /// What is done when it is deleted.
    pub on_delete: ReferentialAction,
    /// MATCH FULL
    pub match_full: bool,
    /// The columns that ON DELETE SET NULL or SET DEFAULT sets; none: all.
    pub delete_columns: Vec<usize>,
}

impl Catalog {
    /// The name that a foreign key gets.
    pub fn foreign_key_name(
        &self,
        tx: &Transaction,
        table: &TableDef,
        given: Option<&str>,
        columns: &[usize],
    ) -> Result<String, Error> {
        let name = match given {
            Some(name) => name.to_owned(),
            None => {
                let columns = columns.iter().filter_map(|column| table.columns.get(*column));
                let columns: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
                self.choose_name(tx, table, &columns, "fkey")?
            }
        };
        self.check_constraint_name(table, &name)?;
        Ok(name)
    }

    /// Gives a table a foreign key. The transaction has both tables locked `ShareRowExclusive` or
    /// more. That the rows satisfy it is for the caller to see. Answers the table as it is now, and
    /// the constraint.
    pub fn add_foreign_key(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        parent: &TableDef,
        new: NewForeignKey,
    ) -> Result<(Rc<TableDef>, ConstraintDef), Error> {
        let name = self.foreign_key_name(tx, table, new.name.as_deref(), &new.columns)?;
        let oid = self.txn().new_oid()?;
        let constraint = ConstraintDef {
            index: new.index.oid,
            columns: new.columns,
            foreign_table: parent.oid,
            foreign_columns: new.foreign_columns,
            on_update: new.on_update,
            on_delete: new.on_delete,
            match_full: new.match_full,
            delete_columns: new.delete_columns,
            ..ConstraintDef::new(oid, ConstraintKind::ForeignKey, &name, table.oid)
        };
        self.add_constraint(tx, table, &constraint)?;
        let depender = Object::constraint(oid);
        for column in &constraint.foreign_columns {
            let on = Object::column(parent.oid, *column);
            self.record_dependency(tx, depender, on, DependKind::Normal)?;
        }
        let index = Object::relation(constraint.index);
        self.record_dependency(tx, depender, index, DependKind::Normal)?;
        self.changed(tx, parent.oid);
        Ok((self.again(tx, table.oid)?, constraint))
    }
}
