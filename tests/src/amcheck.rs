//! The server's own checker, asked about every index of a table.

use std::io;

use crate::client::Client;

/// What is wrong with the indexes of a table: each is walked through by itself and compared with the
/// table, row by row.
///
/// # Errors
/// The server is gone.
pub fn wrong_indexes(session: &mut Client, table: &str) -> io::Result<Vec<String>> {
    let line = format!("SELECT indexname FROM pg_indexes WHERE tablename = '{table}'");
    let reply = session.ask(&line)?;
    if !reply.is_ok() {
        return Ok(vec![format!("{line}: {:?}", reply.lines)]);
    }
    let mut wrong = Vec::new();
    for index in reply.rows().into_iter().filter_map(|row| row.into_iter().next().flatten()) {
        let line = format!("SELECT bt_index_check('{index}', true)");
        if let Some(error) = session.ask(&line)?.error {
            wrong.push(format!("{line}: {error}"));
        }
    }
    Ok(wrong)
}
