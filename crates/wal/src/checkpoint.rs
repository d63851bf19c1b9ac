//! The log's own records: checkpoints, and images of pages for their own sake.

use types::{Lsn, Oid, RelFileNumber, TimelineId, Xid};
use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::decode::DecodedRecord;
use crate::error::Error;

/// Kinds of records of [`crate::Rmgr::Xlog`].
pub mod kind {
    /// A checkpoint at shutdown: nothing runs, redo starts at the record itself.
    pub const CHECKPOINT_SHUTDOWN: u8 = 0;
    /// A checkpoint of a running server.
    pub const CHECKPOINT_ONLINE: u8 = 1;
    /// Images of pages that changed without a record of their own kind.
    pub const FULL_PAGE_IMAGE: u8 = 2;
    /// Images of pages before a hint is set on them.
    pub const IMAGE_FOR_HINT: u8 = 3;
}

/// What a checkpoint record tells, and what the control file repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where redo starts.
    pub redo: Lsn,
    /// The history it belongs to.
    pub timeline: TimelineId,
    /// No transaction at or behind this id had begun at the redo position.
    pub next_xid: Xid,
    /// No transaction before this id was running.
    pub oldest_running_xid: Xid,
    /// The next object identifier.
    pub next_oid: Oid,
    /// The next relation file number.
    pub next_relfile: RelFileNumber,
    /// When it was made, in microseconds since 2000-01-01 UTC.
    pub time: i64,
    /// Buffers written by it.
    pub buffers_written: u64,
    /// Buffers in all.
    pub buffers_total: u64,
}

/// The fixed part of the record's data; ids of running transactions follow, 8 bytes each.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy)]
#[repr(C)]
pub(crate) struct CheckpointBytes {
    redo: U64,
    next_xid: U64,
    oldest_running_xid: U64,
    next_relfile: U64,
    time: I64,
    buffers_written: U64,
    buffers_total: U64,
    next_oid: U32,
    timeline: U32,
}

impl From<&Checkpoint> for CheckpointBytes {
    fn from(from: &Checkpoint) -> Self {
        CheckpointBytes {
            redo: from.redo.0.into(),
            next_xid: from.next_xid.0.into(),
            oldest_running_xid: from.oldest_running_xid.0.into(),
            next_relfile: from.next_relfile.0.into(),
            time: from.time.into(),
            buffers_written: from.buffers_written.into(),
            buffers_total: from.buffers_total.into(),
            next_oid: from.next_oid.0.into(),
            timeline: from.timeline.0.into(),
        }
    }
}

impl From<&CheckpointBytes> for Checkpoint {
    fn from(from: &CheckpointBytes) -> Self {
        Checkpoint {
            redo: Lsn(from.redo.get()),
            timeline: TimelineId(from.timeline.get()),
            next_xid: Xid(from.next_xid.get()),
            oldest_running_xid: Xid(from.oldest_running_xid.get()),
            next_oid: Oid(from.next_oid.get()),
            next_relfile: RelFileNumber(from.next_relfile.get()),
            time: from.time.get(),
            buffers_written: from.buffers_written.get(),
            buffers_total: from.buffers_total.get(),
        }
    }
}

impl Checkpoint {
    /// The record's data: the fixed part, then the ids of running transactions.
    pub fn encode(&self, running: &[Xid]) -> Vec<u8> {
        let mut bytes = CheckpointBytes::from(self).as_bytes().to_vec();
        running.iter().for_each(|xid| bytes.extend_from_slice(&xid.0.to_le_bytes()));
        bytes
    }

    /// Reads a checkpoint record: it, and the transactions that were running.
    pub fn decode(record: &DecodedRecord) -> Result<(Checkpoint, Vec<Xid>), Error> {
        let (fixed, rest) = CheckpointBytes::read_from_prefix(record.data())
            .map_err(|_| record.invalid("checkpoint record is too short"))?;
        let running = rest.chunks_exact(8);
        if !running.remainder().is_empty() {
            return Err(record.invalid("checkpoint record has a ragged end"));
        }
        let running =
            running.map(|id| Xid(u64::from_le_bytes(id.try_into().expect("8 bytes")))).collect();
        Ok((Checkpoint::from(&fixed), running))
    }
}
