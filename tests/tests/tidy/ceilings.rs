//! Files and functions stay small, and what is large does not grow.

use std::collections::BTreeMap;
use std::fmt::Write;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use tests::binary::workspace;

use super::none;
use super::source::{read, rust};

/// No file may be longer.
const FILE_LINES_MAX: usize = 800;
/// No function may be longer.
const FUNCTION_LINES_MAX: usize = 100;
/// A longer file needs a ceiling.
const FILE_LINES_USUAL: usize = 300;
/// A longer function needs a ceiling.
const FUNCTION_LINES_USUAL: usize = 50;
/// At least so many of a hundred functions are of 30 lines or fewer.
const SHORT_FUNCTIONS_MIN: usize = 95;
/// A ceiling may be so much higher than what stands under it.
const SLACK: usize = 10;

const LIST: &str = "tests/tests/tidy/ceilings.txt";

/// The lengths of the functions of a file, by name.
#[derive(Default)]
struct Functions {
    lengths: Vec<(String, usize)>,
    /// The types and modules around the function being visited.
    around: Vec<String>,
}

impl Functions {
    fn take(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        let name = [self.around.as_slice(), &[signature.ident.to_string()]].concat().join("::");
        self.lengths.push((name, last - first + 1));
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.around.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.around.pop();
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let text = item.self_ty.span().source_text().unwrap_or_else(|| "impl".to_owned());
        let of = item.trait_.as_ref().and_then(|(path, _)| path.span().source_text());
        let of = of.map_or(String::new(), |of| format!("{of} for "));
        self.around.push(format!("{of}{text}").replace(char::is_whitespace, "_"));
        visit::visit_item_impl(self, item);
        self.around.pop();
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.take(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.take(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.take(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// Every file, and every function as `path#name`, with its lines.
fn lengths() -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
    let (mut files, mut functions) = (BTreeMap::new(), BTreeMap::new());
    for rust in rust().0 {
        let mut found = Functions::default();
        found.visit_file(&rust.file);
        for (name, length) in found.lengths {
            let longest: &mut usize = functions.entry(format!("{}#{name}", rust.path)).or_default();
            *longest = (*longest).max(length);
        }
        files.insert(rust.path, rust.text.lines().count());
    }
    (files, functions)
}

fn listed() -> BTreeMap<String, usize> {
    let text = read(LIST);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let (length, name) = line.trim().split_once(' ').expect("a length, then what has it");
        (name.to_owned(), length.parse().expect("a length is a number"))
    };
    lines.map(entry).collect()
}

/// What is longer than usual.
fn long() -> BTreeMap<String, usize> {
    let (files, functions) = lengths();
    let files = files.into_iter().filter(|(_, length)| *length > FILE_LINES_USUAL);
    let functions = functions.into_iter().filter(|(_, length)| *length > FUNCTION_LINES_USUAL);
    files.chain(functions).collect()
}

#[test]
fn nothing_is_longer_than_anything_may_be() {
    let (files, functions) = lengths();
    let mut complaints = Vec::new();
    for (name, length) in files.iter().filter(|(_, length)| **length > FILE_LINES_MAX) {
        complaints.push(format!("{name}: {length} lines, at most {FILE_LINES_MAX}: split it"));
    }
    for (name, length) in functions.iter().filter(|(_, length)| **length > FUNCTION_LINES_MAX) {
        complaints.push(format!("{name}: {length} lines, at most {FUNCTION_LINES_MAX}: split it"));
    }
    none(complaints);
}

#[test]
fn most_functions_are_short() {
    let (_, functions) = lengths();
    let short = functions.values().filter(|length| **length <= 30).count();
    let share = short * 100 / functions.len();
    assert!(share >= SHORT_FUNCTIONS_MIN, "only {share} % have 30 lines or fewer");
}

/// With `MAMONT_TIDY=write` in the environment the list is made anew.
#[test]
fn what_is_long_does_not_grow() {
    let long = long();
    if std::env::var_os("MAMONT_TIDY").is_some_and(|value| value == "write") {
        let head =
            "# What is longer than usual, with the lines that it may have. See ceilings.rs.\n";
        let mut text = head.to_owned();
        for (name, length) in &long {
            writeln!(text, "{length} {name}").expect("a string takes everything");
        }
        std::fs::write(workspace().join(LIST), text).expect("the list can be written");
        return;
    }
    let ceilings = listed();
    let mut complaints = Vec::new();
    for (name, length) in &long {
        match ceilings.get(name) {
            None => {
                complaints.push(format!("{name}: {length} lines: split it, or list it in {LIST}"))
            }
            Some(ceiling) if length > ceiling => {
                complaints.push(format!("{name}: {length} lines, it had {ceiling}: split it"));
            }
            Some(ceiling) if length + SLACK < *ceiling => {
                complaints.push(format!("{name}: {length} lines: lower its ceiling of {ceiling}"));
            }
            Some(_) => {}
        }
    }
    for name in ceilings.keys().filter(|name| !long.contains_key(*name)) {
        complaints.push(format!("{name} is not long any more: take it off {LIST}"));
    }
    none(complaints);
}
