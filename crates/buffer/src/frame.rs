//! Access to the bytes of a shared page: the one file of this room with `unsafe`.
//!
//! Who may touch what:
//! - Bytes of a page are changed only under its exclusive content lock, through [`PageWrite`], and
//!   only inside the recipe of changes (`change.rs`) or while the page is not yet valid.
//! - Under the shared lock other processes may set *hint words*, by atomic stores. [`PageRead`]
//!   therefore hands out references only to ranges that its caller knows to hold no hint word, and
//!   reads everything else by loads. A whole page is copied word by word.
#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

use shmem::{ExclusiveGuard, SharedGuard, SharedPage};
use types::{BufferTag, PAGE_SIZE};

use crate::page::{PageAccess, PageBytes};
use crate::pool::Pin;

/// A page under its shared content lock.
pub struct PageRead<'a> {
    pin: &'a Pin<'a>,
    frame: &'static SharedPage,
    _lock: SharedGuard,
}

impl<'a> PageRead<'a> {
    pub(crate) fn new(pin: &'a Pin<'a>, frame: &'static SharedPage, lock: SharedGuard) -> Self {
        PageRead { pin, frame, _lock: lock }
    }

    /// Which page this is.
    pub fn tag(&self) -> BufferTag {
        self.pin.tag()
    }

    /// The pin it was locked through.
    pub fn pin(&self) -> &'a Pin<'a> {
        self.pin
    }

    /// Bytes that hold no hint word: rows without their headers, line pointers.
    ///
    /// # Panics
    /// If the range does not lie in the page.
    #[inline]
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= PAGE_SIZE, "range lies in the page");
        // SAFETY: the range lies in the frame, which is mapped for the life of the process; the
        // shared lock keeps writers out, and the caller keeps hint words out of the range.
        unsafe { std::slice::from_raw_parts(self.frame.as_ptr().add(range.start), range.len()) }
    }

    /// A hint word: read and set by atomic operations. `at` is even and inside the page.
    #[inline]
    pub fn hint_word(&self, at: usize) -> &AtomicU16 {
        assert!(at.is_multiple_of(2) && at + 2 <= PAGE_SIZE, "hint words are aligned");
        // SAFETY: aligned and inside the frame; under the shared lock hint words are accessed by
        // atomic operations alone.
        unsafe { AtomicU16::from_ptr(self.frame.as_ptr().add(at).cast::<u16>()) }
    }

    /// Copies the page out, word by word.
    pub fn copy_to(&self, into: &mut PageBytes) {
        self.frame.copy_out(&mut into.0);
    }

    #[inline]
    fn load<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        self.frame.load_at(at, &mut bytes);
        bytes
    }
}

impl PageAccess for PageRead<'_> {
    #[inline]
    fn u16_at(&self, at: usize) -> u16 {
        if at.is_multiple_of(2) {
            return u16::from_le(self.hint_word(at).load(Ordering::Relaxed));
        }
        u16::from_le_bytes(self.load(at))
    }
    #[inline]
    fn u32_at(&self, at: usize) -> u32 {
        if at.is_multiple_of(2) {
            return u32::from(self.u16_at(at)) | u32::from(self.u16_at(at + 2)) << 16;
        }
        u32::from_le_bytes(self.load(at))
    }
    #[inline]
    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.load(at))
    }
}

/// A page under its exclusive content lock.
pub struct PageWrite<'a> {
    pin: &'a Pin<'a>,
    frame: &'static SharedPage,
    _lock: ExclusiveGuard,
}

impl<'a> PageWrite<'a> {
    pub(crate) fn new(pin: &'a Pin<'a>, frame: &'static SharedPage, lock: ExclusiveGuard) -> Self {
        PageWrite { pin, frame, _lock: lock }
    }

    /// Which page this is.
    pub fn tag(&self) -> BufferTag {
        self.pin.tag()
    }

    /// The pin it was locked through.
    pub fn pin(&self) -> &'a Pin<'a> {
        self.pin
    }

    /// The page, for reading.
    #[inline]
    pub fn page(&self) -> &PageBytes {
        // SAFETY: the frame is a page, aligned and mapped for the life of the process; the
        // exclusive lock keeps everyone else out, setters of hints too.
        unsafe { &*self.frame.as_ptr().cast::<PageBytes>() }
    }

    /// The page, for changing. Only the recipe of changes and redo call this.
    #[inline]
    pub(crate) fn page_mut(&mut self) -> &mut PageBytes {
        // SAFETY: as in `page`; `&mut self` makes this the only reference in this process.
        unsafe { &mut *self.frame.as_ptr().cast::<PageBytes>() }
    }
}

/// Fills a frame that no other process can see yet: its buffer is not valid and its I/O is ours.
pub(crate) fn fill(frame: &'static SharedPage, page: &PageBytes) {
    frame.copy_in(&page.0);
}
