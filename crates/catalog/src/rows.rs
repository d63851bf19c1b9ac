//! What stands in the rows of the system tables: from definitions to rows, and the texts in which
//! lists of columns stand in one value.

use access::tuple;
use types::{Datum, Oid, RelFileNumber, Xid};

use crate::definition::{
    ColumnDef, ConstraintDef, ConstraintKind, IndexColumn, IndexDef, ReferentialAction,
    SequenceDef, TableDef, TableKind,
};
use crate::kinds;
use crate::system::{PG_ATTRIBUTE, PG_CLASS, PG_CONSTRAINT, PG_INDEX, PG_SEQUENCE, SystemTable};

/// A row, and the system table that it belongs into.
pub(crate) type SystemRow = (&'static SystemTable, Vec<Datum>);

/// Where columns stand in a row of `pg_attribute`.
pub(crate) mod attribute {
    pub const NAME: usize = 1;
    pub const NUMBER: usize = 4;
    pub const NOT_NULL: usize = 5;
    pub const HAS_DEFAULT: usize = 6;
    pub const IS_DROPPED: usize = 7;
    pub const HAS_MISSING: usize = 8;
    pub const IDENTITY: usize = 10;
}

/// Where columns stand in a row of `pg_class`.
pub(crate) mod class {
    pub const RELFILENODE: usize = 3;
    pub const RELNATTS: usize = 5;
    pub const RELFROZENXID: usize = 6;
    pub const RELHASINDEX: usize = 7;
    pub const RELPAGES: usize = 8;
    pub const RELTUPLES: usize = 9;
    pub const RELOPTIONS: usize = 10;
    pub const RELALLVISIBLE: usize = 11;
}

/// Where columns stand in a row of `pg_constraint`.
pub(crate) mod constraint {
    pub const NAME: usize = 1;
    pub const RELATION: usize = 4;
    pub const FOREIGN_RELATION: usize = 6;
    pub const EXPRESSION: usize = 13;
}

const DESCENDING: u8 = 1;
const NULLS_FIRST: u8 = 2;

pub(crate) fn number(relfile: RelFileNumber) -> i64 {
    i64::try_from(relfile.0).expect("numbers are handed out one by one")
}

fn text(text: impl Into<String>) -> Datum {
    Datum::Text(text.into())
}

/// The number of a column, which counts from 1.
pub(crate) fn attnum(column: usize) -> i16 {
    i16::try_from(column + 1).expect("tables have fewer columns")
}

/// Positions of columns as their numbers: `1 3`.
fn numbers(columns: impl Iterator<Item = usize>) -> Datum {
    let numbers: Vec<String> = columns.map(|column| attnum(column).to_string()).collect();
    Datum::Text(numbers.join(" "))
}

/// The positions that [`numbers`] wrote.
pub(crate) fn positions(text: &str) -> Option<Vec<usize>> {
    text.split_ascii_whitespace()
        .map(|number| number.parse::<usize>().ok()?.checked_sub(1))
        .collect()
}

/// The order of an index's columns as `indoption` has it.
fn options(columns: &[IndexColumn]) -> Datum {
    let options = columns.iter().map(|column| {
        let descending = if column.descending { DESCENDING } else { 0 };
        let nulls_first = if column.nulls_first { NULLS_FIRST } else { 0 };
        (descending | nulls_first).to_string()
    });
    Datum::Text(options.collect::<Vec<_>>().join(" "))
}

/// What [`options`] wrote: for each column whether it descends, and whether NULLs come first.
pub(crate) fn orders(text: &str) -> Option<Vec<(bool, bool)>> {
    let order = |option: &str| match option.parse::<u8>().ok()? {
        option @ 0..=3 => Some((option & DESCENDING != 0, option & NULLS_FIRST != 0)),
        _ => None,
    };
    text.split_ascii_whitespace().map(order).collect()
}

impl ConstraintKind {
    /// The letter in `contype`.
    pub fn letter(self) -> char {
        match self {
            ConstraintKind::PrimaryKey => 'p',
            ConstraintKind::Unique => 'u',
            ConstraintKind::Check => 'c',
            ConstraintKind::ForeignKey => 'f',
        }
    }

    pub(crate) fn of_letter(letter: char) -> Option<ConstraintKind> {
        Some(match letter {
            'p' => ConstraintKind::PrimaryKey,
            'u' => ConstraintKind::Unique,
            'c' => ConstraintKind::Check,
            'f' => ConstraintKind::ForeignKey,
            _ => return None,
        })
    }
}

impl ReferentialAction {
    /// The letter in `confupdtype` and `confdeltype`.
    pub fn letter(self) -> char {
        match self {
            ReferentialAction::NoAction => 'a',
            ReferentialAction::Restrict => 'r',
            ReferentialAction::Cascade => 'c',
            ReferentialAction::SetNull => 'n',
            ReferentialAction::SetDefault => 'd',
        }
    }

    pub(crate) fn of_letter(letter: char) -> Option<ReferentialAction> {
        Some(match letter {
            'a' => ReferentialAction::NoAction,
            'r' => ReferentialAction::Restrict,
            'c' => ReferentialAction::Cascade,
            'n' => ReferentialAction::SetNull,
            'd' => ReferentialAction::SetDefault,
            _ => return None,
        })
    }
}

/// The rows that describe a relation, but for its defaults, indexes and constraints.
pub(crate) fn rows_of(table: &TableDef, frozen: Xid) -> Vec<SystemRow> {
    let TableDef { oid: Oid(oid), columns, .. } = table;
    let kind = match table.kind {
        TableKind::Index(_) => "i",
        TableKind::View => "v",
        TableKind::Sequence(_) => "S",
        _ => "r",
    };
    let mut rows = vec![(
        &PG_CLASS,
        vec![
            Datum::Oid(*oid),
            text(table.name.clone()),
            Datum::Oid(table.namespace.0),
            Datum::Int8(number(table.relfile)),
            text(kind),
            Datum::Int2(columns.len() as i16),
            Datum::Int8(i64::try_from(frozen.0).unwrap_or(i64::MAX)),
            Datum::Bool(!table.indexes.is_empty()),
            Datum::Int4(i32::try_from(table.counted.pages).unwrap_or(i32::MAX)),
            Datum::Float4(table.counted.tuples),
            text(table.options.clone()),
            Datum::Int4(0),
        ],
    )];
    for (index, column) in columns.iter().enumerate() {
        rows.push((&PG_ATTRIBUTE, attribute_row(table.oid, index, column)));
    }
    if let TableKind::Sequence(sequence) = &table.kind {
        rows.push((&PG_SEQUENCE, sequence_row(table.oid, sequence)));
    }
    rows
}

/// The row of `pg_attribute` for a column.
pub(crate) fn attribute_row(relation: Oid, index: usize, column: &ColumnDef) -> Vec<Datum> {
    let missing = stored_value(&column.missing, column);
    vec![
        Datum::Oid(relation.0),
        text(column.name.clone()),
        Datum::Oid(kinds::type_oid(column.ty).0),
        Datum::Int4(kinds::type_modifier(column.ty)),
        Datum::Int2(attnum(index)),
        Datum::Bool(column.not_null),
        Datum::Bool(column.default.is_some()),
        Datum::Bool(column.dropped),
        Datum::Bool(missing.is_some()),
        Datum::Bytea(missing.unwrap_or_default()),
        text(identity_letter(column.identity.map(|identity| identity.always))),
    ]
}

/// What `attidentity` has: whether the column is GENERATED ALWAYS, if it is an identity column.
pub(crate) fn identity_letter(always: Option<bool>) -> &'static str {
    match always {
        Some(true) => "a",
        Some(false) => "d",
        None => "",
    }
}

/// The row of `pg_sequence`.
pub(crate) fn sequence_row(relation: Oid, sequence: &SequenceDef) -> Vec<Datum> {
    let SequenceDef { ty, start, numbering } = *sequence;
    vec![
        Datum::Oid(relation.0),
        Datum::Oid(kinds::type_oid(ty).0),
        Datum::Int8(start),
        Datum::Int8(numbering.increment),
        Datum::Int8(numbering.max),
        Datum::Int8(numbering.min),
        Datum::Int8(numbering.cache),
        Datum::Bool(numbering.cycle),
    ]
}

/// A row version with that one value; `None` for NULL, and for what cannot be stored.
fn stored_value(value: &Datum, column: &ColumnDef) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if value.is_null() {
        return None;
    }
    tuple::encode_into(std::slice::from_ref(value), &[column.ty], &mut bytes).ok()?;
    Some(bytes)
}

/// The row of `pg_index`.
pub(crate) fn row_of_index(table: Oid, index: &IndexDef) -> SystemRow {
    let row = vec![
        Datum::Oid(index.oid.0),
        Datum::Oid(table.0),
        Datum::Int2(index.columns.len() as i16),
        Datum::Bool(index.unique),
        Datum::Bool(index.primary),
        numbers(index.columns.iter().map(|column| column.column)),
        options(&index.columns),
    ];
    (&PG_INDEX, row)
}

/// The row of `pg_constraint`.
pub(crate) fn row_of_constraint(namespace: Oid, constraint: &ConstraintDef) -> SystemRow {
    // As in PostgreSQL a blank where there is nothing to say.
    let is_foreign = constraint.kind == ConstraintKind::ForeignKey;
    let letter = |letter: char| text(if is_foreign { letter } else { ' ' });
    let row = vec![
        Datum::Oid(constraint.oid.0),
        text(constraint.name.clone()),
        Datum::Oid(namespace.0),
        text(constraint.kind.letter()),
        Datum::Oid(constraint.table.0),
        Datum::Oid(constraint.index.0),
        Datum::Oid(constraint.foreign_table.0),
        letter(constraint.on_update.letter()),
        letter(constraint.on_delete.letter()),
        letter(if constraint.match_full { 'f' } else { 's' }),
        numbers(constraint.columns.iter().copied()),
        numbers(constraint.foreign_columns.iter().copied()),
        numbers(constraint.delete_columns.iter().copied()),
        text(constraint.expression.clone()),
    ];
    (&PG_CONSTRAINT, row)
}

#[cfg(test)]
mod tests {
    use types::ColumnType;

    use super::*;

    #[test]
    fn lists_of_columns_come_back_as_they_were() {
        let Datum::Text(text) = numbers([0, 2, 1599].into_iter()) else { panic!("a text") };
        assert_eq!(text, "1 3 1600");
        assert_eq!(positions(&text), Some(vec![0, 2, 1599]));
        for damaged in ["0", "1 x", "-1", "1,2"] {
            assert_eq!(positions(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn the_order_of_an_index_comes_back_as_it_was() {
        let column = |descending, nulls_first| IndexColumn {
            column: 0,
            ty: ColumnType::Int4,
            descending,
            nulls_first,
        };
        let columns =
            [column(false, false), column(true, true), column(true, false), column(false, true)];
        let Datum::Text(text) = options(&columns) else { panic!("a text") };
        assert_eq!(text, "0 3 1 2");
        let expected = columns.iter().map(|c| (c.descending, c.nulls_first)).collect();
        assert_eq!(orders(&text), Some(expected));
        assert_eq!(orders("4"), None);
    }

    #[test]
    fn letters_of_constraints_lead_back() {
        for letter in ['p', 'u', 'c', 'f'] {
            assert_eq!(ConstraintKind::of_letter(letter).map(ConstraintKind::letter), Some(letter));
        }
        assert_eq!(ConstraintKind::of_letter('x'), None);
    }

    #[test]
    fn letters_of_actions_lead_back() {
        for letter in ['a', 'r', 'c', 'n', 'd'] {
            let action = ReferentialAction::of_letter(letter);
            assert_eq!(action.map(ReferentialAction::letter), Some(letter));
        }
        assert_eq!(ReferentialAction::of_letter(' '), None);
    }
}
