//! The journal: every change of the file system in the one order in which the processes saw it. It
//! begins with the initial content, up to [`Change::Start`], which is durable.
//!
//! ```text
//!   record:  | kind | time | a | b | c | length | length | bytes | bytes |     all numbers u64 LE
//!
//!   kind              a          b            c                 bytes      bytes
//!   0 New             inode      mode         owner
//!   1 Add             directory  1 if created inode             name
//!   2 Delete          directory               inode             name
//!   3 Move            from       to           inode             old name   new name
//!   4 Write           inode      offset                         data
//!   5 Truncate        inode      size
//!   6 Attributes      inode      mode         owner
//!   7 SyncBegin       inode      number       1 if fdatasync
//!   8 SyncEnd         inode      number
//!   9 SyncFail        inode
//!  10 Start
//! ```
//!
//! A recorder that dies leaves its last record cut short: the reader takes that for the end.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Write};
use std::path::Path;

/// No file of the recording file system may be longer: its content lies in memory.
pub const FILE_BYTES_MAX: u64 = 16 << 30;
/// No record carries more bytes than a write of the kernel's protocol does, by far.
const RECORD_BYTES_MAX: u64 = 16 << 20;
const HEADER_BYTES: u64 = 7 * 8;

/// A name or data: borrowed from a request on its way into the journal, owned on its way out.
pub type Bytes<'a> = Cow<'a, [u8]>;

/// One change. An owner is the user's id, shifted left by 32 bits, and the group's.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields stand in the table at the head")]
pub enum Change<'a> {
    /// An inode appears.
    New { inode: u64, mode: u32, owner: u64 },
    /// It gets a name: create, mkdir, symlink; or one more: link.
    Add { directory: u64, name: Bytes<'a>, inode: u64, created: bool },
    /// It loses a name: unlink, rmdir.
    Delete { directory: u64, name: Bytes<'a>, inode: u64 },
    /// A name moves, and replaces what had the new name: rename.
    Move { from: u64, to: u64, inode: u64, old_name: Bytes<'a>, new_name: Bytes<'a> },
    /// Bytes are written; of a symbolic link: its target.
    Write { inode: u64, offset: u64, data: Bytes<'a> },
    /// The length changes: ftruncate, fallocate.
    Truncate { inode: u64, size: u64 },
    /// The mode or the owner changes.
    Attributes { inode: u64, mode: u32, owner: u64 },
    /// An fsync comes.
    SyncBegin { inode: u64, number: u64, data_only: bool },
    /// It is answered: what stands before its beginning is durable now.
    SyncEnd { inode: u64, number: u64 },
    /// An fsync failed; what was pending is on disk or is not, and counts as clean.
    SyncFail { inode: u64 },
    /// The initial content ends here; all of it is durable.
    Start,
}

/// A change and its moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// CLOCK_MONOTONIC in nanoseconds, a clock that all processes of a machine share.
    pub time_ns: u64,
    /// What happened.
    pub change: Change<'a>,
}

impl Record<'_> {
    /// Appends the record.
    pub fn write_to(&self, journal: &mut impl Write) -> Result<()> {
        let (kind, [a, b, c], first, second) = self.change.parts();
        let lengths = [first.len() as u64, second.len() as u64];
        let mut header = [0; HEADER_BYTES as usize];
        let numbers = [kind, self.time_ns, a, b, c, lengths[0], lengths[1]];
        for (field, number) in header.chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        journal.write_all(&header)?;
        journal.write_all(first)?;
        journal.write_all(second)
    }
}

impl Change<'_> {
    /// The fields in the order of the table at the head.
    fn parts(&self) -> (u64, [u64; 3], &[u8], &[u8]) {
        use Change::*;
        match self {
            New { inode, mode, owner } => (0, [*inode, u64::from(*mode), *owner], b"", b""),
            Add { directory, name, inode, created } => {
                (1, [*directory, u64::from(*created), *inode], name, b"")
            }
            Delete { directory, name, inode } => (2, [*directory, 0, *inode], name, b""),
            Move { from, to, inode, old_name, new_name } => {
                (3, [*from, *to, *inode], old_name, new_name)
            }
            Write { inode, offset, data } => (4, [*inode, *offset, 0], data, b""),
            Truncate { inode, size } => (5, [*inode, *size, 0], b"", b""),
            Attributes { inode, mode, owner } => (6, [*inode, u64::from(*mode), *owner], b"", b""),
            SyncBegin { inode, number, data_only } => {
                (7, [*inode, *number, u64::from(*data_only)], b"", b"")
            }
            SyncEnd { inode, number } => (8, [*inode, *number, 0], b"", b""),
            SyncFail { inode } => (9, [*inode, 0, 0], b"", b""),
            Start => (10, [0; 3], b"", b""),
        }
    }

    fn from_parts(kind: u64, fields: [u64; 3], first: Vec<u8>, second: Vec<u8>) -> Option<Self> {
        let ([a, b, c], first) = (fields, Cow::Owned(first));
        Some(match kind {
            0 => Change::New { inode: a, mode: b as u32, owner: c },
            1 => Change::Add { directory: a, name: first, inode: c, created: b == 1 },
            2 => Change::Delete { directory: a, name: first, inode: c },
            3 => {
                let (old_name, new_name) = (first, Cow::Owned(second));
                Change::Move { from: a, to: b, inode: c, old_name, new_name }
            }
            4 if b <= FILE_BYTES_MAX => Change::Write { inode: a, offset: b, data: first },
            5 if b <= FILE_BYTES_MAX => Change::Truncate { inode: a, size: b },
            6 => Change::Attributes { inode: a, mode: b as u32, owner: c },
            7 => Change::SyncBegin { inode: a, number: b, data_only: c == 1 },
            8 => Change::SyncEnd { inode: a, number: b },
            9 => Change::SyncFail { inode: a },
            10 => Change::Start,
            _ => return None,
        })
    }
}

/// What the counting pass needs to know of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The initial content ends.
    Start,
    /// An fsync completes.
    SyncEnd,
    /// Something else.
    Other,
}

/// Reads a journal from its beginning.
pub struct Reader {
    file: BufReader<File>,
    /// The bytes that are left of the file.
    left: u64,
}

struct Header {
    numbers: [u64; 5],
    lengths: [u64; 2],
}

impl Reader {
    /// Opens the journal.
    pub fn open(path: &Path) -> Result<Reader> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        Ok(Reader { file: BufReader::with_capacity(1 << 18, file), left })
    }

    /// The next record; none at the end, which may be a record cut short.
    pub fn record(&mut self) -> Result<Option<Record<'static>>> {
        let Some(Header { numbers, lengths }) = self.header()? else { return Ok(None) };
        let [kind, time_ns, a, b, c] = numbers;
        let (first, second) = (self.bytes(lengths[0])?, self.bytes(lengths[1])?);
        let change = Change::from_parts(kind, [a, b, c], first, second).ok_or_else(foreign)?;
        Ok(Some(Record { time_ns, change }))
    }

    /// Passes over the next record without reading what it carries.
    pub fn skip(&mut self) -> Result<Option<Kind>> {
        let Some(Header { numbers, lengths }) = self.header()? else { return Ok(None) };
        self.file.seek_relative((lengths[0] + lengths[1]) as i64)?;
        Ok(Some(match numbers[0] {
            10 => Kind::Start,
            8 => Kind::SyncEnd,
            _ => Kind::Other,
        }))
    }

    /// The header of a record that is there to its end.
    fn header(&mut self) -> Result<Option<Header>> {
        if self.left < HEADER_BYTES {
            return Ok(None);
        }
        let mut bytes = [[0u8; 8]; 7];
        self.file.read_exact(bytes.as_flattened_mut())?;
        let [kind, time_ns, a, b, c, first, second] = bytes.map(u64::from_le_bytes);
        if first > RECORD_BYTES_MAX || second > RECORD_BYTES_MAX {
            return Err(foreign());
        }
        let whole = HEADER_BYTES + first + second;
        if self.left < whole {
            return Ok(None);
        }
        self.left -= whole;
        Ok(Some(Header { numbers: [kind, time_ns, a, b, c], lengths: [first, second] }))
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn foreign() -> Error {
    Error::new(ErrorKind::InvalidData, "this is no journal of powercut")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Bytes<'static> {
        Cow::Owned(text.as_bytes().to_vec())
    }

    fn one_of_each() -> Vec<Change<'static>> {
        use Change::*;
        vec![
            New { inode: 1, mode: 0o40755, owner: 7 << 32 | 8 },
            Add { directory: 1, name: name("a"), inode: 2, created: true },
            Delete { directory: 1, name: name("b"), inode: 3 },
            Move { from: 1, to: 4, inode: 2, old_name: name("a"), new_name: name("c") },
            Write { inode: 2, offset: 9, data: name("data") },
            Truncate { inode: 2, size: 5 },
            Attributes { inode: 2, mode: 0o100600, owner: 1 },
            SyncBegin { inode: 2, number: 1, data_only: true },
            SyncEnd { inode: 2, number: 1 },
            SyncFail { inode: 2 },
            Start,
        ]
    }

    fn file_with(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a new file");
        std::fs::write(file.path(), bytes).expect("it can be written");
        file
    }

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        for (time_ns, change) in (1..).zip(one_of_each()) {
            Record { time_ns, change }.write_to(&mut bytes).expect("memory takes it");
        }
        bytes
    }

    #[test]
    fn every_change_comes_back_and_a_record_cut_short_is_the_end() {
        let bytes = written();
        for cut in [bytes.len(), bytes.len() - 1] {
            let file = file_with(&bytes[..cut]);
            let mut reader = Reader::open(file.path()).expect("it is there");
            let mut found = Vec::new();
            while let Some(record) = reader.record().expect("it is a journal") {
                found.push(record.change);
            }
            let there = one_of_each().len() - usize::from(cut < bytes.len());
            assert_eq!(found, one_of_each()[..there]);
        }
    }

    #[test]
    fn skipping_finds_the_same_records() {
        let file = file_with(&written());
        let mut reader = Reader::open(file.path()).expect("it is there");
        let mut kinds = Vec::new();
        while let Some(kind) = reader.skip().expect("it is a journal") {
            kinds.push(kind);
        }
        assert_eq!(kinds.len(), one_of_each().len());
        assert_eq!((kinds[8], kinds[9], kinds[10]), (Kind::SyncEnd, Kind::Other, Kind::Start));
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let file = file_with(&[0xEE; 200]);
        let mut reader = Reader::open(file.path()).expect("it is there");
        assert_eq!(reader.record().expect_err("no journal").kind(), ErrorKind::InvalidData);
    }
}
