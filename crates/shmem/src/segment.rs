//! The segment: how it is made, found again when stale, reset and removed.
//!
//! ```text
//!  base                                      aligned to 8192
//!  | header: magic, version, sizes, table of regions | … | region 0 | … | region 1 | …
//! ```
//!
//! It is a POSIX shared memory object `/mamont.<device>-<inode of the data directory>.<pid>`. The
//! creator holds a `flock` on it for as long as it lives: so a segment that can be locked is stale,
//! whatever pids have been reused and in whichever container its creator ran. The magic is written
//! only once the lock is held: a segment without one may be just being made, and is removed only
//! if it belongs to this data directory, of which the caller holds the lock (`sys::lock`).
//!
//! - The segment is unlinked by its creator's process alone: dropped in a child, this does nothing.
//! - It is never unmapped: references to its regions are `'static`.
//! - All its pages are reserved when it is made, so that no later touch of one can fail (by SIGBUS).

use std::cell::Cell;
use std::fs;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;
use rustix::shm;
use shared_memory::{Shmem, ShmemConf, ShmemError};
use zerocopy::FromZeros;

use crate::layout::{ALIGN_MAX, Layout, Region, RegionId};
use crate::{Error, SharedText};

/// "MAMONTSG"
const MAGIC: u64 = u64::from_le_bytes(*b"MAMONTSG");
/// Counts the changes of what is in the header.
const LAYOUT_VERSION: u32 = 1;
/// The most regions that the header's table has room for.
const REGIONS_MAX: usize = 60;
/// Where POSIX shared memory objects are on Linux.
const SHM_DIRECTORY: &str = "/dev/shm";
const PREFIX: &str = "mamont.";

/// What stands at the beginning of the segment.
#[derive(FromZeros)]
#[repr(C)]
struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    /// The creator's.
    pid: AtomicU32,
    /// Bytes of the whole segment.
    size: AtomicU64,
    region_count: AtomicU64,
    regions: [HeaderRegion; REGIONS_MAX],
}

#[derive(FromZeros)]
#[repr(C)]
struct HeaderRegion {
    name: SharedText<5>,
    /// From the beginning of the segment.
    offset: AtomicU64,
    size: AtomicU64,
}

pub(crate) const HEADER_SIZE: usize = size_of::<Header>();
const _: () = assert!(HEADER_SIZE <= 4096);

/// Where the segment is mapped in this process, for [`offset_of`].
static BASE: AtomicUsize = AtomicUsize::new(0);
static SIZE: AtomicUsize = AtomicUsize::new(0);

/// The offset of an address in the segment; the address itself when it is not in it.
pub(crate) fn offset_of(address: usize) -> u64 {
    let offset = address.wrapping_sub(BASE.load(Ordering::Relaxed));
    (if offset < SIZE.load(Ordering::Relaxed) { offset } else { address }) as u64
}

/// A region, for a view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionInfo {
    /// What is in it.
    pub name: &'static str,
    /// Where it begins, in bytes from the beginning of the segment.
    pub offset: usize,
    /// How many bytes it has.
    pub size: usize,
}

/// The segment, mapped.
pub struct Segment {
    memory: ManuallyDrop<Shmem>,
    name: String,
    regions: Vec<Region>,
    /// Where the regions begin, in bytes from the beginning of the segment.
    start: usize,
    /// The pid that may unlink it; 0 when this process has given that up.
    owner: Cell<i32>,
    /// Holds the lock that says that the creator lives.
    _lock: OwnedFd,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment").field("name", &self.name).field("size", &self.size()).finish()
    }
}

impl Segment {
    /// Makes the segment for the server of `data_dir`, whose lock the caller holds, all its regions
    /// zero. Removes the stale ones that it finds.
    pub fn create(layout: Layout, data_dir: &Path) -> Result<Segment, Error> {
        Segment::create_among(PREFIX, layout, data_dir)
    }

    /// The same among the segments whose names begin with `prefix`: tests have families of their
    /// own, in which no other server cleans up.
    fn create_among(prefix: &str, layout: Layout, data_dir: &Path) -> Result<Segment, Error> {
        let size = layout.size();
        if size > isize::MAX as usize || layout.regions.len() > REGIONS_MAX {
            return Err(Error::TooLarge);
        }
        let directory = directory_key(data_dir)?;
        remove_stale(prefix, &directory);
        let name = format!("{prefix}{directory}.{}", sys::process::pid());
        let mut memory = ShmemConf::new()
            .os_id(format!("/{name}"))
            .size(size)
            .create()
            .map_err(|error| Error::Failed { name: name.clone(), reason: reason(&error) })?;
        // Should the next two steps fail, the crate's own drop removes the segment.
        let lock = open_and_lock(&name)?;
        reserve(&lock, &name, size)?;
        memory.set_owner(false);
        let start = memory.as_ptr().addr() + HEADER_SIZE;
        let start = start.next_multiple_of(ALIGN_MAX) - memory.as_ptr().addr();
        let segment = Segment {
            memory: ManuallyDrop::new(memory),
            name,
            regions: layout.regions,
            start,
            owner: Cell::new(sys::process::pid()),
            _lock: lock,
        };
        segment.write_header();
        BASE.store(segment.base().addr(), Ordering::Relaxed);
        SIZE.store(size, Ordering::Relaxed);
        Ok(segment)
    }

    /// The values of a region.
    pub fn slice<T: FromZeros + Sync + 'static>(&self, id: RegionId<T>) -> &'static [T] {
        let region = &self.regions[id.index];
        assert_eq!(region.size, size_of::<T>() * region.count, "a ticket of this layout");
        // SAFETY: the layout gave the region this size inside the mapping, and an alignment of T
        // relative to an address aligned to ALIGN_MAX. Its bytes are zero or were written through
        // T, and T consists of atomics (it is Sync and valid when zero). The mapping is never
        // removed.
        unsafe {
            let first = self.base().add(self.start + region.offset).cast::<T>();
            std::slice::from_raw_parts(first, region.count)
        }
    }

    /// The one value of a region.
    pub fn one<T: FromZeros + Sync + 'static>(&self, id: RegionId<T>) -> &'static T {
        let values = self.slice(id);
        assert_eq!(values.len(), 1, "a region of one value");
        &values[0]
    }

    /// Makes all regions zero again, but for pages that mean nothing by themselves. Only while no other process has the segment: after the
    /// postmaster has ended its children.
    pub fn reset(&self) {
        for region in self.regions.iter().filter(|region| region.zeroed) {
            // SAFETY: inside the mapping. No other process runs that could look, and zero bytes are
            // valid for whatever is there.
            unsafe { self.base().add(self.start + region.offset).write_bytes(0, region.size) };
        }
    }

    /// Gives up ownership in a forked child. Dropping it there removes nothing in any case; this
    /// says so for the reader, and for a child that takes the creator's pid.
    pub fn forget_in_child(&self) {
        self.owner.set(0);
    }

    /// The regions in the order in which they lie.
    pub fn regions(&self) -> impl Iterator<Item = RegionInfo> + '_ {
        self.regions.iter().map(|region| RegionInfo {
            name: region.name,
            offset: self.start + region.offset,
            size: region.size,
        })
    }

    /// Its name, without a slash: a file in `/dev/shm`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.memory.len()
    }

    fn base(&self) -> *mut u8 {
        self.memory.as_ptr()
    }

    fn header(&self) -> &Header {
        // SAFETY: the mapping begins with room for a header, aligned to a page, and only atomics
        // are in it.
        unsafe { &*self.base().cast::<Header>() }
    }

    fn write_header(&self) {
        let header = self.header();
        header.version.store(LAYOUT_VERSION, Ordering::Relaxed);
        header.pid.store(sys::process::pid() as u32, Ordering::Relaxed);
        header.size.store(self.size() as u64, Ordering::Relaxed);
        header.region_count.store(self.regions.len() as u64, Ordering::Relaxed);
        for (entry, region) in header.regions.iter().zip(self.regions()) {
            entry.name.set(region.name);
            entry.offset.store(region.offset as u64, Ordering::Relaxed);
            entry.size.store(region.size as u64, Ordering::Relaxed);
        }
        header.magic.store(MAGIC, Ordering::Release);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.owner.get() == sys::process::pid() {
            // What fails here leaves a stale segment, which the next start removes.
            shm::unlink(&self.name).unwrap_or(());
        }
    }
}

/// What tells the segments of one data directory from those of others.
fn directory_key(data_dir: &Path) -> Result<String, Error> {
    let told = |reason| Error::DataDirectory { path: data_dir.to_owned(), reason };
    let metadata = fs::metadata(data_dir).map_err(told)?;
    Ok(format!("{:x}-{}", metadata.dev(), metadata.ino()))
}

fn open_and_lock(name: &str) -> Result<OwnedFd, Error> {
    let failed = |errno: Errno| Error::Failed {
        name: name.to_owned(),
        reason: std::io::Error::from(errno).to_string(),
    };
    let fd = shm::open(name, shm::OFlags::RDWR, Mode::empty()).map_err(failed)?;
    // Waits only for somebody who looks whether it is stale.
    rustix::io::retry_on_intr(|| rustix::fs::flock(&fd, FlockOperation::LockExclusive))
        .map_err(failed)?;
    Ok(fd)
}

/// Gives the segment all its pages. Asked first whether they are there, the kernel is spared from
/// filling the file system before it finds that they are not.
fn reserve(fd: &OwnedFd, name: &str, size: usize) -> Result<(), Error> {
    use nix::errno::Errno;
    let no_room = || Error::NoRoom { size, free: free_bytes() };
    if free_bytes().is_some_and(|free| free < size as u64) {
        return Err(no_room());
    }
    loop {
        match nix::fcntl::posix_fallocate(fd, 0, size as i64) {
            Ok(()) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(Errno::ENOSPC | Errno::ENOMEM | Errno::EFBIG | Errno::EDQUOT) => {
                return Err(no_room());
            }
            Err(errno) => {
                let reason = std::io::Error::from(errno).to_string();
                return Err(Error::Failed { name: name.to_owned(), reason });
            }
        }
    }
}

fn free_bytes() -> Option<u64> {
    let stat = rustix::fs::statvfs(SHM_DIRECTORY).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

/// Removes the segments that no living server has. What cannot be looked at is left alone.
fn remove_stale(prefix: &str, directory: &str) {
    let Ok(names) = sys::fs::read_dir_names(Path::new(SHM_DIRECTORY)) else { return };
    for name in names {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        let own = rest.rsplit_once('.').is_some_and(|(key, _)| key == directory);
        if is_stale(&name, own) == Some(true) {
            shm::unlink(&name).unwrap_or(());
        }
    }
}

fn is_stale(name: &str, own: bool) -> Option<bool> {
    let fd = shm::open(name, shm::OFlags::RDWR, Mode::empty()).ok()?;
    rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).ok()?;
    let mut magic = [0u8; 8];
    let n = rustix::io::pread(&fd, &mut magic, 0).ok()?;
    let complete = n == magic.len() && u64::from_ne_bytes(magic) == MAGIC;
    Some(own || complete)
}

fn reason(error: &ShmemError) -> String {
    match error {
        ShmemError::MapCreateFailed(errno) | ShmemError::UnknownOsError(errno) => {
            std::io::Error::from_raw_os_error(*errno as i32).to_string()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
