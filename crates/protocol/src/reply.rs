//! Decoding replies: what a client, and a test, needs.

use std::borrow::Cow;

use crate::escape::unescape;
use crate::writer::Status;

/// What an error or a notice says besides its code.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message<'a> {
    /// The primary sentence.
    pub text: Cow<'a, str>,
    /// A second sentence with the particulars.
    pub detail: Option<Cow<'a, str>>,
    /// What the reader could do.
    pub hint: Option<Cow<'a, str>>,
    /// Where in the line, in characters from 1.
    pub position: Option<usize>,
}

impl<'a> Message<'a> {
    /// A message of one sentence.
    pub fn text(text: &'a str) -> Self {
        Message { text: Cow::Borrowed(text), ..Message::default() }
    }
}

/// A line of a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// A row set opens; the fields are for [`column()`].
    Columns(Vec<&'a str>),
    /// A row; the payload is for [`values()`].
    Row(&'a str),
    /// A statement is done: its tag.
    Ok(&'a str),
    /// A statement failed: code and message.
    Error(&'a str, Message<'a>),
    /// Something worth knowing.
    Notice(&'a str, Message<'a>),
    /// The connection is closed.
    Fatal(&'a str, Message<'a>),
    /// Data is awaited.
    CopyIn,
    /// The request is done.
    Ready(Status),
}

/// A line that is no reply.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a line of the protocol: {0:?}")]
pub struct BadReply(String);

impl<'a> Reply<'a> {
    /// Tells what the line is.
    pub fn parse(line: &'a str) -> Result<Reply<'a>, BadReply> {
        let (word, payload) = line.split_once(' ').unwrap_or((line, ""));
        let bad = || BadReply(line.chars().take(100).collect());
        Ok(match word {
            "COLUMNS" if payload.is_empty() => Reply::Columns(Vec::new()),
            "COLUMNS" => Reply::Columns(payload.split('\t').collect()),
            "ROW" => Reply::Row(payload),
            "OK" => Reply::Ok(payload),
            "ERROR" | "NOTICE" | "FATAL" => {
                let (code, rest) = payload.split_once(' ').ok_or_else(bad)?;
                let message = message(rest);
                match word {
                    "ERROR" => Reply::Error(code, message),
                    "NOTICE" => Reply::Notice(code, message),
                    _ => Reply::Fatal(code, message),
                }
            }
            "COPYIN" => Reply::CopyIn,
            "READY" => Reply::Ready(Status::from_name(payload).ok_or_else(bad)?),
            _ => return Err(bad()),
        })
    }
}

fn message(payload: &str) -> Message<'_> {
    let mut fields = payload.split('\t');
    let mut message = Message { text: text(fields.next().unwrap_or("")), ..Message::default() };
    for (name, value) in fields.filter_map(|field| field.split_once('=')) {
        match name {
            "detail" => message.detail = Some(text(value)),
            "hint" => message.hint = Some(text(value)),
            "position" => message.position = value.parse().ok(),
            _ => {}
        }
    }
    message
}

/// The field as text; bytes that are not UTF-8 are shown as replacement characters.
fn text(field: &str) -> Cow<'_, str> {
    match unescape(field) {
        None => Cow::Borrowed(field),
        Some(Cow::Borrowed(_)) => Cow::Borrowed(field),
        Some(Cow::Owned(bytes)) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Name and type of a column; the type is the field's last word.
pub fn column(field: &str) -> (Cow<'_, str>, &str) {
    let (name, ty) = field.rsplit_once(' ').unwrap_or((field, ""));
    (text(name), ty)
}

/// The values of a row; `None` is NULL.
pub fn values(payload: &str) -> impl Iterator<Item = Option<Cow<'_, str>>> {
    payload.split('\t').map(|field| (field != "\\N").then(|| text(field)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LineWriter;
    use proptest::prelude::*;
    use types::SqlState;

    fn line(write: impl FnOnce(&mut LineWriter)) -> String {
        let mut writer = LineWriter::new();
        write(&mut writer);
        let text = String::from_utf8(writer.bytes().to_vec()).expect("replies are UTF-8");
        text.strip_suffix('\n').expect("a line").to_owned()
    }

    #[test]
    fn what_is_written_reads_back() {
        let columns = line(|w| w.columns([("id", "int4"), ("two words", "text")]));
        let Ok(Reply::Columns(fields)) = Reply::parse(&columns) else { panic!("{columns}") };
        assert_eq!(column(fields[1]), (Cow::Borrowed("two words"), "text"));
        assert_eq!(Reply::parse(&line(|w| w.ok("INSERT 0 1"))), Ok(Reply::Ok("INSERT 0 1")));
        assert_eq!(Reply::parse("COPYIN"), Ok(Reply::CopyIn));
        let ready = line(|w| w.ready(Status::Transaction));
        assert_eq!(Reply::parse(&ready), Ok(Reply::Ready(Status::Transaction)));
        let said = Message {
            text: "a\nb".into(),
            detail: Some("c".into()),
            hint: Some("d=e".into()),
            position: Some(3),
        };
        let error = line(|w| w.error(SqlState::SYNTAX_ERROR, &said));
        assert_eq!(Reply::parse(&error), Ok(Reply::Error("42601", said)));
    }

    #[test]
    fn nonsense_is_told_as_such() {
        for bad in ["", "READY", "READY steady", "ERROR", "row 1", "HTTP/1.1 400"] {
            assert!(Reply::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn rows_read_back(row in proptest::collection::vec(
            proptest::option::of("[\\\\N\t\n\r a-c]{0,6}|\\PC{0,30}"), 1..6,
        )) {
            let line = line(|w| w.row(row.iter().map(Option::as_deref)));
            prop_assert!(!line.contains('\n'));
            let Ok(Reply::Row(payload)) = Reply::parse(&line) else { panic!("{line}") };
            let read: Vec<_> = values(payload).map(|v| v.map(Cow::into_owned)).collect();
            prop_assert_eq!(read, row);
        }

        #[test]
        fn any_line_can_be_parsed(line in "(ROW|COLUMNS|ERROR|READY|OK)? ?\\PC*") {
            if let Ok(Reply::Columns(fields)) = Reply::parse(&line) {
                prop_assert!(fields.into_iter().map(column).count() <= line.len());
            }
        }
    }
}
