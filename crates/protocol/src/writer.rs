//! Encoding replies.
//!
//! A reply line is a word, a space and its payload; fields are parted by tabs, and what stands in
//! a field is escaped (`escape.rs`). Every request's reply ends in one READY line; that it does is
//! the caller's duty.

use types::SqlState;

use crate::escape::escape_into;
use crate::reply::Message;

/// Where the session stands between requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Outside a transaction.
    Idle,
    /// In one.
    Transaction,
    /// In one that an error has aborted.
    Failed,
}

impl Status {
    /// The word after READY.
    pub fn name(self) -> &'static str {
        match self {
            Status::Idle => "idle",
            Status::Transaction => "transaction",
            Status::Failed => "failed",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Status> {
        let all = [Status::Idle, Status::Transaction, Status::Failed];
        all.into_iter().find(|status| status.name() == name)
    }
}

/// What HELP answers.
const HELP: [&str; 6] = [
    "A line is a request: any number of SQL statements with ; between them.",
    "One line is one transaction, unless it or an earlier one says BEGIN.",
    "A reply ends with a line READY idle, READY transaction or READY failed.",
    "CREATE TABLE, DROP TABLE, TRUNCATE, INSERT, SELECT, UPDATE, DELETE, COPY, EXPLAIN",
    "BEGIN, COMMIT, ROLLBACK, CHECKPOINT, SHOW, SET, PREPARE, EXECUTE, DEALLOCATE",
    "COPY t FROM STDIN is followed by lines of data up to a line \\.",
];
/// How long a line of HELP is at most, if its words allow it.
const HELP_WIDTH: usize = 88;

/// Collects the bytes of replies until somebody sends them.
#[derive(Default, Debug)]
pub struct LineWriter {
    out: Vec<u8>,
}

impl LineWriter {
    /// Nothing to send yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is there to send.
    pub fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Everything has been sent; the memory is kept for the next reply.
    pub fn clear(&mut self) {
        self.out.clear();
    }

    /// `COLUMNS`: each name with its type's internal name.
    pub fn columns<'a>(&mut self, columns: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.out.extend_from_slice(b"COLUMNS");
        let mut separator = b' ';
        for (name, ty) in columns {
            self.out.push(separator);
            escape_into(name, &mut self.out);
            self.out.push(b' ');
            self.out.extend_from_slice(ty.as_bytes());
            separator = b'\t';
        }
        self.out.push(b'\n');
    }

    /// `ROW`: each value as text, `None` for NULL.
    pub fn row<'a>(&mut self, values: impl IntoIterator<Item = Option<&'a str>>) {
        self.out.extend_from_slice(b"ROW ");
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.out.push(b'\t');
            }
            match value {
                Some(text) => escape_into(text, &mut self.out),
                None => self.out.extend_from_slice(b"\\N"),
            }
        }
        self.out.push(b'\n');
    }

    /// `ROW` of COPY in text format: the line holds its escapes already.
    pub fn copy_text_row(&mut self, line: &str) {
        debug_assert!(!line.contains('\n'), "COPY's text format escapes line ends");
        self.out.extend_from_slice(b"ROW ");
        self.out.extend_from_slice(line.as_bytes());
        self.out.push(b'\n');
    }

    /// `ROW` of COPY in CSV: the line is one value, since it may hold tabs and line ends.
    pub fn copy_csv_row(&mut self, line: &str) {
        self.row([Some(line)]);
    }

    /// `OK`: a statement is done.
    pub fn ok(&mut self, tag: &str) {
        self.out.extend_from_slice(b"OK ");
        escape_into(tag, &mut self.out);
        self.out.push(b'\n');
    }

    /// `ERROR`: a statement failed.
    pub fn error(&mut self, code: SqlState, message: &Message<'_>) {
        self.message("ERROR", code, message);
    }

    /// `NOTICE`: something worth knowing.
    pub fn notice(&mut self, code: SqlState, message: &Message<'_>) {
        self.message("NOTICE", code, message);
    }

    /// `FATAL`: the last line before the connection is closed.
    pub fn fatal(&mut self, code: SqlState, message: &Message<'_>) {
        self.message("FATAL", code, message);
    }

    /// `COPYIN`: data is awaited.
    pub fn copy_in(&mut self) {
        self.out.extend_from_slice(b"COPYIN\n");
    }

    /// `READY`: the request is done.
    pub fn ready(&mut self, status: Status) {
        self.out.extend_from_slice(b"READY ");
        self.out.extend_from_slice(status.name().as_bytes());
        self.out.push(b'\n');
    }

    /// The answer to HELP, all but READY; `views` are the names of those that there are.
    pub fn help(&mut self, views: &[&str]) {
        self.columns([("help", "text")]);
        for line in HELP {
            self.row([Some(line)]);
        }
        let mut line = "Views:".to_owned();
        for (place, view) in views.iter().enumerate() {
            if line.len() + view.len() + 2 > HELP_WIDTH {
                self.row([Some(line.as_str())]);
                line.clear();
            }
            let end = if place + 1 == views.len() { "." } else { "," };
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(view);
            line.push_str(end);
        }
        self.row([Some(line.as_str())]);
        self.row([Some("QUIT ends the session.")]);
        self.ok("HELP");
    }

    fn message(&mut self, word: &str, code: SqlState, message: &Message<'_>) {
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b' ');
        self.out.extend_from_slice(code.as_str().as_bytes());
        self.out.push(b' ');
        escape_into(&message.text, &mut self.out);
        let mut field = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                self.out.push(b'\t');
                self.out.extend_from_slice(name.as_bytes());
                self.out.push(b'=');
                escape_into(value, &mut self.out);
            }
        };
        field("detail", message.detail.as_deref());
        field("hint", message.hint.as_deref());
        field("position", message.position.map(|n| n.to_string()).as_deref());
        self.out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut LineWriter)) -> String {
        let mut writer = LineWriter::new();
        write(&mut writer);
        String::from_utf8(writer.bytes().to_vec()).expect("replies are UTF-8")
    }

    #[test]
    fn each_line_is_as_the_contract_says() {
        let error = Message {
            text: "column \"nope\" does not exist".into(),
            position: Some(8),
            ..Message::default()
        };
        assert_eq!(
            written(|w| {
                w.columns([("id", "int4"), ("a name", "text")]);
                w.row([Some("1"), None]);
                w.row([Some("a\tb"), Some("")]);
                w.ok("SELECT 2");
                w.error(SqlState::UNDEFINED_COLUMN, &error);
                w.copy_in();
                w.ready(Status::Failed);
            }),
            "COLUMNS id int4\ta name text\nROW 1\t\\N\nROW a\\tb\t\nOK SELECT 2\n\
             ERROR 42703 column \"nope\" does not exist\tposition=8\nCOPYIN\nREADY failed\n"
        );
    }

    #[test]
    fn messages_carry_their_fields_escaped() {
        let message = Message {
            text: "two\nlines".into(),
            detail: Some("a\ttab".into()),
            hint: Some("do".into()),
            position: None,
        };
        let line = written(|w| w.notice(SqlState::WARNING, &message));
        assert_eq!(line, "NOTICE 01000 two\\nlines\tdetail=a\\ttab\thint=do\n");
        let line = written(|w| w.fatal(SqlState::PROTOCOL_VIOLATION, &Message::text("no")));
        assert_eq!(line, "FATAL 08P01 no\n");
    }

    #[test]
    fn a_row_set_may_have_no_columns_and_copy_keeps_its_form() {
        assert_eq!(written(|w| w.columns([])), "COLUMNS\n");
        assert_eq!(written(|w| w.row([])), "ROW \n");
        assert_eq!(written(|w| w.copy_text_row("1\ta\\tb")), "ROW 1\ta\\tb\n");
        assert_eq!(written(|w| w.copy_csv_row("1,\"a\nb\\\"")), "ROW 1,\"a\\nb\\\\\"\n");
    }

    #[test]
    fn help_is_a_row_set_and_clear_forgets_it() {
        let mut writer = LineWriter::new();
        let views = ["a_view_with_a_long_name"; 7];
        writer.help(&views);
        let text = String::from_utf8(writer.bytes().to_vec()).expect("UTF-8");
        assert!(text.starts_with("COLUMNS help text\nROW ") && text.ends_with("\nOK HELP\n"));
        assert_eq!(text.matches("a_view_with_a_long_name").count(), views.len());
        assert!(text.contains("a_long_name.\nROW QUIT ends"), "{text}");
        assert!(text.lines().all(|line| line.len() <= HELP_WIDTH + "ROW ".len()), "{text}");
        writer.clear();
        assert!(writer.bytes().is_empty());
    }
}
