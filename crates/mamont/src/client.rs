//! A client of the line protocol over TCP or a Unix socket: plain blocking I/O.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use protocol::{LineReader, Reply};

use crate::error::Error;

/// Where a server listens when nobody says otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:7432";

/// The longest reply line: as long as the longest line a server can be told to take.
const MAX_REPLY: usize = 1 << 30;

/// Where a server is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// `host:port`
    Tcp(String),
    /// A Unix socket, or a directory that holds one.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('/') {
            return Ok(Address::Unix(PathBuf::from(text)));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Address::Tcp(text.to_owned()))
            }
            _ => {
                Err("expected HOST:PORT, or the path of a Unix socket (with a / in it)".to_owned())
            }
        }
    }
}

/// The socket in a directory: the only one there, named as PostgreSQL names it.
pub fn socket_in(directory: &Path) -> io::Result<PathBuf> {
    let mut found = None;
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let port = name.to_str().and_then(|name| name.strip_prefix(".s.PGSQL."));
        if port.is_some_and(|port| port.parse::<u16>().is_ok()) {
            if found.is_some() {
                return Err(io::Error::other("there are several sockets; name one"));
            }
            found = Some(directory.join(name));
        }
    }
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no socket in it"))
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn open(address: &Address) -> io::Result<Stream> {
        match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Address::Unix(path) if path.is_dir() => {
                Ok(Stream::Unix(UnixStream::connect(socket_in(path)?)?))
            }
            Address::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path)?)),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Stream::Tcp(stream) => stream.read(into),
                Stream::Unix(stream) => stream.read(into),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }
}

/// A connection to a server.
pub struct Connection {
    stream: Stream,
    reader: LineReader,
    line: String,
}

impl Connection {
    /// Connects. Nothing is said before the first request.
    pub fn open(address: &Address) -> Result<Connection, Error> {
        let stream = Stream::open(address).map_err(|error| {
            let address = match address {
                Address::Tcp(address) => address.clone(),
                Address::Unix(path) => path.display().to_string(),
            };
            Error::Connect { address, error }
        })?;
        Ok(Connection { stream, reader: LineReader::new(MAX_REPLY), line: String::new() })
    }

    /// Sends bytes. If the server has hung up, its last words are the error.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self.stream.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.last_words().unwrap_or_else(|| match error.kind() {
                // Not our own output: `main` must not take it for a reader that went away.
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::Closed,
                _ => Error::Io(error),
            })),
        }
    }

    /// Sends a line.
    pub fn send_line(&mut self, line: &str) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.send(&bytes)
    }

    /// The next line of a reply.
    pub fn line(&mut self) -> Result<&str, Error> {
        self.line.clear();
        loop {
            match self.reader.next_line() {
                Some(Ok(line)) => {
                    self.line.push_str(line);
                    return Ok(&self.line);
                }
                Some(Err(error)) => return Err(Error::Protocol(error.to_string())),
                None => {}
            }
            let count = match self.stream.read(self.reader.room()) {
                Ok(0) => return Err(Error::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(Error::Closed);
                }
                Err(error) => return Err(error.into()),
            };
            self.reader.filled(count);
        }
    }

    /// Sends a line and reads its reply to READY. The first error that it tells is the error.
    pub fn run(&mut self, line: &str) -> Result<(), Error> {
        self.send_line(line)?;
        self.finish()
    }

    /// Reads to READY; the first error that is told is the error.
    pub fn finish(&mut self) -> Result<(), Error> {
        let mut first = Ok(());
        loop {
            match Reply::parse(self.line()?).map_err(|bad| Error::Protocol(bad.to_string()))? {
                Reply::Ready(_) => return first,
                Reply::Error(code, message) => {
                    first = first.and(Err(server_error(code, &message.text)));
                }
                Reply::Fatal(code, message) => return Err(server_error(code, &message.text)),
                _ => {}
            }
        }
    }

    /// What a server that hung up had still said.
    fn last_words(&mut self) -> Option<Error> {
        loop {
            let line = self.line().ok()?;
            if let Ok(Reply::Fatal(code, message) | Reply::Error(code, message)) =
                Reply::parse(line)
            {
                return Some(server_error(code, &message.text));
            }
        }
    }
}

fn server_error(code: &str, message: &str) -> Error {
    Error::Server { code: code.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;
    use std::thread::JoinHandle;
    use std::time::Duration;

    /// A server of one connection. For each step it reads that many lines and sends that reply;
    /// joined, it gives back all that it has read.
    pub fn server(
        steps: &'static [(usize, &'static str)],
    ) -> (tempfile::TempDir, JoinHandle<String>) {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let listener =
            UnixListener::bind(directory.path().join(".s.PGSQL.7432")).expect("a socket");
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
            let mut reader = BufReader::new(stream);
            let mut got = String::new();
            for (lines, reply) in steps {
                for _ in 0..*lines {
                    reader.read_line(&mut got).expect("the client's line");
                }
                reader.get_mut().write_all(reply.as_bytes()).expect("the client reads");
            }
            got
        });
        (directory, server)
    }

    /// A server of any number of connections that says OK to every line and swallows COPY's data.
    pub fn obliging_server() -> (tempfile::TempDir, Address) {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.1")).expect("a socket");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a client");
                std::thread::spawn(move || oblige(stream));
            }
        });
        let address = Address::Unix(directory.path().to_owned());
        (directory, address)
    }

    fn oblige(mut stream: UnixStream) {
        let lines = BufReader::new(stream.try_clone().expect("a descriptor")).lines();
        let mut copying = false;
        for line in lines.map_while(Result::ok) {
            let reply = match (line.as_str(), copying) {
                ("\\.", true) => "OK COPY 1\nREADY idle\n",
                (_, true) => continue,
                (line, false) if line.starts_with("COPY") => "COPYIN\n",
                _ => "OK\nREADY idle\n",
            };
            copying = reply == "COPYIN\n" || (copying && !reply.starts_with("OK COPY"));
            if stream.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
    }

    #[test]
    fn addresses_are_told_apart() {
        assert_eq!("localhost:1".parse(), Ok(Address::Tcp("localhost:1".into())));
        assert_eq!("[::1]:7432".parse(), Ok(Address::Tcp("[::1]:7432".into())));
        assert_eq!("./data".parse(), Ok(Address::Unix("./data".into())));
        for bad in ["", "localhost", ":1", "localhost:x", "localhost:70000"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_is_read_to_ready_and_its_first_error_is_told() {
        let (directory, server) = server(&[(
            1,
            "OK BEGIN\nERROR 42601 no\tposition=1\nERROR 25P02 aborted\nREADY failed\n",
        )]);
        let address = Address::Unix(directory.path().to_owned());
        let mut connection = Connection::open(&address).expect("the server listens");
        let error = connection.run("BEGIN; x").expect_err("an error was told");
        assert_eq!(error.to_string(), "42601: no");
        assert_eq!(server.join().expect("the server ends"), "BEGIN; x\n");
        assert!(matches!(connection.line(), Err(Error::Closed)));
    }

    #[test]
    fn what_is_no_reply_and_who_is_not_there_are_errors() {
        let (directory, _server) = server(&[(1, "HTTP/1.1 400 Bad Request\r\n")]);
        let address = Address::Unix(directory.path().to_owned());
        let mut connection = Connection::open(&address).expect("the server listens");
        assert!(matches!(connection.run("x"), Err(Error::Protocol(_))));
        let empty = tempfile::tempdir().expect("a directory for the test");
        let nobody = Connection::open(&Address::Unix(empty.path().to_owned()));
        assert!(nobody.err().expect("no socket").to_string().contains("there is no socket in it"));
    }
}
