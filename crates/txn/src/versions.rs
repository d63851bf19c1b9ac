//! Version counters: how a process learns that what it cached of the system tables is out of date.
//!
//! A committer raises them after its changes are visible and before its locks go. A reader takes
//! its lock on the relation first and compares then: so either it reads the counter after it was
//! raised, or the committer still had its lock, and then the reader waited for it.
//!
//! Counters of relations are hashed; two that share one cost a needless look, no more.
//! Protected by nothing: they only rise.

use std::sync::atomic::Ordering;

use types::Oid;

use crate::txn::Txn;

/// The state of the system tables, or of what they say of one relation, at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CatalogVersion(u64);

impl From<u64> for CatalogVersion {
    fn from(number: u64) -> Self {
        CatalogVersion(number)
    }
}

impl Txn {
    /// The version of a relation's entries in the system tables.
    pub fn relation_version(&self, relation: Oid) -> CatalogVersion {
        CatalogVersion(self.versions[self.counter(relation)].load(Ordering::SeqCst))
    }

    /// The version of the system tables as a whole: it changes with every relation's.
    pub fn catalog_version(&self) -> CatalogVersion {
        CatalogVersion(self.shared.catalog_version.0.load(Ordering::SeqCst))
    }

    fn counter(&self, relation: Oid) -> usize {
        relation.0 as usize % self.versions.len()
    }

    pub(crate) fn raise_versions(&self, relations: &[Oid]) {
        for &relation in relations {
            self.versions[self.counter(relation)].fetch_add(1, Ordering::SeqCst);
        }
        if !relations.is_empty() {
            self.shared.catalog_version.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}
