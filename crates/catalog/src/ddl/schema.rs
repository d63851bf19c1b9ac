//! Schemas, and where names are looked for.
//!
//! Who creates something in a schema holds `AccessShare` on the schema's name, who drops the schema
//! `AccessExclusive`: so nothing comes into a schema that is going.

use std::rc::Rc;

use txn::{LockMode, LockTag, Transaction};
use types::{Datum, Oid};

use super::depend::Object;
use super::table::check_name;
use crate::cache::Schemas;
use crate::catalog::Catalog;
use crate::changes;
use crate::error::Error;
use crate::system::{PG_CATALOG, PG_NAMESPACE};

/// The lock on a schema: that on its name, which stands in no schema itself.
fn lock_of(schema: &str) -> LockTag {
    LockTag::name("", schema)
}

impl Catalog {
    /// Every schema.
    fn schemas(&self, tx: &Transaction) -> Result<Schemas, Error> {
        let version = self.txn().catalog_version();
        self.cache.borrow_mut().enter(tx.xid());
        if let Some(known) = self.cache.borrow().schemas(version) {
            return Ok(known);
        }
        let rows = self.rows(tx, &PG_NAMESPACE, &|_| true)?;
        let list: Schemas = rows
            .iter()
            .map(|row| (changes::oid(row, 0), changes::text(row, 1).to_owned()))
            .collect();
        self.cache.borrow_mut().put_schemas(Rc::clone(&list), version);
        Ok(list)
    }

    /// The schema of that name.
    pub fn schema_oid(&self, tx: &Transaction, name: &str) -> Result<Option<Oid>, Error> {
        Ok(self.schemas(tx)?.iter().find(|(_, known)| known == name).map(|(oid, _)| *oid))
    }

    /// The name of a schema.
    pub fn schema_name(&self, tx: &Transaction, oid: Oid) -> Result<Option<String>, Error> {
        Ok(self.schemas(tx)?.iter().find(|(known, _)| *known == oid).map(|(_, name)| name.clone()))
    }

    /// The schemas of the search path that exist; with the system's, which is searched first, if it
    /// is wanted.
    pub fn current_schemas(&self, tx: &Transaction, system: bool) -> Result<Vec<String>, Error> {
        let known = self.schemas(tx)?;
        let own = self.search_path();
        let mut path = Vec::new();
        if system {
            path.push(PG_CATALOG.1.to_owned());
        }
        for name in own.iter().filter(|name| known.iter().any(|(_, known)| known == *name)) {
            if !path.contains(name) && name != PG_CATALOG.1 {
                path.push(name.clone());
            }
        }
        Ok(path)
    }

    /// The schema that something is to be created in, locked so that it stays.
    pub fn schema_for_creation(
        &self,
        tx: &Transaction,
        schema: Option<&str>,
        name: &str,
    ) -> Result<(Oid, String), Error> {
        let wanted = match schema {
            Some(schema) => schema.to_owned(),
            None => {
                let path = self.current_schemas(tx, false)?;
                path.into_iter().next().ok_or(Error::NoSchemaSelected)?
            }
        };
        if wanted == PG_CATALOG.1 {
            return Err(Error::SystemSchema { schema: wanted, name: name.to_owned() });
        }
        self.txn().locks().acquire(lock_of(&wanted), LockMode::AccessShare)?;
        match self.schema_oid(tx, &wanted)? {
            Some(oid) => Ok((oid, wanted)),
            None => Err(Error::UndefinedSchema(wanted)),
        }
    }

    /// Creates a schema.
    pub fn create_schema(&self, tx: &mut Transaction, name: &str) -> Result<Oid, Error> {
        check_name(name)?;
        if name.starts_with("pg_") {
            return Err(Error::ReservedSchema(name.to_owned()));
        }
        self.txn().locks().acquire(lock_of(name), LockMode::AccessExclusive)?;
        if self.schema_oid(tx, name)?.is_some() {
            return Err(Error::DuplicateSchema(name.to_owned()));
        }
        let oid = self.txn().new_oid()?;
        let row = [Datum::Oid(oid.0), Datum::Text(name.to_owned())];
        self.insert_row(tx, &PG_NAMESPACE, &row)?;
        self.changed(tx, oid);
        Ok(oid)
    }

    /// Locks a schema that is to be dropped; `None` if there is none of that name.
    pub fn lock_schema(&self, tx: &Transaction, name: &str) -> Result<Option<Object>, Error> {
        if name == PG_CATALOG.1 {
            return Err(Error::RequiredBySystem(format!("schema {name}")));
        }
        self.txn().locks().acquire(lock_of(name), LockMode::AccessExclusive)?;
        Ok(self.schema_oid(tx, name)?.map(Object::schema))
    }
}
