//! The rules of the house that clippy cannot hold: which way the arrows between files run, where
//! unsafe code lives, where atomics come from, how long a file may be.

mod modules;
mod rules;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use modules::Crate;

/// Folders that hold no text of ours: build output, generated reports, the repository itself.
const SKIPPED: [&str; 5] = ["target", ".git", "benches/record", "artifacts", "corpus"];

/// The files below a folder whose names end so: path from there, text.
fn files(root: &Path, endings: &[&str]) -> BTreeMap<String, String> {
    let mut folders = vec![root.to_owned()];
    let mut found = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() && !SKIPPED.iter().any(|skipped| path.ends_with(skipped)) {
                folders.push(path);
            } else if ending.is_some_and(|ending| endings.contains(&ending)) {
                found.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn library() -> BTreeMap<String, String> {
    let sources = files(&repository().join("src"), &["rs"]);
    assert!(sources.len() > 40, "these are not all sources");
    sources
}

/// The crates of the workspace: the folder of their sources, their root file, and those sources.
fn crates() -> Vec<(PathBuf, &'static str, BTreeMap<String, String>)> {
    let mut folders = vec![repository().to_owned()];
    let entries = fs::read_dir(repository().join("crates")).unwrap();
    folders.extend(entries.map(|entry| entry.unwrap().path()));
    folders.push(repository().join("benches"));
    let mut crates = Vec::new();
    for folder in folders {
        let src = folder.join("src");
        let sources = files(&src, &["rs"]);
        for root in ["lib.rs", "main.rs"] {
            if sources.contains_key(root) {
                crates.push((src.clone(), root, sources.clone()));
            }
        }
    }
    crates
}

const NONE: [String; 0] = [];

#[test]
fn no_files_use_each_other_in_a_circle() {
    for (folder, root, sources) in crates() {
        let circles = rules::circles(&Crate::read(root, &sources));
        assert!(circles.is_empty(), "{}: {circles:#?}", folder.display());
    }
}

#[test]
fn arrows_run_one_way() {
    let library = Crate::read("lib.rs", &library());
    assert_eq!(rules::wrong_arrows(&library), NONE);
}

#[test]
fn adapters_use_what_the_library_exports() {
    let library = Crate::read("lib.rs", &library());
    assert_eq!(rules::private_uses_by_adapters(&library), NONE);
}

#[test]
fn module_files_hold_no_logic() {
    for (folder, root, sources) in crates() {
        let with_logic = Crate::read(root, &sources).module_files_with_logic();
        assert_eq!(with_logic, NONE, "{}", folder.display());
    }
}

/// Files below `src/` that contain one of `words`, unit tests at their foot aside.
fn using(words: &[&str], is_allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let uses = |text: &str| {
        let end = text.find("#[cfg(all(test").unwrap_or(text.len());
        words.iter().any(|word| text[..end].contains(word))
    };
    let found = library().into_iter().filter(|(_, text)| uses(text));
    let paths = found.map(|(path, _)| path);
    paths.filter(|path| !is_allowed(path)).collect()
}

#[test]
fn unsafe_code_lives_in_the_engine_in_lockfree_and_in_the_openssl_adapter() {
    let folders = ["engine/", "lockfree/", "openssl/"];
    let is_allowed = |path: &str| folders.iter().any(|folder| path.starts_with(folder));
    let words = ["unsafe {", "unsafe impl", "unsafe fn", "allow(unsafe_code)"];
    assert_eq!(using(&words, is_allowed), NONE);
}

#[test]
fn atomics_and_loom_come_from_one_folder() {
    let is_allowed = |path: &str| path.starts_with("sync/");
    assert_eq!(using(&["sync::atomic", "loom::"], is_allowed), NONE);
}

#[test]
fn the_engine_knows_nothing_of_tls() {
    let is_allowed = |path: &str| !["engine/", "lockfree/"].iter().any(|f| path.starts_with(f));
    assert_eq!(using(&["Ssl", "TLS_", "openssl::"], is_allowed), NONE);
}

#[test]
fn files_stay_short_enough_to_read() {
    for (path, text) in library() {
        let lines = text.lines().count();
        assert!(lines <= 450, "src/{path} has {lines} lines");
    }
}
