//! The line protocol: what a client may send.

use protocol::{LineReader, Opening, Request, escape_into, unescape};

/// The longest line that is let through here.
const LINE_MAX: usize = 4096;

/// Takes the bytes for what a client sends, in pieces whose size the input names.
pub fn line_protocol(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let _ = rest.first().map(|byte| Opening::of(*byte));
    let piece = usize::from(first).max(1);
    let mut reader = LineReader::new(LINE_MAX);
    let (mut lines, mut rest) = (0, rest);
    while !rest.is_empty() {
        let room = reader.room();
        assert!(!room.is_empty(), "a reader always has room");
        let count = piece.min(room.len()).min(rest.len());
        room[..count].copy_from_slice(&rest[..count]);
        reader.filled(count);
        rest = &rest[count..];
        while let Some(line) = reader.next_line() {
            lines += 1;
            if let Ok(line) = line {
                assert!(line.len() <= LINE_MAX && !line.contains('\n'));
                let _ = Request::parse(line);
                there_and_back(line);
            }
        }
        assert!(reader.unread().len() <= 2 * LINE_MAX + 65536, "the buffer is bounded");
    }
    assert!(lines <= data.len());
}

/// A value that is escaped comes back.
fn there_and_back(line: &str) {
    let _ = unescape(line);
    let mut escaped = Vec::new();
    escape_into(line, &mut escaped);
    assert!(!escaped.contains(&b'\n') && !escaped.contains(&b'\t'));
    let text = std::str::from_utf8(&escaped).expect("text stays text");
    assert_eq!(unescape(text).as_deref(), Some(line.as_bytes()));
}
