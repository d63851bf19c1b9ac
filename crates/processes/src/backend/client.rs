//! The connection of a session: lines in, replies out, plain blocking calls.
//!
//! One `recv` and one `send` for each request is the floor, and what a client that waits for each
//! reply gets: replies gather until there is no further complete line to work on, or until
//! [`FLUSH_AT`] bytes are there.
//!
//! How TERM ends a session that blocks: the signal's handler shuts the socket down for reading, so
//! `recv` returns an end of file; if the process is just sending (to a client that never reads),
//! it shuts it down altogether, so `send` fails. Neither wake-up can be lost (`sys::signal`).
//!
//! A client that may be idle for a limited time only is waited for with a limit that the socket
//! itself has: so the wait remains one `recv`, and TERM ends it as ever.
//!
//! Private to the process, and gone with it: the kernel closes the socket, the client sees the end.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use protocol::{LineError, LineReader, LineWriter, Message, Status};
use shmem::{SessionState, WaitEvent, proc};
use sql::{CopyFormat, Stop};
use sys::signal::Pending;
use types::{Diagnostic, Severity, SqlState};

use super::title::Title;

/// Replies are sent when so many bytes have gathered, even if the client has asked for more.
const FLUSH_AT: usize = 32 << 10;
/// A request that took more memory than this gives it back.
const LINE_KEPT: usize = 256 << 10;
/// How long a session that has said FATAL waits for its client to read it.
const LINGER: Duration = Duration::from_millis(500);

/// Why there is no further line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gone {
    /// The client has closed its side, or the connection broke.
    Disconnected,
    /// The server ends the session.
    Terminated,
    /// It was idle for too long, inside of a transaction.
    IdleInTransaction,
    /// It was idle for too long, outside of one.
    Idle,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    reader: LineReader,
    pub(super) out: LineWriter,
    /// The line being worked on.
    pub(super) line: String,
    pub(super) copy: CopyFormat,
    /// A FATAL has been written: nothing may follow.
    pub(super) fatal: bool,
    /// What the slot and the title say between requests.
    resting: SessionState,
    /// How long the client may keep the session waiting between two requests.
    idle_limit: Option<Duration>,
    /// What the socket has been told of it.
    recv_timeout: Option<Duration>,
    title: Title,
}

impl Client {
    /// The client at the other end of a connected, blocking socket, which TERM shuts down from
    /// now on.
    pub fn new(socket: OwnedFd, max_line_size: usize) -> Client {
        sys::signal::set_client_socket(socket.as_raw_fd());
        Client {
            socket,
            reader: LineReader::new(max_line_size),
            out: LineWriter::new(),
            line: String::new(),
            copy: CopyFormat::Text,
            fatal: false,
            resting: SessionState::Idle,
            idle_limit: None,
            recv_timeout: None,
            title: Title::default(),
        }
    }

    /// Who and where the client is, for the title.
    pub fn set_place(&mut self, place: &str) {
        self.title = Title::new(place);
        self.title.show(SessionState::Starting);
    }

    fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The first byte of the connection, left in place; waits for it.
    pub fn first_byte(&mut self) -> Result<u8, Gone> {
        while self.reader.is_empty() {
            self.receive()?;
        }
        Ok(self.reader.unread()[0])
    }

    /// The next request. What has been written is sent before this waits for the client.
    pub fn next_request(&mut self) -> Result<Result<String, LineError>, Gone> {
        // The memory of the line before is used again.
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let taken = self.take_line(&mut line)?;
        self.rest_no_more();
        Ok(taken.map(|()| line))
    }

    /// Gives a request's memory back for the next one, unless it is much.
    pub fn recycle(&mut self, line: String) {
        self.line = if line.capacity() > LINE_KEPT { String::new() } else { line };
    }

    /// Ends a reply. `resting` is what the session is until the next request.
    pub fn ready(&mut self, status: Status) {
        self.resting = match status {
            Status::Idle => SessionState::Idle,
            Status::Transaction => SessionState::IdleInTransaction,
            Status::Failed => SessionState::IdleInTransactionAborted,
        };
        self.out.ready(status);
    }

    /// How long the client may now wait with its next request.
    pub fn set_idle_limit(&mut self, limit: Option<Duration>) {
        self.idle_limit = limit;
    }

    /// A statement or command is done.
    pub fn ok(&mut self, tag: &str) {
        self.out.ok(tag);
    }

    /// The answer to HELP.
    pub fn help(&mut self) {
        self.out.help(&sql::view_names());
    }

    /// Writes an error of any room. With severity FATAL it is the last line.
    pub fn report(&mut self, error: &dyn Diagnostic) {
        let message = message_of(error);
        if error.severity() == Severity::Error {
            self.out.error(error.sqlstate(), &message);
        } else {
            self.fatal(error.sqlstate(), &message);
        }
    }

    /// Writes the last line of the session.
    pub fn fatal(&mut self, code: SqlState, message: &Message<'_>) {
        if !self.fatal {
            self.out.fatal(code, message);
            self.fatal = true;
        }
    }

    /// Whether the last line has been written.
    pub fn is_ended(&self) -> bool {
        self.fatal
    }

    /// Sends what has been written.
    pub fn flush(&mut self) -> Result<(), Gone> {
        if self.out.bytes().is_empty() {
            return Ok(());
        }
        let wait = proc::me().waiting(WaitEvent::ClientWrite);
        let sent = sys::net::send_all(self.fd(), self.out.bytes());
        drop(wait);
        self.out.clear();
        sent.map_err(|_| if Pending::term() { Gone::Terminated } else { Gone::Disconnected })
    }

    /// Sends the last words and ends the connection. A socket closed over unread bytes is reset,
    /// and a reset can overtake the last words: so bytes already sent by the client are read and
    /// forgotten, for a short while.
    pub fn close(&mut self) {
        let sent = self.flush();
        let unread = || rustix::io::ioctl_fionread(self.socket.as_fd()).unwrap_or(0) > 0;
        if sent.is_ok() && self.fatal && !Pending::term() && unread() {
            self.linger();
        }
        sys::signal::clear_client_socket();
    }

    fn linger(&self) {
        if rustix::net::shutdown(self.socket.as_fd(), rustix::net::Shutdown::Write).is_err() {
            return;
        }
        let until = Instant::now() + LINGER;
        let mut discarded = [0; 4096];
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let ready = sys::net::wait_readable(self.fd(), Some(left), &sys::signal::Mask::empty());
            match ready {
                Ok(sys::net::Ready::Readable) => {}
                _ => return,
            }
            if !matches!(sys::net::recv(self.fd(), &mut discarded), Ok(1..)) {
                return;
            }
        }
    }

    /// What has come and has not been taken, for another protocol.
    pub fn unread(&self) -> &[u8] {
        self.reader.unread()
    }

    /// The bare socket, for another protocol.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Takes the next line into `line`, waiting for it if need be.
    pub(super) fn take_line(&mut self, line: &mut String) -> Result<Result<(), LineError>, Gone> {
        loop {
            match self.reader.next_line() {
                Some(Ok(text)) => {
                    line.push_str(text);
                    return Ok(Ok(()));
                }
                Some(Err(error)) => return Ok(Err(error)),
                None => {}
            }
            self.flush()?;
            self.receive()?;
        }
    }

    /// Waits for more bytes.
    fn receive(&mut self) -> Result<(), Gone> {
        self.rest();
        let _wait = proc::me().waiting(WaitEvent::ClientRead);
        // Inside of a request (COPY's data) the client may take its time.
        let limit = self.idle_limit.filter(|_| self.resting != SessionState::Active);
        let until = limit.map(|limit| sys::clock::monotonic().saturating_add(limit));
        let mut left = limit;
        loop {
            if Pending::term() {
                return Err(Gone::Terminated);
            }
            self.set_recv_timeout(left)?;
            match sys::net::recv(self.socket.as_raw_fd(), self.reader.room()) {
                // The handler of TERM makes an end of file, too.
                Ok(0) if Pending::term() => return Err(Gone::Terminated),
                Ok(0) => return Err(Gone::Disconnected),
                Ok(count) => {
                    self.reader.filled(count);
                    return Ok(());
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    left = until.map(|until| until.saturating_sub(sys::clock::monotonic()));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Err(match self.resting {
                        SessionState::Idle => Gone::Idle,
                        _ => Gone::IdleInTransaction,
                    });
                }
                Err(_) => return Err(Gone::Disconnected),
            }
        }
    }

    fn set_recv_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Gone> {
        if self.recv_timeout != timeout {
            let set = sys::net::set_recv_timeout(self.fd(), timeout);
            set.map_err(|_| Gone::Disconnected)?;
            self.recv_timeout = timeout;
        }
        Ok(())
    }

    /// The session is about to wait for its client between two requests; inside a request (COPY's
    /// data) it stays active.
    fn rest(&mut self) {
        if self.resting != SessionState::Active {
            proc::me().set_state(self.resting);
            self.title.show(self.resting);
        }
    }

    fn rest_no_more(&mut self) {
        self.resting = SessionState::Active;
        proc::me().set_state(SessionState::Active);
        self.title.show(SessionState::Active);
    }

    /// Sends what has been written if it is much.
    pub(super) fn flush_if_full(&mut self) -> Result<(), Stop> {
        if self.out.bytes().len() < FLUSH_AT {
            return Ok(());
        }
        self.flush().map_err(|_| Stop::Disconnected)
    }
}

/// An error as the protocol's messages have it.
pub(super) fn message_of(error: &dyn Diagnostic) -> Message<'static> {
    Message {
        text: error.to_string().into(),
        detail: error.detail().map(Into::into),
        hint: error.hint().map(Into::into),
        position: error.position(),
    }
}

#[cfg(test)]
mod tests;
