//! Calls that the rooms do not make, each with what they make instead.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::none;
use super::source::{Rust, is_for_tests, rust};

/// A call that some rooms do not make.
struct Forbidden {
    /// A path, or its beginning.
    path: &'static str,
    /// What to do instead.
    instead: &'static str,
    /// Where it is allowed: rooms, or files.
    except: &'static [&'static str],
}

const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        path: "std::fs",
        instead: "sys::fs, the one seam under all file I/O",
        // The seam itself; the room below it; the tool, which the server does not run.
        except: &[
            "sys",
            "config",
            "mamont",
            // The kind, owner and mode of the data directory and the socket, which is no file I/O
            // that a disk could fail.
            "crates/postmaster/src/datadir.rs",
            "crates/postmaster/src/listen.rs",
            "crates/postmaster/src/start.rs",
            "crates/shmem/src/segment.rs",
        ],
    },
    Forbidden {
        path: "std::thread::spawn",
        instead: "nothing: a server process has one thread",
        except: &["mamont"],
    },
    Forbidden {
        path: "std::thread::scope",
        instead: "nothing: a server process has one thread",
        except: &["mamont"],
    },
    Forbidden {
        path: "std::thread::sleep",
        instead: "shmem::Latch::wait, which a signal or a colleague can end",
        except: &[
            "sys",
            "mamont",
            // At most `commit_delay`, 100 ms.
            "crates/wal/src/write.rs",
            // While all buffers are pinned, which nobody announces; for a bounded time.
            "crates/buffer/src/clock.rs",
            // Before the first child and the loop exist.
            "crates/postmaster/src/start.rs",
        ],
    },
    Forbidden {
        path: "std::process::exit",
        instead: "sys::process::exit_now in a child, a return from main elsewhere",
        except: &["mamont"],
    },
    Forbidden {
        path: "std::process::abort",
        instead: "a panic, which the hook turns into an abort with a log line",
        // The ends of all panics.
        except: &["sys", "shmem", "crates/processes/src/child.rs", "crates/wal/src/error.rs"],
    },
    Forbidden {
        path: "std::sync::Mutex",
        instead: "shmem::LwLock between processes, Cell or RefCell inside one",
        except: &["sys", "mamont"],
    },
    Forbidden {
        path: "std::process::Command",
        instead: "nothing: the server runs no other programs",
        except: &["mamont"],
    },
    Forbidden {
        path: "std::env::set_var",
        instead: "nothing: settings are in config::Settings",
        except: &[],
    },
    Forbidden {
        path: "std::mem::forget",
        instead: "a guard that says what it does, or ManuallyDrop with a reason",
        except: &["sys", "shmem"],
    },
];

/// Macros that write where a server has no business to.
const PRINTING: &[&str] = &["println", "print", "eprintln", "eprint"];
/// Programs that people start by hand, and the file in which the server answers `--check`.
const MAY_PRINT: &[&str] =
    &["mamont", "crates/postmaster/src/start.rs", "crates/postmaster/src/lib.rs"];

/// Where `unsafe` may stand.
const MAY_BE_UNSAFE: &[&str] = &["sys", "shmem", "crates/buffer/src/frame.rs"];

fn is_excepted(rust: &Rust, except: &[&str]) -> bool {
    except.iter().any(|entry| *entry == rust.room() || *entry == rust.path)
}

/// Collects what the product's code of one file does.
#[derive(Default)]
struct Seen {
    /// Paths that are named, with their line; uses are resolved to whole paths.
    paths: Vec<(String, usize)>,
    macros: Vec<(String, usize)>,
    unwraps: Vec<usize>,
    unsafes: Vec<usize>,
    /// The names that `use` lines give to paths.
    names: Vec<(String, String)>,
}

fn line(spanned: &impl Spanned) -> usize {
    spanned.span().start().line
}

impl Seen {
    fn in_file(rust: &Rust) -> Seen {
        let mut seen = Seen::default();
        seen.visit_file(&rust.file);
        seen
    }

    fn take_use(&mut self, tree: &syn::UseTree, before: &str) {
        let joined = |ident: &syn::Ident| match before {
            "" => ident.to_string(),
            before => format!("{before}::{ident}"),
        };
        match tree {
            syn::UseTree::Path(path) => self.take_use(&path.tree, &joined(&path.ident)),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.take_use(tree, before));
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let last = before.rsplit("::").next().unwrap_or(before);
                self.names.push((last.to_owned(), before.to_owned()));
            }
            syn::UseTree::Name(name) => {
                self.names.push((name.ident.to_string(), joined(&name.ident)))
            }
            syn::UseTree::Rename(rename) => {
                self.names.push((rename.rename.to_string(), joined(&rename.ident)));
            }
            syn::UseTree::Glob(glob) => self.paths.push((before.to_owned(), line(glob))),
        }
    }
}

impl<'a> Visit<'a> for Seen {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if is_for_tests(&item.attrs) {
            return;
        }
        if matches!(item.sig.safety, syn::Safety::Unsafe(_)) {
            self.unsafes.push(line(&item.sig));
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if is_for_tests(&item.attrs) {
            return;
        }
        if item.unsafety.is_some() {
            self.unsafes.push(line(item));
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            let before = self.names.len();
            self.take_use(&item.tree, "");
            let at = line(item);
            let paths: Vec<String> = self.names[before..].iter().map(|(_, p)| p.clone()).collect();
            self.paths.extend(paths.into_iter().map(|path| (path, at)));
        }
    }

    fn visit_expr_unsafe(&mut self, expr: &'a syn::ExprUnsafe) {
        self.unsafes.push(line(expr));
        visit::visit_expr_unsafe(self, expr);
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        if call.method == "unwrap" && call.args.is_empty() {
            self.unwraps.push(line(&call.method));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, mac: &'a syn::Macro) {
        if let Some(last) = mac.path.segments.last() {
            self.macros.push((last.ident.to_string(), line(mac)));
        }
        visit::visit_macro(self, mac);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        let whole = self.names.iter().find(|(name, _)| *name == parts[0]);
        let text = match whole {
            Some((_, whole)) => format!("{whole}::{}", parts[1..].join("::")),
            None => parts.join("::"),
        };
        self.paths.push((text.trim_end_matches("::").to_owned(), line(path)));
        visit::visit_path(self, path);
    }
}

fn product() -> Vec<Rust> {
    rust().0.into_iter().filter(|rust| !rust.test).collect()
}

fn is_or_is_below(path: &str, forbidden: &str) -> bool {
    path.strip_prefix(forbidden).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn forbidden_calls_are_not_made() {
    let mut complaints = Vec::new();
    for rust in product() {
        let seen = Seen::in_file(&rust);
        for rule in FORBIDDEN.iter().filter(|rule| !is_excepted(&rust, rule.except)) {
            for (path, line) in &seen.paths {
                if is_or_is_below(path, rule.path) {
                    let place = format!("{}:{line}", rust.path);
                    complaints.push(format!("{place}: {path}; instead: {}", rule.instead));
                }
            }
        }
    }
    complaints.dedup();
    none(complaints);
}

#[test]
fn a_server_does_not_print() {
    let mut complaints = Vec::new();
    for rust in product().iter().filter(|rust| !is_excepted(rust, MAY_PRINT)) {
        for (name, line) in Seen::in_file(rust).macros {
            if PRINTING.contains(&name.as_str()) {
                complaints.push(format!("{}:{line}: {name}!; instead: tracing", rust.path));
            }
        }
    }
    none(complaints);
}

#[test]
fn nothing_is_unwrapped() {
    let mut complaints = Vec::new();
    for rust in rust().0 {
        for line in Seen::in_file(&rust).unwraps {
            let instead = "`?`, or expect(\"why it cannot fail\")";
            complaints.push(format!("{}:{line}: unwrap(); instead: {instead}", rust.path));
        }
    }
    none(complaints);
}

#[test]
fn unsafe_stays_in_its_rooms() {
    let mut complaints = Vec::new();
    for rust in product().iter().filter(|rust| !is_excepted(rust, MAY_BE_UNSAFE)) {
        for line in Seen::in_file(rust).unsafes {
            complaints.push(format!("{}:{line}: unsafe; it lives in sys and shmem", rust.path));
        }
    }
    none(complaints);
}

#[test]
fn exceptions_are_still_needed() {
    let files = product();
    let mut complaints = Vec::new();
    for rule in FORBIDDEN {
        for entry in rule.except.iter().filter(|entry| entry.ends_with(".rs")) {
            let file = files.iter().find(|rust| rust.path == *entry);
            let used = file.is_some_and(|rust| {
                Seen::in_file(rust).paths.iter().any(|(path, _)| is_or_is_below(path, rule.path))
            });
            if !used {
                complaints
                    .push(format!("{entry} does not use {}: take it off the list", rule.path));
            }
        }
    }
    none(complaints);
}

#[test]
fn the_search_sees_through_imports() {
    let text = "use std::fs; use std::thread::{self, spawn as go};
        fn f() { fs::read(x); thread::sleep(d); go(g); a.unwrap(); unsafe { h() } }
        #[cfg(test)] mod tests { fn g() { std::process::exit(1); b.unwrap(); } }";
    let file = syn::parse_file(text).expect("it is Rust");
    let rust = Rust { path: "crates/x/src/y.rs".into(), text: text.into(), file, test: false };
    let seen = Seen::in_file(&rust);
    let has = |path: &str| seen.paths.iter().any(|(p, _)| p == path);
    assert!(has("std::fs::read") && has("std::thread::sleep") && has("std::thread::spawn"));
    assert!(!has("std::process::exit"), "tests may");
    assert_eq!((seen.unwraps.len(), seen.unsafes.len()), (1, 1));
}
