//! The end of the log at recovery: proven, then wiped.
//!
//! Recovery stops at the first record that is not valid. Valid records after a gap are legal: the
//! disk may have written later sectors of an unfinished flush first. So they prove nothing. These
//! do, and then the log is damaged and the server refuses to start rather than forget acknowledged
//! commits:
//!
//! - a later page header, or a later record of a transaction's end, says that the log had been
//!   durable beyond the gap;
//! - the log ends where no crash can end it (see `reader`): a segment is missing or cut short, is
//!   of another system, or holds a page of a later place;
//! - a segment's file, wherever it stands, begins with a page of a later place, or is a second copy
//!   of one that recovery needs: files have been swapped. A recycled segment only moves forward,
//!   and only when recovery does not need it any more.
//!
//! What lies behind the end is wiped, durably, before the first new record: otherwise new log
//! could come to stand exactly before a stale record of the old life and revive it. Segments that
//! stood ready are wiped and kept, so that recovery needs no room on a full disk.

use std::collections::BTreeSet;
use std::path::Path;

use sys::fs::{self, File, OpenHow};
use sys::mutant::{self, Mutant};
use types::{Lsn, SystemId, TimelineId};

use crate::decode::DecodedRecord;
use crate::error::Error;
use crate::page::PageHeader;
use crate::position::{self, PAGE, SEGMENT_HEADER, SEGMENT_SIZE};
use crate::reader::{EndOfLog, WalReader};
use crate::segments;

/// Bytes that are read or written at a time.
const PIECE: u64 = 1 << 20;

/// Fails if something proves that the log, needed from `redo` on, had gone on behind `end`.
pub fn check_end(
    dir: &Path,
    timeline: TimelineId,
    system: SystemId,
    redo: Lsn,
    end: &EndOfLog,
) -> Result<(), Error> {
    check_names(dir, timeline, system, redo)?;
    if end.impossible {
        let segment = position::segment_name(timeline, end.segment);
        return Err(Error::DamagedLog { end: end.lsn, why: end.why.clone(), segment });
    }
    for segment in later_segments(dir, timeline, end.lsn)? {
        let path = dir.join(position::segment_name(timeline, segment));
        let file = File::open(&path, OpenHow::READ)?;
        let headers = page_headers(&file, segment, system)?;
        let proof = headers.iter().find(|found| {
            found.address >= end.lsn.0 && found.timeline == timeline && found.flushed > end.lsn
        });
        if let Some(found) = proof {
            return Err(Error::DurableGap {
                end: end.lsn,
                why: end.why.clone(),
                segment: position::segment_name(timeline, end.segment),
                proven: found.flushed,
            });
        }
    }
    Ok(())
}

/// Shows `look` every valid record behind the end, as far as segments of the timeline exist. They
/// are legal after a power cut, but what they say may prove that the end is none: `look` answers
/// up to where the log had been durable by their account. Fails if that is beyond the end.
pub fn check_records_behind(
    dir: &Path,
    timeline: TimelineId,
    system: SystemId,
    end: &EndOfLog,
    look: &dyn Fn(&DecodedRecord) -> Option<Lsn>,
) -> Result<(), Error> {
    let (mut record, mut piece) = (DecodedRecord::default(), vec![0; PIECE as usize]);
    let mut from = position::record_start_at(end.lsn).0;
    for segment in later_segments(dir, timeline, end.lsn)? {
        let file = File::open(&dir.join(position::segment_name(timeline, segment)), OpenHow::READ)?;
        let first = segment * SEGMENT_SIZE;
        let begin = from.max(first) / PAGE * PAGE;
        for piece_at in (begin..first + SEGMENT_SIZE).step_by(PIECE as usize) {
            let most = (first + SEGMENT_SIZE - piece_at).min(PIECE) as usize;
            let got = file.read_at(&mut piece[..most], piece_at - first)?;
            let (pages, _) = piece[..got].as_chunks();
            for (page, address) in pages.iter().zip((piece_at..).step_by(PAGE as usize)) {
                while let Some(at) = claimed_record(page, address, from) {
                    let mut reader = WalReader::new(dir, timeline, system, Lsn(at));
                    let valid = matches!(reader.read(&mut record), Ok(true));
                    let proven = if valid { look(&record) } else { None };
                    if let Some(proven) = proven.filter(|proven| *proven > end.lsn) {
                        let segment = position::segment_name(timeline, end.segment);
                        let why = end.why.clone();
                        return Err(Error::DurableGap { end: end.lsn, why, segment, proven });
                    }
                    from = if valid { record.end().0 } else { at + position::ALIGN };
                }
            }
        }
    }
    Ok(())
}

/// The first place in the page, at or behind `from`, where a record says that it starts there. One
/// whose position would stand on the next page is passed by: the page's header is in between.
fn claimed_record(page: &[u8; PAGE as usize], address: u64, from: u64) -> Option<u64> {
    let start = from.max(address + position::header_size(address));
    (start..(address + PAGE).saturating_sub(15)).step_by(position::ALIGN as usize).find(|at| {
        let claim = (at - address) as usize + 8;
        page[claim..claim + 8] == at.to_le_bytes()
    })
}

/// Fails if a segment's file holds what cannot stand under its name.
fn check_names(dir: &Path, timeline: TimelineId, system: SystemId, redo: Lsn) -> Result<(), Error> {
    let of_ours = |(line, _): &(TimelineId, u64)| *line == timeline;
    let all = segments::list_segments(dir)?;
    let needed = position::segment_of(redo);
    let mut held = BTreeSet::new();
    for (_, segment) in all.into_iter().filter(of_ours) {
        let path = dir.join(position::segment_name(timeline, segment));
        let mut header = [0; SEGMENT_HEADER as usize];
        let got = File::open(&path, OpenHow::READ)?.read_at(&mut header, 0)?;
        let Ok(first) = PageHeader::decode_first(&header[..got], system) else { continue };
        let holds = position::segment_of(Lsn(first.address));
        // In the order of the names: one that is needed and in its place comes before its copies.
        if holds > segment || (holds < segment && holds >= needed && held.contains(&holds)) {
            let (segment, holds) = (
                position::segment_name(timeline, segment),
                position::segment_name(timeline, holds),
            );
            return Err(Error::SwappedSegment { segment, holds });
        }
        held.insert(holds);
    }
    Ok(())
}

/// The headers of a segment's pages that are valid where they stand.
fn page_headers(file: &File, segment: u64, system: SystemId) -> Result<Vec<PageHeader>, Error> {
    let mut piece = vec![0; PIECE as usize];
    let mut headers = Vec::new();
    for at in (0..SEGMENT_SIZE).step_by(PIECE as usize) {
        let got = file.read_at(&mut piece, at)?;
        for (page, bytes) in piece[..got].chunks(PAGE as usize).enumerate() {
            let address = segment * SEGMENT_SIZE + at + page as u64 * PAGE;
            let bytes = &bytes[..bytes.len().min(SEGMENT_HEADER as usize)];
            headers.extend(PageHeader::decode(bytes, address, system));
        }
    }
    Ok(headers)
}

/// Makes the log durable from the redo position on: what a dead process has written and not synced,
/// and what it could not sync.
///
/// After a failed sync the kernel takes the pages for clean though the disk may lack them: another
/// sync would succeed and do nothing. So what is not known to be durable is written again. That can
/// lie in the last segment only, since each is synced before the next is begun, and only behind the
/// highest position that a page header there calls durable.
pub fn make_durable(
    dir: &Path,
    timeline: TimelineId,
    system: SystemId,
    redo: Lsn,
) -> Result<(), Error> {
    let mut last = None;
    for segment in later_segments(dir, timeline, redo)? {
        let path = dir.join(position::segment_name(timeline, segment));
        let file = File::open(&path, OpenHow::READ_WRITE)?;
        file.sync_all()?;
        let mut header = [0; SEGMENT_HEADER as usize];
        let got = file.read_at(&mut header, 0)?;
        if PageHeader::decode(&header[..got], segment * SEGMENT_SIZE, system).is_ok() {
            last = Some((segment, file));
        }
    }
    match last {
        Some((segment, file)) => write_again(&file, segment, system),
        None => Ok(()),
    }
}

/// Writes a segment's pages again, with what they hold, from the position on that they call durable.
fn write_again(file: &File, segment: u64, system: SystemId) -> Result<(), Error> {
    let headers = page_headers(file, segment, system)?;
    let first = segment * SEGMENT_SIZE;
    let durable = headers.iter().map(|header| header.flushed.0).max().unwrap_or(first);
    let end = headers.iter().map(|header| header.address + PAGE).max().unwrap_or(first);
    let from = (durable - durable % PAGE).max(first);
    let mut piece = vec![0; PIECE as usize];
    for at in (from..end).step_by(PIECE as usize) {
        let most = (end - at).min(PIECE) as usize;
        let got = file.read_at(&mut piece[..most], at - first)?;
        file.write_all_at(&piece[..got], at - first)?;
    }
    Ok(file.sync_all()?)
}

/// What becomes of the segments behind the one with the end of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Later {
    /// So many are kept, to be written again from the start: what makes them takes room, which a
    /// full disk may not have. They are zeroed: they may hold records of the old life.
    Wipe(u64),
    /// They are kept as they are: after a clean shutdown nothing in them was ever written.
    Keep,
}

/// Wipes everything behind `end` and returns the last segment that exists.
pub fn wipe_after(dir: &Path, timeline: TimelineId, end: Lsn, later: Later) -> Result<u64, Error> {
    segments::remove_temporary(dir)?;
    let current = position::segment_of(end);
    let mut last = current;
    for segment in later_segments(dir, timeline, end)? {
        let path = dir.join(position::segment_name(timeline, segment));
        let keep = match later {
            Later::Wipe(count) => segment - current <= count,
            Later::Keep => true,
        };
        if segment == current {
            continue;
        }
        if keep && segment == last + 1 && is_whole(&path)? {
            if later != Later::Keep {
                wipe_tail(&File::open(&path, OpenHow::READ_WRITE)?, 0)?;
            }
            last = segment;
        } else {
            fs::remove(&path)?;
        }
    }
    fs::sync_dir(dir)?;
    sync_end(dir, timeline, end)?;
    let path = dir.join(position::segment_name(timeline, current));
    wipe_tail(&File::open(&path, OpenHow::READ_WRITE)?, end.0 % SEGMENT_SIZE)?;
    Ok(last)
}

fn is_whole(path: &Path) -> Result<bool, Error> {
    Ok(File::open(path, OpenHow::READ)?.len()? == SEGMENT_SIZE)
}

/// Makes the segment of the last record durable: a process that died may have written it and not
/// synced it, and recovery has believed it.
fn sync_end(dir: &Path, timeline: TimelineId, end: Lsn) -> Result<(), Error> {
    let last = position::segment_of(Lsn(end.0 - 1));
    match File::open(&dir.join(position::segment_name(timeline, last)), OpenHow::READ_WRITE) {
        Ok(file) => Ok(file.sync_all()?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Zeros from `from` on. What stands before it in its page is written again: after a failed sync
/// the kernel may hold that page as clean though the disk lacks it, and the next redo position
/// lies in it, so its header must be durable.
fn wipe_tail(file: &File, from: u64) -> Result<(), Error> {
    let page = from - from % PAGE;
    let mut kept = vec![0; (from - page) as usize];
    let found = file.read_at(&mut kept, page)?;
    file.write_all_at(&kept[..found], page)?;
    let zeros = vec![0; 1 << 20];
    let mut at = if mutant::on(Mutant::EndOfLogNotWiped) { SEGMENT_SIZE } else { from };
    while at < SEGMENT_SIZE {
        let count = (SEGMENT_SIZE - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..count as usize], at)?;
        at += count;
    }
    Ok(file.sync_all()?)
}

/// The segments of the timeline from the one that holds `end` on.
fn later_segments(dir: &Path, timeline: TimelineId, end: Lsn) -> Result<Vec<u64>, Error> {
    let all = segments::list_segments(dir)?;
    let from = position::segment_of(end);
    Ok(all
        .into_iter()
        .filter(|(line, segment)| *line == timeline && *segment >= from)
        .map(|(_, segment)| segment)
        .collect())
}
