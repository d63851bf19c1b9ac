//! What is found in a server: the tables of the load, and the files under them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::client::Client;
use crate::crash::step::{Table, Tables, Values};
use crate::reply::Value;

/// Files of `base/` that no row of `pg_class` names: the commit status.
const FILES_WITHOUT_TABLE: [u64; 1] = [1];

/// What the server holds.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The number of each client.
    pub progress: BTreeMap<usize, i64>,
    /// Every table of a client.
    pub tables: Tables,
    /// `log`, by client and number.
    pub log: BTreeMap<(usize, i64), (String, String)>,
    /// The balances.
    pub accounts: BTreeMap<i64, i64>,
    /// Rows that stand twice, and the like.
    pub oddities: Vec<String>,
}

/// A table of a client as it is on the server. A row that stands twice is an error.
pub fn read_table(session: &mut Client, name: &str) -> io::Result<Table> {
    let mut table = Table::new();
    for row in ask_rows(session, &format!("SELECT id, val, txn, note FROM {name}"))? {
        let [Some(id), Some(val), Some(txn), note] = row.as_slice() else {
            return Err(io::Error::other(format!("{name}: a row {row:?}")));
        };
        let values = Values { val: number(val)?, txn: number(txn)?, note: note.clone() };
        if table.insert(number(id)? as i32, values).is_some() {
            return Err(io::Error::other(format!("{name}: row {id} stands twice")));
        }
    }
    Ok(table)
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_| io::Error::other(format!("{text:?} is no number")))
}

fn ask_rows(session: &mut Client, line: &str) -> io::Result<Vec<Vec<Value>>> {
    let reply = session.ask(line)?;
    match reply.problem() {
        None => Ok(reply.rows()),
        Some(p) if p.sqlstate.starts_with("57P") => {
            Err(io::Error::new(io::ErrorKind::ConnectionAborted, p.to_string()))
        }
        Some(problem) => Err(io::Error::other(format!("{line}: {problem}"))),
    }
}

/// Reads everything that the judgement needs. Nobody else may be writing.
pub fn read(session: &mut Client) -> io::Result<Found> {
    let mut found = Found::default();
    for row in ask_rows(session, "SELECT client, seq FROM progress")? {
        let (client, seq) = (field(&row, 0)?, field(&row, 1)?);
        if found.progress.insert(number(client)? as usize, number(seq)?).is_some() {
            found.oddities.push(format!("progress has two rows of client {client}"));
        }
    }
    for row in ask_rows(session, "SELECT client, seq, seen, moves FROM log")? {
        let key = (number(field(&row, 0)?)? as usize, number(field(&row, 1)?)?);
        let texts = (field(&row, 2)?.to_owned(), field(&row, 3)?.to_owned());
        if found.log.insert(key, texts).is_some() {
            found.oddities.push(format!("log has two rows of {key:?}"));
        }
    }
    for row in ask_rows(session, "SELECT id, balance FROM account")? {
        let (id, balance) = (number(field(&row, 0)?)?, number(field(&row, 1)?)?);
        if found.accounts.insert(id, balance).is_some() {
            found.oddities.push(format!("account {id} stands twice"));
        }
    }
    for row in ask_rows(session, "SELECT relname FROM pg_class WHERE relkind = 'r'")? {
        let name = field(&row, 0)?;
        if is_clients_table(name) {
            found.tables.insert(name.to_owned(), read_table(session, name)?);
        }
    }
    Ok(found)
}

fn field(row: &[Value], at: usize) -> io::Result<&str> {
    let value = row.get(at).and_then(|v| v.as_deref());
    value.ok_or_else(|| io::Error::other(format!("column {at} of {row:?}")))
}

/// Whether the name is of the form `c3_…`.
fn is_clients_table(name: &str) -> bool {
    let number = name.strip_prefix('c').and_then(|rest| rest.split_once('_'));
    number.is_some_and(|(n, _)| n.parse::<u32>().is_ok())
}

/// How two contents of a table differ, if they do.
pub fn compare_tables(expected: &Table, found: &Table) -> Option<String> {
    let short = |values: Option<&Values>| match values {
        None => "no row".to_owned(),
        Some(v) => {
            let note = v.note.as_deref().map(|n| n.chars().take(20).collect::<String>());
            format!("val {} txn {} note {note:?}", v.val, v.txn)
        }
    };
    let keys: BTreeSet<&i32> = expected.keys().chain(found.keys()).collect();
    let differ: Vec<&&i32> = keys.iter().filter(|k| expected.get(k) != found.get(k)).collect();
    let first = differ.first()?;
    Some(format!(
        "{} of {} rows differ, first id {first}: expected {}, found {}",
        differ.len(),
        expected.len(),
        short(expected.get(first)),
        short(found.get(first))
    ))
}

/// Files under `base/` without a table, and tables without their file.
pub fn stray_files(session: &mut Client, data: &Path) -> io::Result<Vec<String>> {
    let mut owned: BTreeSet<u64> = FILES_WITHOUT_TABLE.into();
    let mut wrong = Vec::new();
    let names: Vec<String> = std::fs::read_dir(data.join("base"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    let present: BTreeSet<u64> = names.iter().filter_map(|name| file_number(name)).collect();
    for row in ask_rows(session, "SELECT relname, relfilenode FROM pg_class WHERE relfilenode > 0")?
    {
        let file = number(field(&row, 1)?)? as u64;
        owned.insert(file);
        if !present.contains(&file) {
            wrong.push(format!("table {} has no file base/{file}", field(&row, 0)?));
        }
    }
    for name in &names {
        if !file_number(name).is_some_and(|number| owned.contains(&number)) {
            wrong.push(format!("base/{name} belongs to no table"));
        }
    }
    Ok(wrong)
}

/// What is wrong with tables, those of the system too, and with indexes, each of which is checked as
/// a tree and against its table.
pub fn broken_relations(session: &mut Client) -> io::Result<Vec<String>> {
    let tables = ("verify_heapam", "SELECT schemaname, relname FROM pg_stat_all_tables");
    let indexes = ("bt_index_check", "SELECT schemaname, indexname FROM pg_indexes");
    let mut wrong = Vec::new();
    for (function, relations) in [tables, indexes] {
        for row in ask_rows(session, relations)? {
            let line = format!("SELECT {function}('{}.{}')", field(&row, 0)?, field(&row, 1)?);
            if let Some(problem) = session.ask(&line)?.problem() {
                wrong.push(format!("{line}: {problem:?}"));
            }
        }
    }
    Ok(wrong)
}

/// The relation's number in a file name: `17`, `17.1`, `17_fsm`.
fn file_number(name: &str) -> Option<u64> {
    let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    name[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::file_number;

    #[test]
    fn numbers_of_files_are_read_from_their_names() {
        let names = ["17", "17.1", "17_fsm", "17_fsm.1", "x17", ""];
        let numbers: Vec<Option<u64>> = names.iter().map(|n| file_number(n)).collect();
        assert_eq!(numbers, [Some(17), Some(17), Some(17), Some(17), None, None]);
    }
}
