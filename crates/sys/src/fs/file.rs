//! An open file.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::libc;
use rustix::fs::{Advice, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::seam::{Op, seam, seam_write};
use crate::mutant::{self, Mutant};

/// Zeros are written in pieces of this size where the file system cannot allocate.
const ZERO_CHUNK: usize = 1 << 16;
/// The most zeros that one write makes a file longer by.
const EXTEND_CHUNK: u64 = 1 << 20;

/// How a file is opened. The constants are starting points; fields can be overridden.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenHow {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Create it when it is not there (mode 0600).
    pub create: bool,
    /// Create it, and fail when it is there.
    pub create_new: bool,
    /// Cut it to nothing.
    pub truncate: bool,
    /// Pass by the page cache; offsets, lengths and addresses must be aligned then.
    pub direct: bool,
}

impl OpenHow {
    /// An existing file, to read.
    pub const READ: OpenHow = OpenHow {
        read: true,
        write: false,
        create: false,
        create_new: false,
        truncate: false,
        direct: false,
    };
    /// An existing file, to read and write.
    pub const READ_WRITE: OpenHow = OpenHow { write: true, ..OpenHow::READ };
    /// A file to read and write, made when it is not there.
    pub const CREATE: OpenHow = OpenHow { create: true, ..OpenHow::READ_WRITE };
    /// A file to read and write that must not be there yet.
    pub const CREATE_NEW: OpenHow = OpenHow { create_new: true, ..OpenHow::READ_WRITE };

    fn flags(self) -> OFlags {
        let mut flags = OFlags::CLOEXEC;
        flags |= match (self.read, self.write) {
            (_, false) => OFlags::RDONLY,
            (false, true) => OFlags::WRONLY,
            (true, true) => OFlags::RDWR,
        };
        flags.set(OFlags::CREATE, self.create || self.create_new);
        flags.set(OFlags::EXCL, self.create_new);
        flags.set(OFlags::TRUNC, self.truncate);
        flags.set(OFlags::DIRECT, self.direct);
        flags
    }
}

/// An open file and the path it was opened by. Dropping it closes it and syncs nothing.
#[derive(Debug)]
pub struct File {
    fd: OwnedFd,
    path: PathBuf,
}

impl File {
    /// Opens the file at `path`.
    pub fn open(path: &Path, how: OpenHow) -> io::Result<File> {
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = seam(Op::Open, path, || rustix::fs::open(path, how.flags(), mode))?;
        Ok(File { fd, path: path.to_owned() })
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn len(&self) -> io::Result<u64> {
        let stat = seam(Op::Stat, &self.path, || rustix::fs::fstat(&self.fd))?;
        Ok(stat.st_size as u64)
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads from `offset` until `buf` is full or the file ends; says how many bytes.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let rest = &mut buf[done..];
            let n = seam(Op::Read, &self.path, || {
                rustix::io::pread(&self.fd, &mut *rest, offset + done as u64)
            })?;
            if n == 0 {
                break;
            }
            done += n;
        }
        Ok(done)
    }

    /// Fills `buf` from `offset`; a file that ends before that is an `UnexpectedEof`.
    pub fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let n = self.read_at(buf, offset)?;
        if n == buf.len() {
            return Ok(());
        }
        let message = format!(
            "could not read file \"{}\": read only {n} of {} bytes at offset {offset}",
            self.path.display(),
            buf.len()
        );
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
    }

    /// Writes all of `buf` at `offset`.
    pub fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            let rest = &buf[done..];
            done += seam_write(Op::Write, &self.path, rest.len(), |len| {
                rustix::io::pwrite(&self.fd, &rest[..len], offset + done as u64)
            })?;
        }
        Ok(())
    }

    /// Writes the buffers one after the other at `offset`.
    pub fn write_all_vectored_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut vector: Vec<IoSlice<'_>> = bufs.to_vec();
        let (mut rest, mut offset) = (&mut vector[..], offset);
        // Empty buffers at the front: a write of nothing else would look like a failure.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            // Of a vector longer than IOV_MAX, rustix gives the kernel the beginning.
            let all = rest.iter().map(|slice| slice.len()).sum();
            let n = seam_write(Op::Write, &self.path, all, |len| {
                if len == all {
                    return rustix::io::pwritev(&self.fd, rest, offset);
                }
                let first = rest.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |s| s);
                rustix::io::pwrite(&self.fd, &first[..first.len().min(len)], offset)
            })?;
            IoSlice::advance_slices(&mut rest, n);
            offset += n as u64;
        }
        Ok(())
    }

    /// Makes the file longer by zeros from `offset`, its end, on: a full disk shows here, and not
    /// when something is written there later. After a failure a part of the zeros may be there.
    pub fn extend(&self, offset: u64, len: u64) -> io::Result<()> {
        let zeros = vec![0; len.min(EXTEND_CHUNK) as usize];
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let most = (end - at).min(EXTEND_CHUNK) as usize;
            at += seam_write(Op::Allocate, &self.path, most, |len| {
                rustix::io::pwrite(&self.fd, &zeros[..len], at)
            })? as u64;
        }
        Ok(())
    }

    /// Gives the range blocks on disk, extending the file if need be: afterwards a write there
    /// cannot fail for want of space. What was in the range stays; new bytes are zero.
    pub fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let result = seam(Op::Allocate, &self.path, || {
            match rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), offset, len) {
                Ok(()) => Ok(true),
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
                Err(errno) => Err(errno),
            }
        })?;
        if result { Ok(()) } else { self.extend_with_zeros(offset + len) }
    }

    fn extend_with_zeros(&self, end: u64) -> io::Result<()> {
        let zeros = [0u8; ZERO_CHUNK];
        let mut at = self.len()?;
        while at < end {
            let n = (end - at).min(ZERO_CHUNK as u64);
            self.write_all_at(&zeros[..n as usize], at)?;
            at += n;
        }
        Ok(())
    }

    /// Makes the data durable, and of the metadata what reading it needs (`fdatasync`).
    pub fn sync_data(&self) -> io::Result<()> {
        believed(seam(Op::SyncData, &self.path, || rustix::fs::fdatasync(&self.fd)))
    }

    /// Makes data and metadata durable (`fsync`).
    pub fn sync_all(&self) -> io::Result<()> {
        believed(seam(Op::SyncAll, &self.path, || rustix::fs::fsync(&self.fd)))
    }

    /// Sets the length.
    pub fn truncate(&self, len: u64) -> io::Result<()> {
        seam(Op::Truncate, &self.path, || rustix::fs::ftruncate(&self.fd, len))
    }

    /// Gives the range's blocks back: it reads as zeros, and the length stays. Where the file system
    /// cannot do that, nothing happens.
    pub fn punch_hole(&self, offset: u64, len: u64) -> io::Result<()> {
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        seam(Op::Truncate, &self.path, || match rustix::fs::fallocate(&self.fd, how, offset, len) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(errno),
        })
    }

    /// Asks the kernel to begin writing the range to disk, without waiting and without promise.
    pub fn start_writeback(&self, offset: u64, len: u64) {
        let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else { return };
        // SAFETY: the call takes no pointers, and the descriptor is open as long as `self` lives.
        unsafe {
            libc::sync_file_range(self.fd.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE);
        }
    }

    /// Asks the kernel to begin reading the range from disk, without waiting and without promise.
    pub fn prefetch(&self, offset: u64, len: u64) {
        let len = std::num::NonZeroU64::new(len);
        // A hint: what went wrong will show itself, with a message, when the range is read.
        rustix::fs::fadvise(&self.fd, offset, len, Advice::WillNeed).unwrap_or(());
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The outcome of a sync, as it is.
fn believed(synced: io::Result<()>) -> io::Result<()> {
    if mutant::on(Mutant::FailedFsyncIgnored) { Ok(()) } else { synced }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, File) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = File::open(&directory.path().join("f"), OpenHow::CREATE_NEW).expect("new");
        (directory, file)
    }

    #[test]
    fn a_hole_reads_as_zeros_and_the_length_stays() {
        let (_directory, file) = scratch();
        file.write_all_at(&[7; 32768], 0).expect("writable");
        file.punch_hole(8192, 16384).expect("punched");
        assert_eq!(file.len().expect("a length"), 32768);
        let mut bytes = vec![1; 32768];
        file.read_exact_at(&mut bytes, 0).expect("readable");
        assert!(bytes[..8192].iter().chain(&bytes[24576..]).all(|byte| *byte == 7));
        // Where the file system has no holes, they stay as they were.
        let hole = &bytes[8192..24576];
        assert!(hole.iter().all(|byte| *byte == 0) || hole.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn what_is_written_is_read_and_the_end_is_seen() {
        let (_directory, file) = scratch();
        file.write_all_at(b"mammoth", 3).expect("writable");
        let mut buf = [1; 12];
        assert_eq!(file.read_at(&mut buf, 0).expect("readable"), 10);
        assert_eq!(&buf, b"\0\0\0mammoth\x01\x01");
        file.read_exact_at(&mut buf[..7], 3).expect("all there");
        assert_eq!(&buf[..7], b"mammoth");
        let error = file.read_exact_at(&mut buf, 0).expect_err("too short");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("read only 10 of 12 bytes at offset 0"), "{error}");
        file.truncate(4).expect("writable");
        assert_eq!(file.len().expect("open"), 4);
        file.sync_data().and(file.sync_all()).expect("a disk");
        file.start_writeback(0, 4);
        file.prefetch(0, 4);
    }

    #[test]
    fn a_vector_longer_than_the_kernel_takes_is_written_whole() {
        let (_directory, file) = scratch();
        let pieces: Vec<[u8; 3]> = (0..2500u32).map(|n| [n as u8, (n >> 8) as u8, 7]).collect();
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        slices.insert(5, IoSlice::new(&[]));
        slices.push(IoSlice::new(&[]));
        file.write_all_vectored_at(&slices, 1).expect("writable");
        let mut got = vec![0; 7501];
        file.read_exact_at(&mut got, 0).expect("all there");
        assert_eq!(got[1..], *pieces.as_flattened());
        file.write_all_vectored_at(&[], 0).expect("nothing to do");
        file.write_all_vectored_at(&[IoSlice::new(&[])], 0).expect("nothing to do");
    }

    #[test]
    fn allocation_extends_with_zeros_and_keeps_what_is_there() {
        let (_directory, file) = scratch();
        file.write_all_at(b"kept", 0).expect("writable");
        file.allocate(0, 200_000).expect("room");
        assert_eq!(file.len().expect("open"), 200_000);
        file.extend_with_zeros(300_001).expect("room");
        file.extend(300_001, 2 << 20).expect("room");
        assert_eq!(file.len().expect("open"), 300_001 + (2 << 20));
        let mut all = vec![1; 300_001];
        file.read_exact_at(&mut all, 0).expect("all there");
        assert_eq!(&all[..4], b"kept");
        assert!(all[4..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn files_are_opened_as_asked() {
        let (directory, file) = scratch();
        assert_eq!(file.path(), directory.path().join("f"));
        let again = File::open(file.path(), OpenHow::CREATE_NEW).expect_err("there already");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        let read_only = File::open(file.path(), OpenHow::READ).expect("there");
        assert!(read_only.write_all_at(b"x", 0).is_err());
        let missing = File::open(&directory.path().join("g"), OpenHow::READ_WRITE);
        assert!(missing.is_err_and(|error| error.kind() == io::ErrorKind::NotFound));
        file.write_all_at(b"x", 0).expect("writable");
        let cut = OpenHow { truncate: true, ..OpenHow::READ_WRITE };
        assert!(File::open(file.path(), cut).expect("there").is_empty().expect("open"));
    }
}
