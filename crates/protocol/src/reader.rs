//! Cutting lines out of a stream of bytes.
//!
//! ```text
//!   buffer:  | given out | a line, not yet whole ........ | room |
//!            0         start            searched         end    len
//! ```
//!
//! Bytes before `start` are spent; `start..searched` holds no LF; the next bytes go to `end..`.
//! A line that grows longer than allowed is thrown away as it comes in, and told when its LF has
//! come, so that each line gets exactly one answer.
//!
//! Invariants: `start <= searched <= end <= len`; after `next` has said `None`, what is left is no
//! longer than the longest line and a CR, and there is room for at least [`LEAST_ROOM`] bytes.

use types::{Diagnostic, SqlState};

/// The buffer's size at first, and what it shrinks to when a long line is spent.
const INITIAL: usize = 16 << 10;
/// How much room there is at least for the next read.
const LEAST_ROOM: usize = 4 << 10;
/// A spent buffer larger than this is given back.
const KEPT: usize = 256 << 10;

/// Why a line cannot be taken. The connection goes on with the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineError {
    /// It is longer than `max_line_size`; it has been discarded.
    #[error("line is too long")]
    TooLong {
        /// The most bytes a line may have.
        max: usize,
    },
    /// It is not UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}")]
    BadUtf8 {
        /// The first byte that is wrong.
        byte: u8,
    },
    /// It holds a zero byte.
    #[error("invalid byte sequence for encoding \"UTF8\": 0x00")]
    Nul,
}

impl Diagnostic for LineError {
    fn sqlstate(&self) -> SqlState {
        match self {
            LineError::TooLong { .. } => SqlState::PROGRAM_LIMIT_EXCEEDED,
            LineError::BadUtf8 { .. } | LineError::Nul => SqlState::CHARACTER_NOT_IN_REPERTOIRE,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            LineError::TooLong { max } => {
                Some(format!("A line can have {max} bytes (max_line_size)."))
            }
            LineError::BadUtf8 { .. } | LineError::Nul => None,
        }
    }
}

/// Takes bytes as they come and gives out lines.
#[derive(Debug)]
pub struct LineReader {
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
    max: usize,
    /// The line at hand is too long: drop everything up to its LF.
    discarding: bool,
}

impl LineReader {
    /// A reader of lines of at most `max_line_size` bytes, the line end not counted.
    pub fn new(max_line_size: usize) -> Self {
        LineReader {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            end: 0,
            max: max_line_size,
            discarding: false,
        }
    }

    /// Room for the next bytes; say with [`LineReader::filled`] how many have come.
    ///
    /// It is never empty once [`LineReader::next_line`] has said `None`. Before that it may be:
    /// lines that were not taken are never dropped to make room.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.rewind();
        }
        if self.buffer.len() - self.end < LEAST_ROOM {
            self.make_room();
        }
        &mut self.buffer[self.end..]
    }

    /// The first `count` bytes of the room have been filled.
    pub fn filled(&mut self, count: usize) {
        debug_assert!(count <= self.buffer.len() - self.end, "no more than the room");
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// The next line without its end, or why it cannot be taken; `None` if no whole line is there.
    pub fn next_line(&mut self) -> Option<Result<&str, LineError>> {
        let found = memchr::memchr(b'\n', &self.buffer[self.searched..self.end]);
        let Some(length) = found else {
            self.searched = self.end;
            self.discard_if_too_long();
            return None;
        };
        let (from, lf) = (self.start, self.searched + length);
        (self.start, self.searched) = (lf + 1, lf + 1);
        if std::mem::take(&mut self.discarding) {
            return Some(Err(LineError::TooLong { max: self.max }));
        }
        let line = &self.buffer[from..lf];
        Some(check(line.strip_suffix(b"\r").unwrap_or(line), self.max))
    }

    /// Whether nothing of a further line has come yet.
    pub fn is_empty(&self) -> bool {
        self.start == self.end && !self.discarding
    }

    /// The bytes that came and were not given out; for another protocol to take over.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn discard_if_too_long(&mut self) {
        // One more than allowed may still be a CR.
        if self.discarding || self.end - self.start > self.max + 1 {
            self.discarding = true;
            self.rewind();
        }
    }

    fn rewind(&mut self) {
        (self.start, self.searched, self.end) = (0, 0, 0);
        if self.buffer.len() > KEPT {
            self.buffer = Vec::new();
        }
    }

    /// Moves what is left to the front; if that is not enough, grows up to what the longest line
    /// needs.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.searched -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < LEAST_ROOM {
            let most = (self.max + 2 + LEAST_ROOM).max(INITIAL);
            let wanted = (self.buffer.len() * 2).clamp(INITIAL, most);
            self.buffer.resize(wanted.max(self.buffer.len()), 0);
        }
    }
}

fn check(line: &[u8], max: usize) -> Result<&str, LineError> {
    if line.len() > max {
        return Err(LineError::TooLong { max });
    }
    if memchr::memchr(0, line).is_some() {
        return Err(LineError::Nul);
    }
    std::str::from_utf8(line)
        .map_err(|error| LineError::BadUtf8 { byte: line[error.valid_up_to()] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Lines = Vec<Result<String, LineError>>;

    /// Feeds the bytes in pieces of the given sizes, over and over.
    fn read(bytes: &[u8], max: usize, pieces: &[usize]) -> (Lines, LineReader) {
        let mut reader = LineReader::new(max);
        let mut lines = Vec::new();
        let mut rest = bytes;
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let room = reader.room();
            assert!(!room.is_empty(), "there is room once all lines are taken");
            let piece = *pieces.next().expect("a cycle does not end");
            let count = room.len().min(piece).min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            reader.filled(count);
            rest = &rest[count..];
            while let Some(line) = reader.next_line() {
                lines.push(line.map(str::to_owned));
            }
            assert!(reader.buffer.len() <= (max + 2 + LEAST_ROOM).max(INITIAL));
        }
        (lines, reader)
    }

    fn lines(bytes: &[u8]) -> Lines {
        read(bytes, 10, &[3]).0
    }

    #[test]
    fn lines_end_in_lf_and_a_cr_before_it_is_dropped() {
        let expected: Lines =
            ["a", "", "b", "c\rd", "\r"].iter().map(|s| Ok((*s).to_owned())).collect();
        assert_eq!(lines(b"a\n\nb\r\nc\rd\n\r\r\nno end"), expected);
    }

    #[test]
    fn what_cannot_be_taken_is_told_once_and_the_next_line_is_good() {
        let too_long = || Err(LineError::TooLong { max: 10 });
        let good = || Ok("ok".to_owned());
        assert_eq!(lines(b"0123456789\n")[0], Ok("0123456789".to_owned()));
        assert_eq!(lines(b"0123456789\r\n")[0], Ok("0123456789".to_owned()));
        assert_eq!(lines(b"0123456789a\nok\n"), [too_long(), good()]);
        assert_eq!(lines(&[b"x".repeat(50).as_slice(), b"\nok\n"].concat()), [too_long(), good()]);
        assert_eq!(lines(b"\xc3\nok\n"), [Err(LineError::BadUtf8 { byte: 0xc3 }), good()]);
        assert_eq!(lines(b"a\0b\nok\n"), [Err(LineError::Nul), good()]);
        let huge = [b"x".repeat(1 << 20).as_slice(), b"\nok\n"].concat();
        assert_eq!(read(&huge, 10, &[1 << 16]).0, [too_long(), good()]);
    }

    #[test]
    fn a_long_line_is_held_only_while_it_lasts() {
        let max = 1 << 20;
        let line = [b"x".repeat(max).as_slice(), b"\n"].concat();
        let (lines, mut reader) = read(&line, max, &[usize::MAX]);
        assert_eq!(lines[0].as_ref().map(String::len), Ok(max));
        assert!(reader.is_empty() && reader.room().len() <= KEPT);
    }

    #[test]
    fn lines_that_cross_the_buffer_s_end_stay_whole() {
        let line = |n: usize| format!("{n}:{}", "y".repeat(5000 + n % 7));
        let bytes: String = (0..100).map(|n| line(n) + "\n").collect();
        for pieces in [[3333, 1], [INITIAL, INITIAL]] {
            let (lines, _) = read(bytes.as_bytes(), 6000, &pieces);
            let expected: Lines = (0..100).map(|n| Ok(line(n))).collect();
            assert!(lines == expected);
        }
    }

    #[test]
    fn pipelined_lines_wait_their_turn_and_the_rest_can_be_taken_over() {
        let mut reader = LineReader::new(100);
        let bytes = b"one\ntwo\nthr";
        reader.room()[..bytes.len()].copy_from_slice(bytes);
        reader.filled(bytes.len());
        assert_eq!(reader.unread(), bytes);
        assert_eq!(reader.next_line(), Some(Ok("one")));
        assert_eq!(reader.next_line(), Some(Ok("two")));
        assert_eq!(reader.next_line(), None);
        assert_eq!(reader.unread(), b"thr");
        assert!(!reader.is_empty());
    }

    #[test]
    fn errors_have_their_codes() {
        assert_eq!(LineError::TooLong { max: 1 }.sqlstate().as_str(), "54000");
        assert_eq!(LineError::BadUtf8 { byte: 0xff }.sqlstate().as_str(), "22021");
        assert_eq!(LineError::Nul.sqlstate().as_str(), "22021");
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(
            bytes in proptest::collection::vec(
                prop_oneof![6 => b'a'..=b'z', 3 => Just(b'\n'), 1 => Just(b'\r'), 1 => any::<u8>()],
                0..200,
            ),
            pieces in proptest::collection::vec(1..40_usize, 1..8),
            max in 0..20_usize,
        ) {
            let expected: Lines = bytes
                .split_inclusive(|byte| *byte == b'\n')
                .filter_map(|line| line.strip_suffix(b"\n"))
                .map(|line| check(line.strip_suffix(b"\r").unwrap_or(line), max).map(str::to_owned))
                .collect();
            prop_assert_eq!(read(&bytes, max, &pieces).0, expected);
        }
    }
}
