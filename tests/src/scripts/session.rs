//! A session of a script: a thread that has the connection, so that a statement that waits holds up
//! nobody else.

use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

/// A connection.
pub trait Speaker: Send {
    /// Sends a statement and gives the lines of its answer, in the form of the scripts.
    fn ask(&mut self, statement: &str) -> io::Result<Vec<String>>;
}

/// A server that a script can be played against.
pub trait Host {
    /// A new connection.
    fn connect(&mut self) -> io::Result<Box<dyn Speaker>>;
    /// Whether the process waits for a lock that another holds.
    fn is_blocked(&mut self, pid: i32) -> io::Result<bool>;
}

/// A session.
pub(super) struct Session {
    pub(super) name: String,
    pub(super) pid: i32,
    statements: Option<Sender<String>>,
    answers: Receiver<io::Result<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
    /// Whether a statement has been sent whose answer has not been told.
    pub(super) is_asked: bool,
}

impl Session {
    /// A session of that name.
    pub(super) fn begin(name: &str, host: &mut dyn Host) -> io::Result<Session> {
        let mut speaker = host.connect()?;
        let answer = speaker.ask("SELECT pg_backend_pid()")?;
        let pid = answer.first().and_then(|pid| pid.parse().ok());
        let pid = pid.ok_or_else(|| io::Error::other(format!("not a process: {answer:?}")))?;
        let (statements, orders) = channel::<String>();
        let (teller, answers) = channel();
        let thread = std::thread::spawn(move || {
            for statement in orders {
                if teller.send(speaker.ask(&statement)).is_err() {
                    break;
                }
            }
        });
        Ok(Session {
            name: name.to_owned(),
            pid,
            statements: Some(statements),
            answers,
            thread: Some(thread),
            is_asked: false,
        })
    }

    /// Sends a statement.
    pub(super) fn say(&mut self, statement: &str) {
        assert!(!self.is_asked, "{} has not answered yet", self.name);
        let statements = self.statements.as_ref().expect("a session that has left is gone");
        statements.send(statement.to_owned()).expect("the thread waits for statements");
        self.is_asked = true;
    }

    /// The answer, if it has come.
    pub(super) fn answer(&mut self) -> io::Result<Option<Vec<String>>> {
        match self.answers.try_recv() {
            Ok(answer) => {
                self.is_asked = false;
                answer.map(Some)
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(io::Error::other("the session's thread ended")),
        }
    }

    /// Closes the connection. One that waits for an answer is left to its thread, which ends when
    /// the server does.
    pub(super) fn leave(&mut self) {
        self.statements = None;
        if !self.is_asked
            && let Some(thread) = self.thread.take()
        {
            thread.join().expect("it only asks and tells");
        }
    }
}
