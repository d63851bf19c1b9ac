//! Whether the indexes agree with the table: the same accounts are found by every way there is.

use std::collections::BTreeSet;

use crate::amcheck::wrong_in;
use crate::client::Client;

/// Queries that each find every account, by one index or another if there is one.
const WAYS: [&str; 3] = [
    "SELECT id, balance FROM account WHERE id >= 0 ORDER BY id",
    "SELECT id, balance FROM account WHERE owner >= 0",
    "SELECT id, balance FROM account WHERE balance > -1000000000",
];

/// Makes the planner use indexes wherever it can, if the server has any.
pub(super) fn prefer_indexes(session: &mut Client) -> std::io::Result<()> {
    let reply = session.ask("SET enable_seqscan = off")?;
    match reply.error {
        Some(error) if error.sqlstate != "42704" => Err(std::io::Error::other(error.to_string())),
        _ => Ok(()),
    }
}

/// What the indexes tell otherwise than the table, which holds these accounts and their balances.
pub(super) fn disagreements(
    session: &mut Client,
    accounts: &BTreeSet<(i64, i64)>,
) -> std::io::Result<Vec<String>> {
    let mut wrong = Vec::new();
    prefer_indexes(session)?;
    for line in WAYS {
        let reply = session.ask(line)?;
        let number = |value: &Option<String>| value.as_ref()?.parse::<i64>().ok();
        let rows = reply.rows();
        let found: BTreeSet<(i64, i64)> =
            rows.iter().filter_map(|row| Some((number(&row[0])?, number(&row[1])?))).collect();
        if found != *accounts || rows.len() != found.len() {
            let (missing, strange) = (accounts - &found, &found - accounts);
            let told = &reply.lines[reply.lines.len().saturating_sub(2)..];
            wrong.push(format!("{line}: {told:?}; missing: {missing:?}; strange: {strange:?}"));
        }
    }
    for table in ["account", "ledger"] {
        wrong.extend(wrong_in(session, table)?);
    }
    Ok(wrong)
}
