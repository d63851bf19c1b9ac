//! Checking an index against its table, as PostgreSQL's `amcheck` does: is it a B-tree, does every
//! row have its entry and every entry its row, is a unique key unique?
//!
//! The table is locked SHARE, so nobody changes it. The rows are read first, and of each the entry is
//! noted that it must have; then the index is read, and each entry crosses its note out.
//!
//! [`Engine::check_pages`] is for the table alone, as `verify_heapam`.
//!
//! An entry without a note is right if what it leads to is gone for everybody and waits for vacuum.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use access::btree::{Key, check};
use access::heap::{BuildRow, Fetched};
use catalog::{IndexDef, TableDef};
use txn::Snapshot;
use types::{Row, SqlState, TupleId};

use super::entries::key_of;
use super::{Engine, told};
use crate::error::{Error, Result};

/// So many problems are told.
const TOLD_MAX: usize = 10;

/// The entry that a row must have.
struct Expected {
    key: u64,
    has_null: bool,
    alive: bool,
    found: bool,
}

fn fingerprint(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.as_bytes().hash(&mut hasher);
    hasher.finish()
}

/// What is known while the entries go by.
struct Comparison<'a> {
    engine: &'a Engine,
    table: &'a TableDef,
    index: &'a IndexDef,
    snapshot: Snapshot,
    expected: HashMap<TupleId, Expected>,
    /// The last key that a living row has.
    last: Vec<u8>,
    bytes: Vec<u8>,
}

impl Comparison<'_> {
    /// What is wrong with an entry.
    fn judge(&mut self, key: &Key, place: TupleId, dead: bool) -> Option<String> {
        let Some(expected) = self.expected.get_mut(&place) else {
            return self.judge_without_row(place);
        };
        if expected.key != fingerprint(key) {
            return Some(format!("entry leads to row {place}, which has other values"));
        }
        expected.found = true;
        if dead {
            return Some(format!("entry is marked dead, but row {place} is there"));
        }
        let counts = expected.alive && !expected.has_null && self.index.unique;
        if counts && self.last == key.as_bytes() {
            return Some(format!("row {place} has the key of another row"));
        }
        if counts {
            self.last.clear();
            self.last.extend_from_slice(key.as_bytes());
        }
        None
    }

    /// An entry that leads to nothing that anybody sees.
    fn judge_without_row(&mut self, place: TupleId) -> Option<String> {
        let heap = self.engine.heap(self.table);
        match heap.fetch(&self.snapshot, place, &mut self.bytes) {
            Ok(Fetched::Nothing { dead: true }) => None,
            Ok(_) => Some(format!("entry leads to {place}, where no row is")),
            Err(error) => Some(format!("entry leads to {place}: {error}")),
        }
    }
}

/// The error of a relation that has problems.
fn verdict(code: SqlState, what: &str, mut problems: Vec<String>) -> Result<()> {
    let Some(first) = problems.first() else { return Ok(()) };
    let error = Error::new(code, format!("{what} is damaged: {first}"));
    Err(match problems.len() {
        1 => error,
        count => {
            problems.truncate(TOLD_MAX);
            error.detail(format!("{count} problems:\n{}", problems.join("\n")))
        }
    })
}

impl Engine {
    /// Checks an index of a table that is locked SHARE. Error `XX002`: it is damaged.
    pub(super) fn compare_with_table(&self, table: &TableDef, index: &IndexDef) -> Result<()> {
        let expected = self.expected_entries(table, index)?;
        let snapshot = self.with_transaction(|tx| Ok(self.rooms.txn.snapshot(tx)))?;
        let (last, bytes) = (Vec::new(), Vec::new());
        let mut comparison =
            Comparison { engine: self, table, index, snapshot, expected, last, bytes };
        let mut judge = |key: &Key, place, dead| comparison.judge(key, place, dead);
        let checked = check::check(&self.tree(index), &mut judge).map_err(told)?;
        let mut problems: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
        let mut missing: Vec<TupleId> =
            comparison.expected.iter().filter(|(_, e)| !e.found).map(|(place, _)| *place).collect();
        missing.sort_unstable();
        problems.extend(missing.iter().map(|place| format!("row {place} has no entry")));
        let what = format!("index \"{}\"", index.name);
        verdict(SqlState::INDEX_CORRUPTED, &what, problems)
    }

    /// Checks the pages of a table that is locked SHARE. Error `XX001`: one is damaged.
    pub(super) fn check_pages(&self, table: &TableDef) -> Result<()> {
        let problems = self.with_transaction(|_| self.heap(table).check().map_err(told))?;
        let problems = problems.iter().map(ToString::to_string).collect();
        verdict(SqlState::DATA_CORRUPTED, &format!("table \"{}\"", table.name), problems)
    }

    fn expected_entries(
        &self,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<HashMap<TupleId, Expected>> {
        let heap = self.heap(table);
        let columns: Vec<usize> = index.columns.iter().map(|column| column.column).collect();
        self.with_transaction(|_| {
            let mut expected = HashMap::new();
            let mut scan = heap.build_scan(&columns).map_err(told)?;
            let mut row = Row::new();
            while let Some(BuildRow { root, alive, bytes }) = scan.next().map_err(told)? {
                heap.decode(root, bytes, None, &mut row).map_err(told)?;
                let key = key_of(index, &row)?;
                let (has_null, key) = (key.has_null(), fingerprint(&key));
                expected.insert(root, Expected { key, has_null, alive, found: false });
            }
            Ok(expected)
        })
    }
}
