//! Redo of the heap's records: each block by itself, from the record and the page alone.

use buffer::{BufferPool, PageBytes, Redone};
use txn::RowLockMode;
use types::{Fork, TupleId};
use wal::DecodedRecord;

use super::{page, record};
use crate::codec::Fields;
use crate::error::Error;
use crate::vm;

/// Redoes a block of a record. Repeating it does no harm. The blocks of a record are to be redone
/// in their order: for UPDATE the new version's page first.
///
/// [`Redone::Missing`]: the page is not there; legal only if the log drops or cuts off its file
/// later. Errors: the record or the page is damaged.
pub fn redo(pool: &BufferPool, record: &DecodedRecord, number: usize) -> Result<Redone, Error> {
    pool.redo_block(record, number, |page| {
        let done = apply(record, number, page);
        match done {
            Some(true) => Ok(()),
            Some(false) => Err(record.invalid("heap record does not fit its page").into()),
            None => Err(record.invalid("heap record is damaged").into()),
        }
    })
}

/// `None`: the record is damaged. `Some(false)`: the page is not as the record needs it.
fn apply(record: &DecodedRecord, number: usize, page: &mut PageBytes) -> Option<bool> {
    if record.blocks().get(number)?.tag.fork == Fork::Vm {
        return vm::apply(page, record.block_data(number)).then_some(true);
    }
    match record.kind() {
        record::kind::INSERT => insert(record, page),
        record::kind::MULTI_INSERT => multi_insert(record, page),
        record::kind::DELETE => delete(record, page),
        record::kind::UPDATE | record::kind::HOT_UPDATE => update(record, number, page),
        record::kind::PRUNE => prune(record, page),
        record::kind::LOCK => lock(record, page),
        _ => None,
    }
}

fn insert(record: &DecodedRecord, page: &mut PageBytes) -> Option<bool> {
    let main = record::Insert::decode(record.data()).ok()?;
    let version = record::Version::read(record.block_data(0)).ok()?;
    Some(add(record, page, main.offset, main.cid, &version, &mut Vec::new()))
}

fn multi_insert(record: &DecodedRecord, page: &mut PageBytes) -> Option<bool> {
    let cid = Fields(record.data()).u32().ok()?;
    let mut fields = Fields(record.block_data(0));
    let mut tuple = Vec::new();
    while let Some((offset, version)) = record::next_multi(&mut fields).ok()? {
        if !add(record, page, offset, cid, &version, &mut tuple) {
            return Some(false);
        }
    }
    Some(true)
}

fn delete(record: &DecodedRecord, page: &mut PageBytes) -> Option<bool> {
    let main = record::Delete::decode(record.data()).ok()?;
    let place = TupleId { block: record.blocks().first()?.tag.block, offset: main.offset };
    let (strength, more_lockers) = (RowLockMode::Update, false);
    let (xmax, cid) = (record.xid(), main.cid);
    let end = page::End { xmax, cid, next: place, hot: false, strength, more_lockers };
    Some(page::end(page, main.offset, end))
}

fn update(record: &DecodedRecord, number: usize, page: &mut PageBytes) -> Option<bool> {
    let main = record::Update::decode(record.data()).ok()?;
    let next = TupleId { block: record.blocks().first()?.tag.block, offset: main.new_offset };
    if number == 0 {
        let version = record::Version::read(record.block_data(0)).ok()?;
        if !add(record, page, main.new_offset, main.cid, &version, &mut Vec::new()) {
            return Some(false);
        }
    }
    let heap_pages = record.blocks().iter().filter(|block| block.tag.fork == Fork::Main).count();
    let holds_old = number + 1 == heap_pages;
    let hot = record.kind() == record::kind::HOT_UPDATE;
    let record::Hold { strength, more_lockers } = main.hold;
    let end = page::End { xmax: record.xid(), cid: main.cid, next, hot, strength, more_lockers };
    Some(!holds_old || page::end(page, main.old_offset, end))
}

fn lock(record: &DecodedRecord, page: &mut PageBytes) -> Option<bool> {
    let (offset, lock) = record::decode_lock(record.data()).ok()?;
    let place = TupleId { block: record.blocks().first()?.tag.block, offset };
    Some(page::lock(page, place, lock))
}

fn prune(record: &DecodedRecord, page: &mut PageBytes) -> Option<bool> {
    let main = record::Prune::decode(record.data()).ok()?;
    let plan = record::decode_lists(&main, record.block_data(0)).ok()?;
    Some(page::prune(page, &plan))
}

fn add(
    record: &DecodedRecord,
    page: &mut PageBytes,
    offset: u16,
    cid: u32,
    version: &record::Version<'_>,
    tuple: &mut Vec<u8>,
) -> bool {
    let Some(block) = record.blocks().first() else { return false };
    let place = TupleId { block: block.tag.block, offset };
    version.build(record.xid(), cid, place, tuple);
    page::add(page, offset, tuple)
}
