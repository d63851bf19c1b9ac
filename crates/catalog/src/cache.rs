//! Definitions that the process remembers, and the DDL of its own transaction.

use std::collections::HashMap;
use std::rc::Rc;

use txn::CatalogVersion;
use types::Xid;

use crate::definition::TableDef;

/// Definitions remembered; beyond that all are forgotten.
const ENTRIES_MAX: usize = 4096;

/// A definition and the version of the system tables that it is at least as young as.
struct Entry {
    definition: Rc<TableDef>,
    version: CatalogVersion,
}

/// By schema, then by name.
#[derive(Default)]
pub(crate) struct Cache {
    committed: HashMap<String, HashMap<String, Entry>>,
    count: usize,
    /// The transaction that `own` belongs to.
    owner: Option<Xid>,
    /// What the transaction in progress has made of names; `None`: dropped.
    own: HashMap<(String, String), Option<Rc<TableDef>>>,
}

impl Cache {
    /// What the transaction itself has made of a name, if it has touched it.
    pub fn own(
        &self,
        owner: Option<Xid>,
        schema: &str,
        name: &str,
    ) -> Option<Option<Rc<TableDef>>> {
        if owner.is_none() || owner != self.owner || self.own.is_empty() {
            return None;
        }
        self.own.get(&(schema.to_owned(), name.to_owned())).cloned()
    }

    /// Notes what the transaction has made of a name.
    pub fn set_own(
        &mut self,
        owner: Option<Xid>,
        schema: &str,
        name: &str,
        definition: Option<Rc<TableDef>>,
    ) {
        if owner != self.owner {
            self.own.clear();
            self.owner = owner;
        }
        self.own.insert((schema.to_owned(), name.to_owned()), definition);
    }

    /// A remembered definition, if `version` says that it still stands.
    pub fn get(
        &self,
        schema: &str,
        name: &str,
        version: impl FnOnce(&TableDef) -> CatalogVersion,
    ) -> Option<Rc<TableDef>> {
        let entry = self.committed.get(schema)?.get(name)?;
        (version(&entry.definition) == entry.version).then(|| Rc::clone(&entry.definition))
    }

    /// Remembers a definition.
    pub fn put(&mut self, definition: Rc<TableDef>, version: CatalogVersion) {
        if self.count >= ENTRIES_MAX {
            self.committed.clear();
            self.count = 0;
        }
        let names = self.committed.entry(definition.schema.clone()).or_default();
        let name = definition.name.clone();
        if names.insert(name, Entry { definition, version }).is_none() {
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::PG_CLASS;

    fn definition() -> Rc<TableDef> {
        Rc::new(PG_CLASS.definition())
    }

    #[test]
    fn an_entry_of_another_version_is_not_used() {
        let mut cache = Cache::default();
        let then = CatalogVersion::default();
        cache.put(definition(), then);
        assert!(cache.get("pg_catalog", "pg_class", |_| then).is_some());
        assert!(cache.get("public", "pg_class", |_| then).is_none());
        assert!(cache.get("pg_catalog", "pg_class", |_| CatalogVersion::from(7)).is_none());
    }

    #[test]
    fn own_changes_end_with_their_transaction() {
        let mut cache = Cache::default();
        let me = Some(Xid(7));
        cache.set_own(me, "public", "t", Some(definition()));
        cache.set_own(me, "public", "u", None);
        assert!(cache.own(me, "public", "t").is_some_and(|own| own.is_some()));
        assert!(cache.own(me, "public", "u").is_some_and(|own| own.is_none()));
        assert!(cache.own(me, "public", "v").is_none());
        assert!(cache.own(Some(Xid(8)), "public", "t").is_none());
        assert!(cache.own(None, "public", "t").is_none());
        cache.set_own(Some(Xid(8)), "public", "v", None);
        assert!(cache.own(Some(Xid(8)), "public", "t").is_none());
    }
}
