//! A place in a list of tokens, for the statements that are read by hand.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Source;
use crate::bind::names::is_reserved;
use crate::error::{Error, Result};

/// Where the reading is.
pub(super) struct Cursor<'a> {
    tokens: &'a [TokenWithSpan],
    next: usize,
    pub(super) source: &'a Source,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(tokens: &'a [TokenWithSpan], source: &'a Source) -> Cursor<'a> {
        Cursor { tokens, next: 0, source }
    }

    /// The next token, which stays.
    pub(super) fn peek(&self) -> Option<&'a TokenWithSpan> {
        self.tokens.get(self.next)
    }

    /// The tokens that are left.
    pub(super) fn rest(&self) -> &'a [TokenWithSpan] {
        self.tokens.get(self.next..).unwrap_or(&[])
    }

    /// Skips that many tokens.
    pub(super) fn skip(&mut self, count: usize) {
        self.next = (self.next + count).min(self.tokens.len());
    }

    fn is_word(token: Option<&TokenWithSpan>, word: &str) -> bool {
        matches!(
            token.map(|token| &token.token),
            Some(Token::Word(w)) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word)
        )
    }

    /// Whether the next token is that word.
    pub(super) fn at_word(&self, word: &str) -> bool {
        Self::is_word(self.peek(), word)
    }

    /// Takes the words if they come next, all of them.
    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let all = words
            .iter()
            .enumerate()
            .all(|(place, word)| Self::is_word(self.tokens.get(self.next + place), word));
        if all {
            self.skip(words.len());
        }
        all
    }

    /// Takes the word if it comes next.
    pub(super) fn word(&mut self, word: &str) -> bool {
        self.words(&[word])
    }

    /// Takes the token if it comes next.
    pub(super) fn token(&mut self, token: &Token) -> bool {
        let found = self.peek().is_some_and(|next| next.token == *token);
        self.next += usize::from(found);
        found
    }

    /// Takes an identifier: a word in lower case, or a quoted one as it stands.
    pub(super) fn identifier(&mut self) -> Result<String> {
        match self.peek().map(|token| &token.token) {
            Some(Token::Word(word)) => {
                self.next += 1;
                Ok(match word.quote_style {
                    Some(_) => word.value.clone(),
                    None => word.value.to_ascii_lowercase(),
                })
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Takes the name of a thing: an identifier that is no reserved word.
    pub(super) fn name(&mut self) -> Result<String> {
        let reserved = match self.peek().map(|token| &token.token) {
            Some(Token::Word(word)) => word.quote_style.is_none() && is_reserved(&word.value),
            _ => false,
        };
        if reserved { Err(self.unexpected()) } else { self.identifier() }
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Option<String> {
        let text = match self.peek().map(|token| &token.token) {
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => text,
            Some(Token::UnicodeStringLiteral(text)) => text,
            Some(Token::DollarQuotedString(text)) => &text.value,
            _ => return None,
        };
        self.next += 1;
        Some(text.clone())
    }

    /// The place of the next token.
    pub(super) fn position(&self) -> Option<usize> {
        self.peek().and_then(|token| self.source.position(token.span.start))
    }

    /// The syntax error at the next token.
    pub(super) fn unexpected(&self) -> Error {
        self.source.unexpected(self.peek())
    }

    /// Refuses what is left.
    pub(super) fn expect_end(&self) -> Result<()> {
        if self.peek().is_some() { Err(self.unexpected()) } else { Ok(()) }
    }

    /// Takes the token, which must come next.
    pub(super) fn expect(&mut self, token: &Token) -> Result<()> {
        if self.token(token) { Ok(()) } else { Err(self.unexpected()) }
    }
}
