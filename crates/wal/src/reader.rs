//! Reading the log: record after record, each checked before anything in it is believed.
//!
//! The end of the log is the first record that is not valid; [`WalReader::end`] tells where and
//! why, and whether a crash can have left it so. A crash leaves a page empty, torn, or of the older
//! life of a recycled segment. It does not leave a segment missing or cut short, since each is made
//! whole and durable before the log comes near it; nor one of another system, or of a later place.
//! An error is something else: the disk failed, or a record whose checksum is right makes no
//! sense.

use std::path::{Path, PathBuf};

use sys::fs::{File, OpenHow};
use types::{Lsn, SystemId, TimelineId};

use crate::decode::DecodedRecord;
use crate::error::Error;
use crate::page::PageHeader;
use crate::position::{self, PAGE, SEGMENT_SIZE};
use crate::record::{self, MAX_RECORD, RECORD_HEADER};

/// Bytes read from the file at once.
const CHUNK: u64 = 16 * PAGE;

/// Where the log ends, and why nothing valid follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOfLog {
    /// The end of the last valid record.
    pub lsn: Lsn,
    /// What was found there instead of a record.
    pub why: String,
    /// The segment in which that was found.
    pub segment: u64,
    /// No crash leaves the log like this: it is damaged.
    pub impossible: bool,
}

/// Reads records one after the other.
pub struct WalReader {
    dir: PathBuf,
    timeline: TimelineId,
    system: SystemId,
    /// The end of the last valid record.
    at: Lsn,
    end: Option<EndOfLog>,
    file: Option<(u64, File)>,
    chunk: Vec<u8>,
    chunk_start: u64,
    /// The page whose header was checked last.
    checked: Option<PageHeader>,
}

/// Why a record can't be read: the log ends here, or something failed.
enum Stop {
    End { why: String, segment: u64, impossible: bool },
    Failed(Error),
}

impl Stop {
    /// The log ends, as it may, at the byte `at`.
    fn end(at: u64, why: impl Into<String>) -> Stop {
        Stop::End { why: why.into(), segment: at / SEGMENT_SIZE, impossible: false }
    }

    /// The log ends where it cannot.
    fn impossible(segment: u64, why: impl Into<String>) -> Stop {
        Stop::End { why: why.into(), segment, impossible: true }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Stop::Failed(Error::Io(error))
    }
}

impl WalReader {
    /// Reads the log in the folder `dir` from `start`, which is where a record starts.
    pub fn new(dir: &Path, timeline: TimelineId, system: SystemId, start: Lsn) -> Self {
        WalReader {
            dir: dir.to_owned(),
            timeline,
            system,
            at: start,
            end: None,
            file: None,
            chunk: Vec::new(),
            chunk_start: 0,
            checked: None,
        }
    }

    /// Reads the next record into `into`; `false` at the end of the log.
    pub fn read(&mut self, into: &mut DecodedRecord) -> Result<bool, Error> {
        if self.end.is_some() {
            return Ok(false);
        }
        match self.try_read(into) {
            Ok(()) => {
                self.at = into.end;
                into.parse()?;
                Ok(true)
            }
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::End { why, segment, impossible }) => {
                self.end = Some(EndOfLog { lsn: self.at, why, segment, impossible });
                Ok(false)
            }
        }
    }

    /// The end of the last record read, or where reading started.
    pub fn position(&self) -> Lsn {
        self.at
    }

    /// The end of the log, once it has been reached.
    pub fn end(&self) -> Option<&EndOfLog> {
        self.end.as_ref()
    }

    /// The first record that starts in or after the page that holds `lsn`, for tools that start
    /// anywhere: `None` if the page is not valid.
    pub fn first_record_from(&mut self, lsn: Lsn) -> Result<Option<Lsn>, Error> {
        let mut page = position::page_start(lsn);
        loop {
            let header = match self.enter_page(page) {
                Ok(header) => header,
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::End { .. }) => return Ok(None),
            };
            let first =
                position::usable(Lsn(page)) + position::aligned(u64::from(header.remaining));
            let start = position::start_lsn(first);
            if start.0 < page + PAGE {
                return Ok(Some(start));
            }
            page += PAGE;
        }
    }

    fn try_read(&mut self, into: &mut DecodedRecord) -> Result<(), Stop> {
        let start = position::record_start_at(self.at);
        let mut header = [0; RECORD_HEADER];
        let mut stream = Stream { at: start.0, left: None };
        self.enter_page(position::page_start(start))?;
        self.copy(&mut stream, &mut header[..8])?;
        let length = u64::from(u32::from_le_bytes(header[..4].try_into().expect("4 bytes")));
        if length < RECORD_HEADER as u64 || length > MAX_RECORD {
            return Err(Stop::end(start.0, format!("invalid record length {length}")));
        }
        stream.left = Some(position::aligned(length) - 8);
        self.copy(&mut stream, &mut header[8..])?;
        let claimed = u64::from_le_bytes(header[8..16].try_into().expect("8 bytes"));
        if claimed != start.0 {
            return Err(Stop::end(start.0, format!("record belongs at {}", Lsn(claimed))));
        }
        into.bytes.clear();
        into.bytes.extend_from_slice(&header);
        into.bytes.resize(length as usize, 0);
        self.copy(&mut stream, &mut into.bytes[RECORD_HEADER..])?;
        let mut crc = record::body_crc(self.system);
        crc.update(&into.bytes[RECORD_HEADER..]);
        let crc = record::finish_crc(crc, &header);
        if crc.to_le_bytes() != header[4..8] {
            return Err(Stop::end(start.0, "record checksum does not match"));
        }
        into.start = start;
        into.end = position::end_lsn(position::usable(start) + position::aligned(length));
        Ok(())
    }

    /// Copies the stream's next bytes, passing page headers on the way.
    fn copy(&mut self, stream: &mut Stream, mut into: &mut [u8]) -> Result<(), Stop> {
        while !into.is_empty() {
            if stream.at.is_multiple_of(PAGE) {
                let header = self.enter_page(stream.at)?;
                if stream.left.is_some_and(|left| left != u64::from(header.remaining)) {
                    return Err(Stop::end(stream.at, "page does not continue the record"));
                }
                stream.at += position::header_size(stream.at);
            }
            let within = (stream.at % PAGE) as usize;
            let count = into.len().min(PAGE as usize - within);
            let page = self.page(stream.at - within as u64)?;
            into[..count].copy_from_slice(&page[within..within + count]);
            into = &mut into[count..];
            stream.at += count as u64;
            if let Some(left) = &mut stream.left {
                *left -= count as u64;
            }
        }
        Ok(())
    }

    /// Checks the header of the page at `start`.
    fn enter_page(&mut self, start: u64) -> Result<PageHeader, Stop> {
        if let Some(header) = self.checked.filter(|header| header.address == start) {
            return Ok(header);
        }
        let (system, timeline) = (self.system, self.timeline);
        let header = PageHeader::decode(self.page(start)?, start, system).map_err(|bad| {
            Stop::End { why: bad.why, segment: start / SEGMENT_SIZE, impossible: bad.impossible }
        })?;
        if header.timeline != timeline {
            let why = format!("page belongs to timeline {}", header.timeline.0);
            return Err(Stop::end(start, why));
        }
        self.checked = Some(header);
        Ok(header)
    }

    fn page(&mut self, start: u64) -> Result<&[u8], Stop> {
        let within = start.checked_sub(self.chunk_start);
        let in_chunk = |at| at + PAGE <= self.chunk.len() as u64;
        if !within.is_some_and(|at| at < CHUNK && in_chunk(at)) {
            self.load_chunk(start)?;
        }
        let at = (start - self.chunk_start) as usize;
        Ok(&self.chunk[at..at + PAGE as usize])
    }

    fn load_chunk(&mut self, start: u64) -> Result<(), Stop> {
        let segment = start / SEGMENT_SIZE;
        self.open_segment(segment)?;
        let Some((_, file)) = &self.file else {
            return Err(Stop::impossible(segment, "segment is missing"));
        };
        let in_segment = start % SEGMENT_SIZE;
        let wanted = CHUNK.min(SEGMENT_SIZE - in_segment);
        self.chunk.resize(wanted as usize, 0);
        self.chunk_start = start;
        let got = file.read_at(&mut self.chunk, in_segment)?;
        self.chunk.truncate(got);
        if got < PAGE as usize {
            return Err(Stop::impossible(segment, "segment is cut short"));
        }
        Ok(())
    }

    fn open_segment(&mut self, segment: u64) -> Result<(), Stop> {
        if matches!(&self.file, Some((number, _)) if *number == segment) {
            return Ok(());
        }
        let path = self.dir.join(position::segment_name(self.timeline, segment));
        match File::open(&path, OpenHow::READ) {
            Ok(file) => {
                self.check_owner(segment, &file)?;
                self.file = Some((segment, file));
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Stop::impossible(segment, "segment is missing"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A whole segment header tells whose segment it is, also where reading starts behind it. One
    /// that is damaged is judged only by who reads its page.
    fn check_owner(&self, segment: u64, file: &File) -> Result<(), Stop> {
        let mut header = [0; position::SEGMENT_HEADER as usize];
        let got = file.read_at(&mut header, 0)?;
        match PageHeader::decode_first(&header[..got], self.system) {
            Err(bad) if bad.impossible => Err(Stop::impossible(segment, bad.why)),
            _ => Ok(()),
        }
    }
}

/// A place in the stream, and how much of the record is still to come.
struct Stream {
    at: u64,
    left: Option<u64>,
}
