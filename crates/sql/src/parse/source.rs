//! The text of a request, and places in it.

use sqlparser::tokenizer::{Location, TokenWithSpan};

use crate::error::Error;

/// A text whose places are known by line and column, as sqlparser counts them, and wanted in
/// characters from 1, as PostgreSQL reports them.
#[derive(Debug)]
pub(crate) struct Source {
    text: String,
    /// The number of characters before each line but the first.
    lines: Vec<u32>,
    /// Whether nobody is to be told places: it is not the text of the request.
    hidden: bool,
}

impl Source {
    /// The source of a text.
    pub(crate) fn new(text: &str) -> Source {
        let mut lines = Vec::new();
        if text.contains('\n') {
            for (count, c) in text.chars().enumerate() {
                if c == '\n' {
                    lines.push(count as u32 + 1);
                }
            }
        }
        Source { text: text.to_owned(), lines, hidden: false }
    }

    /// The source of a text that the client has not sent: its places are told to nobody.
    pub(crate) fn without_places(text: &str) -> Source {
        Source { hidden: true, ..Source::new(text) }
    }

    /// The place in characters from 1; 0 for a place that is not known.
    pub(crate) fn place(&self, location: Location) -> u32 {
        if self.hidden { 0 } else { self.place_in(location) }
    }

    fn place_in(&self, location: Location) -> u32 {
        let before = match location.line {
            0 => return 0,
            1 => 0,
            line => self.lines.get(line as usize - 2).copied().unwrap_or(0),
        };
        before + location.column as u32
    }

    /// The place as an error wants it.
    pub(crate) fn position(&self, location: Location) -> Option<usize> {
        match self.place(location) {
            0 => None,
            place => Some(place as usize),
        }
    }

    /// The byte at which a character (from 1) begins.
    fn byte(&self, place: u32) -> usize {
        let count = place.saturating_sub(1) as usize;
        self.text.char_indices().nth(count).map_or(self.text.len(), |(byte, _)| byte)
    }

    /// The text from one place to another.
    pub(crate) fn slice(&self, start: Location, end: Location) -> &str {
        let (start, end) = (self.byte(self.place_in(start)), self.byte(self.place_in(end)));
        self.text.get(start..end).unwrap_or("")
    }

    /// Where the next sign behind a place stands, blanks and closing parentheses left out: where
    /// the operator behind an operand is.
    pub(crate) fn operator_after(&self, operand_end: Location) -> u32 {
        let place = self.place(operand_end);
        if place == 0 {
            return 0;
        }
        let rest = self.text.get(self.byte(place)..).unwrap_or("");
        let skipped = rest.chars().take_while(|c| c.is_whitespace() || *c == ')').count();
        place + skipped as u32
    }

    /// The syntax error at a token, or at the end.
    pub(crate) fn unexpected(&self, token: Option<&TokenWithSpan>) -> Error {
        match token {
            Some(token) => {
                let text = self.slice(token.span.start, token.span.end);
                Error::syntax(format!("syntax error at or near \"{text}\""))
                    .at(self.position(token.span.start))
            }
            None => Error::syntax("syntax error at end of input")
                .at(Some(self.text.chars().count() + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_over_lines() {
        let source = Source::new("SELECT 'ä',\n  x");
        assert_eq!(source.place(Location { line: 1, column: 8 }), 8);
        assert_eq!(source.place(Location { line: 2, column: 3 }), 15);
        let (start, end) = (Location { line: 1, column: 8 }, Location { line: 1, column: 11 });
        assert_eq!(source.slice(start, end), "'ä'");
        assert_eq!(source.position(Location { line: 0, column: 0 }), None);
    }
}
