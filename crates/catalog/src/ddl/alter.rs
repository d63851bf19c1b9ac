//! Changes of a table that exists. The transaction has it locked.

use txn::Transaction;
use types::{Datum, Oid};

use super::depend::Object;
use crate::catalog::Catalog;
use crate::changes;
use crate::definition::TableDef;
use crate::error::Error;
use crate::system::{PG_CLASS, PG_CONSTRAINT, PG_DEPEND};

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
        let indexes = table.indexes.iter().map(|index| (index.oid, &index.name));
        for (relation, name) in [(table.oid, &table.name)].into_iter().chain(indexes) {
            self.claim_name(tx, &schema, name).map_err(taken)?;
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
        self.update_rows(tx, &PG_CLASS, &|row| changes::is(row, 0, relation), &mut set(2))?;
        self.update_rows(tx, &PG_CONSTRAINT, &|row| changes::is(row, 4, relation), &mut set(2))?;
        let (depender, on) = (Object::relation(relation), Object::schema(from));
        let depends = |row: &[Datum]| {
            changes::is(row, 0, depender.class)
                && changes::is(row, 1, depender.oid)
                && changes::is(row, 3, on.class)
                && changes::is(row, 4, on.oid)
        };
        self.update_rows(tx, &PG_DEPEND, &depends, &mut set(4))?;
        self.changed(tx, relation);
        Ok(())
    }
}
