//! Where the shell's lines come from.

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;

use protocol::Status;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::error::Error;

/// What is asked for.
#[derive(Clone, Copy)]
pub enum Prompt {
    /// A request, in this state of the session.
    Request(Status),
    /// A line of COPY's data.
    Data,
}

impl Prompt {
    fn text(self) -> &'static str {
        match self {
            Prompt::Request(Status::Idle) => "mamont> ",
            Prompt::Request(Status::Transaction) => "mamont*> ",
            Prompt::Request(Status::Failed) => "mamont!> ",
            Prompt::Data => ">> ",
        }
    }
}

/// Lines, one after the other.
pub enum Lines {
    /// From a person.
    Terminal(Box<DefaultEditor>, Option<PathBuf>),
    /// From a file, a pipe or the command line.
    Reader(Box<dyn BufRead>),
}

impl Lines {
    /// From standard input; with an editor if a person types and sees what comes back.
    pub fn from_stdin(terminal: bool) -> Result<Lines, Error> {
        if !terminal || !io::stdin().is_terminal() {
            return Ok(Lines::Reader(Box::new(io::stdin().lock())));
        }
        let mut editor = DefaultEditor::new().map_err(io::Error::other)?;
        let history = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(HISTORY));
        if let Some(file) = &history {
            // A first run has none; without it one types the same lines again.
            let _ = editor.load_history(file);
        }
        Ok(Lines::Terminal(Box::new(editor), history))
    }

    /// From the command line: each text is one or more lines.
    pub fn given(texts: &[String]) -> Lines {
        Lines::from_reader(io::Cursor::new(texts.join("\n")))
    }

    /// From anything else.
    pub fn from_reader(reader: impl BufRead + 'static) -> Lines {
        Lines::Reader(Box::new(reader))
    }

    /// Whether a person waits for each answer.
    pub fn interactive(&self) -> bool {
        matches!(self, Lines::Terminal(..))
    }

    /// The next line without its end.
    pub fn next(&mut self, prompt: Prompt) -> Result<Option<String>, Error> {
        match self {
            Lines::Terminal(editor, _) => edit(editor, prompt),
            Lines::Reader(reader) => {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(None);
                }
                let end = line.trim_end_matches('\n').len();
                line.truncate(end);
                Ok(Some(line))
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Lines::Terminal(editor, Some(file)) = self {
            // Nothing is lost but comfort.
            let _ = editor.save_history(file);
        }
    }
}

const HISTORY: &str = ".mamont_history";

fn edit(editor: &mut DefaultEditor, prompt: Prompt) -> Result<Option<String>, Error> {
    loop {
        match editor.readline(prompt.text()) {
            Ok(line) => {
                let request = matches!(prompt, Prompt::Request(_));
                if request && !line.trim().is_empty() && !is_secret(&line) {
                    let _ = editor.add_history_entry(&line);
                }
                return Ok(Some(line));
            }
            // Ctrl-C throws the line away.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(None),
            Err(error) => return Err(io::Error::other(error).into()),
        }
    }
}

/// A password is not for the history.
fn is_secret(line: &str) -> bool {
    matches!(protocol::Request::parse(line), protocol::Request::Auth { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_the_last_may_have_none() {
        let mut lines = Lines::given(&["a".to_owned(), "\r\nb".to_owned()]);
        let mut all = Vec::new();
        while let Some(line) = lines.next(Prompt::Data).expect("a cursor") {
            all.push(line);
        }
        assert_eq!(all, ["a", "\r", "b"]);
        assert!(is_secret(" auth ann pw") && !is_secret("SELECT 1"));
    }
}
