//! 8 KB of bytes that several processes may touch at the same time.
//!
//! Nothing here locks. The rooms above see to it that nobody writes bytes that another reads
//! (content locks for buffers, reservations for the ring of the log), except where both go through
//! the copying methods, which are made of relaxed atomic loads and stores: a reader may then get a
//! mixture of old and new bytes, and must have a way to tell.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use types::PAGE_SIZE;
use zerocopy::FromZeros;

const WORDS: usize = PAGE_SIZE / 8;

/// A page in shared memory.
#[derive(FromZeros)]
#[repr(C, align(8192))]
pub struct SharedPage(UnsafeCell<[u64; WORDS]>);

const _: () = assert!(size_of::<SharedPage>() == PAGE_SIZE);
const _: () = assert!(align_of::<SharedPage>() == PAGE_SIZE);

// SAFETY: safe code reaches the bytes only through atomic operations; whoever uses `as_ptr` has an
// unsafe block of their own to answer for.
unsafe impl Sync for SharedPage {}

impl SharedPage {
    /// Where the page is. Whoever goes through this pointer holds the lock that guards the bytes.
    #[inline]
    pub fn as_ptr(&self) -> *mut u8 {
        self.0.get().cast()
    }

    /// Copies the page out, eight bytes at a time.
    pub fn copy_out(&self, to: &mut [u8; PAGE_SIZE]) {
        for (index, chunk) in to.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *chunk = self.word(index).load(Ordering::Relaxed).to_ne_bytes();
        }
    }

    /// Copies a whole page in, eight bytes at a time.
    pub fn copy_in(&self, from: &[u8; PAGE_SIZE]) {
        for (index, chunk) in from.as_chunks::<8>().0.iter().enumerate() {
            self.word(index).store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        }
    }

    /// Stores `bytes` at `offset`, touching no byte beside them. Panics when they reach beyond the
    /// page.
    #[inline]
    pub fn store_at(&self, offset: usize, bytes: &[u8]) {
        let (head, body) = split(offset, bytes.len());
        for (index, &byte) in bytes[..head].iter().enumerate() {
            self.byte(offset + index).store(byte, Ordering::Relaxed);
        }
        let (words, tail) = bytes[head..].as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            self.word(body + index).store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        }
        let tail_at = offset + bytes.len() - tail.len();
        for (index, &byte) in tail.iter().enumerate() {
            self.byte(tail_at + index).store(byte, Ordering::Relaxed);
        }
    }

    /// Loads `bytes.len()` bytes at `offset`. Panics when they reach beyond the page.
    #[inline]
    pub fn load_at(&self, offset: usize, bytes: &mut [u8]) {
        let len = bytes.len();
        let (head, body) = split(offset, len);
        for (index, byte) in bytes[..head].iter_mut().enumerate() {
            *byte = self.byte(offset + index).load(Ordering::Relaxed);
        }
        let (words, tail) = bytes[head..].as_chunks_mut::<8>();
        for (index, word) in words.iter_mut().enumerate() {
            *word = self.word(body + index).load(Ordering::Relaxed).to_ne_bytes();
        }
        let tail_at = offset + len - tail.len();
        for (index, byte) in tail.iter_mut().enumerate() {
            *byte = self.byte(tail_at + index).load(Ordering::Relaxed);
        }
    }

    /// Makes the range zero.
    pub fn zero_at(&self, offset: usize, len: usize) {
        const ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
        self.store_at(offset, &ZEROS[..len]);
    }

    #[inline]
    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < WORDS);
        // SAFETY: inside the page, aligned, and all safe access is atomic.
        unsafe { AtomicU64::from_ptr(self.0.get().cast::<u64>().add(index)) }
    }

    #[inline]
    fn byte(&self, offset: usize) -> &AtomicU8 {
        assert!(offset < PAGE_SIZE);
        // SAFETY: inside the page, and all safe access is atomic.
        unsafe { AtomicU8::from_ptr(self.as_ptr().add(offset)) }
    }
}

/// How many bytes come before the first whole word of a range, and which word that is.
#[inline]
fn split(offset: usize, len: usize) -> (usize, usize) {
    assert!(offset <= PAGE_SIZE && len <= PAGE_SIZE - offset, "inside the page");
    let head = (offset.next_multiple_of(8) - offset).min(len);
    (head, (offset + head) / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Box<SharedPage> {
        Box::new(SharedPage::new_zeroed())
    }

    #[test]
    fn any_range_is_stored_and_loaded_and_nothing_beside_it() {
        let page = page();
        let mut expected = [0u8; PAGE_SIZE];
        let mut value = 1u8;
        for offset in (0..40).chain(PAGE_SIZE - 40..=PAGE_SIZE) {
            for len in (0..40).filter(|len| offset + len <= PAGE_SIZE) {
                let bytes: Vec<u8> = (0..len).map(|n| value.wrapping_add(n as u8)).collect();
                value = value.wrapping_mul(3).wrapping_add(len as u8);
                page.store_at(offset, &bytes);
                expected[offset..offset + len].copy_from_slice(&bytes);
                let mut loaded = vec![0; len];
                page.load_at(offset, &mut loaded);
                assert_eq!(loaded, bytes, "{offset} {len}");
            }
        }
        let mut all = [1; PAGE_SIZE];
        page.copy_out(&mut all);
        assert!(all == expected);
        page.zero_at(3, 30);
        page.copy_out(&mut all);
        assert!(
            all[3..33].iter().all(|&b| b == 0) && all[2] == expected[2] && all[33] == expected[33]
        );
        page.copy_in(&expected);
        page.copy_out(&mut all);
        assert!(all == expected);
    }

    #[test]
    #[should_panic(expected = "inside the page")]
    fn a_range_beyond_the_page_is_refused() {
        page().store_at(PAGE_SIZE - 3, &[0; 4]);
    }

    #[test]
    #[should_panic(expected = "inside the page")]
    fn an_offset_beyond_everything_is_refused() {
        page().load_at(usize::MAX, &mut [0; 4]);
    }

    #[test]
    fn neighbours_can_write_at_the_same_time() {
        let page = page();
        std::thread::scope(|scope| {
            for third in 0..3usize {
                let page = &page;
                scope.spawn(move || {
                    for round in 0..2000u32 {
                        let at = third * 2731;
                        let len = if third == 2 { PAGE_SIZE - at } else { 2731 };
                        page.store_at(at, &vec![(round as u8) ^ (third as u8 * 80); len]);
                    }
                });
            }
        });
        let mut all = [0; PAGE_SIZE];
        page.copy_out(&mut all);
        let last = 1999u32 as u8;
        let expected = |at: usize| last ^ ((at / 2731).min(2) as u8 * 80);
        assert!(all.iter().enumerate().all(|(at, &byte)| byte == expected(at)));
    }
}
