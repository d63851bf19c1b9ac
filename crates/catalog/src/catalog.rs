//! The catalog as one process works with it: from a name to a relation.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use access::Access;
use txn::{CatalogVersion, LockMode, LockOwner, LockTag, Transaction, Txn};
use types::{Oid, RelFileNumber};

use crate::cache::Cache;
use crate::definition::TableDef;
use crate::error::Error;
use crate::system::{PG_CATALOG, PUBLIC, SYSTEM_TABLES};

/// What came of opening a table without waiting.
#[derive(Debug)]
pub enum Opened {
    /// It is locked.
    Table(Rc<TableDef>),
    /// There is none of that name.
    Missing,
    /// Somebody else has it.
    Busy,
}

impl Opened {
    fn table(self) -> Option<Rc<TableDef>> {
        match self {
            Opened::Table(table) => Some(table),
            Opened::Missing | Opened::Busy => None,
        }
    }
}

/// The system tables, as one process works with them.
pub struct Catalog {
    pub(crate) access: Rc<Access>,
    pub(crate) cache: RefCell<Cache>,
    /// The definitions of the system tables: they never change.
    system: Vec<Rc<TableDef>>,
    /// The schemas where names without one are looked for, behind the system's; some of them may
    /// not exist.
    search_path: RefCell<Rc<[String]>>,
}

impl Catalog {
    /// The catalog over these tables.
    pub fn new(access: Rc<Access>) -> Catalog {
        let system = SYSTEM_TABLES.iter().map(|table| Rc::new(table.definition())).collect();
        let search_path = RefCell::new(Rc::from([PUBLIC.1.to_owned()]));
        Catalog { access, cache: RefCell::default(), system, search_path }
    }

    /// The tables beneath.
    pub fn access(&self) -> &Rc<Access> {
        &self.access
    }

    pub(crate) fn txn(&self) -> &Txn {
        self.access.txn()
    }

    /// Says where names without a schema are looked for, behind the system's schema. The first that
    /// exists is where things are created.
    pub fn set_search_path(&self, path: Vec<String>) {
        *self.search_path.borrow_mut() = path.into();
    }

    pub(crate) fn search_path(&self) -> Rc<[String]> {
        Rc::clone(&self.search_path.borrow())
    }

    /// The relation of that name, as the transaction sees it now; names are compared byte by byte.
    /// Without a schema the system's schema is searched first, then the search path. Nothing is
    /// locked, so it may be out of date by the time it is returned: see [`Catalog::open`].
    pub fn lookup(
        &self,
        tx: &Transaction,
        schema: Option<&str>,
        name: &str,
    ) -> Result<Option<Rc<TableDef>>, Error> {
        if let Some(schema) = schema {
            return self.lookup_in(tx, schema, name);
        }
        let found = self.lookup_in(tx, PG_CATALOG.1, name)?;
        if found.is_some() {
            return Ok(found);
        }
        for schema in self.search_path().iter() {
            let found = self.lookup_in(tx, schema, name)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
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
        // Before anything is read: what is not seen will raise it.
        let version = self.txn().catalog_version();
        self.cache.borrow_mut().enter(tx.xid());
        let known = self.cache.borrow().get(schema, name, |oid| self.version(oid));
        if known.is_some() {
            return Ok(known);
        }
        if self.cache.borrow().is_missing(schema, name, version) {
            return Ok(None);
        }
        let found = match self.schema_oid(tx, schema)? {
            Some(namespace) => self.read_by_name(tx, namespace, name)?,
            None => None,
        };
        let mut cache = self.cache.borrow_mut();
        Ok(match found {
            Some((table, version)) => {
                let table = Rc::new(table);
                cache.put(Rc::clone(&table), version);
                Some(table)
            }
            None => {
                cache.put_missing(schema, name, version);
                None
            }
        })
    }

    /// The relation with that oid, as the transaction sees it now. Nothing is locked.
    pub fn find_by_oid(&self, tx: &Transaction, oid: Oid) -> Result<Option<Rc<TableDef>>, Error> {
        if let Some(system) = self.system.iter().find(|table| table.oid == oid) {
            return Ok(Some(Rc::clone(system)));
        }
        self.cache.borrow_mut().enter(tx.xid());
        let known = self.cache.borrow().get_oid(oid, |oid| self.version(oid));
        if known.is_some() {
            return Ok(known);
        }
        let Some((table, version)) = self.read_by_oid(tx, oid)? else { return Ok(None) };
        let table = Rc::new(table);
        self.cache.borrow_mut().put(Rc::clone(&table), version);
        Ok(Some(table))
    }

    fn version(&self, relation: Oid) -> CatalogVersion {
        self.txn().relation_version(relation)
    }

    /// Finds a relation and locks it until the end of the transaction. While the lock is waited for
    /// the name may come to mean another one, or none: so it is looked up again under the lock.
    /// The statement's snapshot is to be taken afterwards.
    pub fn open(
        &self,
        tx: &Transaction,
        schema: Option<&str>,
        name: &str,
        mode: LockMode,
    ) -> Result<Option<Rc<TableDef>>, Error> {
        let locks = self.txn().locks();
        let opened =
            self.open_by(tx, schema, name, |tag| locks.acquire(tag, mode).map(|()| true))?;
        Ok(opened.table())
    }

    /// As [`Catalog::open`], but instead of waiting for the lock it does without.
    pub fn open_nowait(
        &self,
        tx: &Transaction,
        schema: Option<&str>,
        name: &str,
        mode: LockMode,
    ) -> Result<Opened, Error> {
        let locks = self.txn().locks();
        self.open_by(tx, schema, name, |tag| {
            locks.try_acquire_for(LockOwner::Transaction, tag, mode)
        })
    }

    fn open_by(
        &self,
        tx: &Transaction,
        schema: Option<&str>,
        name: &str,
        lock: impl Fn(LockTag) -> txn::Result<bool>,
    ) -> Result<Opened, Error> {
        let mut locked: Option<Oid> = None;
        loop {
            let version = self.txn().catalog_version();
            let Some(table) = self.lookup(tx, schema, name)? else { return Ok(Opened::Missing) };
            if locked == Some(table.oid) {
                return Ok(Opened::Table(table));
            }
            if !lock(LockTag::Relation(table.oid))? {
                return Ok(Opened::Busy);
            }
            // As long as nothing has changed, a second look finds what the first has found.
            if self.txn().catalog_version() == version {
                return Ok(Opened::Table(table));
            }
            locked = Some(table.oid);
        }
    }

    /// As [`Catalog::open`], by the relation's oid.
    pub fn open_oid(
        &self,
        tx: &Transaction,
        oid: Oid,
        mode: LockMode,
    ) -> Result<Option<Rc<TableDef>>, Error> {
        self.txn().locks().acquire(LockTag::Relation(oid), mode)?;
        self.find_by_oid(tx, oid)
    }

    /// Forgets what this process remembers of the transaction's own changes: to be called when a
    /// part of it was rolled back.
    pub fn forget_own_changes(&self) {
        self.cache.borrow_mut().forget_own();
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
