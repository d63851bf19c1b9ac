//! What the binder finds out of the names in a text.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use catalog::{Object, TableDef, TableKind};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};
use types::Oid;

use super::{Names, column_mark, dotted, relation_mark, word};
use crate::bind::Binder;
use crate::expr::{Expr, Node};
use crate::parse::Source;

/// What the names in the text of a query mean.
#[derive(Default)]
pub(crate) struct Notes {
    /// By the place where something begins: where it ends, and what is to stand there.
    replaced: RefCell<BTreeMap<u32, (u32, Vec<Token>)>>,
    /// What stands in the places of `*`.
    stars: RefCell<BTreeMap<u32, Vec<Token>>>,
    /// The names of the columns of each SELECT, those further in first.
    pub(super) targets: RefCell<Vec<Vec<String>>>,
    /// The relations and columns that were named.
    uses: RefCell<Vec<Object>>,
}

impl Notes {
    /// Notes that a relation is named.
    pub(in crate::bind) fn relation(&self, source: &Source, span: Span, table: &TableDef) {
        let users =
            matches!(table.kind, TableKind::Table | TableKind::View | TableKind::Sequence(_));
        let tokens = match users {
            true => vec![word(&relation_mark(table.oid))],
            false => dotted(&[&table.schema, &table.name]),
        };
        if users {
            self.uses.borrow_mut().push(Object::relation(table.oid));
        }
        self.put(source, (span.start, span.end), tokens);
    }

    fn put(&self, source: &Source, (start, end): (Location, Location), tokens: Vec<Token>) {
        self.replaced.borrow_mut().insert(source.place(start), (source.place(end), tokens));
    }

    /// What was used; a relation only if no column of it was.
    pub(super) fn take_uses(&self) -> Vec<Object> {
        let uses = self.uses.take();
        let with_column: HashSet<Oid> =
            uses.iter().filter(|object| object.column != 0).map(|object| object.oid).collect();
        uses.into_iter()
            .filter(|object| object.column != 0 || !with_column.contains(&object.oid))
            .collect()
    }

    /// The tokens with what was noted in the places of names.
    pub(super) fn apply(&self, source: &Source, tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
        let (replaced, stars) = (self.replaced.borrow(), self.stars.borrow());
        let mut out = Vec::with_capacity(tokens.len());
        let mut skipped_to = 0;
        for token in tokens {
            let place = source.place(token.span.start);
            if place < skipped_to {
                continue;
            }
            let new = match (&token.token, stars.get(&place), replaced.get(&place)) {
                (Token::Mul, Some(columns), _) => columns,
                (Token::Mul, None, _) | (_, _, None) => {
                    out.push(token.clone());
                    continue;
                }
                (_, _, Some((end, new))) => {
                    skipped_to = *end;
                    new
                }
            };
            out.extend(new.iter().map(|token| TokenWithSpan::wrap(token.clone())));
        }
        out
    }
}

impl Binder<'_> {
    /// How a column stands in a kept text.
    fn reference(&self, index: usize) -> Vec<Token> {
        let scope = &self.scope;
        let alias = scope.hidden.as_ref().and(scope.table.as_deref());
        match scope.columns.get(index) {
            Some(column) => match (column.origin, alias.or(scope.table.as_deref())) {
                (Some((oid, place)), _) => {
                    let mark = column_mark(oid, place);
                    dotted(&alias.into_iter().chain([mark.as_str()]).collect::<Vec<_>>())
                }
                (None, Some(table)) => dotted(&[table, &column.name]),
                (None, None) => dotted(&[&column.name]),
            },
            None => {
                let names = scope.names();
                let name = names.get(index).map_or("", String::as_str);
                dotted(&alias.into_iter().chain([name]).collect::<Vec<_>>())
            }
        }
    }

    fn note_use(&self, notes: &Notes, index: usize) {
        if let Some((oid, place)) = self.scope.columns.get(index).and_then(|column| column.origin) {
            notes.uses.borrow_mut().push(Object::column(oid, place));
        }
    }

    /// Notes that a column is named from one place to another.
    pub(in crate::bind) fn note_column(&self, column: &Expr, first: Span, last: Span) {
        if let (Names::Noted(notes), Node::Column(index)) = (self.names, &column.node) {
            notes.put(self.source, (first.start, last.end), self.reference(*index));
            self.note_use(notes, *index);
        }
    }

    /// Notes that a column of the result is named.
    pub(in crate::bind) fn note_number(&self, span: Span, number: usize) {
        if let Names::Noted(notes) = self.names {
            let number = Token::Number(number.to_string(), false);
            notes.put(self.source, (span.start, span.end), vec![number]);
        }
    }

    /// Notes `*`, or `t.*`, which begins at `table`.
    pub(in crate::bind) fn note_star(&self, table: Option<Span>, star: Span) {
        let Names::Noted(notes) = self.names else { return };
        let mut tokens = Vec::new();
        for (index, _) in self.scope.columns.iter().enumerate().filter(|(_, c)| !c.dropped) {
            if !tokens.is_empty() {
                tokens.push(Token::Comma);
            }
            tokens.extend(self.reference(index));
            self.note_use(notes, index);
        }
        match table {
            Some(table) => notes.put(self.source, (table.start, star.end), tokens),
            None => drop(notes.stars.borrow_mut().insert(self.source.place(star.start), tokens)),
        }
    }

    /// Notes the names of the columns of a SELECT.
    pub(in crate::bind) fn note_targets(&self, names: impl Iterator<Item = String>) {
        if let Names::Noted(notes) = self.names {
            notes.targets.borrow_mut().push(names.collect());
        }
    }
}
