//! The book's links lead somewhere.

use std::collections::BTreeSet;
use std::path::Path;

use tests::binary::workspace;

use super::none;
use super::source::{all_files, read};

/// The targets of `[text](target)`, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut code = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        let mut rest = if code { "" } else { line };
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            if let Some(end) = rest.find(')') {
                found.push((at + 1, rest[..end].to_owned()));
            }
        }
    }
    found
}

/// The anchors of a page's headings, as common renderers make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().replace(' ', "-")
    };
    text.lines().filter(|line| line.starts_with('#')).map(heading).collect()
}

#[test]
fn links_lead_to_files_and_headings_that_are_there() {
    let mut complaints = Vec::new();
    for path in all_files().into_iter().filter(|path| path.ends_with(".md")) {
        let text = read(&path);
        for (line, target) in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let folder = Path::new(&path).parent().expect("a file lies in a folder");
            let place = if file.is_empty() {
                workspace().join(&path)
            } else {
                workspace().join(folder).join(file)
            };
            if !place.exists() {
                complaints.push(format!("{path}:{line}: there is no {file}"));
            } else if !anchor.is_empty() && place.is_file() {
                let page = std::fs::read_to_string(&place).expect("it is there");
                if !anchors(&page).contains(anchor) {
                    complaints.push(format!("{path}:{line}: {file} has no heading #{anchor}"));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn links_are_found_outside_of_code() {
    let text = "see [a](x.md) and [b](y.md#z)\n```\n[c](no)\n```\n";
    assert_eq!(links(text), [(1, "x.md".to_owned()), (1, "y.md#z".to_owned())]);
    assert!(anchors("## The life of one INSERT").contains("the-life-of-one-insert"));
}
