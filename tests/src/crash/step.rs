//! The statements of the load, each in two forms: the SQL that goes to the server, and the same
//! change made to a model of the client's tables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reply::escape;

/// The columns of every table of a client.
const COLUMNS: &str = "id int PRIMARY KEY, val bigint NOT NULL, txn bigint NOT NULL, note text";

/// The statements that make a table of a client, with a primary key and two more indexes.
pub fn create_table(table: &str) -> String {
    format!(
        "CREATE TABLE {table} ({COLUMNS}); CREATE INDEX ON {table} (val); \
         CREATE UNIQUE INDEX ON {table} (txn DESC, id)"
    )
}

/// How many rows `account` has.
pub const ACCOUNTS: i64 = 12;
/// What each of them holds at the beginning.
pub const OPENING_BALANCE: i64 = 1000;

/// A row of a client's table, without its key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Values {
    /// Added to by updates.
    pub val: i64,
    /// The number of the attempt that wrote this version.
    pub txn: i64,
    /// Text of any length, or NULL.
    pub note: Option<String>,
}

/// A table: its rows by key. The load gives no key twice.
pub type Table = BTreeMap<i32, Values>;

/// The tables of a client by name.
pub type Tables = BTreeMap<String, Table>;

/// A new row: key, value, note.
pub type NewRow = (i32, i64, Option<String>);

/// One statement.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Step {
    /// A multi-row INSERT.
    Insert(String, Vec<NewRow>),
    /// A COPY FROM STDIN.
    Copy(String, Vec<NewRow>),
    /// Adds to `val` of the rows with keys from the first number to the second.
    Update(String, i32, i32, i64),
    /// Deletes the rows with keys from the first number to the second.
    Delete(String, i32, i32),
    /// Empties a table.
    Truncate(String),
    /// Makes a table.
    Create(String),
    /// Removes one.
    Drop(String),
    /// Moves an amount between two rows of `account`.
    Move(i64, i64, i64),
    /// Does the steps within a savepoint, and releases it. None of them is a COPY.
    Within(Vec<Step>),
    /// Does the steps within a savepoint, and rolls back to it.
    Undone(Vec<Step>, How),
    /// Divides by zero, so that the transaction fails.
    Fail,
}

/// How a part of a transaction comes to be undone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum How {
    /// The client changes its mind.
    AtWill,
    /// A statement fails, and the client goes on from the savepoint. Each statement then needs a
    /// line of its own.
    ByMistake,
}

impl Step {
    /// The SQL, for the attempt `seq`. A COPY needs [`Step::copy_lines`] after it.
    pub fn sql(&self, seq: i64) -> String {
        self.sql_at(seq, 1)
    }

    /// The SQL within so many savepoints, less one. Each depth has a name of its own, since one that
    /// was rolled back to stays, and hides another of its name.
    fn sql_at(&self, seq: i64, depth: usize) -> String {
        match self {
            Step::Insert(table, rows) => {
                let row = |(id, val, note): &NewRow| {
                    format!("({id}, {val}, {seq}, {})", literal(note.as_deref()))
                };
                let rows: Vec<String> = rows.iter().map(row).collect();
                format!("INSERT INTO {table} VALUES {}", rows.join(", "))
            }
            Step::Copy(table, _) => format!("COPY {table} FROM STDIN"),
            Step::Update(table, low, high, add) => format!(
                "UPDATE {table} SET val = val + {add}, txn = {seq} WHERE id >= {low} AND id <= {high}"
            ),
            Step::Delete(table, low, high) => {
                format!("DELETE FROM {table} WHERE id >= {low} AND id <= {high}")
            }
            Step::Truncate(table) => format!("TRUNCATE {table}"),
            Step::Create(table) => create_table(table),
            Step::Drop(table) => format!("DROP TABLE {table}"),
            Step::Move(from, to, amount) => format!(
                "UPDATE account SET balance = balance - {amount} WHERE id = {from}; \
                 UPDATE account SET balance = balance + {amount} WHERE id = {to}"
            ),
            Step::Within(steps) => {
                let steps = joined(steps, seq, depth + 1);
                format!("SAVEPOINT s{depth}; {steps}; RELEASE s{depth}")
            }
            Step::Undone(steps, _) => {
                let steps = joined(steps, seq, depth + 1);
                format!("SAVEPOINT s{depth}; {steps}; ROLLBACK TO s{depth}")
            }
            Step::Fail => "SELECT 1 / 0".to_owned(),
        }
    }

    /// Whether it needs BEGIN before it, and a line of its own for each statement.
    pub fn needs(&self) -> (bool, bool) {
        match self {
            Step::Within(steps) => (true, steps.iter().any(|step| step.needs().1)),
            Step::Undone(_, How::ByMistake) => (true, true),
            Step::Undone(steps, How::AtWill) => (true, steps.iter().any(|step| step.needs().1)),
            _ => (false, false),
        }
    }

    /// What it moves between accounts for good.
    pub fn moves(&self) -> Vec<(i64, i64, i64)> {
        match self {
            Step::Move(from, to, amount) => vec![(*from, *to, *amount)],
            Step::Within(steps) => steps.iter().flat_map(Step::moves).collect(),
            _ => Vec::new(),
        }
    }

    /// The data of a COPY, in its text format.
    pub fn copy_lines(&self, seq: i64) -> Option<Vec<String>> {
        let Step::Copy(_, rows) = self else { return None };
        let line = |(id, val, note): &NewRow| {
            let note = note.as_deref().map_or("\\N".to_owned(), escape);
            format!("{id}\t{val}\t{seq}\t{note}")
        };
        Some(rows.iter().map(line).collect())
    }

    /// Makes the change to the model; gives back the command tags that the server must answer with.
    /// A [`Step::Fail`] changes nothing and has no tag.
    pub fn apply(&self, tables: &mut Tables, seq: i64) -> Vec<String> {
        let tag = match self {
            Step::Insert(table, rows) => format!("INSERT 0 {}", insert(tables, table, rows, seq)),
            Step::Copy(table, rows) => format!("COPY {}", insert(tables, table, rows, seq)),
            Step::Update(table, low, high, add) => {
                let rows = of(tables, table).range_mut(low..=high);
                let changed = rows.map(|(_, row)| {
                    row.val += add;
                    row.txn = seq;
                });
                format!("UPDATE {}", changed.count())
            }
            Step::Delete(table, low, high) => {
                let rows = of(tables, table);
                let before = rows.len();
                rows.retain(|id, _| id < low || id > high);
                format!("DELETE {}", before - rows.len())
            }
            Step::Truncate(table) => {
                of(tables, table).clear();
                "TRUNCATE TABLE".to_owned()
            }
            Step::Create(table) => {
                tables.insert(table.clone(), Table::new());
                let tags = ["CREATE TABLE", "CREATE INDEX", "CREATE INDEX"];
                return tags.map(str::to_owned).to_vec();
            }
            Step::Drop(table) => {
                tables.remove(table);
                "DROP TABLE".to_owned()
            }
            Step::Move(..) => return vec!["UPDATE 1".to_owned(), "UPDATE 1".to_owned()],
            Step::Within(steps) => return within(steps, tables, seq, "RELEASE"),
            Step::Undone(steps, _) => {
                let mut undone = tables.clone();
                return within(steps, &mut undone, seq, "ROLLBACK");
            }
            Step::Fail => return Vec::new(),
        };
        vec![tag]
    }
}

fn joined(steps: &[Step], seq: i64, depth: usize) -> String {
    steps.iter().map(|step| step.sql_at(seq, depth)).collect::<Vec<_>>().join("; ")
}

fn within(steps: &[Step], tables: &mut Tables, seq: i64, end: &str) -> Vec<String> {
    let mut tags = vec!["SAVEPOINT".to_owned()];
    steps.iter().for_each(|step| tags.extend(step.apply(tables, seq)));
    tags.push(end.to_owned());
    tags
}

fn of<'a>(tables: &'a mut Tables, name: &str) -> &'a mut Table {
    tables.get_mut(name).expect("a step names a table that is there")
}

fn insert(tables: &mut Tables, table: &str, rows: &[NewRow], seq: i64) -> usize {
    let table = of(tables, table);
    for (id, val, note) in rows {
        let values = Values { val: *val, txn: seq, note: note.clone() };
        let old = table.insert(*id, values);
        assert!(old.is_none(), "the load gives no key twice");
    }
    rows.len()
}

/// An SQL literal.
fn literal(text: Option<&str>) -> String {
    text.map_or("NULL".to_owned(), |t| format!("'{}'", t.replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_counts_what_a_statement_touches() {
        let mut tables = Tables::from([("t".to_owned(), Table::new())]);
        let rows = vec![(1, 10, None), (2, 20, Some("x".to_owned())), (5, 50, None)];
        assert_eq!(Step::Insert("t".into(), rows).apply(&mut tables, 1), ["INSERT 0 3"]);
        assert_eq!(Step::Update("t".into(), 2, 9, 5).apply(&mut tables, 2), ["UPDATE 2"]);
        assert_eq!(Step::Delete("t".into(), 0, 1).apply(&mut tables, 3), ["DELETE 1"]);
        let left: Vec<(i32, i64, i64)> =
            tables["t"].iter().map(|(id, row)| (*id, row.val, row.txn)).collect();
        assert_eq!(left, [(2, 25, 2), (5, 55, 2)]);
    }

    #[test]
    fn the_model_undoes_a_part() {
        let mut tables = Tables::from([("t".to_owned(), Table::new())]);
        let insert = |id| Step::Insert("t".into(), vec![(id, 0, None)]);
        let gone = Step::Undone(vec![insert(2), Step::Move(1, 2, 3)], How::AtWill);
        let step = Step::Within(vec![insert(1), Step::Move(4, 5, 6), gone]);
        let tags = step.apply(&mut tables, 1);
        assert_eq!(tags[..2], ["SAVEPOINT", "INSERT 0 1"]);
        assert_eq!(
            tags[4..],
            ["SAVEPOINT", "INSERT 0 1", "UPDATE 1", "UPDATE 1", "ROLLBACK", "RELEASE"]
        );
        assert_eq!(tables["t"].keys().copied().collect::<Vec<_>>(), [1]);
        assert_eq!(step.moves(), [(4, 5, 6)]);
        assert_eq!(step.needs(), (true, false));
        assert_eq!(Step::Within(vec![Step::Undone(vec![], How::ByMistake)]).needs(), (true, true));
    }
}
