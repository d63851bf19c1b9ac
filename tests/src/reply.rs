//! A reply of the line protocol, taken apart: everything from a request to its `READY`.

use std::fmt;

/// One value of a row: `None` is NULL.
pub type Value = Option<String>;

/// What a session is in after a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Outside a transaction.
    Idle,
    /// Inside one.
    Transaction,
    /// Inside one that an error has aborted.
    Failed,
}

/// An `ERROR`, `FATAL` or `NOTICE` line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problem {
    /// The five characters of the condition.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// `detail=…`
    pub detail: Option<String>,
    /// `hint=…`
    pub hint: Option<String>,
    /// `position=…`, in characters from 1.
    pub position: Option<usize>,
}

impl Problem {
    /// Reads what follows the word `ERROR`, `FATAL` or `NOTICE`.
    fn parse(payload: &str) -> Result<Problem, String> {
        let mut fields = payload.split('\t');
        let head = fields.next().unwrap_or_default();
        let (sqlstate, message) = head.split_once(' ').ok_or("no message after the SQLSTATE")?;
        if sqlstate.len() != 5 || !sqlstate.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(format!("{sqlstate:?} is no SQLSTATE"));
        }
        let mut problem = Problem {
            sqlstate: sqlstate.to_owned(),
            message: unescape(message)?,
            ..Problem::default()
        };
        for field in fields {
            let (name, value) = field.split_once('=').ok_or(format!("field {field:?} has no ="))?;
            let value = unescape(value)?;
            match name {
                "detail" => problem.detail = Some(value),
                "hint" => problem.hint = Some(value),
                "position" => {
                    let number = value.parse().map_err(|_| format!("position={value}"))?;
                    problem.position = Some(number);
                }
                _ => return Err(format!("field {name:?} is not on the protocol page")),
            }
        }
        Ok(problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sqlstate, self.message)?;
        for (name, value) in [("detail", &self.detail), ("hint", &self.hint)] {
            if let Some(value) = value {
                write!(f, " [{name}: {value}]")?;
            }
        }
        Ok(())
    }
}

/// A column of a row set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// PostgreSQL's internal name of its type.
    pub ty: String,
}

/// Rows between a `COLUMNS` line and its `OK`. `COPY … TO STDOUT` has rows without columns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RowSet {
    /// The columns.
    pub columns: Vec<Column>,
    /// Each `ROW` line's payload as it came.
    pub lines: Vec<String>,
}

impl RowSet {
    /// The rows, split and unescaped.
    pub fn rows(&self) -> Vec<Vec<Value>> {
        let row = |line: &String| {
            let value = |field: &str| match field {
                "\\N" => None,
                field => Some(unescape(field).expect("values are escaped as the page says")),
            };
            if self.columns.is_empty() { Vec::new() } else { line.split('\t').map(value).collect() }
        };
        self.lines.iter().map(row).collect()
    }
}

/// How a reply ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// `READY`: the session goes on.
    Ready(Status),
    /// `FATAL`: the server closes the connection.
    Fatal(Problem),
}

/// A whole reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Every line of it, without its LF.
    pub lines: Vec<String>,
    /// The row sets.
    pub sets: Vec<RowSet>,
    /// The command tags of the statements that were done.
    pub tags: Vec<String>,
    /// The error, if one came. There is at most one.
    pub error: Option<Problem>,
    /// What was worth knowing.
    pub notices: Vec<Problem>,
    /// How many times the server asked for COPY data.
    pub copy_in: usize,
    /// How it ended.
    pub end: End,
}

impl Reply {
    /// Takes the lines of one reply apart; an error says which line breaks the protocol.
    pub fn parse(lines: Vec<String>) -> Result<Reply, String> {
        let mut reply = Reply {
            lines: Vec::new(),
            sets: Vec::new(),
            tags: Vec::new(),
            error: None,
            notices: Vec::new(),
            copy_in: 0,
            end: End::Ready(Status::Idle),
        };
        let mut open = false;
        let last = lines.len().saturating_sub(1);
        for (i, line) in lines.iter().enumerate() {
            let ended = reply.take(line, &mut open).map_err(|why| format!("{line:?}: {why}"))?;
            if ended != (i == last) {
                return Err(format!("{line:?} stands at the wrong place in the reply"));
            }
        }
        reply.lines = lines;
        Ok(reply)
    }

    /// Takes one line; true for a line that ends the reply.
    fn take(&mut self, line: &str, open: &mut bool) -> Result<bool, String> {
        let (word, payload) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "COLUMNS" => {
                self.sets.push(RowSet { columns: columns(payload)?, lines: Vec::new() });
                *open = true;
            }
            "ROW" => {
                if !*open {
                    self.sets.push(RowSet::default());
                    *open = true;
                }
                let set = self.sets.last_mut().expect("a set was opened above");
                set.lines.push(payload.to_owned());
            }
            "OK" => {
                self.tags.push(payload.to_owned());
                *open = false;
            }
            "ERROR" if self.error.is_some() => return Err("a second ERROR in one reply".into()),
            "ERROR" => self.error = Some(Problem::parse(payload)?),
            "NOTICE" => self.notices.push(Problem::parse(payload)?),
            "COPYIN" => self.copy_in += 1,
            "FATAL" => {
                self.end = End::Fatal(Problem::parse(payload)?);
                return Ok(true);
            }
            "READY" => {
                self.end = End::Ready(match payload {
                    "idle" => Status::Idle,
                    "transaction" => Status::Transaction,
                    "failed" => Status::Failed,
                    _ => return Err("no such status".into()),
                });
                return Ok(true);
            }
            _ => return Err("no such word on the protocol page".into()),
        }
        Ok(false)
    }

    /// Whether every statement of the request succeeded.
    pub fn is_ok(&self) -> bool {
        self.error.is_none() && matches!(self.end, End::Ready(_))
    }

    /// The status at the end, if the session goes on.
    pub fn status(&self) -> Option<Status> {
        match self.end {
            End::Ready(status) => Some(status),
            End::Fatal(_) => None,
        }
    }

    /// What went wrong, as an error or fatally.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.end {
            End::Fatal(problem) => Some(problem),
            End::Ready(_) => self.error.as_ref(),
        }
    }

    /// All rows of the only (or first) row set; none if there is no row set.
    pub fn rows(&self) -> Vec<Vec<Value>> {
        self.sets.first().map(RowSet::rows).unwrap_or_default()
    }
}

fn columns(payload: &str) -> Result<Vec<Column>, String> {
    let column = |field: &str| {
        let (name, ty) = field.rsplit_once(' ').ok_or(format!("{field:?} has no type"))?;
        Ok(Column { name: unescape(name)?, ty: ty.to_owned() })
    };
    if payload.is_empty() { Ok(Vec::new()) } else { payload.split('\t').map(column).collect() }
}

/// Undoes the escapes of COPY's text format.
pub fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next() {
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('\\') => '\\',
            other => return Err(format!("escape \\{other:?} is not on the protocol page")),
        });
    }
    Ok(out)
}

/// Escapes a value for a line of COPY's text format.
pub fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\t', "\\t");
    escaped.replace('\n', "\\n").replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_reply_is_taken_apart() {
        let text = "COLUMNS id int4\towner text\nROW 1\ta\\tb\nROW 2\t\\N\nOK SELECT 2\nREADY idle";
        let reply = Reply::parse(lines(text)).expect("it is well formed");
        assert_eq!(reply.tags, ["SELECT 2"]);
        let one = vec![Some("1".to_owned()), Some("a\tb".to_owned())];
        assert_eq!(reply.rows(), [one, vec![Some("2".to_owned()), None]]);
        assert_eq!(reply.status(), Some(Status::Idle));
    }

    #[test]
    fn fields_of_an_error_are_found() {
        let reply = Reply::parse(lines("ERROR 42703 no\tposition=8\thint=try\nREADY failed"));
        let error = reply.expect("it is well formed").error.expect("it holds an error");
        assert_eq!((error.position, error.hint.as_deref()), (Some(8), Some("try")));
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        for bad in [
            "OK SELECT 1",
            "READY idle\nREADY idle",
            "READY",
            "ERROR 1 x\nREADY idle",
            "ERROR 42601 a\nERROR 42601 b\nREADY idle",
            "HELLO\nREADY idle",
            "ERROR 42601 a\tplace=4\nREADY idle",
        ] {
            assert!(Reply::parse(lines(bad)).is_err(), "{bad}");
        }
    }
}
