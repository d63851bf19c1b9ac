//! The server's own checkers: those in it, asked about a table and every index of it; and the one beside it,
//! for a data directory whose server has been shut down.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::binary;
use crate::client::Client;

/// What is wrong with a table, and with its indexes: each is walked through by itself and compared with
/// the table, row by row.
///
/// # Errors
/// The server is gone.
pub fn wrong_in(session: &mut Client, table: &str) -> io::Result<Vec<String>> {
    let line = format!("SELECT indexname FROM pg_indexes WHERE tablename = '{table}'");
    let reply = session.ask(&line)?;
    if !reply.is_ok() {
        return Ok(vec![format!("{line}: {:?}", reply.lines)]);
    }
    let mut checks = vec![format!("SELECT verify_heapam('{table}')")];
    for index in reply.rows().into_iter().filter_map(|row| row.into_iter().next().flatten()) {
        checks.push(format!("SELECT bt_index_check('{index}', true)"));
    }
    let mut wrong = Vec::new();
    for line in checks {
        if let Some(error) = session.ask(&line)?.error {
            wrong.push(format!("{line}: {error}"));
        }
    }
    Ok(wrong)
}

/// Has `mamont check` look at every index of a data directory.
///
/// # Errors
/// What it complains of.
pub fn check_at_rest(data: &Path) -> Result<(), String> {
    let output = Command::new(binary::mamont()).arg("check").arg(data).output();
    let output = output.map_err(|e| format!("mamont check: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("mamont check: {}\n{out}{err}", output.status))
}
