//! The files of the workspace, and for Rust files what they are: reached by a `mod` or dead, code of
//! the product or of its tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tests::binary::workspace;

/// A Rust file, parsed.
pub struct Rust {
    /// Its path from the root of the workspace.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its items.
    pub file: syn::File,
    /// Whether it is compiled for tests only.
    pub test: bool,
}

impl Rust {
    /// The crate that it belongs to: `crates/wal/src/x.rs` is of `wal`, `tests/powercut/…` of
    /// `powercut`, the rest of `tests/…` of `tests`.
    pub fn room(&self) -> &str {
        let mut parts = self.path.split('/');
        match parts.next() {
            Some("crates") => parts.next().expect("a file in crates/ lies in one"),
            Some("tests") if self.path.starts_with("tests/powercut/") => "powercut",
            first => first.expect("a path has a first part"),
        }
    }
}

/// Every file under version control, or that could be: what is not generated.
pub fn all_files() -> Vec<String> {
    let mut found = Vec::new();
    walk(workspace(), &mut found);
    found.sort();
    found
}

fn walk(dir: &Path, found: &mut Vec<String>) {
    let entries = std::fs::read_dir(dir).expect("the workspace can be read");
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let skipped = ["target", ".git", "data", "corpus"].iter().any(|skip| name == *skip);
        if path.is_dir() && !skipped {
            walk(&path, found);
        } else if path.is_file() {
            let inside = path.strip_prefix(workspace()).expect("it was found there");
            found.push(inside.to_str().expect("names are plain text").to_owned());
        }
    }
}

/// The text of a file of the workspace.
pub fn read(path: &str) -> String {
    let text = std::fs::read_to_string(workspace().join(path));
    text.unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Whether the attributes keep an item out of the product.
pub fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return true;
        }
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let text = list.tokens.to_string();
        list.path.is_ident("cfg")
            && !text.starts_with("not")
            && (text.contains("test") || text.contains("model"))
    })
}

/// All Rust files that cargo compiles, found from the roots by their `mod` lines; and the paths of
/// Rust files that nothing leads to.
pub fn rust() -> (Vec<Rust>, Vec<String>) {
    let all: BTreeSet<String> = all_files().into_iter().filter(|p| p.ends_with(".rs")).collect();
    let mut reached: Vec<Rust> = Vec::new();
    for path in all.iter().filter(|path| is_root(path)) {
        let inside = ["/tests/", "/benches/"].iter().any(|part| path.contains(part));
        let test = inside || ["tests/", "fuzz/"].iter().any(|part| path.starts_with(part));
        follow(path, test, &mut reached);
    }
    let known: BTreeSet<&str> = reached.iter().map(|r| r.path.as_str()).collect();
    let dead = all.iter().filter(|path| !known.contains(path.as_str())).cloned().collect();
    (reached, dead)
}

/// Whether cargo compiles that file by itself.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let inside = match parts.as_slice() {
        ["crates", _, rest @ ..]
        | ["tests", "powercut", rest @ ..]
        | ["tests" | "fuzz", rest @ ..] => rest,
        _ => return false,
    };
    matches!(
        inside,
        ["build.rs"]
            | ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", _]
            | ["tests" | "benches" | "examples", _]
            | ["tests" | "benches", _, "main.rs"]
    )
}

fn follow(path: &str, test: bool, reached: &mut Vec<Rust>) {
    let text = read(path);
    let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
    let stem = path.strip_suffix(".rs").expect("a Rust file");
    let name = stem.rsplit('/').next().expect("a name");
    let folder = match name {
        "lib" | "main" | "mod" => stem.rsplit_once('/').expect("it lies in a folder").0.to_owned(),
        _ if is_root(path) => stem.rsplit_once('/').expect("it lies in a folder").0.to_owned(),
        _ => stem.to_owned(),
    };
    let beside = path.rsplit_once('/').expect("it lies in a folder").0;
    let modules = modules(&file.items, &folder, beside, test);
    reached.push(Rust { path: path.to_owned(), text, file, test });
    for (candidates, test) in modules {
        let there = candidates.iter().find(|path| workspace().join(path).is_file());
        let Some(there) = there else { panic!("none of {candidates:?} is there") };
        follow(there, test, reached);
    }
}

/// The files that the `mod name;` lines among the items may mean. `folder` is where submodules lie,
/// `beside` where the file with the items lies, from which `#[path]` counts.
fn modules(
    items: &[syn::Item],
    folder: &str,
    beside: &str,
    test: bool,
) -> Vec<(Vec<String>, bool)> {
    let mut found = Vec::new();
    for item in items {
        let syn::Item::Mod(module) = item else { continue };
        let test = test || is_for_tests(&module.attrs);
        let below = format!("{folder}/{}", module.ident);
        match (&module.content, named_path(&module.attrs)) {
            (Some((_, items)), _) => found.extend(modules(items, &below, &below, test)),
            (None, Some(path)) => found.push((vec![format!("{beside}/{path}")], test)),
            (None, None) => {
                found.push((vec![format!("{below}.rs"), format!("{below}/mod.rs")], test));
            }
        }
    }
    found
}

/// The value of `#[path = "…"]`.
fn named_path(attributes: &[syn::Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|a| a.path().is_ident("path"))?;
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(literal) = &pair.value else { return None };
    let syn::Lit::Str(text) = &literal.lit else { return None };
    Some(text.value())
}

/// The folders that hold a `Cargo.toml`, with the tables of it.
pub fn manifests() -> Vec<(PathBuf, toml::Table)> {
    let paths = all_files().into_iter().filter(|p| p.ends_with("Cargo.toml"));
    let parse = |path: String| {
        let table = read(&path).parse().unwrap_or_else(|e| panic!("{path}: {e}"));
        (PathBuf::from(path), table)
    };
    paths.map(parse).collect()
}

#[test]
fn no_rust_file_is_dead() {
    let (_, dead) = rust();
    super::none(dead.into_iter().map(|path| format!("{path}: no `mod` leads to it")).collect());
}

#[test]
fn the_walk_finds_what_there_is_and_tells_tests_apart() {
    let (found, _) = rust();
    let of = |path: &str| found.iter().find(|r| r.path == path).map(|r| r.test);
    assert_eq!(of("crates/types/src/ids.rs"), Some(false));
    assert_eq!(of("tests/tests/tidy/source.rs"), Some(true));
    assert_eq!(of("tests/src/crash/oracle/tests.rs"), Some(true));
    assert_eq!(of("tests/powercut/src/model/names.rs"), Some(true));
}
