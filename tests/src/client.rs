//! A client of the line protocol: blocking, over TCP or a Unix socket, with a deadline on each
//! read and write.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::reply::{End, Problem, Reply, Value};

/// How long a client waits for the next line before it gives up: no statement of a test takes so
/// long, even on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn try_clone(&self) -> io::Result<Stream> {
        Ok(match self {
            Stream::Tcp(s) => Stream::Tcp(s.try_clone()?),
            Stream::Unix(s) => Stream::Unix(s.try_clone()?),
        })
    }

    fn set_timeouts(&self, limit: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => {
                s.set_nodelay(true)?;
                s.set_read_timeout(Some(limit))?;
                s.set_write_timeout(Some(limit))
            }
            Stream::Unix(s) => {
                s.set_read_timeout(Some(limit))?;
                s.set_write_timeout(Some(limit))
            }
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Stream::Tcp(s) => s.shutdown(how),
            Stream::Unix(s) => s.shutdown(how),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.read(buf),
            Stream::Unix(s) => s.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(s) => s.write(buf),
            Stream::Unix(s) => s.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A session.
#[derive(Debug)]
pub struct Client {
    writer: Stream,
    reader: BufReader<Stream>,
}

impl Client {
    /// Connects to that port of 127.0.0.1.
    pub fn tcp(port: u16) -> io::Result<Client> {
        Client::over(Stream::Tcp(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?))
    }

    /// Connects to the Unix socket at `path`.
    pub fn unix(path: &Path) -> io::Result<Client> {
        Client::over(Stream::Unix(UnixStream::connect(path)?))
    }

    fn over(stream: Stream) -> io::Result<Client> {
        stream.set_timeouts(PATIENCE)?;
        Ok(Client { reader: BufReader::new(stream.try_clone()?), writer: stream })
    }

    /// Replaces the deadline of each read and write.
    pub fn set_patience(&self, limit: Duration) -> io::Result<()> {
        self.writer.set_timeouts(limit)
    }

    /// The socket itself.
    pub fn socket(&self) -> BorrowedFd<'_> {
        match &self.writer {
            Stream::Tcp(s) => s.as_fd(),
            Stream::Unix(s) => s.as_fd(),
        }
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    /// Sends one line.
    pub fn send(&mut self, line: &str) -> io::Result<()> {
        self.send_raw(format!("{line}\n").as_bytes())
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.writer.shutdown(Shutdown::Write)
    }

    /// The next line as it came, without its LF; `None` at the end.
    pub fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a line without its LF"));
        }
        String::from_utf8(line).map(Some).map_err(io::Error::other)
    }

    /// Everything up to the next `READY` or `FATAL`.
    pub fn read_reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.read_line()?.ok_or_else(|| {
                io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended in a reply")
            })?;
            let last = line.starts_with("READY") || line.starts_with("FATAL");
            lines.push(line);
            if last {
                return Reply::parse(lines).map_err(io::Error::other);
            }
        }
    }

    /// Whether the server has closed the connection, with nothing more to read.
    pub fn at_end(&mut self) -> bool {
        match self.reader.fill_buf() {
            Ok(rest) => rest.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Sends a line and reads its reply.
    pub fn ask(&mut self, line: &str) -> io::Result<Reply> {
        self.send(line)?;
        self.read_reply()
    }

    /// Sends a line that must succeed.
    #[track_caller]
    pub fn ok(&mut self, line: &str) -> Reply {
        let reply = self.ask(line).unwrap_or_else(|e| panic!("{}: {e}", short(line)));
        assert!(reply.is_ok(), "{}\n  got {:#?}", short(line), brief(&reply));
        reply
    }

    /// Sends a line that must fail without ending the session.
    #[track_caller]
    pub fn fail(&mut self, line: &str) -> Problem {
        let reply = self.ask(line).unwrap_or_else(|e| panic!("{}: {e}", short(line)));
        match (&reply.error, &reply.end) {
            (Some(error), End::Ready(_)) => error.clone(),
            _ => panic!("{}\n  should fail, got {:#?}", short(line), brief(&reply)),
        }
    }

    /// Sends a line that must end the session with `FATAL`.
    #[track_caller]
    pub fn fatal(&mut self, line: &str) -> Problem {
        let reply = self.ask(line).unwrap_or_else(|e| panic!("{}: {e}", short(line)));
        let End::Fatal(problem) = reply.end.clone() else {
            panic!("{}\n  should be fatal, got {:#?}", short(line), brief(&reply))
        };
        assert!(self.at_end(), "the server closes the connection after FATAL");
        problem
    }

    /// The rows of a query that must succeed.
    #[track_caller]
    pub fn rows(&mut self, query: &str) -> Vec<Vec<Value>> {
        self.ok(query).rows()
    }

    /// The only value of a query that must succeed.
    #[track_caller]
    pub fn value(&mut self, query: &str) -> String {
        let rows = self.rows(query);
        match rows.as_slice() {
            [row] if row.len() == 1 => row[0].clone().unwrap_or_else(|| "NULL".to_owned()),
            _ => panic!("{query}: not one value but {rows:?}"),
        }
    }

    /// The only value of a query, as a number.
    #[track_caller]
    pub fn number(&mut self, query: &str) -> i64 {
        let value = self.value(query);
        value.parse().unwrap_or_else(|_| panic!("{query}: {value:?} is no number"))
    }

    /// Sends a line that ends in `COPY … FROM STDIN`, its data and the end mark, and reads the
    /// reply.
    pub fn copy_in<'a>(
        &mut self,
        line: &str,
        data: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<Reply> {
        let mut bytes = Vec::from(line);
        bytes.push(b'\n');
        for row in data {
            bytes.extend_from_slice(row.as_bytes());
            bytes.push(b'\n');
            if bytes.len() > 1 << 16 {
                self.send_raw(&bytes)?;
                bytes.clear();
            }
        }
        bytes.extend_from_slice(b"\\.\n");
        self.send_raw(&bytes)?;
        self.read_reply()
    }

    /// The lines that a `COPY … TO STDOUT` gives.
    #[track_caller]
    pub fn copy_out(&mut self, line: &str) -> Vec<String> {
        let mut reply = self.ok(line);
        if reply.sets.is_empty() { Vec::new() } else { reply.sets.swap_remove(0).lines }
    }
}

/// The beginning of a line, for a message.
fn short(line: &str) -> String {
    let mut text: String = line.chars().take(300).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

/// The last lines of a reply, for a message.
fn brief(reply: &Reply) -> Vec<String> {
    let from = reply.lines.len().saturating_sub(12);
    reply.lines[from..].iter().map(|line| short(line)).collect()
}
