//! What the module graph of the library must look like.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Crate, Edge};

/// For each part of the library (a folder or a file of `src/`), the parts that it may use.
/// `CONTRIBUTING.md` shows the same as a picture.
const ARROWS: [(&str, &str); 15] = [
    ("sync", ""),
    ("lockfree", "sync"),
    ("error", ""),
    ("id", "error"),
    ("clock", "sync"),
    ("stats", ""),
    ("state", "clock"),
    ("counters", "stats sync"),
    ("hooks", "id lockfree"),
    ("engine", "clock counters error id lockfree stats sync"),
    ("cache", "clock counters engine error id stats"),
    ("tickets", "clock counters error id state sync"),
    (
        "resume",
        "cache clock counters error hooks id lockfree state stats sync tickets",
    ),
    (
        "openssl",
        "cache clock error hooks id resume rustls state stats sync tickets",
    ),
    ("rustls", "cache clock error hooks id resume stats tickets"),
];

/// Adapters to TLS libraries, and the parts whose private items they may use as well.
const ADAPTERS: [&str; 2] = ["openssl", "rustls"];
const SHARED_BY_ADAPTERS: [&str; 3] = ["resume", "state", "sync"];

fn part(file: &str) -> &str {
    file.split_once('/')
        .map_or(file.trim_end_matches(".rs"), |(folder, _)| folder)
}

/// Uses that [`ARROWS`] does not allow.
pub(crate) fn wrong_arrows(library: &Crate) -> Vec<String> {
    let arrows = BTreeMap::from(ARROWS);
    let parts = library.files().map(part).filter(|part| *part != "lib");
    let unknown = parts.filter(|part| !arrows.contains_key(part));
    let unknown = unknown.map(|part| format!("{part} is no part that the rules know"));
    let is_wrong = |edge: &&Edge| {
        let (from, to) = (part(&edge.from), part(&edge.to));
        let may = arrows
            .get(from)
            .is_some_and(|may| may.split(' ').any(|part| part == to));
        from != to && from != "lib" && !may
    };
    let edges = library.edges();
    let wrong = edges.iter().filter(is_wrong).map(describe);
    unknown.chain(wrong).collect()
}

/// Items that adapters use although no other crate could.
pub(crate) fn private_uses_by_adapters(library: &Crate) -> Vec<String> {
    let exported = library.exported();
    let is_private = |edge: &&Edge| {
        let (from, to) = (part(&edge.from), part(&edge.to));
        ADAPTERS.contains(&from)
            && from != to
            && !SHARED_BY_ADAPTERS.contains(&to)
            && !exported.contains(&(edge.to.clone(), edge.item.clone()))
    };
    let edges = library.edges();
    edges.iter().filter(is_private).map(describe).collect()
}

fn describe(edge: &Edge) -> String {
    format!("{} uses {} of {}", edge.from, edge.item, edge.to)
}

/// Groups of files that use each other, directly or through others.
pub(crate) fn circles(library: &Crate) -> Vec<Vec<String>> {
    let edges = library.edges();
    let files: BTreeSet<&str> = library.files().collect();
    let reachable = files
        .iter()
        .map(|file| (*file, reachable_from(file, &edges)));
    let reachable: BTreeMap<&str, BTreeSet<&str>> = reachable.collect();
    let mut circles = BTreeSet::new();
    for file in &files {
        let returns = |other: &&&str| reachable[**other].contains(file);
        let members: BTreeSet<&str> = reachable[file].iter().filter(returns).copied().collect();
        if !members.is_empty() {
            let inside = |edge: &&Edge| {
                members.contains(edge.from.as_str()) && members.contains(edge.to.as_str())
            };
            circles.insert(edges.iter().filter(inside).map(describe).collect());
        }
    }
    circles.into_iter().collect()
}

fn reachable_from<'e>(file: &'e str, edges: &'e BTreeSet<Edge>) -> BTreeSet<&'e str> {
    let mut seen = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        let targets = edges.iter().filter(|edge| edge.from == file);
        let targets = targets.map(|edge| edge.to.as_str());
        next.extend(targets.filter(|to| seen.insert(*to)));
    }
    seen
}

/// A library of four files, of which `engine/table.rs` holds `line`.
fn with_line(line: &str) -> Crate {
    let files = [
        ("lib.rs", "mod cache; mod engine; mod sync; pub use cache::Cache;".to_owned()),
        ("sync.rs", "pub(crate) struct Flag;".to_owned()),
        (
            "cache/mod.rs",
            "mod builder; mod operations; pub use builder::CacheBuilder; pub use operations::Cache;"
                .to_owned(),
        ),
        (
            "cache/builder.rs",
            "pub struct CacheBuilder; pub(crate) const MOST: usize = 1;".to_owned(),
        ),
        (
            "cache/operations.rs",
            "use crate::engine::Table; pub struct Cache(Table);".to_owned(),
        ),
        ("engine/mod.rs", "mod table; pub(crate) use table::Table;".to_owned()),
        ("engine/table.rs", format!("use crate::sync::Flag; pub struct Table(Flag); {line}")),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text));
    Crate::read("lib.rs", &BTreeMap::from(files))
}

#[test]
fn a_library_that_keeps_the_rules_passes() {
    let library = with_line("");
    assert_eq!(wrong_arrows(&library), [""; 0]);
    assert_eq!(circles(&library).len(), 0);
    assert_eq!(library.edges().len(), 2);
}

#[test]
fn an_arrow_that_runs_up_is_found_in_each_way_to_write_it() {
    for line in [
        "use crate::{sync::Flag as F, cache::{CacheBuilder as B, Cache}}; struct S(F, B, Cache);",
        "use crate::Cache; struct S(Cache);",
        "pub(crate) use crate::cache::Cache as Renamed;",
        "fn f() -> usize { crate::cache::CacheBuilder; 0 }",
        "fn f() { super::super::Cache::new(); }",
        "fn f() { assert!(crate::cache::CacheBuilder::is_good()); }",
        "use crate::cache::*; struct S(CacheBuilder);",
        "use crate::cache as c; struct S(c::Cache);",
        "fn f() { use crate::Cache; }",
    ] {
        let wrong = wrong_arrows(&with_line(line));
        assert!(!wrong.is_empty(), "not found: {line}");
        let is_from_table = |arrow: &String| arrow.starts_with("engine/table.rs uses ");
        assert!(wrong.iter().all(is_from_table), "{wrong:?}");
    }
}

#[test]
fn a_circle_is_found_through_a_re_export() {
    let library = with_line("use crate::Cache; struct S(Cache);");
    let circles = circles(&library);
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].len(), 2);
}

#[test]
fn what_no_other_crate_can_name_is_not_exported() {
    let exported = with_line("").exported();
    let has = |file: &str, item: &str| exported.contains(&(file.to_owned(), item.to_owned()));
    assert!(has("cache/operations.rs", "Cache"));
    assert!(!has("cache/builder.rs", "CacheBuilder"));
    assert!(!has("engine/table.rs", "Table"));
}
