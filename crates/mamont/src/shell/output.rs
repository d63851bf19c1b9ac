//! How the shell shows replies.

use std::io::{self, Write};

use protocol::{Message, Reply, column, values};

use crate::table::{TextTable, visible};

/// A result is drawn in tables of at most so many rows: they are held until they are drawn.
const ROWS_AT_ONCE: usize = 1000;

/// Prints replies: as tables for people, or as the lines they are.
pub struct Printer<'a, W> {
    tables: bool,
    out: &'a mut W,
    columns: Vec<(String, bool)>,
    table: Option<TextTable>,
}

impl<'a, W: Write> Printer<'a, W> {
    /// A printer onto `out`.
    pub fn new(tables: bool, out: &'a mut W) -> Self {
        Printer { tables, out, columns: Vec::new(), table: None }
    }

    /// Shows one line of a reply.
    pub fn reply(&mut self, line: &str, reply: &Reply<'_>) -> io::Result<()> {
        if !self.tables {
            writeln!(self.out, "{line}")?;
            if matches!(reply, Reply::Ready(_) | Reply::Fatal(..) | Reply::CopyIn) {
                self.out.flush()?;
            }
            return Ok(());
        }
        match reply {
            Reply::Columns(fields) => self.columns(fields),
            Reply::Row(payload) => self.row(payload),
            Reply::Ok(tag) => {
                self.draw()?;
                self.columns.clear();
                writeln!(self.out, "{}", visible(tag))
            }
            Reply::Error(code, message) => self.message("ERROR", code, message),
            Reply::Notice(code, message) => self.message("NOTICE", code, message),
            Reply::Fatal(code, message) => self.message("FATAL", code, message),
            Reply::CopyIn => writeln!(self.out, "Data, up to a line \\."),
            Reply::Ready(_) => self.out.flush(),
        }
    }

    fn columns(&mut self, fields: &[&str]) -> io::Result<()> {
        let columns = fields.iter().map(|field| {
            let (name, ty) = column(field);
            (name.into_owned(), is_numeric(ty))
        });
        self.columns = columns.collect();
        self.table = Some(self.new_table());
        Ok(())
    }

    fn row(&mut self, payload: &str) -> io::Result<()> {
        if self.columns.is_empty() {
            // COPY TO STDOUT has no columns: its rows are data, shown as such.
            return writeln!(self.out, "{}", visible(payload.replace('\t', "    ")));
        }
        if self.table.as_ref().is_some_and(|table| table.len() >= ROWS_AT_ONCE) {
            self.draw()?;
        }
        let mut table = self.table.take().unwrap_or_else(|| self.new_table());
        table.row(values(payload).map(|value| value.map_or("NULL".to_owned(), visible)));
        self.table = Some(table);
        Ok(())
    }

    fn new_table(&self) -> TextTable {
        TextTable::boxed(self.columns.iter().map(|(name, numeric)| (name.as_str(), *numeric)))
    }

    fn draw(&mut self) -> io::Result<()> {
        match self.table.take() {
            Some(table) => self.out.write_all(table.render().as_bytes()),
            None => Ok(()),
        }
    }

    fn message(&mut self, word: &str, code: &str, message: &Message<'_>) -> io::Result<()> {
        self.draw()?;
        writeln!(self.out, "{word}  {}: {}", visible(code), visible(&message.text))?;
        if let Some(detail) = &message.detail {
            writeln!(self.out, "DETAIL  {}", visible(detail))?;
        }
        if let Some(hint) = &message.hint {
            writeln!(self.out, "HINT  {}", visible(hint))?;
        }
        if let Some(position) = message.position {
            writeln!(self.out, "AT  character {position}")?;
        }
        Ok(())
    }
}

fn is_numeric(ty: &str) -> bool {
    matches!(ty, "int2" | "int4" | "int8" | "float4" | "float8" | "numeric" | "oid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[&str]) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(true, &mut out);
        for line in lines {
            let reply = Reply::parse(line).expect(line);
            printer.reply(line, &reply).expect("a Vec takes everything");
        }
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn rows_become_a_table() {
        let text =
            shown(&["COLUMNS id int4\tname text", "ROW 1\tann", "ROW 20\t\\N", "OK SELECT 2"]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "│ id ┆ name │");
        assert_eq!(lines[3], "│  1 ┆ ann  │");
        assert_eq!(lines[4], "│ 20 ┆ NULL │");
        assert_eq!(lines[6], "SELECT 2");
    }

    #[test]
    fn a_large_result_is_drawn_in_parts_and_all_of_it() {
        let row = "ROW 1";
        let mut lines = vec!["COLUMNS id int4"];
        lines.extend(std::iter::repeat_n(row, ROWS_AT_ONCE + 1));
        lines.push("OK SELECT 1001");
        let text = shown(&lines);
        assert_eq!(text.matches("│  1 │").count(), ROWS_AT_ONCE + 1);
        assert_eq!(text.matches("id").count(), 2);
    }

    #[test]
    fn an_error_shows_its_fields_and_copy_its_data() {
        let text = shown(&["ERROR 42703 no\thint=try\tposition=8", "READY idle"]);
        assert_eq!(text, "ERROR  42703: no\nHINT  try\nAT  character 8\n");
        assert_eq!(shown(&["ROW 1\ta\\tb", "OK COPY 1"]), "1    a\\tb\nCOPY 1\n");
    }
}
