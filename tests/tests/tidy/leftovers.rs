//! Nothing unfinished is left in the tree, and every module says what it is.

use super::none;
use super::source::{all_files, read, rust};

/// What marks unfinished work. Written in two halves, so that this file does not hold them.
const MARKS: &[(&str, &str)] = &[
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X"),
    ("HA", "CK"),
    ("todo", "!("),
    ("unimpl", "emented!("),
    ("db", "g!("),
];

/// Fewer words than this say nothing of a module.
const HEAD_WORDS_MIN: usize = 3;

/// The kinds of files that people write.
const WRITTEN: &[&str] = &["rs", "toml", "md", "sh", "service", "txt", "just"];

#[test]
fn nothing_unfinished_is_left() {
    let mut complaints = Vec::new();
    for path in all_files() {
        let ending = path.rsplit('.').next().unwrap_or_default();
        if !WRITTEN.contains(&ending) && !path.ends_with("justfile") && !path.contains(".ci/") {
            continue;
        }
        let text = read(&path);
        for (at, line) in text.lines().enumerate() {
            for (first, second) in MARKS {
                if has_word(line, &format!("{first}{second}")) {
                    complaints.push(format!("{path}:{}: {first}{second}: {}", at + 1, line.trim()));
                }
            }
        }
    }
    none(complaints);
}

/// Whether the mark stands in the line as a word of its own.
fn has_word(line: &str, mark: &str) -> bool {
    let opens = |c: char| c.is_whitespace() || matches!(c, '/' | '*' | '#' | '(' | '!');
    let closes = |c: char| c.is_whitespace() || matches!(c, ':' | '(' | ',' | ')' | '!');
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + mark.len()..].chars().next();
        before.is_none_or(opens) && (mark.ends_with('(') || after.is_none_or(closes))
    })
}

#[test]
fn marks_are_found_as_words() {
    let mark = format!("XX{}", "X");
    assert!(has_word(&format!("// {mark} later"), &mark));
    assert!(!has_word(&format!("a{mark}b {mark}{mark} ..{mark}"), &mark));
}

#[test]
fn every_module_begins_with_what_it_is() {
    let mut complaints = Vec::new();
    for rust in rust().0 {
        let head = rust.text.lines().map_while(|line| line.strip_prefix("//!"));
        let words = head.flat_map(str::split_whitespace).count();
        if words < HEAD_WORDS_MIN {
            let what = "begin with `//!` and what this is, in a sentence at least";
            complaints.push(format!("{}:1: {what}", rust.path));
        }
    }
    none(complaints);
}

#[test]
fn nothing_tells_of_the_machine_it_was_written_on() {
    let mut complaints = Vec::new();
    let marks = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    for path in all_files().into_iter().filter(|path| path != "Cargo.lock") {
        let Ok(bytes) = std::fs::read(tests::binary::workspace().join(&path)) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        for (at, line) in text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(mark.as_str())) {
                complaints.push(format!("{path}:{}: {mark} is a path of one machine", at + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn scripts_can_be_run_and_stop_at_the_first_error() {
    use std::os::unix::fs::PermissionsExt;
    let mut complaints = Vec::new();
    let is_script = |path: &String| path.starts_with("scripts/") || path == ".ci/run";
    for path in all_files().into_iter().filter(is_script) {
        let meta = tests::binary::workspace().join(&path).metadata().expect("it was found");
        let text = read(&path);
        if !text.starts_with("#!") {
            continue;
        }
        if meta.permissions().mode() & 0o111 == 0 {
            complaints.push(format!("{path}: chmod +x"));
        }
        if !text.lines().any(|line| line.starts_with("set -eu")) {
            complaints.push(format!("{path}: `set -eu`"));
        }
    }
    none(complaints);
}
