//! The nearest known name to a mistyped one.

/// The word with the fewest edits from `typed`, if so few that it is likely meant: at most a
/// third of its letters.
pub(crate) fn nearest<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A name that long is no typo; comparing it would only cost time.
    if typed.chars().count() > 64 {
        return None;
    }
    let (edits, word) = words.map(|word| (distance(typed, word), word)).min()?;
    (edits <= word.len() / 3).then_some(word)
}

/// Levenshtein's distance, letters compared without case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_noise_finds_none() {
        let words = || ["shared_buffers", "wal_buffers", "port"].into_iter();
        assert_eq!(nearest("shared_bufers", words()), Some("shared_buffers"));
        assert_eq!(nearest("Prot", words()), None);
        assert_eq!(nearest("prt", words()), Some("port"));
        assert_eq!(nearest("something_else", words()), None);
        assert_eq!(nearest(&"x".repeat(100_000), words()), None);
        assert_eq!((distance("kitten", "sitting"), distance("", "ab")), (3, 2));
    }
}
