//! The log of a server under test: its standard error, in a file.
//!
//! A run fails on a warning or an error that nobody announced: so a server that recovers by itself
//! from something that should not have happened does not go unnoticed.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What any server may say at those levels.
const ALWAYS_ALLOWED: &[&str] = &["running as root", "as root"];

/// A server's log file.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    /// The log in that file, which need not exist yet.
    pub fn at(path: &Path) -> Log {
        Log { path: path.to_owned() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is now, to read from there later.
    pub fn len(&self) -> u64 {
        self.path.metadata().map_or(0, |m| m.len())
    }

    /// Whether nothing was logged.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.text_from(0)
    }

    /// What came after the first `start` bytes.
    pub fn text_from(&self, start: u64) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = std::fs::File::open(&self.path) {
            let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_to_end(&mut bytes));
            read.expect("the log can be read");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last `count` lines, for a message.
    pub fn tail(&self, count: usize) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// The lines at level WARN or ERROR, and the panics, that hold none of `allowed`.
    pub fn unexpected(&self, allowed: &[String]) -> Vec<String> {
        let is_allowed = |line: &str| {
            ALWAYS_ALLOWED.iter().any(|text| line.contains(text))
                || allowed.iter().any(|text| line.contains(text.as_str()))
        };
        let text = self.text();
        let lines = text.lines().filter(|line| is_alarm(line) && !is_allowed(line));
        lines.map(str::to_owned).collect()
    }
}

/// Whether a log line wants attention.
fn is_alarm(line: &str) -> bool {
    let mut words = line.split_whitespace().take(4);
    words.any(|word| matches!(word.trim_end_matches(':'), "WARN" | "ERROR" | "PANIC"))
        || line.contains("panicked at")
        || line.contains("PANIC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_panics_are_alarms_and_words_in_a_message_are_not() {
        assert!(is_alarm("2026-11-20T10:00:00.000000Z  WARN postmaster: odd"));
        assert!(is_alarm("2026-11-20T10:00:00.000000Z ERROR backend: bad"));
        assert!(is_alarm("thread 'main' panicked at src/x.rs:1:1:"));
        assert!(!is_alarm("2026-11-20T10:00:00.000000Z  INFO backend: client said it is an ERROR"));
    }

    #[test]
    fn only_what_was_announced_is_allowed() {
        let dir = crate::scratch::Scratch::new();
        let path = dir.join("log");
        std::fs::write(&path, "t WARN a: one\nt WARN a: two\nt INFO a: three\n").expect("written");
        let log = Log::at(&path);
        assert_eq!(log.unexpected(&["one".to_owned()]), ["t WARN a: two"]);
    }
}
