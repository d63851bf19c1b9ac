//! A short text that one process writes and all may read.
//!
//! ```text
//!  sequence u32 | length u32 | bytes, as words
//! ```
//!
//! The writer makes the sequence odd, writes, and makes it even again; a reader who finds it odd
//! or changed tries again, and after some tries gives up and says what it has: a writer that died
//! in the middle must not stop the views.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use zerocopy::FromZeros;

/// Some milliseconds: on a busy machine the writer may have to wait in the middle.
const TRIES: usize = 10_000;

/// At most `WORDS * 8` bytes of UTF-8. Written by its owner alone.
#[derive(FromZeros)]
#[repr(C)]
pub struct SharedText<const WORDS: usize> {
    sequence: AtomicU32,
    len: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> SharedText<WORDS> {
    /// Replaces the text, cut (at a character) to what there is room for.
    pub fn set(&self, text: &str) {
        let bytes = &text.as_bytes()[..text.floor_char_boundary(WORDS * 8)];
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.len.store(bytes.len() as u32, Ordering::Relaxed);
        for (word, chunk) in self.words.iter().zip(bytes.chunks(8)) {
            let mut padded = [0u8; 8];
            padded[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_le_bytes(padded), Ordering::Relaxed);
        }
        self.sequence.store((sequence | 1).wrapping_add(1), Ordering::Release);
    }

    /// The text.
    pub fn get(&self) -> String {
        self.get_by(|| self.copy())
    }

    fn get_by(&self, mut copy: impl FnMut() -> Vec<u8>) -> String {
        let mut bytes = Vec::new();
        for _ in 0..TRIES {
            let before = self.sequence.load(Ordering::Acquire);
            bytes = copy();
            fence(Ordering::Acquire);
            let after = self.sequence.load(Ordering::Relaxed);
            if before == after && before.is_multiple_of(2) {
                break;
            }
            std::thread::yield_now();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn copy(&self) -> Vec<u8> {
        let len = (self.len.load(Ordering::Relaxed) as usize).min(WORDS * 8);
        let words = self.words.iter().take(len.div_ceil(8));
        let mut bytes: Vec<u8> =
            words.flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        bytes.truncate(len);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character() {
        let text: SharedText<2> = SharedText::new_zeroed();
        assert_eq!(text.get(), "");
        text.set("sixteen letters!");
        assert_eq!(text.get(), "sixteen letters!");
        text.set("fifteen and an é");
        assert_eq!(text.get(), "fifteen and an ");
        text.set("x");
        assert_eq!(text.get(), "x");
    }

    #[test]
    fn a_reader_never_sees_a_mixture() {
        let text: SharedText<8> = SharedText::new_zeroed();
        let (a, b) = ("a".repeat(64), "b".repeat(33));
        text.set(&a);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    text.set(&b);
                    text.set(&a);
                }
            });
            for _ in 0..20_000 {
                let seen = text.get();
                assert!(seen == a || seen == b, "{seen}");
            }
        });
    }

    #[test]
    fn a_copy_that_a_write_came_between_is_taken_again() {
        let text: SharedText<2> = SharedText::new_zeroed();
        text.set("old");
        let mut copies = 0;
        let seen = text.get_by(|| {
            let copy = text.copy();
            copies += 1;
            if copies == 1 {
                text.set("new");
            }
            copy
        });
        assert_eq!((seen.as_str(), copies), ("new", 2));
        // And one that began while a write was going on.
        text.sequence.fetch_add(1, Ordering::Relaxed);
        let seen = text.get_by(|| {
            let copy = text.copy();
            text.set("newest");
            copy
        });
        assert_eq!(seen, "newest");
    }

    #[test]
    fn a_writer_that_died_in_the_middle_stops_nobody() {
        let text: SharedText<2> = SharedText::new_zeroed();
        text.set("before");
        text.sequence.fetch_add(1, Ordering::Relaxed);
        text.len.store(u32::MAX, Ordering::Relaxed);
        assert_eq!(text.get().len(), 16);
        text.set("after");
        assert_eq!((text.get().as_str(), text.sequence.load(Ordering::Relaxed) % 2), ("after", 0));
    }
}
