//! The control file, `global/pg_control`: where recovery starts and what the server must match.
//!
//! ```text
//! two slots of 4096 bytes; each holds, little-endian
//!   0  magic u64 "MAMONTCF" | 8 format u32 | 12 byte order u32 | 16 sequence u64
//!  24  system u64 | 32 catalog version u32 | 36 state u32 | 40 page size u32
//!  44  segment size u32 | 48 wal_level u32 | 52 max_connections u32
//!  56  max_locks_per_transaction u32 | 60 checksums u32
//!  64  checkpoint u64 | 72 minimum recovery point u64 | 80 backup start u64
//!  88  the last checkpoint's contents, 64 bytes
//! 152  crc u32 over bytes 0..152
//! ```
//!
//! An update goes to the slot that holds the older copy and is synced before anyone relies on it
//! (before any segment of the log is recycled): whatever a power cut leaves of it, the other slot
//! is whole. Only one process writes it at a time: the postmaster at `init`, startup, then the
//! checkpointer.

use std::io;
use std::path::Path;

use sys::fs::{self, File, OpenHow};
use types::{Lsn, PAGE_SIZE, SystemId};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checkpoint::{Checkpoint, CheckpointBytes};
use crate::error::{Error, panic_exit};
use crate::position::SEGMENT_SIZE;

/// Where the control file stands in the data directory.
pub const CONTROL_FILE: &str = "global/pg_control";
/// The version of the control file and of the relation files.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"MAMONTCF";
const BYTE_ORDER: u32 = 0x0102_0304;
const SLOT: usize = 4096;

/// What the server was doing when the control file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ServerState {
    /// Shut down cleanly: no recovery is needed.
    ShutDown = 1,
    /// Recovering from a crash.
    InCrashRecovery = 2,
    /// Running.
    InProduction = 3,
}

impl ServerState {
    /// As `controldata` prints it.
    pub fn name(self) -> &'static str {
        match self {
            ServerState::ShutDown => "shut down",
            ServerState::InCrashRecovery => "in crash recovery",
            ServerState::InProduction => "in production",
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        let all = [ServerState::ShutDown, ServerState::InCrashRecovery, ServerState::InProduction];
        all.into_iter().find(|state| *state as u32 == number)
    }
}

/// The control file's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlFile {
    /// Raised with every update; the higher of two valid slots counts.
    pub sequence: u64,
    /// The database system.
    pub system: SystemId,
    /// The version of the system tables.
    pub catalog_version: u32,
    /// What the server was doing.
    pub state: ServerState,
    /// Whether `wal_level` is `logical` (1) or `replica` (0).
    pub wal_level: u32,
    /// A standby must have at least as many.
    pub max_connections: u32,
    /// A standby must have at least as many.
    pub max_locks_per_transaction: u32,
    /// Whether pages carry checksums.
    pub checksums: bool,
    /// Where the last checkpoint's record starts.
    pub checkpoint_lsn: Lsn,
    /// Recovery must reach at least this position.
    pub minimum_recovery_point: Lsn,
    /// Where a base backup being restored began, or 0/0.
    pub backup_start: Lsn,
    /// What the last checkpoint's record says.
    pub checkpoint: Checkpoint,
}

/// The slot that was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherSlot {
    /// It holds the copy before.
    Good,
    /// It has never been written.
    Unused,
    /// It is damaged, and perhaps it was the newer one. The next update writes it again.
    Damaged(String),
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy)]
#[repr(C)]
struct ControlBytes {
    magic: [u8; 8],
    format: U32,
    byte_order: U32,
    sequence: U64,
    system: U64,
    catalog_version: U32,
    state: U32,
    page_size: U32,
    segment_size: U32,
    wal_level: U32,
    max_connections: U32,
    max_locks_per_transaction: U32,
    checksums: U32,
    checkpoint_lsn: U64,
    minimum_recovery_point: U64,
    backup_start: U64,
    checkpoint: CheckpointBytes,
    crc: U32,
}

const CRC_AT: usize = size_of::<ControlBytes>() - 4;
const _: () = assert!(CRC_AT == 152 && size_of::<ControlBytes>() <= 512, "one sector holds a slot");

impl ControlFile {
    /// Reads the newer valid slot of the data directory's control file.
    pub fn read(data_dir: &Path) -> Result<ControlFile, Error> {
        Ok(ControlFile::read_both(data_dir)?.0)
    }

    /// As [`ControlFile::read`]; also tells of the other slot.
    pub fn read_both(data_dir: &Path) -> Result<(ControlFile, OtherSlot), Error> {
        let path = data_dir.join(CONTROL_FILE);
        let bytes = fs::read_limited(&path, 2 * SLOT)?;
        let damaged = |why: String| Error::ControlFile { path: path.display().to_string(), why };
        let slot = |number: usize| bytes.chunks(SLOT).nth(number).unwrap_or(&[]);
        let other = |number: usize, why: String| match slot(number) {
            // `create` writes one slot only.
            bytes if !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0) => OtherSlot::Unused,
            _ => OtherSlot::Damaged(why),
        };
        match (Self::decode(slot(0)), Self::decode(slot(1))) {
            (Ok(one), Ok(two)) => {
                Ok((if one.sequence > two.sequence { one } else { two }, OtherSlot::Good))
            }
            (Ok(only), Err(why)) => Ok((only, other(1, why))),
            (Err(why), Ok(only)) => Ok((only, other(0, why))),
            (Err(why), Err(second)) if why == second => Err(damaged(why)),
            (Err(why), Err(second)) => Err(damaged(format!("{why}; second copy: {second}"))),
        }
    }

    /// Makes the control file of a new data directory, durably.
    pub fn create(&self, data_dir: &Path) -> Result<(), Error> {
        let mut bytes = vec![0; 2 * SLOT];
        self.encode_into(&mut bytes[self.slot() * SLOT..]);
        Ok(fs::write_durable(&data_dir.join(CONTROL_FILE), &bytes)?)
    }

    /// Raises the sequence, writes the slot that holds the older copy, and syncs it. A failed sync
    /// ends the process.
    pub fn update(&mut self, data_dir: &Path) -> Result<(), Error> {
        self.sequence += 1;
        let mut bytes = vec![0; SLOT];
        self.encode_into(&mut bytes);
        let file = File::open(&data_dir.join(CONTROL_FILE), OpenHow::READ_WRITE)?;
        file.write_all_at(&bytes, (self.slot() * SLOT) as u64)?;
        // After a failed sync nobody knows which slot is durable; a second try could write over
        // the only good one.
        if let Err(error) = file.sync_all() {
            panic_exit("could not sync the control file", &error);
        }
        Ok(())
    }

    fn slot(&self) -> usize {
        (self.sequence % 2) as usize
    }

    fn encode_into(&self, slot: &mut [u8]) {
        let mut bytes = ControlBytes {
            magic: MAGIC,
            format: FORMAT_VERSION.into(),
            byte_order: BYTE_ORDER.into(),
            sequence: self.sequence.into(),
            system: self.system.0.into(),
            catalog_version: self.catalog_version.into(),
            state: (self.state as u32).into(),
            page_size: (PAGE_SIZE as u32).into(),
            segment_size: (SEGMENT_SIZE as u32).into(),
            wal_level: self.wal_level.into(),
            max_connections: self.max_connections.into(),
            max_locks_per_transaction: self.max_locks_per_transaction.into(),
            checksums: u32::from(self.checksums).into(),
            checkpoint_lsn: self.checkpoint_lsn.0.into(),
            minimum_recovery_point: self.minimum_recovery_point.0.into(),
            backup_start: self.backup_start.0.into(),
            checkpoint: CheckpointBytes::from(&self.checkpoint),
            crc: 0.into(),
        };
        bytes.crc = crc32fast::hash(&bytes.as_bytes()[..CRC_AT]).into();
        slot[..size_of::<ControlBytes>()].copy_from_slice(bytes.as_bytes());
    }

    fn decode(slot: &[u8]) -> Result<ControlFile, String> {
        let (bytes, _) = ControlBytes::read_from_prefix(slot)
            .map_err(|_| "control file is cut short".to_owned())?;
        if bytes.magic != MAGIC {
            return Err("control file has no valid magic number".to_owned());
        }
        if bytes.byte_order.get() != BYTE_ORDER {
            return Err("data directory was made on a machine of another byte order".to_owned());
        }
        if bytes.format.get() != FORMAT_VERSION {
            let found = bytes.format.get();
            return Err(format!(
                "data directory has format version {found}, this server needs {FORMAT_VERSION}"
            ));
        }
        if bytes.crc.get() != crc32fast::hash(&bytes.as_bytes()[..CRC_AT]) {
            return Err("control file checksum does not match".to_owned());
        }
        if bytes.page_size.get() != PAGE_SIZE as u32
            || bytes.segment_size.get() != SEGMENT_SIZE as u32
        {
            return Err("data directory has another page or segment size".to_owned());
        }
        Ok(ControlFile {
            sequence: bytes.sequence.get(),
            system: SystemId(bytes.system.get()),
            catalog_version: bytes.catalog_version.get(),
            state: ServerState::from_number(bytes.state.get())
                .ok_or_else(|| format!("control file has unknown state {}", bytes.state.get()))?,
            wal_level: bytes.wal_level.get(),
            max_connections: bytes.max_connections.get(),
            max_locks_per_transaction: bytes.max_locks_per_transaction.get(),
            checksums: bytes.checksums.get() != 0,
            checkpoint_lsn: Lsn(bytes.checkpoint_lsn.get()),
            minimum_recovery_point: Lsn(bytes.minimum_recovery_point.get()),
            backup_start: Lsn(bytes.backup_start.get()),
            checkpoint: Checkpoint::from(&bytes.checkpoint),
        })
    }
}

/// Whether the data directory has a control file at all.
pub fn exists(data_dir: &Path) -> io::Result<bool> {
    match File::open(&data_dir.join(CONTROL_FILE), OpenHow::READ) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
