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
    /// Divides by zero, so that the transaction fails.
    Fail,
}

impl Step {
    /// The SQL, for the attempt `seq`. A COPY needs [`Step::copy_lines`] after it.
    pub fn sql(&self, seq: i64) -> String {
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
            Step::Fail => "SELECT 1 / 0".to_owned(),
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
            Step::Fail => return Vec::new(),
        };
        vec![tag]
    }
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
}
