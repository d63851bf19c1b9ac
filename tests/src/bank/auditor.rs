//! Auditors: they add all balances up, in one statement or in several of one snapshot.

use std::sync::atomic::{AtomicU64, Ordering};

use super::agreement::prefer_indexes;
use super::{ACCOUNTS, Office, TOTAL};
use crate::client::Client;
use crate::draw::Draw;
use crate::talk::{Trouble, ask, ask_any, connect};

/// How many audits found everything right.
#[derive(Default, Debug)]
pub struct Audits {
    /// By one statement.
    pub statements: AtomicU64,
    /// By several statements of a repeatable read transaction.
    pub snapshots: AtomicU64,
}

/// Works until the office closes.
pub(super) fn work(office: &Office, number: usize, audits: &Audits, mut draw: Draw) {
    let who = format!("auditor {number}");
    while !office.is_closed() {
        let mut session = match connect(&office.connect, &office.stop) {
            Ok(Some(session)) => session,
            Ok(None) => break,
            Err(why) => return office.violation(&who, &why),
        };
        if draw.percent(50) && prefer_indexes(&mut session).is_err() {
            continue;
        }
        while !office.is_closed() {
            match audit(&mut session, audits, &mut draw) {
                Ok(()) => {}
                // Nobody who only reads is ever refused.
                Err(Trouble::Refused) => return office.violation(&who, "a reader was refused"),
                Err(Trouble::Wrong(why)) => return office.violation(&who, &why),
                Err(Trouble::Disconnected) => break,
            }
        }
    }
}

fn audit(session: &mut Client, audits: &Audits, draw: &mut Draw) -> Result<(), Trouble> {
    if draw.percent(50) {
        let line = *draw.pick(&[
            "SELECT sum(balance), count(*) FROM account",
            "SELECT sum(balance), count(*) FROM account WHERE id >= 0",
            "SELECT sum(balance), count(DISTINCT id) FROM account",
            "SELECT sum(balance), count(*) FROM account WHERE owner >= 0",
        ]);
        let sums = sums(session, line)?;
        expect(line, &sums, (TOTAL, ACCOUNTS))?;
        audits.statements.fetch_add(1, Ordering::Relaxed);
        return Ok(());
    }
    let read_only = if draw.percent(50) { " READ ONLY" } else { "" };
    let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ{read_only}");
    ask(session, &begin, "BEGIN")?;
    for _ in 0..1 + draw.below(4) {
        snapshot(session, draw)?;
        if draw.percent(40) {
            std::thread::sleep(std::time::Duration::from_millis(draw.below(20)));
        }
    }
    ask(session, "COMMIT", "COMMIT")?;
    audits.snapshots.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Adds up in one of several ways, by one or more statements.
fn snapshot(session: &mut Client, draw: &mut Draw) -> Result<(), Trouble> {
    let lines: Vec<String> = match draw.below(5) {
        0 => vec!["SELECT sum(balance), count(*) FROM account".to_owned()],
        1 => {
            let middle = draw.between(1, ACCOUNTS - 1);
            let half = |side| format!("SELECT sum(balance), count(*) FROM account WHERE id {side}");
            vec![half(format!("< {middle}")), half(format!(">= {middle}"))]
        }
        2 => vec!["SELECT sum(balance), count(*) FROM account GROUP BY owner".to_owned()],
        3 => vec!["SELECT balance, 1 FROM account ORDER BY id DESC".to_owned()],
        _ => (0..ACCOUNTS)
            .map(|id| format!("SELECT balance, 1 FROM account WHERE id = {id}"))
            .collect(),
    };
    let (mut sum, mut count) = (0, 0);
    for line in &lines {
        let (part, rows) = sums(session, line)?;
        sum += part;
        count += rows;
    }
    expect(&lines.join("; "), &(sum, count), (TOTAL, ACCOUNTS))
}

/// The sums of both columns of what a query answers.
fn sums(session: &mut Client, line: &str) -> Result<(i64, i64), Trouble> {
    let reply = ask_any(session, line)?;
    let number = |value: &Option<String>| value.as_ref().and_then(|text| text.parse::<i64>().ok());
    let (mut sum, mut count) = (0, 0);
    for row in reply.rows() {
        let (Some(part), Some(rows)) = (number(&row[0]), number(&row[1])) else {
            return Err(Trouble::Wrong(format!("{line}: {row:?}")));
        };
        sum += part;
        count += rows;
    }
    Ok((sum, count))
}

fn expect(line: &str, found: &(i64, i64), wanted: (i64, i64)) -> Result<(), Trouble> {
    if *found == wanted {
        return Ok(());
    }
    let (sum, count) = found;
    Err(Trouble::Wrong(format!(
        "{line}: a sum of {sum} in {count} accounts, not {} in {}",
        wanted.0, wanted.1
    )))
}
