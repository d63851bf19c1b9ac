//! What a log record says, in words: its name, the pages it changed, and for the log's own
//! records their contents.

use std::fmt::Write;

use wal::checkpoint::kind;
use wal::{Checkpoint, DecodedRecord, Rmgr};

use crate::clock;

/// The name of a kind of record; a number for what this tool does not know.
pub fn kind_name(rmgr: u8, kind: u8) -> String {
    let known = match Rmgr::from_number(rmgr) {
        Some(Rmgr::Xlog) => xlog_name(kind),
        Some(Rmgr::Xact) => txn::record::kind_name(kind),
        Some(Rmgr::Storage) => access::storage::kind::name(kind),
        Some(Rmgr::Heap) => access::heap::kind::name(kind),
        Some(Rmgr::Btree) => access::btree::kind::name(kind),
        Some(Rmgr::Sequence) => access::sequence::kind::name(kind),
        None => "UNKNOWN",
    };
    if known == "UNKNOWN" { format!("KIND {kind}") } else { known.to_owned() }
}

fn xlog_name(kind: u8) -> &'static str {
    match kind {
        kind::CHECKPOINT_SHUTDOWN => "CHECKPOINT_SHUTDOWN",
        kind::CHECKPOINT_ONLINE => "CHECKPOINT_ONLINE",
        kind::FULL_PAGE_IMAGE => "FPI",
        kind::IMAGE_FOR_HINT => "FPI_FOR_HINT",
        _ => "UNKNOWN",
    }
}

/// The name of a resource manager; a number for what this tool does not know.
pub fn rmgr_name(rmgr: u8) -> String {
    Rmgr::from_number(rmgr).map_or_else(|| format!("RMGR {rmgr}"), |known| known.name().to_owned())
}

/// A record as one line.
pub fn line(record: &DecodedRecord) -> String {
    let rmgr = record.rmgr_number();
    let mut text = format!(
        "lsn {:<12} xid {:<8} len {:>5}/{:<5} {:<8} {:<20}",
        record.lsn().to_string(),
        record.xid().0,
        record.length() - image_bytes(record),
        record.length(),
        rmgr_name(rmgr),
        kind_name(rmgr, record.kind()),
    );
    for (index, block) in record.blocks().iter().enumerate() {
        let _ = write!(text, " blk {index}: {}", block.tag);
        if block.will_init {
            text.push_str(" init");
        }
        if block.has_image() {
            let _ = write!(text, " image {}", block.image_length());
        }
        text.push(';');
    }
    let contents = contents(record);
    if !contents.is_empty() {
        let _ = write!(text, " {contents}");
    }
    text.truncate(text.trim_end_matches([';', ' ']).len());
    text
}

/// Bytes of the record that are images of pages.
pub fn image_bytes(record: &DecodedRecord) -> usize {
    record.blocks().iter().map(wal::DecodedBlock::image_length).sum()
}

fn contents(record: &DecodedRecord) -> String {
    let checkpoint = matches!(record.kind(), kind::CHECKPOINT_SHUTDOWN | kind::CHECKPOINT_ONLINE);
    match Rmgr::from_number(record.rmgr_number()) {
        Some(Rmgr::Xlog) if checkpoint => describe_checkpoint(record),
        Some(Rmgr::Xact) => txn::record::describe(record),
        Some(Rmgr::Storage) => match record.data().try_into() {
            Ok(number) => format!("file {}", u64::from_le_bytes(number)),
            Err(_) => String::new(),
        },
        Some(Rmgr::Sequence) => access::sequence::describe(record),
        _ => String::new(),
    }
}

fn describe_checkpoint(record: &DecodedRecord) -> String {
    match Checkpoint::decode(record) {
        Err(error) => error.to_string(),
        Ok((checkpoint, running)) => format!(
            "redo {}; tli {}; next xid {}; oldest running xid {}; next oid {}; next file {}; \
             wrote {} of {} buffers; {}; {} running",
            checkpoint.redo,
            checkpoint.timeline.0,
            checkpoint.next_xid,
            checkpoint.oldest_running_xid,
            checkpoint.next_oid.0,
            checkpoint.next_relfile,
            checkpoint.buffers_written,
            checkpoint.buffers_total,
            clock::timestamp(checkpoint.time),
            running.len(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_room_names_its_kinds_and_unknown_ones_are_numbers() {
        let name = |rmgr: Rmgr, kind| kind_name(rmgr as u8, kind);
        assert_eq!(name(Rmgr::Xlog, kind::FULL_PAGE_IMAGE), "FPI");
        assert_eq!(name(Rmgr::Xact, txn::record::kind::ABORT), "ABORT");
        assert_eq!(name(Rmgr::Storage, access::storage::kind::CREATE), "CREATE");
        assert_eq!(name(Rmgr::Heap, access::heap::kind::PRUNE), "PRUNE");
        assert_eq!(name(Rmgr::Btree, access::btree::kind::SPLIT), "SPLIT");
        assert_eq!(name(Rmgr::Sequence, access::sequence::kind::LOG), "LOG");
        assert_eq!(name(Rmgr::Heap, 200), "KIND 200");
        assert_eq!((kind_name(99, 1), rmgr_name(99)), ("KIND 1".into(), "RMGR 99".into()));
    }
}
