//! A client of PostgreSQL's protocol 3.0, as far as simple queries need it: no password, no COPY.
//!
//! A message is a byte that says its kind, its length with itself but without that byte, and its
//! body; the first message of a connection has no such byte.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::client::PATIENCE;

/// Protocol 3.0.
const VERSION: u32 = 3 << 16;
/// A longer message is none that a test's query could have for an answer.
const MESSAGE_MAX: usize = 1 << 24;

/// A part of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// The values of a row; `None` is NULL.
    Row(Vec<Option<String>>),
    /// A command is done.
    Tag(String),
    /// An error or a notice.
    Problem {
        /// `ERROR`, `WARNING`, …
        severity: String,
        /// The five characters of the condition.
        sqlstate: String,
        /// The primary message.
        message: String,
    },
}

/// A session.
pub struct Wire {
    writer: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Wire {
    /// Connects over a Unix socket.
    pub fn connect(socket: &Path, user: &str, database: &str) -> io::Result<Wire> {
        let writer = UnixStream::connect(socket)?;
        writer.set_read_timeout(Some(PATIENCE))?;
        let mut wire = Wire { reader: BufReader::new(writer.try_clone()?), writer };
        let mut body = VERSION.to_be_bytes().to_vec();
        for word in ["user", user, "database", database, ""] {
            body.extend_from_slice(word.as_bytes());
            body.push(0);
        }
        let length = (body.len() + 4) as u32;
        wire.writer.write_all(&[&length.to_be_bytes(), body.as_slice()].concat())?;
        let told = wire.answer()?;
        if told.is_empty() { Ok(wire) } else { Err(io::Error::other(format!("{told:?}"))) }
    }

    /// Sends a text of statements and gives all that is told of them.
    pub fn ask(&mut self, text: &str) -> io::Result<Vec<Told>> {
        let length = (text.len() + 5) as u32;
        let message = [b"Q", length.to_be_bytes().as_slice(), text.as_bytes(), b"\0"].concat();
        self.writer.write_all(&message)?;
        self.answer()
    }

    /// Reads up to "ready for query", or up to a fatal error, which ends the connection.
    fn answer(&mut self) -> io::Result<Vec<Told>> {
        let mut told = Vec::new();
        loop {
            let (kind, body) = self.message()?;
            match kind {
                b'Z' => return Ok(told),
                b'D' => told.push(Told::Row(row(&body)?)),
                b'C' => told.push(Told::Tag(text(&body)?.0)),
                b'E' | b'N' => {
                    let problem = problem(&body)?;
                    let over =
                        matches!(&problem, Told::Problem { severity, .. } if severity == "FATAL");
                    told.push(problem);
                    if over {
                        return Ok(told);
                    }
                }
                b'R' if body != [0; 4] => return Err(malformed("a password is wanted")),
                b'G' | b'H' | b'W' => return Err(malformed("COPY is not for this client")),
                _ => {}
            }
        }
    }

    fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.reader.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..MESSAGE_MAX).contains(&length) {
            return Err(malformed("length of a message"));
        }
        let mut body = vec![0; length - 4];
        self.reader.read_exact(&mut body)?;
        Ok((head[0], body))
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// A text that ends in a zero byte, and what follows it.
fn text(body: &[u8]) -> io::Result<(String, &[u8])> {
    let end = body.iter().position(|&b| b == 0).ok_or_else(|| malformed("text without end"))?;
    let text = std::str::from_utf8(&body[..end]).map_err(io::Error::other)?;
    Ok((text.to_owned(), &body[end + 1..]))
}

fn row(body: &[u8]) -> io::Result<Vec<Option<String>>> {
    let cut = || malformed("row cut short");
    let (count, mut rest) = body.split_first_chunk().ok_or_else(cut)?;
    let mut values = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk().ok_or_else(cut)?;
        rest = after;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            values.push(None);
            continue;
        };
        let (value, after) = rest.split_at_checked(length).ok_or_else(cut)?;
        values.push(Some(String::from_utf8(value.to_vec()).map_err(io::Error::other)?));
        rest = after;
    }
    Ok(values)
}

/// An error or notice: fields, each a byte and a text, up to a zero byte.
fn problem(mut body: &[u8]) -> io::Result<Told> {
    let (mut severity, mut sqlstate, mut message) = (String::new(), String::new(), String::new());
    while let Some((&kind, rest)) = body.split_first().filter(|(kind, _)| **kind != 0) {
        let (field, after) = text(rest)?;
        match kind {
            b'V' => severity = field,
            b'C' => sqlstate = field,
            b'M' => message = field,
            _ => {}
        }
        body = after;
    }
    Ok(Told::Problem { severity, sqlstate, message })
}
