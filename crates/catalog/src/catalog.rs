//! The catalog as one process works with it: from a name to a table.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use access::Access;
use txn::{LockMode, LockTag, Transaction, Txn};
use types::{Oid, RelFileNumber};

use crate::cache::Cache;
use crate::definition::TableDef;
use crate::error::Error;
use crate::system::{PG_CATALOG, PUBLIC, SYSTEM_TABLES};

/// Where names without a schema are looked for, in this order.
const SEARCH_PATH: [&str; 2] = [PG_CATALOG.1, PUBLIC.1];

/// The system tables, as one process works with them.
pub struct Catalog {
    pub(crate) access: Rc<Access>,
    pub(crate) cache: RefCell<Cache>,
    /// The definitions of the system tables: they never change.
    system: Vec<Rc<TableDef>>,
}

impl Catalog {
    /// The catalog over these tables.
    pub fn new(access: Rc<Access>) -> Catalog {
        let system = SYSTEM_TABLES.iter().map(|table| Rc::new(table.definition())).collect();
        Catalog { access, cache: RefCell::default(), system }
    }

    /// The tables beneath.
    pub fn access(&self) -> &Rc<Access> {
        &self.access
    }

    pub(crate) fn txn(&self) -> &Txn {
        self.access.txn()
    }

    /// The table of that name, as the transaction sees it now; names are compared byte by byte.
    /// Without a schema the system's schema is searched first, then `public`. Nothing is locked,
    /// so it may be out of date by the time it is returned: see [`Catalog::open`].
    pub fn lookup(
        &self,
        tx: &Transaction,
        schema: Option<&str>,
        name: &str,
    ) -> Result<Option<Rc<TableDef>>, Error> {
        let Some(schema) = schema else {
            for schema in SEARCH_PATH {
                let found = self.lookup_in(tx, schema, name)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            return Ok(None);
        };
        self.lookup_in(tx, schema, name)
    }

    fn lookup_in(
        &self,
        tx: &Transaction,
        schema: &str,
        name: &str,
    ) -> Result<Option<Rc<TableDef>>, Error> {
        if schema == PG_CATALOG.1 {
            return Ok(self.system.iter().find(|table| table.name == name).cloned());
        }
        if schema != PUBLIC.1 {
            return Ok(None);
        }
        if let Some(own) = self.cache.borrow().own(tx.xid(), schema, name) {
            return Ok(own);
        }
        let version = |table: &TableDef| self.txn().relation_version(table.oid);
        if let Some(table) = self.cache.borrow().get(schema, name, version) {
            return Ok(Some(table));
        }
        let Some((table, version)) = self.read_by_name(tx, PUBLIC.0, name)? else {
            return Ok(None);
        };
        let table = Rc::new(table);
        self.cache.borrow_mut().put(Rc::clone(&table), version);
        Ok(Some(table))
    }

    /// Finds a table and locks it until the end of the transaction. While the lock is waited for
    /// the name may come to mean another table, or none: so it is looked up again under the lock.
    /// The statement's snapshot is to be taken afterwards.
    pub fn open(
        &self,
        tx: &Transaction,
        schema: Option<&str>,
        name: &str,
        mode: LockMode,
    ) -> Result<Option<Rc<TableDef>>, Error> {
        let mut locked: Option<Oid> = None;
        loop {
            let Some(table) = self.lookup(tx, schema, name)? else { return Ok(None) };
            if locked == Some(table.oid) {
                return Ok(Some(table));
            }
            self.txn().locks().acquire(LockTag::Relation(table.oid), mode)?;
            locked = Some(table.oid);
        }
    }

    /// Every relation file that a committed table owns, the system's own among them. For
    /// `access::storage::remove_orphans`, while no other session runs.
    pub fn all_relfiles(&self) -> Result<HashSet<RelFileNumber>, Error> {
        let mut tx = self.txn().begin();
        let files = self.read_relfiles(&tx);
        self.txn().commit(&mut tx, false)?;
        let mut files = files?;
        files.extend(SYSTEM_TABLES.iter().map(|table| table.relfile));
        files.insert(txn::STATUS_RELATION);
        Ok(files)
    }
}
