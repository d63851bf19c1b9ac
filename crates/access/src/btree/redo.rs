//! Redo of the B-tree's records: each block by itself, from the record and the page alone.

use buffer::{BufferPool, PageBytes, Redone};
use types::BlockNo;
use wal::DecodedRecord;

use super::apply;
use super::page::{self, Root, flag};
use super::record::{LeftHalf, NewRoot, NewRow, RightHalf, Split, Unlink, kind};
use crate::codec::Fields;
use crate::error::Error;

/// Redoes a block of a record. Repeating it does no harm. The blocks of a record are to be redone
/// in their order.
///
/// [`Redone::Missing`]: the page is not there; legal only if the log drops its file later. Errors:
/// the record or the page is damaged.
pub fn redo(pool: &BufferPool, record: &DecodedRecord, number: usize) -> Result<Redone, Error> {
    pool.redo_block(record, number, |page| match redone(record, number, page) {
        Some(true) => Ok(()),
        Some(false) => Err(record.invalid("B-tree record does not fit its page").into()),
        None => Err(record.invalid("B-tree record is damaged").into()),
    })
}

/// `None`: the record is damaged. `Some(false)`: the page is not as the record needs it.
fn redone(record: &DecodedRecord, number: usize, page: &mut PageBytes) -> Option<bool> {
    match (record.kind(), number) {
        (kind::CREATE, 0) => {
            Some(apply::set_root(page, Root { block: block(record, 1)?, level: 0 }))
        }
        (kind::CREATE, 1) => Some(apply::first_root(page)),
        (kind::INSERT | kind::INSERT_UPPER, 0) => {
            let NewRow { number, row } = NewRow::read(record.block_data(0)).ok()?;
            Some(page.insert_row(number, row))
        }
        (kind::INSERT_UPPER, 1) => Some(apply::complete(page)),
        (kind::SPLIT, _) => split(record, number, page),
        (kind::NEW_ROOT, _) => new_root(record, number, page),
        (kind::DELETE, 0) => {
            let list = record.block_data(0).chunks_exact(2);
            list.remainder().is_empty().then_some(())?;
            Some(page::remove(page, list.map(|two| u16::from_le_bytes([two[0], two[1]]))))
        }
        (kind::HALF_DEAD, 0) => {
            Some(apply::lead_past(page, Fields(record.block_data(0)).u16().ok()?))
        }
        (kind::HALF_DEAD, _) => {
            page::raise(page, flag::HALF_DEAD);
            Some(true)
        }
        (kind::UNLINK, _) => {
            apply::unlink(page, number, &Unlink::read(record.data()).ok()?);
            Some(true)
        }
        _ => None,
    }
}

fn block(record: &DecodedRecord, number: usize) -> Option<BlockNo> {
    Some(record.blocks().get(number)?.tag.block)
}

fn split(record: &DecodedRecord, number: usize, page: &mut PageBytes) -> Option<bool> {
    let Split { has_sibling, at, .. } = Split::read(record.data()).ok()?;
    let right = block(record, 1)?;
    match number {
        0 => Some(apply::split_left(page, &LeftHalf::read(record.block_data(0)).ok()?, right, at)),
        1 => {
            let half = RightHalf::read(record.block_data(1)).ok()?;
            Some(apply::split_right(page, &half, block(record, 0)?, at))
        }
        2 if has_sibling => {
            page::set_left(page, right);
            Some(true)
        }
        _ => Some(apply::complete(page)),
    }
}

fn new_root(record: &DecodedRecord, number: usize, page: &mut PageBytes) -> Option<bool> {
    let NewRoot { level, .. } = NewRoot::read(record.data()).ok()?;
    let root = block(record, 0)?;
    match number {
        0 => {
            let mut fields = Fields(record.block_data(0));
            let (left, right) = (block(record, 1)?, fields.u32().ok()?);
            Some(apply::new_root(page, level, left, right, fields.rest()))
        }
        1 => Some(apply::complete(page)),
        _ => Some(apply::set_root(page, Root { block: root, level })),
    }
}
