//! Views: created, replaced, and read.
//!
//! ```text
//!  pg_class v ── pg_attribute: its columns, fixed when it is made
//!      │
//!      ├──────── pg_rewrite: its query, as text in which tables and columns stand by number
//!      └──────── pg_depend: every column and table that the query names
//! ```
//!
//! What the text means is the business of whoever makes it. Since it names nothing that can be
//! renamed, a rename changes nothing here; and since the view depends on each column that it uses,
//! no number can come to mean nothing.
//!
//! A view has no file. A crash leaves the rows of a transaction that did not commit to nobody.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use txn::{Snapshot, Transaction};
use types::{Datum, Oid, RelFileNumber};

use super::depend::{DependKind, Object};
use super::table::{check_column_names, check_name};
use crate::catalog::Catalog;
use crate::changes::{is, number, text};
use crate::definition::{ColumnDef, TableDef, TableKind};
use crate::error::Error;
use crate::rows::{attribute_row, class};
use crate::system::{PG_ATTRIBUTE, PG_CLASS, PG_DEPEND, PG_REWRITE};

/// Bytes of a query in one row of `pg_rewrite`: with the rest of the row they fit in a page.
const PART: usize = 7000;

/// A view that is to be made.
#[derive(Clone, Debug)]
pub struct NewView {
    /// Its columns: names and types.
    pub columns: Vec<ColumnDef>,
    /// Its query.
    pub query: String,
    /// The columns and tables that the query names.
    pub uses: Vec<Object>,
}

impl Catalog {
    /// Creates a view; without a schema in the first of the search path. The transaction has what
    /// the view uses locked.
    pub fn create_view(
        &self,
        tx: &mut Transaction,
        schema: Option<&str>,
        name: &str,
        view: &NewView,
    ) -> Result<Rc<TableDef>, Error> {
        let (namespace, schema) = self.schema_for_creation(tx, schema, name)?;
        check_name(name)?;
        check_column_names(&view.columns)?;
        self.claim_name(tx, &schema, name)?;
        let table = TableDef {
            oid: self.txn().new_oid()?,
            namespace,
            relfile: RelFileNumber(0),
            ..TableDef::new(&schema, name, TableKind::View, view.columns.clone())
        };
        // Nobody finds the view before its query is there: this transaction has not ended.
        self.add_rule(tx, table.oid, &view.query)?;
        self.add_uses(tx, table.oid, &view.uses)?;
        self.add_relation(tx, &table)
    }

    /// Gives a view that the transaction has locked `AccessExclusive` another query. It keeps its
    /// columns; others may come behind them.
    pub fn replace_view(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        view: &NewView,
    ) -> Result<Rc<TableDef>, Error> {
        check_column_names(&view.columns)?;
        for (index, column) in view.columns.iter().enumerate().skip(table.columns.len()) {
            self.insert_row(tx, &PG_ATTRIBUTE, &attribute_row(table.oid, index, column))?;
        }
        self.update_rows(tx, &PG_CLASS, &|row| is(row, 0, table.oid), &mut |row| {
            row[class::RELNATTS] = Datum::Int2(view.columns.len() as i16);
        })?;
        self.delete_rows(tx, &PG_REWRITE, &|row| is(row, 2, table.oid))?;
        self.delete_rows(tx, &PG_DEPEND, &|row| {
            is(row, 0, PG_CLASS.oid) && is(row, 1, table.oid) && is(row, 3, PG_CLASS.oid)
        })?;
        self.add_rule(tx, table.oid, &view.query)?;
        self.add_uses(tx, table.oid, &view.uses)?;
        self.changed(tx, table.oid);
        self.again(tx, table.oid)
    }

    fn add_rule(&self, tx: &mut Transaction, view: Oid, query: &str) -> Result<(), Error> {
        let rule = self.txn().new_oid()?;
        for (part, piece) in (0..).zip(pieces(query)) {
            let row = [
                Datum::Oid(rule.0),
                Datum::Text("_RETURN".to_owned()),
                Datum::Oid(view.0),
                Datum::Text("1".to_owned()),
                Datum::Int2(part),
                Datum::Text(piece.to_owned()),
            ];
            self.insert_row(tx, &PG_REWRITE, &row)?;
        }
        Ok(())
    }

    fn add_uses(&self, tx: &mut Transaction, view: Oid, uses: &[Object]) -> Result<(), Error> {
        let mut seen = HashSet::new();
        for on in uses.iter().filter(|on| seen.insert(**on)) {
            self.record_dependency(tx, Object::relation(view), *on, DependKind::Normal)?;
        }
        Ok(())
    }

    /// The query of a view.
    pub(crate) fn read_view(&self, snapshot: &Snapshot, view: Oid) -> Result<String, Error> {
        let mut parts = BTreeMap::new();
        self.scan(&PG_REWRITE, snapshot, &mut |_, row| {
            if is(row, 2, view) {
                parts.insert(number(row, 4), text(row, 5).to_owned());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let whole = parts.keys().copied().eq(0..parts.len() as i64);
        if parts.is_empty() || !whole {
            let why = "pg_rewrite does not have all of its query";
            return Err(Error::Damaged { relation: view, why });
        }
        Ok(parts.into_values().collect())
    }
}

/// A text in pieces that rows can hold, none of them empty but that of an empty text.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > PART {
        let mut end = PART;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, behind) = rest.split_at(end);
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_between_characters() {
        let text = format!("x{}", "ä".repeat(PART));
        let cut = pieces(&text);
        assert_eq!(cut.len(), 3);
        assert!(cut.iter().all(|piece| piece.len() <= PART));
        assert_eq!(cut.concat(), text);
        assert_eq!(pieces(""), [""]);
    }
}
