//! The page of a relation and the row versions in it.

use access::tuple::{self, Header};
use buffer::{ItemState, PageAccess, PageBytes, checksum};
use types::{BufferTag, ColumnType, Datum, PAGE_SIZE, RelFileNumber};

/// Shapes of tables that rows are read as: those of system tables, and one of every type.
const SHAPES: &[&[ColumnType]] = &[
    &[ColumnType::Int4, ColumnType::Text],
    &[ColumnType::Oid, ColumnType::Text, ColumnType::Int2],
    &[
        ColumnType::Bool,
        ColumnType::Int2,
        ColumnType::Int4,
        ColumnType::Int8,
        ColumnType::Float4,
        ColumnType::Float8,
        ColumnType::Text,
        ColumnType::Varchar(Some(10)),
        ColumnType::Bpchar(3),
        ColumnType::Bytea,
        ColumnType::Date,
        ColumnType::Timestamp,
        ColumnType::Timestamptz,
        ColumnType::Oid,
        ColumnType::PgLsn,
    ],
    &[],
];

/// Takes the bytes for a page: its header, line pointers and rows are read, rows are decoded, and
/// the page is changed as redo would change it.
pub fn page(data: &[u8]) {
    let Some((mend, rest)) = crate::mode(data) else { return };
    let mut page = PageBytes::default();
    let length = rest.len().min(PAGE_SIZE);
    page.0[..length].copy_from_slice(&rest[..length]);
    let tag = BufferTag::main(RelFileNumber(u64::from(page.flags())), u32::from(page.lower()));
    if mend {
        checksum::set_checksum(tag, &mut page);
        assert!(checksum::verify(tag, &page));
        let elsewhere = BufferTag { block: tag.block ^ 1, ..tag };
        assert!(!checksum::verify(elsewhere, &page) || checksum::is_zero(&page));
    }
    look_at(&page);
    change(page);
}

fn look_at(page: &PageBytes) {
    let _ = (page.lsn(), page.prune_xid(), page.is_new(), page.free_space(), page.fits(100));
    let (start, length) = page.hole_range();
    assert!(usize::from(start) + usize::from(length) <= PAGE_SIZE);
    let mut row = Vec::new();
    for number in 0..=page.item_count().saturating_add(1) {
        let Some(bytes) = page.row(number) else { continue };
        let _ = Header::read(bytes);
        for columns in SHAPES {
            if tuple::decode_into(bytes, columns, None, &mut row).is_ok() {
                assert_eq!(row.len(), columns.len());
                encode_again(&row, columns);
            }
            let wanted: Vec<bool> = (0..columns.len()).map(|column| column % 2 == 0).collect();
            let _ = tuple::decode_into(bytes, columns, Some(&wanted), &mut row);
        }
    }
}

/// What was decoded can be stored, and reads as the same.
fn encode_again(row: &[Datum], columns: &[ColumnType]) {
    let (mut bytes, mut again) = (Vec::new(), Vec::new());
    tuple::encode_into(row, columns, &mut bytes).expect("it came from a row");
    tuple::decode_into(&bytes, columns, None, &mut again).expect("it was just encoded");
    // Compared as text: a float may be no number.
    assert_eq!(format!("{row:?}"), format!("{again:?}"));
}

/// Changes that redo makes. On a page that makes sense, compacting keeps every row.
fn change(mut page: PageBytes) {
    let rows = |page: &PageBytes| -> Vec<(u16, Vec<u8>)> {
        let numbers = 1..=page.item_count();
        numbers.filter_map(|number| Some((number, page.row(number)?.to_vec()))).collect()
    };
    let before = rows(&page);
    let whole = page.is_sane();
    page.compact();
    if whole {
        assert_eq!(rows(&page), before, "compacting changed a row");
    }
    let number = page.next_item();
    if page.put_row(number, b"a row that was added") {
        assert_eq!(page.row(number), Some(&b"a row that was added"[..]));
        assert_eq!(page.item(number).map(|item| item.state), Some(ItemState::Normal));
        page.set_unused(number);
        assert_eq!(page.row(number), None);
    }
    let _ = page.row_mut(1).map(|row| row.len());
    page.compact();
}
