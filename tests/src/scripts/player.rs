//! Plays a script: one step after the other, each until it is answered or waits.

use std::io;
use std::time::{Duration, Instant};

use super::script::{Line, read};
use super::session::{Host, Session};
use crate::processes::wait_gone;

/// How long a step may take before the script is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked.
const PAUSE: Duration = Duration::from_millis(1);

/// The script with the answers that the server gives now.
///
/// # Errors
/// The server does not answer, or a session is asked while it waits.
pub fn play(script: &str, host: &mut dyn Host) -> io::Result<String> {
    let mut player = Player { host, sessions: Vec::new(), waiting: Vec::new() };
    let mut played = String::new();
    for line in script.lines().filter(|line| !line.starts_with('<')) {
        played.push_str(line);
        played.push('\n');
        let answers = player.step(line).map_err(|e| io::Error::other(format!("{line}: {e}")))?;
        for answer in answers {
            played.push_str(format!("< {answer}").trim_end());
            played.push('\n');
        }
    }
    if let Some(&at) = player.waiting.first() {
        let name = &player.sessions[at].name;
        return Err(io::Error::other(format!("{name} still waits at the end of the script")));
    }
    player.sessions.iter_mut().for_each(Session::leave);
    Ok(played)
}

struct Player<'h> {
    host: &'h mut dyn Host,
    sessions: Vec<Session>,
    /// The sessions that wait, in the order in which they began to.
    waiting: Vec<usize>,
}

impl Player<'_> {
    /// Does one line; gives what was answered.
    fn step(&mut self, line: &str) -> io::Result<Vec<String>> {
        let mut answers = Vec::new();
        match read(line) {
            Line::Comment => return Ok(answers),
            Line::Leave(name) => {
                let at = self.session(&name)?;
                self.sessions[at].leave();
                self.sessions[at].name.push_str(" of old");
                // Its locks go when its process does.
                let left = wait_gone(&[self.sessions[at].pid], PATIENCE);
                if !left.is_empty() {
                    return Err(io::Error::other("the process of the session lives on"));
                }
            }
            Line::Say { session, statement, to_its_end, ends } => {
                let at = self.session(&session)?;
                if self.waiting.contains(&at) {
                    return Err(io::Error::other(format!("{session} waits")));
                }
                self.sessions[at].say(&statement);
                match self.await_answer(at, to_its_end)? {
                    Some(answer) => answers = answer,
                    None => {
                        answers.push("waits".to_owned());
                        self.waiting.push(at);
                    }
                }
                if let Some(other) = ends {
                    self.ended(&other, &mut answers)?;
                }
            }
        }
        self.released(&mut answers)?;
        Ok(answers)
    }

    /// The session of that name; begins it if there is none.
    fn session(&mut self, name: &str) -> io::Result<usize> {
        if let Some(at) = self.sessions.iter().position(|session| session.name == name) {
            return Ok(at);
        }
        self.sessions.push(Session::begin(name, self.host)?);
        Ok(self.sessions.len() - 1)
    }

    /// The answer of a session; `None` if it waits.
    fn await_answer(&mut self, at: usize, to_its_end: bool) -> io::Result<Option<Vec<String>>> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(answer) = self.sessions[at].answer()? {
                return Ok(Some(answer));
            }
            if !to_its_end && self.host.is_blocked(self.sessions[at].pid)? {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
        Err(io::Error::other(format!("neither an answer nor a wait within {PATIENCE:?}")))
    }

    /// Adds what a session answers whose wait is about to end.
    fn ended(&mut self, name: &str, answers: &mut Vec<String>) -> io::Result<()> {
        let at = self.session(name)?;
        let Some(nth) = self.waiting.iter().position(|&waiting| waiting == at) else {
            return Err(io::Error::other(format!("{name} does not wait")));
        };
        let answer = self.await_answer(at, true)?.unwrap_or_default();
        self.waiting.remove(nth);
        self.tell(at, &answer, answers);
        Ok(())
    }

    /// Adds the answer of a session that had waited.
    fn tell(&self, at: usize, answer: &[String], answers: &mut Vec<String>) {
        let name = &self.sessions[at].name;
        answers.extend(answer.iter().map(|line| format!("{name}: {line}")));
    }

    /// Adds what the sessions answered that do not wait any more. One that is released may release
    /// another by failing: so it is asked again until nobody answers.
    fn released(&mut self, answers: &mut Vec<String>) -> io::Result<()> {
        let mut at = 0;
        while at < self.waiting.len() {
            let session = self.waiting[at];
            match self.await_answer(session, false)? {
                None => at += 1,
                Some(answer) => {
                    self.waiting.remove(at);
                    self.tell(session, &answer, answers);
                    at = 0;
                }
            }
        }
        Ok(())
    }
}
