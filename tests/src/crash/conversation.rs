//! The lines of one attempt as they are sent, and their replies as they must be.

use std::io;

use crate::client::Client;
use crate::clock::now_ns;
use crate::crash::attempt::Intent;
use crate::reply::{End, Reply, Status};

/// Why an attempt did not come to its end.
#[derive(Debug)]
pub enum Trouble {
    /// The connection is gone.
    Disconnected,
    /// The server did what it may never do.
    Wrong(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Trouble::Wrong(format!("no answer: {error}"))
            }
            io::ErrorKind::Other => Trouble::Wrong(error.to_string()),
            _ => Trouble::Disconnected,
        }
    }
}

/// A line to send, the data that follows it, and the tags that must come back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) data: Option<Vec<String>>,
    pub(crate) tags: Vec<String>,
    /// It fails, and the next request rolls back to a savepoint.
    pub(crate) mistake: bool,
}

impl Request {
    pub(crate) fn new(line: impl Into<String>, tags: &[&str]) -> Request {
        let tags = tags.iter().map(|t| (*t).to_owned()).collect();
        Request { line: line.into(), tags, ..Request::default() }
    }

    pub(crate) fn answered(line: &str, tag: Option<String>) -> Request {
        Request { line: line.to_owned(), tags: tag.into_iter().collect(), ..Request::default() }
    }

    /// The line and its data as they are sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\n", self.line).into_bytes();
        if let Some(data) = &self.data {
            for line in data {
                bytes.extend_from_slice(line.as_bytes());
                bytes.push(b'\n');
            }
            bytes.extend_from_slice(b"\\.\n");
        }
        bytes
    }
}

/// One line of several statements; only the last may have data.
pub(crate) fn joined(statements: Vec<Request>) -> Request {
    let lines: Vec<&str> = statements.iter().map(|s| s.line.as_str()).collect();
    let line = lines.join("; ");
    let tags = statements.iter().flat_map(|s| s.tags.clone()).collect();
    let data = statements.into_iter().next_back().and_then(|s| s.data);
    Request { line, data, tags, mistake: false }
}

/// The conversation of one attempt.
pub(crate) struct Conversation<'a> {
    tolerated: &'a [String],
    intent: Intent,
    /// An error has aborted the transaction.
    pub(crate) failed: bool,
    /// The server may have been asked to commit.
    pub(crate) asked: bool,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(tolerated: &'a [String], intent: Intent) -> Conversation<'a> {
        Conversation { tolerated, intent, failed: false, asked: false }
    }

    /// Sends the requests, each when the one before has been answered.
    pub(crate) fn stepwise(
        &mut self,
        session: &mut Client,
        requests: &[Request],
        sent_ns: &mut u64,
    ) -> Result<(), Trouble> {
        for (i, request) in requests.iter().enumerate() {
            let last = i + 1 == requests.len();
            if last {
                self.asked = true;
                *sent_ns = now_ns();
            }
            session.send_raw(&request.bytes())?;
            let reply = session.read_reply()?;
            self.check(request, &reply, last)?;
            if self.failed && !last {
                return self.roll_back(session);
            }
            if self.failed && reply.status() == Some(Status::Failed) {
                return self.roll_back(session);
            }
        }
        Ok(())
    }

    /// Sends the requests, all at once.
    pub(crate) fn pipelined(
        &mut self,
        session: &mut Client,
        requests: &[Request],
    ) -> Result<(), Trouble> {
        let bytes: Vec<u8> = requests.iter().flat_map(Request::bytes).collect();
        self.asked = true;
        session.send_raw(&bytes)?;
        for (i, request) in requests.iter().enumerate() {
            let reply = session.read_reply()?;
            self.check(request, &reply, i + 1 == requests.len())?;
        }
        Ok(())
    }

    fn roll_back(&mut self, session: &mut Client) -> Result<(), Trouble> {
        let reply = session.ask("ROLLBACK")?;
        if reply.tags == ["ROLLBACK"] && reply.status() == Some(Status::Idle) {
            return Ok(());
        }
        Err(Trouble::Wrong(format!("ROLLBACK got {:?}", reply.lines)))
    }

    /// Whether the reply is one that this request may get at this place.
    pub(crate) fn check(
        &mut self,
        request: &Request,
        reply: &Reply,
        last: bool,
    ) -> Result<(), Trouble> {
        let wrong = |why: &str| {
            let line: String = request.line.chars().take(200).collect();
            Err(Trouble::Wrong(format!("{why}\n  sent {line}\n  got {:?}", reply.lines)))
        };
        if let End::Fatal(problem) = &reply.end {
            // The server is shutting down, crashing or coming up.
            if problem.sqlstate.starts_with("57P") {
                return Err(Trouble::Disconnected);
            }
            return wrong("a FATAL that nothing called for");
        }
        if reply.copy_in != usize::from(request.data.is_some()) {
            return wrong("COPYIN too often or not at all");
        }
        if let Some(error) = &reply.error {
            if request.mistake && !self.failed && error.sqlstate == "22012" {
                return Ok(());
            }
            let tolerated = self.tolerated.contains(&error.sqlstate)
                || (error.sqlstate == "22012" && self.intent == Intent::Fail)
                || (matches!(error.sqlstate.as_str(), "25P02" | "3B001") && self.failed);
            self.failed = true;
            return if tolerated { Ok(()) } else { wrong("an error that nothing called for") };
        }
        let expected: &[String] = &request.tags;
        let rolled_back = self.failed && last && reply.tags == ["ROLLBACK"];
        if reply.tags != expected && !rolled_back {
            return wrong(&format!("expected {expected:?}"));
        }
        if last && reply.status() != Some(Status::Idle) {
            return wrong("the session should be idle");
        }
        if self.failed && last && !rolled_back && self.intent != Intent::Rollback {
            return wrong("a failed transaction was committed");
        }
        Ok(())
    }
}
