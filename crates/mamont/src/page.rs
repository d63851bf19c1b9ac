//! `mamont page`: pages of relation files, as they lie on disk.
//!
//! The checksum covers the page's place, so the file must have its own name. Beside a running
//! server a page may be read while it is being written; such a page is read again before it is
//! called bad. What the server still has in its buffers only is not seen here.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use buffer::{PageAccess, PageBytes, SegmentId, checksum};
use clap::Subcommand;
use sys::fs::{File, OpenHow};
use types::{BLOCKS_PER_SEGMENT, BufferTag, PAGE_SIZE};

use crate::error::Error;

/// Pages read at once.
const CHUNK_PAGES: usize = 128;
/// How often a page is read before it is called bad.
const ATTEMPTS: usize = 3;

/// What is to be done with pages.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Checks the checksum of every page
    Verify {
        /// Relation files, for example data/base/16384 or data/base/16384_fsm
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Does it; the status is a failure if a page is bad.
pub fn run(command: &Command, out: &mut impl Write) -> Result<ExitCode, Error> {
    let Command::Verify { files } = command;
    let mut bad = 0;
    for path in files {
        bad += verify_file(path, out)?;
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Pages of a file by what they are.
#[derive(Default, Debug, PartialEq, Eq)]
struct Tally {
    good: u64,
    new: u64,
    bad: u64,
    /// Of the new pages, those before the last good one; and those since it.
    new_before: u64,
    new_since: u64,
}

/// Checks a file and tells what is in it; the number of bad pages.
fn verify_file(path: &Path, out: &mut impl Write) -> Result<u64, Error> {
    let name = path.file_name().and_then(|name| name.to_str());
    let segment = name.and_then(SegmentId::parse).ok_or_else(|| {
        Error::Usage(format!("\"{}\" is not named as a relation file is", path.display()))
    })?;
    let file = File::open(path, OpenHow::READ)?;
    let mut tally = Tally::default();
    let mut chunk = vec![0; CHUNK_PAGES * PAGE_SIZE];
    let mut offset = 0;
    loop {
        let count = file.read_at(&mut chunk, offset)?;
        let pages = chunk[..count].chunks(PAGE_SIZE);
        for (index, bytes) in pages.enumerate() {
            let at = offset + (index * PAGE_SIZE) as u64;
            check_page(&file, segment, at, bytes, &mut tally, out)?;
        }
        offset += count as u64;
        if count < chunk.len() {
            break;
        }
    }
    let Tally { good, new, bad, new_before, .. } = tally;
    let shown = path.display();
    writeln!(out, "{shown}: {} pages, {good} good, {new} new, {bad} bad", good + new + bad)?;
    if new_before > 0 {
        let what = "of the new pages lie before pages in use: a crash left them, or they are lost";
        writeln!(out, "{shown}: {new_before} {what}")?;
    }
    Ok(bad)
}

fn check_page(
    file: &File,
    segment: SegmentId,
    offset: u64,
    bytes: &[u8],
    tally: &mut Tally,
    out: &mut impl Write,
) -> Result<(), Error> {
    let in_segment = offset / PAGE_SIZE as u64;
    let block = u64::from(segment.segment) * u64::from(BLOCKS_PER_SEGMENT) + in_segment;
    let mut complain = |what: String| {
        tally.bad += 1;
        writeln!(out, "{}: block {block}: {what}", file.path().display())
    };
    let (Ok(block), Ok(read)) = (u32::try_from(block), <[u8; PAGE_SIZE]>::try_from(bytes)) else {
        complain(format!("the file ends within the page, after {} bytes", bytes.len()))?;
        return Ok(());
    };
    let tag = BufferTag { rel: segment.rel, fork: segment.fork, block };
    let mut page = PageBytes(read);
    for _ in 1..ATTEMPTS {
        if !checksum::verify(tag, &page) {
            file.read_exact_at(&mut page.0, offset)?;
        }
    }
    if !checksum::verify(tag, &page) {
        let (found, expected) = (page.checksum(), checksum::checksum(tag, &page));
        complain(format!("its checksum is {found:08x}, it should be {expected:08x}"))?;
    } else if checksum::is_zero(&page) {
        tally.new += 1;
        tally.new_since += 1;
    } else if !page.is_sane() {
        complain("its checksum is right, but its header makes no sense".to_owned())?;
    } else {
        tally.good += 1;
        tally.new_before += std::mem::take(&mut tally.new_since);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Fork, RelFileNumber};

    /// A file of three good pages and a new one, changed by `damage`.
    fn verified(name: &str, damage: impl FnOnce(&mut Vec<u8>)) -> (String, u64) {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let mut bytes = Vec::new();
        for block in 0..3 {
            let mut page = PageBytes::default();
            page.init(0);
            let tag = BufferTag { rel: RelFileNumber(77), fork: Fork::Main, block };
            checksum::set_checksum(tag, &mut page);
            bytes.extend_from_slice(&page.0);
        }
        bytes.resize(4 * PAGE_SIZE, 0);
        damage(&mut bytes);
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("a file for the test");
        let mut out = Vec::new();
        let bad = verify_file(&path, &mut out).expect("the file can be read");
        (String::from_utf8(out).expect("text"), bad)
    }

    #[test]
    fn good_new_and_bad_pages_are_told_apart() {
        let (text, bad) = verified("77", |_| ());
        assert!(text.ends_with(": 4 pages, 3 good, 1 new, 0 bad\n") && bad == 0, "{text}");
        let (text, bad) = verified("77", |bytes| bytes[..2 * PAGE_SIZE].fill(0));
        assert!(text.contains(": 4 pages, 1 good, 3 new, 0 bad\n") && bad == 0, "{text}");
        assert!(text.contains(": 2 of the new pages lie before pages in use"), "{text}");
        let (text, bad) = verified("77", |bytes| {
            let mut page = PageBytes(bytes[..PAGE_SIZE].try_into().expect("a page"));
            page.put_u16(16, 9000);
            checksum::set_checksum(BufferTag::main(RelFileNumber(77), 0), &mut page);
            bytes[..PAGE_SIZE].copy_from_slice(&page.0);
        });
        assert!(text.contains(": block 0: its checksum is right, but") && bad == 1, "{text}");
        let (text, bad) = verified("77", |bytes| bytes[PAGE_SIZE + 5000] ^= 1);
        assert!(text.contains(": block 1: its checksum is ") && bad == 1, "{text}");
        let (text, bad) = verified("77", |bytes| bytes.truncate(2 * PAGE_SIZE + 100));
        assert!(text.contains(": block 2: the file ends within the page") && bad == 1, "{text}");
    }

    #[test]
    fn a_page_in_the_wrong_place_is_bad_and_a_wrong_name_refused() {
        assert_eq!(verified("78", |_| ()).1, 3);
        assert_eq!(verified("77.1", |_| ()).1, 3);
        let error = verify_file(Path::new("/tmp/readme"), &mut Vec::new()).expect_err("no name");
        assert!(error.to_string().contains("not named"), "{error}");
    }
}
