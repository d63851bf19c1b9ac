//! The lines of a script.

/// A line of a script, without the answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// Told to the reader alone.
    Comment,
    /// A session executes a statement.
    Say {
        /// The session.
        session: String,
        /// The statement.
        statement: String,
        /// Whether it ends by itself though it waits.
        to_its_end: bool,
        /// The session whose wait it ends, sooner or later: a signal takes its time.
        ends: Option<String>,
    },
    /// A session closes its connection.
    Leave(String),
}

/// Reads a line that is no answer.
pub fn read(line: &str) -> Line {
    if let Some(name) = line.strip_suffix(" leaves").filter(|name| is_name(name)) {
        return Line::Leave(name.to_owned());
    }
    let Some((head, statement)) = line.split_once(": ") else { return Line::Comment };
    let (head, to_its_end) = match head.strip_suffix(" to its end") {
        Some(head) => (head, true),
        None => (head, false),
    };
    let (name, ends) = match head.split_once(" ends ") {
        Some((name, other)) => (name, Some(other.to_owned())),
        None => (head, None),
    };
    if !is_name(name) || !ends.as_deref().is_none_or(is_name) {
        return Line::Comment;
    }
    Line::Say { session: name.to_owned(), statement: statement.to_owned(), to_its_end, ends }
}

/// Names are short, so that a comment with a colon in it is none.
fn is_name(text: &str) -> bool {
    text == "setup"
        || (text.len() == 2
            && text.starts_with('t')
            && text.ends_with(|c: char| c.is_ascii_digit()))
}

/// Why a script is not for PostgreSQL.
pub fn only_here(script: &str) -> Option<&str> {
    script.lines().find_map(|line| line.strip_prefix("only here: "))
}

/// What this server lacks for the script.
pub fn not_yet_here(script: &str) -> Option<&str> {
    script.lines().find_map(|line| line.strip_prefix("not yet here: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let say = |session: &str, statement: &str, to_its_end, ends: Option<&str>| Line::Say {
            session: session.to_owned(),
            statement: statement.to_owned(),
            to_its_end,
            ends: ends.map(str::to_owned),
        };
        assert_eq!(read("t1: SELECT ': '"), say("t1", "SELECT ': '", false, None));
        assert_eq!(read("t2 to its end: COMMIT"), say("t2", "COMMIT", true, None));
        assert_eq!(read("t2 ends t1: COMMIT"), say("t2", "COMMIT", false, Some("t1")));
        assert_eq!(read("t2 ends badly: COMMIT"), Line::Comment);
        assert_eq!(read("t2 leaves"), Line::Leave("t2".to_owned()));
        assert_eq!(read("The manual says: it waits"), Line::Comment);
        assert_eq!(read("t12: x"), Line::Comment);
        assert_eq!(read(""), Line::Comment);
    }
}
