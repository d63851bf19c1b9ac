//! Who may import whom.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use tests::binary::workspace;
use tests::setup::run_to_end;

use super::none;
use super::source::manifests;

/// The rooms, bottom up: a room may use only rooms that stand before it.
const ROOMS: &[&str] = &[
    "types",
    "config",
    "sys",
    "shmem",
    "wal",
    "buffer",
    "txn",
    "access",
    "recovery",
    "catalog",
    "sql",
    "protocol",
    "replication",
    "processes",
    "postmaster",
    "mamont",
];

/// Rooms that hold `unsafe` code, and set their lints themselves.
const ROOMS_WITH_UNSAFE: &[&str] = &["sys", "shmem", "buffer"];

/// No server process below the postmaster may link these: they start threads, or break at a fork.
const NOT_IN_A_BACKEND: &[&str] = &["tokio", "mio", "rayon", "tracing-appender"];

fn name_of(manifest: &toml::Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// The tables of a manifest that name dependencies.
fn dependencies(manifest: &toml::Table) -> impl Iterator<Item = (&str, &toml::Value)> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let table = |name: &&str| manifest.get(*name)?.as_table();
    let tables: Vec<&toml::Table> = tables.iter().filter_map(table).collect();
    tables.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

#[test]
fn a_room_uses_only_rooms_below_it() {
    let place = |name: &str| ROOMS.iter().position(|room| *room == name);
    let mut complaints = Vec::new();
    for (path, manifest) in manifests().iter().filter(|(path, _)| path.starts_with("crates")) {
        let name = name_of(manifest).expect("a package has a name");
        let Some(own) = place(name) else {
            complaints.push(format!("{name} is no room of the design; add it to the list here"));
            continue;
        };
        assert_eq!(path.parent().and_then(|p| p.file_name()), Some(name.as_ref()));
        for (used, _) in dependencies(manifest) {
            if place(used).is_some_and(|at| at >= own) {
                complaints.push(format!("{name} uses {used}, which does not stand below it"));
            }
        }
    }
    none(complaints);
}

#[test]
fn every_dependency_is_pinned_once_for_all() {
    let mut complaints = Vec::new();
    for (path, manifest) in manifests() {
        for (name, value) in dependencies(&manifest) {
            let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            if !inherited {
                let path = path.display();
                complaints.push(format!("{path}: {name} should be `{name}.workspace = true`"));
            }
        }
    }
    none(complaints);
}

#[test]
fn every_room_without_unsafe_inherits_the_lints_that_forbid_it() {
    let mut complaints = Vec::new();
    for (path, manifest) in manifests() {
        let Some(name) = name_of(&manifest) else { continue };
        let lints = manifest.get("lints");
        let inherited = lints.and_then(|l| l.get("workspace")).is_some();
        let strict = lints
            .and_then(|l| l.get("clippy")?.get("undocumented_unsafe_blocks")?.as_str())
            .is_some_and(|level| level == "deny" || level == "forbid");
        let own = ROOMS_WITH_UNSAFE.contains(&name) && strict;
        if !inherited && !own {
            complaints.push(format!("{}: `[lints] workspace = true`", path.display()));
        }
    }
    none(complaints);
}

/// Everything that a package links, by cargo's own account.
fn linked(package: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    // Of this platform only: what others need was not downloaded for the build.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo.args(["metadata", "--format-version", "1", "--offline", "--locked"]);
    cargo.args(["--filter-platform", &platform]);
    let done = run_to_end(cargo.current_dir(workspace()), Duration::from_secs(120));
    assert!(done.status.success(), "{}", done.stderr);
    let metadata: serde_json::Value =
        serde_json::from_str(&done.stdout).expect("cargo writes JSON");
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeMap<String, String> =
        list(&metadata["packages"]).iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let is_normal = |dependency: &serde_json::Value| {
        list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null())
    };
    let links = |node: &serde_json::Value| -> Vec<String> {
        list(&node["deps"]).iter().filter(|d| is_normal(d)).map(|d| text(&d["pkg"])).collect()
    };
    let graph: BTreeMap<String, Vec<String>> =
        list(&metadata["resolve"]["nodes"]).iter().map(|n| (text(&n["id"]), links(n))).collect();
    let start = names.iter().find(|(_, name)| *name == package).expect("it is a package").0;
    let (mut seen, mut todo) = (BTreeSet::new(), vec![start.clone()]);
    while let Some(id) = todo.pop() {
        if seen.insert(id.clone()) {
            todo.extend(graph.get(&id).into_iter().flatten().cloned());
        }
    }
    seen.iter().map(|id| names[id].clone()).collect()
}

#[test]
fn a_backend_links_no_tokio() {
    let in_backend = linked("processes");
    let found: Vec<String> = NOT_IN_A_BACKEND
        .iter()
        .filter(|name| in_backend.contains(**name))
        .map(|name| format!("processes links {name}; see `cargo tree -p processes -i {name}`"))
        .collect();
    none(found);
    // The search can find it where it is.
    assert!(linked("postmaster").contains("tokio"), "the postmaster has lost its loop");
}
