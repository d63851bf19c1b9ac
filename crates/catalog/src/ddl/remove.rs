//! Taking single things out of the system tables. What depends on them has gone before.

use access::storage;
use txn::Transaction;
use types::{Datum, Oid, RelFileNumber};

use super::depend::Object;
use crate::catalog::Catalog;
use crate::changes;
use crate::error::Error;
use crate::rows::constraint;
use crate::system::{
    PG_ATTRDEF, PG_ATTRIBUTE, PG_CLASS, PG_CONSTRAINT, PG_DEPEND, PG_INDEX, PG_NAMESPACE,
    PG_REWRITE, PG_SEQUENCE, PG_STATISTIC,
};

impl Catalog {
    /// The relation whose lock protects a thing, if there is one.
    pub(super) fn relation_of(
        &self,
        tx: &Transaction,
        object: Object,
    ) -> Result<Option<Oid>, Error> {
        let (table, column) = match object.class {
            // An index goes under the lock on its table.
            class if class == PG_CLASS.oid => (&PG_INDEX, 1),
            class if class == PG_CONSTRAINT.oid => (&PG_CONSTRAINT, constraint::RELATION),
            class if class == PG_ATTRDEF.oid => (&PG_ATTRDEF, 1),
            _ => return Ok(None),
        };
        let row = self.row(tx, table, &|row| changes::is(row, 0, object.oid))?;
        let relation = (object.class == PG_CLASS.oid).then_some(object.oid);
        Ok(row.map(|row| changes::oid(&row, column)).or(relation))
    }

    /// The table that a foreign key refers to: its lock protects the constraint, too.
    pub(super) fn foreign_table_of(
        &self,
        tx: &Transaction,
        object: Object,
    ) -> Result<Option<Oid>, Error> {
        if object.class != PG_CONSTRAINT.oid {
            return Ok(None);
        }
        let row = self.row(tx, &PG_CONSTRAINT, &|row| changes::is(row, 0, object.oid))?;
        let table = row.map(|row| changes::oid(&row, constraint::FOREIGN_RELATION));
        Ok(table.filter(|table| *table != Oid::default()))
    }

    /// Takes a thing out of the system tables.
    pub(super) fn remove(&self, tx: &mut Transaction, object: Object) -> Result<(), Error> {
        let Object { class, oid, column } = object;
        self.delete_rows(tx, &PG_DEPEND, &|row| {
            let whole = column == 0 || changes::number(row, 2) == i64::from(column);
            changes::is(row, 0, class) && changes::is(row, 1, oid) && whole
        })?;
        let relation = self.relation_of(tx, object)?;
        let foreign = self.foreign_table_of(tx, object)?;
        if class == PG_CLASS.oid && column == 0 {
            self.remove_relation(tx, oid)?;
        } else if class == PG_CLASS.oid {
            self.remove_column(tx, oid, column as usize - 1)?;
        } else if class == PG_CONSTRAINT.oid {
            self.delete_rows(tx, &PG_CONSTRAINT, &|row| changes::is(row, 0, oid))?;
        } else if class == PG_ATTRDEF.oid {
            self.remove_default(tx, oid)?;
        } else if class == PG_NAMESPACE.oid {
            self.delete_rows(tx, &PG_NAMESPACE, &|row| changes::is(row, 0, oid))?;
        }
        self.changed(tx, oid);
        for relation in relation.into_iter().chain(foreign) {
            self.changed(tx, relation);
        }
        Ok(())
    }

    /// Takes a relation out; its file goes when the transaction commits.
    fn remove_relation(&self, tx: &mut Transaction, oid: Oid) -> Result<(), Error> {
        let class = self.row(tx, &PG_CLASS, &|row| changes::is(row, 0, oid))?;
        let file = class.map_or(0, |row| changes::number(&row, 3));
        for (table, column) in [
            (&PG_CLASS, 0),
            (&PG_ATTRIBUTE, 0),
            (&PG_INDEX, 0),
            (&PG_CONSTRAINT, constraint::RELATION),
            (&PG_STATISTIC, 0),
            (&PG_REWRITE, 2),
            (&PG_SEQUENCE, 0),
        ] {
            self.delete_rows(tx, table, &|row| changes::is(row, column, oid))?;
        }
        if let Ok(file @ 1..) = u64::try_from(file) {
            storage::drop_at_commit(&self.access, tx, RelFileNumber(file));
        }
        Ok(())
    }

    fn remove_default(&self, tx: &mut Transaction, oid: Oid) -> Result<(), Error> {
        let Some(row) = self.row(tx, &PG_ATTRDEF, &|row| changes::is(row, 0, oid))? else {
            return Ok(());
        };
        let (relation, number) = (changes::oid(&row, 1), changes::number(&row, 2));
        self.delete_rows(tx, &PG_ATTRDEF, &|row| changes::is(row, 0, oid))?;
        self.update_rows(
            tx,
            &PG_ATTRIBUTE,
            &|row| changes::is(row, 0, relation) && changes::number(row, 4) == number,
            &mut |row| row[6] = Datum::Bool(false),
        )?;
        Ok(())
    }
}
