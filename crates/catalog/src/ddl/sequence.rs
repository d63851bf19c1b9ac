//! Sequences: created, changed, and the columns that they belong to.
//!
//! ```text
//!  sequence t_a_seq ──auto──> column a of t          serial, OWNED BY
//!         ^                        ^
//!         └─normal── default ──auto┘
//!  sequence t_b_seq ──internal──> column b of t      GENERATED … AS IDENTITY
//! ```
//!
//! What an ALTER changes beside `pg_sequence`, it changes in a new file: so it is undone with its
//! transaction, though the numbers given are not. Whoever alters a sequence holds SHARE ROW
//! EXCLUSIVE on it, which keeps out those who want numbers of it.

use std::rc::Rc;

use access::{Sequence, storage};
use txn::Transaction;
use types::{ColumnType, Datum, Oid};

use super::depend::{DependKind, Object};
use super::table::check_name;
use crate::catalog::Catalog;
use crate::changes::{is, number, oid};
use crate::definition::{ColumnDef, SequenceDef, TableDef, TableKind};
use crate::error::Error;
use crate::rows::{attnum, attribute, identity_letter, sequence_row};
use crate::system::{PG_ATTRDEF, PG_CLASS, PG_DEPEND, PG_SEQUENCE};

/// A column that a sequence belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The table.
    pub table: Oid,
    /// The position of the column.
    pub column: usize,
    /// Whether it is an identity column.
    pub identity: bool,
}

impl Owner {
    fn object(self) -> Object {
        Object::column(self.table, self.column)
    }
}

impl Catalog {
    /// Creates a sequence that gives `first` first; without a schema in the first of the search
    /// path.
    pub fn create_sequence(
        &self,
        tx: &mut Transaction,
        schema: Option<&str>,
        name: &str,
        sequence: SequenceDef,
        first: i64,
    ) -> Result<Rc<TableDef>, Error> {
        let (namespace, schema) = self.schema_for_creation(tx, schema, name)?;
        check_name(name)?;
        self.claim_name(tx, &schema, name)?;
        let relfile = storage::create(&self.access, tx)?;
        Sequence::new(&self.access, relfile).create(first, false)?;
        let column = |name, ty| ColumnDef { not_null: true, ..ColumnDef::new(name, ty) };
        let columns = vec![
            column("last_value", ColumnType::Int8),
            column("log_cnt", ColumnType::Int8),
            column("is_called", ColumnType::Bool),
        ];
        let kind = TableKind::Sequence(sequence);
        let oid = self.txn().new_oid()?;
        let table = TableDef::new(&schema, name, kind, columns);
        self.add_relation(tx, &TableDef { oid, namespace, relfile, ..table })
    }

    /// Changes how a sequence counts, and has it go on with `restart`, or where it was: the number,
    /// and whether it counts as given.
    pub fn alter_sequence(
        &self,
        tx: &mut Transaction,
        table: &TableDef,
        sequence: SequenceDef,
        restart: Option<(i64, bool)>,
    ) -> Result<(), Error> {
        let (last_value, is_called) = match restart {
            Some(restart) => restart,
            None => {
                let state = Sequence::new(&self.access, table.relfile).state()?;
                (state.last_value, state.is_called)
            }
        };
        let row = sequence_row(table.oid, &sequence);
        self.update_rows(tx, &PG_SEQUENCE, &|row| is(row, 0, table.oid), &mut |old| {
            old.clone_from(&row);
        })?;
        let file = self.give_new_file(tx, table.oid, table.relfile)?;
        Sequence::new(&self.access, file).create(last_value, is_called)?;
        self.changed(tx, table.oid);
        Ok(())
    }

    /// The column that a sequence belongs to.
    pub fn owner_of(&self, tx: &Transaction, sequence: Oid) -> Result<Option<Owner>, Error> {
        let all = self.dependencies(tx)?;
        let owns =
            all.iter().find(|d| d.depender == Object::relation(sequence) && d.is_ownership());
        Ok(owns.and_then(|dependency| {
            let Object { oid, column, .. } = dependency.on;
            let column = usize::try_from(column - 1).ok()?;
            Some(Owner { table: oid, column, identity: dependency.kind == DependKind::Internal })
        }))
    }

    /// The sequences that belong to columns of a table, each with its column.
    pub fn sequences_of(&self, tx: &Transaction, table: Oid) -> Result<Vec<(Oid, Owner)>, Error> {
        let mut found = Vec::new();
        for dependency in self.dependencies(tx)?.iter().filter(|d| d.on.oid == table) {
            if let Ok(column) = usize::try_from(dependency.on.column - 1)
                && dependency.is_ownership()
            {
                let identity = dependency.kind == DependKind::Internal;
                found.push((dependency.depender.oid, Owner { table, column, identity }));
            }
        }
        // Indexes depend on columns, too.
        let sequences = self.rows(tx, &PG_SEQUENCE, &|_| true)?;
        found.retain(|(relation, _)| sequences.iter().any(|row| is(row, 0, *relation)));
        found.sort_by_key(|(sequence, owner)| (owner.column, *sequence));
        Ok(found)
    }

    /// Has a sequence belong to a column, or to none.
    pub fn set_owner(
        &self,
        tx: &mut Transaction,
        sequence: Oid,
        owner: Option<Owner>,
    ) -> Result<(), Error> {
        let depender = Object::relation(sequence);
        let owns = |row: &[Datum]| {
            is(row, 0, depender.class)
                && is(row, 1, sequence)
                && is(row, 3, PG_CLASS.oid)
                && number(row, 5) != 0
        };
        self.delete_rows(tx, &PG_DEPEND, &owns)?;
        if let Some(owner) = owner {
            let kind = if owner.identity { DependKind::Internal } else { DependKind::Auto };
            self.record_dependency(tx, depender, owner.object(), kind)?;
            if owner.identity {
                self.changed(tx, owner.table);
            }
        }
        self.changed(tx, sequence);
        Ok(())
    }

    /// Says whether a column is an identity column, and whether it is one GENERATED ALWAYS.
    pub fn set_identity(
        &self,
        tx: &mut Transaction,
        table: Oid,
        column: usize,
        always: Option<bool>,
    ) -> Result<Rc<TableDef>, Error> {
        self.update_column(tx, table, column, &mut |row| {
            row[attribute::IDENTITY] = Datum::Text(identity_letter(always).to_owned());
        })
    }

    /// Notes which sequences the default of a column takes its values from.
    pub fn default_needs(
        &self,
        tx: &mut Transaction,
        table: Oid,
        column: usize,
        sequences: &[Oid],
    ) -> Result<(), Error> {
        if sequences.is_empty() {
            return Ok(());
        }
        let number_of = i64::from(attnum(column));
        let wanted = |row: &[Datum]| is(row, 1, table) && number(row, 2) == number_of;
        let Some(row) = self.row(tx, &PG_ATTRDEF, &wanted)? else { return Ok(()) };
        let default = Object::default(oid(&row, 0));
        for sequence in sequences {
            let on = Object::relation(*sequence);
            self.record_dependency(tx, default, on, DependKind::Normal)?;
        }
        Ok(())
    }
}
