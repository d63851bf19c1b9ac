//! What reading costs, by PostgreSQL's formulas and with its default constants: a page read in order
//! costs 1.

use catalog::{Counted, TableDef};
use types::ColumnType;

use crate::expr::{Expr, Node};

const SEQ_PAGE_COST: f64 = 1.0;
const RANDOM_PAGE_COST: f64 = 4.0;
const CPU_TUPLE_COST: f64 = 0.01;
const CPU_INDEX_TUPLE_COST: f64 = 0.005;
pub(crate) const CPU_OPERATOR_COST: f64 = 0.0025;
/// What a path that a setting forbids costs besides.
pub(crate) const DISABLED: f64 = 1.0e10;
/// A table with indexes that nobody has counted is taken for one of so many pages: it is likely to
/// grow.
const PAGES_AT_FIRST: u32 = 10;
/// Bytes of a row version besides its values: header and line pointer.
const TUPLE_OVERHEAD: u32 = 32 + 4;
const PAGE_USABLE: u32 = types::PAGE_SIZE as u32 - 32;

/// The average width of a value of a type, in bytes.
pub(crate) fn width(ty: ColumnType) -> u32 {
    match ty {
        ColumnType::Bool => 1,
        ColumnType::Int2 => 2,
        ColumnType::Int4 | ColumnType::Float4 | ColumnType::Date | ColumnType::Oid => 4,
        ColumnType::Int8
        | ColumnType::Float8
        | ColumnType::Timestamp
        | ColumnType::Timestamptz
        | ColumnType::PgLsn => 8,
        ColumnType::Bpchar(length) if length > 0 => length + 2,
        ColumnType::Varchar(Some(limit)) if limit < 32 => limit + 2,
        ColumnType::Numeric
        | ColumnType::Text
        | ColumnType::Varchar(_)
        | ColumnType::Bpchar(_)
        | ColumnType::Bytea
        | ColumnType::Unknown => 32,
    }
}

/// How many rows of that width so many pages hold.
pub(crate) fn tuples(pages: u32, width: u32) -> f64 {
    let per_page = (PAGE_USABLE / (TUPLE_OVERHEAD + width)).max(1);
    f64::from(pages) * f64::from(per_page)
}

/// The cost of reading a table and computing so many operators for each row.
pub(crate) fn scan(size: Size, operators: usize) -> f64 {
    SEQ_PAGE_COST * size.pages
        + size.tuples * (CPU_TUPLE_COST + CPU_OPERATOR_COST * operators as f64)
}

/// Pages and rows of a relation as they are expected to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    /// Pages.
    pub pages: f64,
    /// Rows.
    pub tuples: f64,
    /// The share of its pages that everybody sees all of.
    pub visible: f64,
}

impl Size {
    /// The size of a table that has so many pages now.
    pub(crate) fn of(table: &TableDef, pages: u32) -> Size {
        let Counted { pages: counted, tuples, all_visible } = table.counted;
        let visible = (f64::from(all_visible) / f64::from(pages.max(1))).min(1.0);
        if counted > 0 && tuples >= 0.0 {
            let pages = f64::from(pages);
            let tuples = (f64::from(tuples) / f64::from(counted) * pages).round();
            return Size { pages, tuples, visible };
        }
        let grows = tuples < 0.0 && !table.indexes.is_empty();
        let pages = if grows { pages.max(PAGES_AT_FIRST) } else { pages };
        let width = table.columns.iter().map(|column| width(column.ty)).sum();
        Size { pages: f64::from(pages), tuples: self::tuples(pages, width), visible }
    }
}

/// What there is to know of a way through an index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexWay {
    /// The table.
    pub table: Size,
    /// Pages of the index.
    pub pages: u32,
    /// Which share of the entries is read.
    pub share: f64,
    /// How many ranges of entries are read.
    pub ranges: f64,
    /// Operators computed for each entry, and for each row.
    pub operators: (usize, usize),
    /// Whether rows on pages that everybody sees all of need not be read.
    pub only: bool,
}

/// The cost of reading rows by an index, until the first row and of all, as if the order of the
/// entries had nothing to do with that of the rows.
pub(crate) fn index_scan(way: &IndexWay) -> (f64, f64) {
    let tuples = way.table.tuples.max(1.0);
    let pages = f64::from(way.pages.max(1));
    let read = (way.share * tuples).clamp(1.0, tuples);
    let index_pages = (read * pages / tuples).ceil().clamp(1.0, pages) + (way.ranges - 1.0);
    let height = (pages.ln() / 200f64.ln()).floor().max(0.0);
    let descent =
        tuples.log2().ceil() * CPU_OPERATOR_COST + (height + 1.0) * 50.0 * CPU_OPERATOR_COST;
    let start = descent * way.ranges;
    let entries = read * (CPU_INDEX_TUPLE_COST + CPU_OPERATOR_COST * way.operators.0 as f64);
    let unseen = if way.only { 1.0 - way.table.visible } else { 1.0 };
    let heap_pages = (pages_fetched(way.table.pages, read) * unseen).ceil();
    let rows = read * (CPU_TUPLE_COST + CPU_OPERATOR_COST * way.operators.1 as f64);
    (start, start + RANDOM_PAGE_COST * (index_pages + heap_pages) + entries + rows)
}

/// How many pages of a table are read for so many rows in no order; after Mackert and Lohman,
/// "Index Scans Using a Finite LRU Buffer", for buffers that hold the table.
fn pages_fetched(pages: f64, rows: f64) -> f64 {
    let pages = pages.max(1.0);
    (2.0 * pages * rows / (2.0 * pages + rows)).min(pages).ceil()
}

/// The cost of sorting so many rows, besides reading them.
pub(crate) fn sort(rows: f64) -> f64 {
    let rows = rows.max(2.0);
    2.0 * CPU_OPERATOR_COST * rows * rows.log2()
}

/// How many operators and functions an expression has.
pub(crate) fn operators(expr: &Expr) -> usize {
    let own = matches!(
        expr.node,
        Node::Call { .. } | Node::InList { .. } | Node::Distinct { .. } | Node::Convert { .. }
    );
    let mut count = usize::from(own);
    expr.for_each_child(&mut |child| count += operators(child));
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(tuples: f64, share: f64) -> IndexWay {
        IndexWay {
            table: Size { pages: tuples / 100.0, tuples, visible: 0.5 },
            pages: (tuples / 300.0) as u32,
            share,
            ranges: 1.0,
            operators: (1, 0),
            only: false,
        }
    }

    #[test]
    fn one_row_is_cheap_by_an_index_and_all_rows_are_not() {
        let (_, one) = index_scan(&way(100_000.0, 1.0 / 100_000.0));
        let (_, all) = index_scan(&way(100_000.0, 1.0));
        let in_order = scan(Size { pages: 1_000.0, tuples: 100_000.0, visible: 1.0 }, 1);
        assert!((8.0..9.5).contains(&one), "{one}");
        assert!(one < in_order && in_order < all, "{one} {in_order} {all}");
    }

    #[test]
    fn only_pages_that_not_everybody_sees_all_of_are_read_for_an_index_only_scan() {
        let (tuples, share) = (100_000.0, 0.1);
        let plain = way(tuples, share);
        let saved = index_scan(&plain).1 - index_scan(&IndexWay { only: true, ..plain }).1;
        let heap = pages_fetched(plain.table.pages, share * tuples);
        assert!((saved - RANDOM_PAGE_COST * (heap / 2.0).floor()).abs() < 1e-6, "{saved} {heap}");
    }

    #[test]
    fn no_more_pages_are_fetched_than_there_are() {
        assert_eq!(pages_fetched(10.0, 1e9), 10.0);
        assert_eq!(pages_fetched(1e6, 1.0), 1.0);
    }
}
