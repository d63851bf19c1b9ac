//! A bound on how deep the tree of a statement can become, found from its tokens alone.
//!
//! sqlparser bounds its own recursion, but builds chains (`1 + 1 + 1 …`, `a OR b OR …`,
//! `x::t::t …`) in loops: the tree leans to the left and is as deep as the chain is long, and
//! whatever walks it, even freeing it, recurses that deep. So chains are counted before parsing:
//! the tokens that can make a tree one level deeper, along the way from the outermost parenthesis
//! to the innermost; a comma begins a new chain.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::too_complex;
use crate::error::Result;

/// The longest chain: what a stack of 2 MB (a thread of the tests) bears in a debug build.
pub(super) const MAX_CHAIN: usize = 1000;

/// Whether the token can make the tree deeper.
fn deepens(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::CASE
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::OPERATOR
                | Keyword::NOTNULL
                | Keyword::OVERLAPS
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::SELECT
                | Keyword::EXPLAIN
                | Keyword::PREPARE
                | Keyword::JOIN
        ),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::Placeholder(_)
        | Token::Period
        | Token::EOF => false,
        _ => true,
    }
}

/// Refuses a statement that could become too deep.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    // For each open parenthesis: the chain so far, and the longest of the chains before it.
    let mut open: Vec<(usize, usize)> = vec![(0, 0)];
    let mut depth = 0;
    for token in tokens {
        let last = open.len() - 1;
        let (chain, longest) = &mut open[last];
        match token.token {
            Token::LParen | Token::LBracket => {
                *chain += 1;
                depth += 1;
                open.push((0, 0));
            }
            Token::RParen | Token::RBracket if last > 0 => {
                let inner = (*chain).max(*longest);
                depth -= *chain;
                open.pop();
                if let Some((chain, _)) = open.last_mut() {
                    *chain += inner;
                    depth += inner;
                }
            }
            Token::Comma => {
                depth -= *chain;
                *longest = (*longest).max(*chain);
                *chain = 0;
            }
            ref other if deepens(other) => {
                *chain += 1;
                depth += 1;
            }
            _ => {}
        }
        if depth > MAX_CHAIN {
            return Err(too_complex());
        }
    }
    Ok(())
}
