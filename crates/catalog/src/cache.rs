//! Definitions that the process remembers.
//!
//! ```text
//!  committed   what anybody sees: good as long as its relation's version counter stands
//!  own         what this transaction sees of the relations whose definitions it has changed
//!  touched     which those are: what `committed` says of them does not count
//!  missing     names that mean nothing: good as long as the version of all system tables stands
//! ```
//!
//! `own`, `touched` and `schemas` end with their transaction. A change of a definition empties
//! `own`: it is read from the system tables again when it is wanted.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use txn::CatalogVersion;
use types::{Oid, Xid};

use crate::definition::TableDef;

/// Definitions remembered; beyond that all are forgotten.
const ENTRIES_MAX: usize = 4096;

/// A definition and the version of the system tables that it is at least as young as.
struct Entry {
    definition: Rc<TableDef>,
    version: CatalogVersion,
}

/// Definitions by oid and by name.
#[derive(Default)]
struct Known {
    entries: HashMap<Oid, Entry>,
    /// By schema, then by name.
    names: HashMap<String, HashMap<String, Oid>>,
}

impl Known {
    fn named(&self, schema: &str, name: &str) -> Option<Oid> {
        self.names.get(schema)?.get(name).copied()
    }

    fn get(&self, oid: Oid, version: CatalogVersion) -> Option<&Rc<TableDef>> {
        self.entries.get(&oid).filter(|e| e.version == version).map(|e| &e.definition)
    }

    fn put(&mut self, definition: Rc<TableDef>, version: CatalogVersion) {
        if self.entries.len() >= ENTRIES_MAX {
            *self = Known::default();
        }
        let names = self.names.entry(definition.schema.clone()).or_default();
        names.insert(definition.name.clone(), definition.oid);
        self.entries.insert(definition.oid, Entry { definition, version });
    }
}

/// Schemas, by oid and name.
pub(crate) type Schemas = Rc<[(Oid, String)]>;

#[derive(Default)]
pub(crate) struct Cache {
    committed: Known,
    /// The transaction that `own` and `touched` belong to.
    owner: Option<Xid>,
    own: Known,
    touched: HashSet<Oid>,
    missing: HashMap<String, HashSet<String>>,
    missing_version: CatalogVersion,
    /// Every schema, and the version of all system tables that the list was read at.
    schemas: Option<(CatalogVersion, Schemas)>,
}

impl Cache {
    /// A transaction comes to look something up: what another one has left is forgotten.
    pub fn enter(&mut self, xid: Option<Xid>) {
        if self.owner.is_some() && self.owner != xid {
            self.owner = None;
            self.touched.clear();
            self.forget_own();
        }
    }

    /// The transaction has changed what the system tables say of a relation or schema.
    pub fn touch(&mut self, xid: Option<Xid>, oid: Oid) {
        self.enter(xid);
        self.owner = xid;
        self.touched.insert(oid);
        self.forget_own();
    }

    /// Forgets what is known of the transaction's own changes: some of them were undone, or others
    /// have come.
    pub fn forget_own(&mut self) {
        self.own = Known::default();
        self.missing.clear();
        self.schemas = None;
    }

    /// A remembered definition, if `version` says that it still stands.
    pub fn get(
        &self,
        schema: &str,
        name: &str,
        version: impl Fn(Oid) -> CatalogVersion,
    ) -> Option<Rc<TableDef>> {
        let own = self.own.named(schema, name);
        let oid = own.or_else(|| self.committed.named(schema, name))?;
        let found = self.get_oid(oid, version)?;
        // The name may have been taken from it meanwhile.
        (found.schema == schema && found.name == name).then_some(found)
    }

    /// As [`Cache::get`], by the relation's oid.
    pub fn get_oid(
        &self,
        oid: Oid,
        version: impl Fn(Oid) -> CatalogVersion,
    ) -> Option<Rc<TableDef>> {
        let known = if self.touched.contains(&oid) { &self.own } else { &self.committed };
        known.get(oid, version(oid)).cloned()
    }

    /// Remembers a definition.
    pub fn put(&mut self, definition: Rc<TableDef>, version: CatalogVersion) {
        let own = self.touched.contains(&definition.oid);
        let known = if own { &mut self.own } else { &mut self.committed };
        known.put(definition, version);
    }

    /// Whether a name is known to mean nothing.
    pub fn is_missing(&self, schema: &str, name: &str, version: CatalogVersion) -> bool {
        self.missing_version == version
            && self.missing.get(schema).is_some_and(|names| names.contains(name))
    }

    /// Remembers that a name means nothing.
    pub fn put_missing(&mut self, schema: &str, name: &str, version: CatalogVersion) {
        let count: usize = self.missing.values().map(HashSet::len).sum();
        if self.missing_version != version || count >= ENTRIES_MAX {
            self.missing.clear();
            self.missing_version = version;
        }
        self.missing.entry(schema.to_owned()).or_default().insert(name.to_owned());
    }

    /// All schemas, if the list still stands.
    pub fn schemas(&self, version: CatalogVersion) -> Option<Schemas> {
        self.schemas.as_ref().filter(|(at, _)| *at == version).map(|(_, list)| Rc::clone(list))
    }

    /// Remembers all schemas.
    pub fn put_schemas(&mut self, list: Schemas, version: CatalogVersion) {
        self.schemas = Some((version, list));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::PG_CLASS;

    fn then() -> CatalogVersion {
        CatalogVersion::default()
    }

    fn definition() -> Rc<TableDef> {
        Rc::new(PG_CLASS.definition())
    }

    #[test]
    fn an_entry_of_another_version_is_not_used() {
        let mut cache = Cache::default();
        cache.put(definition(), then());
        assert!(cache.get("pg_catalog", "pg_class", |_| then()).is_some());
        assert!(cache.get_oid(PG_CLASS.oid, |_| then()).is_some());
        assert!(cache.get("public", "pg_class", |_| then()).is_none());
        assert!(cache.get("pg_catalog", "pg_class", |_| CatalogVersion::from(7)).is_none());
    }

    #[test]
    fn own_changes_hide_what_is_committed_until_their_transaction_ends() {
        let mut cache = Cache::default();
        let me = Some(Xid(7));
        cache.put(definition(), then());
        cache.touch(me, PG_CLASS.oid);
        assert!(cache.get("pg_catalog", "pg_class", |_| then()).is_none());
        cache
            .put(Rc::new(TableDef { name: "renamed".to_owned(), ..PG_CLASS.definition() }), then());
        assert!(cache.get("pg_catalog", "renamed", |_| then()).is_some());
        assert!(cache.get("pg_catalog", "pg_class", |_| then()).is_none());
        cache.enter(me);
        assert!(cache.get("pg_catalog", "renamed", |_| then()).is_some());
        cache.enter(None);
        assert!(cache.get("pg_catalog", "renamed", |_| then()).is_none());
        assert!(cache.get("pg_catalog", "pg_class", |_| then()).is_some());
    }

    #[test]
    fn a_missing_name_is_remembered_until_anything_changes() {
        let mut cache = Cache::default();
        cache.put_missing("public", "t", then());
        assert!(cache.is_missing("public", "t", then()));
        assert!(!cache.is_missing("public", "u", then()));
        assert!(!cache.is_missing("public", "t", CatalogVersion::from(1)));
        cache.touch(Some(Xid(7)), Oid(1));
        assert!(!cache.is_missing("public", "t", then()));
    }
}
