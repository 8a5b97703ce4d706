//! The rules of the house that clippy cannot hold: where unsafe code lives, where atomics come from,
//! which way the arrows point.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

fn all() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 15, "these are not all sources");
    found
        .into_iter()
        .map(|(path, text)| {
            let path = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            // Tests at a file's foot may do what they like.
            let end = text.find("#[cfg(all(test").unwrap_or(text.len());
            (path, text[..end].to_owned())
        })
        .collect()
}

/// Files below `places` (folders end in a slash) that contain one of `words`.
fn using(words: &[&str], mut here: impl FnMut(&str) -> bool) -> Vec<String> {
    let uses = |text: &str| words.iter().any(|word| text.contains(word));
    all()
        .into_iter()
        .filter(|(path, text)| here(path) && uses(text))
        .map(|(path, _)| path)
        .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn unsafe_code_lives_in_the_engine_and_in_the_openssl_adapter() {
    let elsewhere = |path: &str| {
        !["engine/", "lockfree/", "openssl/"]
            .iter()
            .any(|dir| path.starts_with(dir))
    };
    assert_eq!(
        using(&["unsafe {", "unsafe impl", "unsafe fn"], elsewhere),
        NONE
    );
}

#[test]
fn atomics_come_from_one_file() {
    let elsewhere = |path: &str| path != "sync/mod.rs";
    assert_eq!(using(&["loom::"], elsewhere), NONE);
    // The atomics that tests watch are made of std's.
    let elsewhere = |path: &str| path != "sync/mod.rs" && path != "sync/steps.rs";
    assert_eq!(using(&["sync::atomic"], elsewhere), NONE);
}

#[test]
fn arrows_point_one_way() {
    let leaves = ["id.rs", "clock.rs", "error.rs", "stats.rs", "sync/mod.rs"];
    let in_leaves = |path: &str| leaves.contains(&path);
    assert_eq!(
        using(
            &["crate::cache", "crate::tickets", "crate::openssl"],
            in_leaves
        ),
        NONE
    );
    let in_engine = |path: &str| path.starts_with("engine/");
    let above = [
        "crate::cache",
        "crate::builder",
        "crate::tickets",
        "crate::openssl",
    ];
    assert_eq!(using(&above, in_engine), NONE);
    assert_eq!(
        using(&["Ssl", "TLS_", "openssl"], |p| in_engine(p)
            && p != "engine/mod.rs"),
        NONE
    );
    let in_tickets = |path: &str| path.starts_with("tickets/");
    assert_eq!(
        using(
            &["crate::cache", "crate::engine", "crate::openssl"],
            in_tickets
        ),
        NONE
    );
}

#[test]
fn files_stay_short_enough_to_read() {
    for (path, text) in all() {
        let lines = text.lines().count();
        assert!(lines <= 450, "{path} has {lines} lines");
    }
}
