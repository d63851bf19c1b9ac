//! A client of PostgreSQL's protocol, version 3: as much of it as the same load takes that Mamont
//! gets, so that both servers are measured by one load generator, whose cost is the same.
//!
//! ```text
//!  StartupMessage ->            <- ... ReadyForQuery          open
//!  Query ->                     <- ... ReadyForQuery          run
//!  Parse, Sync ->               <- ... ReadyForQuery          prepare
//!  Bind, Describe, Execute, Sync ->  <- ... ReadyForQuery     execute: what libpq sends
//! ```
//!
//! The server must trust the user. Results are read and thrown away.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::client::{Address, socket_in};
use crate::error::Error;

/// Version 3.0.
const VERSION: u32 = 3 << 16;
/// The longest message that is read.
const MESSAGE_MAX: usize = 64 << 20;
/// The kind of a message and its length.
const HEAD: usize = 5;

/// A session on a PostgreSQL server.
pub struct Session {
    stream: UnixStream,
    /// What is being sent; its memory is used again.
    out: Vec<u8>,
    /// What has come, and how much of it is spent.
    buffer: Vec<u8>,
    spent: usize,
    end: usize,
}

impl Session {
    /// Connects to the database `postgres`.
    pub fn open(address: &Address, user: &str) -> Result<Session, Error> {
        let Address::Unix(path) = address else {
            return Err(Error::Usage("--postgres needs a Unix socket".to_owned()));
        };
        let connect = || {
            let path = if path.is_dir() { socket_in(path)? } else { path.clone() };
            UnixStream::connect(path)
        };
        let stream = connect()
            .map_err(|error| Error::Connect { address: path.display().to_string(), error })?;
        let buffer = vec![0; 16 << 10];
        let mut session = Session { stream, out: Vec::new(), buffer, spent: 0, end: 0 };
        let mut startup = VERSION.to_be_bytes().to_vec();
        for text in ["user", user, "database", "postgres", ""] {
            startup.extend_from_slice(text.as_bytes());
            startup.push(0);
        }
        session.out.extend_from_slice(&(startup.len() as u32 + 4).to_be_bytes());
        session.out.extend_from_slice(&startup);
        session.finish()?;
        Ok(session)
    }

    /// Sends a request and reads its reply; the first error is the error.
    pub fn run(&mut self, statement: &str) -> Result<(), Error> {
        self.message(b'Q', |out| text(out, statement));
        self.finish()
    }

    /// Prepares the statement that [`Session::execute`] executes.
    pub fn prepare(&mut self, statement: &str) -> Result<(), Error> {
        self.message(b'P', |out| {
            text(out, "bench");
            text(out, statement);
            out.extend_from_slice(&0_u16.to_be_bytes());
        });
        self.message(b'S', |_| {});
        self.finish()
    }

    /// Executes it with these parameters.
    pub fn execute(&mut self, parameters: &[u64]) -> Result<(), Error> {
        self.message(b'B', |out| {
            text(out, "");
            text(out, "bench");
            out.extend_from_slice(&0_u16.to_be_bytes());
            out.extend_from_slice(&(parameters.len() as u16).to_be_bytes());
            for parameter in parameters {
                let digits = parameter.to_string();
                out.extend_from_slice(&(digits.len() as u32).to_be_bytes());
                out.extend_from_slice(digits.as_bytes());
            }
            out.extend_from_slice(&0_u16.to_be_bytes());
        });
        self.message(b'D', |out| out.extend_from_slice(b"P\0"));
        self.message(b'E', |out| out.extend_from_slice(&[0; 5]));
        self.message(b'S', |_| {});
        self.finish()
    }

    fn message(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(kind);
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        body(&mut self.out);
        let length = (self.out.len() - at) as u32;
        self.out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Sends what was written and reads to ReadyForQuery.
    fn finish(&mut self) -> Result<(), Error> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        let mut first = Ok(());
        loop {
            let (kind, body) = self.receive()?;
            match kind {
                b'Z' => return first,
                b'E' => first = first.and(Err(server_error(body))),
                b'R' if body != [0; 4] => {
                    return Err(Error::Protocol("the server wants a password".to_owned()));
                }
                _ => {}
            }
        }
    }

    /// The next message: its kind and its body.
    fn receive(&mut self) -> Result<(u8, &[u8]), Error> {
        let (mut need, mut kind) = (HEAD, 0);
        loop {
            let here = &self.buffer[self.spent..self.end];
            if let Some(&[first, a, b, c, d]) = here.first_chunk::<HEAD>() {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if !(4..=MESSAGE_MAX).contains(&length) {
                    return Err(Error::Protocol(format!("a message of {length} bytes")));
                }
                (kind, need) = (first, 1 + length);
            }
            if need >= HEAD && here.len() >= need {
                let body = self.spent + HEAD..self.spent + need;
                self.spent += need;
                return Ok((kind, &self.buffer[body]));
            }
            self.fill(need)?;
        }
    }

    /// Reads more, with room for a message of `need` bytes.
    fn fill(&mut self, need: usize) -> Result<(), Error> {
        self.buffer.copy_within(self.spent..self.end, 0);
        (self.spent, self.end) = (0, self.end - self.spent);
        if self.buffer.len() < need {
            self.buffer.resize(need, 0);
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err(self.last_words()),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }

    /// What a server that hung up had said.
    fn last_words(&self) -> Error {
        match self.buffer[self.spent..self.end].split_first_chunk::<HEAD>() {
            Some(([b'E', ..], body)) => server_error(body),
            _ => Error::Closed,
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

/// The code and the message of an ErrorResponse: fields, each a letter and a text.
fn server_error(body: &[u8]) -> Error {
    let field = |letter: u8| {
        let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&letter));
        field.map_or_else(String::new, |field| String::from_utf8_lossy(&field[1..]).into_owned())
    };
    Error::Server { code: field(b'C'), message: field(b'M') }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// A server that reads once for each reply, and then sends it; answers all that it was sent.
    fn server(
        replies: &'static [&'static [u8]],
    ) -> (tempfile::TempDir, Address, thread::JoinHandle<Vec<u8>>) {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.1")).expect("a socket");
        let address = Address::Unix(directory.path().to_owned());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let (mut all, mut some) = (Vec::new(), [0; 4096]);
            for reply in replies {
                let count = stream.read(&mut some).expect("the client's message");
                all.extend_from_slice(&some[..count]);
                // In two pieces, cut anywhere.
                let (one, other) = reply.split_at(reply.len() / 2);
                stream.write_all(one).expect("the client reads");
                stream.write_all(other).expect("the client reads");
            }
            all
        });
        (directory, address, server)
    }

    const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x08a\0b\0Z\0\0\0\x05I";
    const FAILURE: &[u8] = b"E\0\0\0\x17SERROR\0C42601\0Mno\0\0Z\0\0\0\x05I";
    const READY: &[u8] = b"C\0\0\0\x0cSELECT\0\0Z\0\0\0\x05I";

    #[test]
    fn statements_are_sent_and_replies_read_to_their_ends() {
        let (_directory, address, server) = server(&[WELCOME, READY, READY, READY]);
        let mut session = Session::open(&address, "ann").expect("it is let in");
        session.run("SELECT 1").expect("no error came");
        session.prepare("SELECT $1").expect("no error came");
        session.execute(&[70]).expect("no error came");
        let sent = server.join().expect("the server ends");
        let expected: Vec<u8> = [
            b"\0\0\0\x24\0\x03\0\0user\0ann\0database\0postgres\0\0".as_slice(),
            b"Q\0\0\0\x0dSELECT 1\0",
            b"P\0\0\0\x16bench\0SELECT $1\0\0\0S\0\0\0\x04",
            b"B\0\0\0\x17\0bench\0\0\0\0\x01\0\0\0\x0270\0\0",
            b"D\0\0\0\x06P\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04",
        ]
        .concat();
        assert_eq!(sent, expected);
    }

    #[test]
    fn errors_and_hang_ups_are_told() {
        let (_directory, address, _server) = server(&[WELCOME, FAILURE, b"E\0\0\0"]);
        let mut session = Session::open(&address, "ann").expect("it is let in");
        let told = session.run("x").expect_err("an error came");
        assert_eq!(told.to_string(), "42601: no");
        assert!(matches!(session.run("x"), Err(Error::Closed)));
    }

    #[test]
    fn a_server_that_wants_a_password_gets_none() {
        let (_directory, address, _server) = server(&[b"R\0\0\0\x08\0\0\0\x03"]);
        let refused = Session::open(&address, "ann").err().expect("there is no password");
        assert!(refused.to_string().contains("password"));
        let tcp = Address::Tcp("localhost:1".to_owned());
        assert!(matches!(Session::open(&tcp, "ann"), Err(Error::Usage(_))));
    }
}
