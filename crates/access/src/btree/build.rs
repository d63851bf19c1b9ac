//! An index on rows that are there already: sort, then write the tree from the bottom up.
//!
//! The caller brings the rows' keys in any order. Entries of rows that are not alive, but that some
//! snapshot may still see, belong into the index; they are not in the way of uniqueness.
//!
//! What if the process dies: the file belongs to a transaction that has not committed, and goes with
//! it. Temporary files are removed at the next start.

use types::TupleId;

use super::BTree;
use super::key::{ENTRY_SIZE_MAX, Entry, Key};
use super::load::Loader;
use super::sort::Sorter;
use crate::error::Error;
use crate::tuple::Malformed;

/// Entries between two calls of the progress callback.
const ENTRIES_PER_REPORT: u64 = 4096;

/// What a build is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuildPhase {
    /// It takes the rows' keys in.
    Scanning,
    /// It sorts what it still has in memory, and merges runs.
    Sorting,
    /// It writes the tree.
    Loading,
}

/// How far a build is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BuildProgress {
    /// What it is doing.
    pub phase: BuildPhase,
    /// Entries that the phase is done with.
    pub done: u64,
    /// Entries in all, as far as they are known.
    pub total: u64,
}

/// Two living rows have the same key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Duplicate {
    /// The key.
    pub key: Key,
    /// The rows' places.
    pub places: [TupleId; 2],
}

/// An index being built. What is dropped before [`Build::finish`] is lost.
pub struct Build<'a> {
    tree: BTree<'a>,
    sorter: Sorter<'a>,
    entries: u64,
}

impl<'a> BTree<'a> {
    /// Begins to build the index in an empty file that nobody else knows, instead of
    /// [`BTree::create`]. Beyond `memory` bytes the entries go to temporary files.
    pub fn begin_build(&self, memory: u64) -> Build<'a> {
        Build { tree: *self, sorter: Sorter::new(self.access, memory), entries: 0 }
    }

    /// Builds the index on rows that are all alive. Returns how many there were.
    pub fn build<E: From<Error>>(
        &self,
        mut source: impl FnMut() -> Result<Option<(Key, TupleId)>, E>,
        unique: bool,
        memory: u64,
        progress: &mut dyn FnMut(BuildProgress) -> Result<(), E>,
    ) -> Result<Result<u64, Duplicate>, E> {
        let mut build = self.begin_build(memory);
        while let Some((key, place)) = source()? {
            build.push(&key, place, true)?;
            if build.entries.is_multiple_of(ENTRIES_PER_REPORT) {
                let done = build.entries;
                progress(BuildProgress { phase: BuildPhase::Scanning, done, total: done })?;
            }
        }
        build.finish(unique, progress)
    }
}

impl Build<'_> {
    /// Takes the entry of a row. `alive`: the row counts where keys have to be unique.
    pub fn push(&mut self, key: &Key, place: TupleId, alive: bool) -> Result<(), Error> {
        let mut size = 0;
        self.sorter.push(alive && !key.has_null, |bytes| {
            let start = bytes.len();
            bytes.extend_from_slice(&key.bytes);
            key.push_rest(place, |rest| bytes.extend_from_slice(rest));
            size = bytes.len() - start;
        })?;
        self.entries += 1;
        if size > ENTRY_SIZE_MAX {
            return Err(Error::EntryTooLarge { size, index: self.tree.name.to_owned() });
        }
        Ok(())
    }

    /// Writes the index. `progress` may end it by an error. Returns how many entries it has.
    pub fn finish<E: From<Error>>(
        self,
        unique: bool,
        progress: &mut dyn FnMut(BuildProgress) -> Result<(), E>,
    ) -> Result<Result<u64, Duplicate>, E> {
        let Build { tree, sorter, entries: total } = self;
        progress(BuildProgress { phase: BuildPhase::Sorting, done: 0, total })?;
        let mut sorted = sorter.finish()?;
        let mut loader = Loader::new(tree);
        let (mut done, mut last) = (0, Last::default());
        while let Some((bytes, counts)) = sorted.next()? {
            if done % ENTRIES_PER_REPORT == 0 {
                progress(BuildProgress { phase: BuildPhase::Loading, done, total })?;
            }
            let check = if unique && counts { last.check(bytes) } else { Ok(None) };
            if let Some(duplicate) = check.map_err(|what| tree.bad(0, what))? {
                return Ok(Err(duplicate));
            }
            loader.add(bytes)?;
            done += 1;
        }
        progress(BuildProgress { phase: BuildPhase::Loading, done, total })?;
        loader.finish()?;
        Ok(Ok(done))
    }
}

/// The last entry that counted.
#[derive(Default)]
struct Last {
    bytes: Vec<u8>,
}

impl Last {
    fn check(&mut self, bytes: &[u8]) -> Result<Option<Duplicate>, Malformed> {
        let sense = Malformed("entry makes no sense");
        let entry = Entry::read(bytes).ok_or(sense)?;
        if !self.bytes.is_empty() {
            let last = Entry::read(&self.bytes).ok_or(sense)?;
            if last.key == entry.key {
                let mut key = Key::default();
                key.set(&entry);
                return Ok(Some(Duplicate { key, places: [last.place, entry.place] }));
            }
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        Ok(None)
    }
}
