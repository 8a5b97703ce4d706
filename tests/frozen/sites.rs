//! The names of steps, and which there are: read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use rekindle::steps::Step;

/// Steps that no scenario gets to, and why.
const ELSEWHERE: [(&str, &str); 16] = [
    ("append_list::drop load", DESTRUCTOR),
    ("append_list::drop load 2", DESTRUCTOR),
    (
        "append_list::push compare_exchange",
        "tests/frozen/hooks.rs",
    ),
    ("change::decide fence", "only under loom"),
    ("line::drain load", DESTRUCTOR),
    ("line::drain store", DESTRUCTOR),
    ("pin::announce fence", "only under loom"),
    ("pin::announce store", "only under loom"),
    ("pin::give_back load", LAST),
    ("pin::give_back store", LAST),
    ("pin::give_back store 2", LAST),
    ("pin::leave load 3", LAST),
    ("pin::leave store 3", LAST),
    ("pin::next_or_append compare_exchange", MANY),
    ("pin::next load", MANY),
    ("pool::drop load", DESTRUCTOR),
];

const DESTRUCTOR: &str = "a destructor: no other thread can reach it";
const LAST: &str = "a thread's last steps, in destructors of its thread-local values: no other \
                    thread needs anything of it";
const MANY: &str = "only above 128 threads: a read, and an exchange that all newcomers try";

pub(crate) static SITES: LazyLock<Sites> = LazyLock::new(Sites::read);

pub(crate) fn is_of_the_engine(step: &Step) -> bool {
    SITES.name(step).is_some()
}

/// Or unlinks what is there.
pub(crate) fn exchanges_a_slot(step: &Step) -> bool {
    SITES.name(step) == Some("line::exchange compare_exchange")
}

pub(crate) fn loads_a_slot(step: &Step) -> bool {
    SITES.name(step) == Some("line::tagged load")
}

pub(crate) fn decides(step: &Step) -> bool {
    SITES.name(step) == Some("entry::decide compare_exchange")
}

/// Steps of the engine by file and line, and their names: file, function, operation, and a number
/// where a function has several.
pub(crate) struct Sites(BTreeMap<(String, u32), String>);

/// The files of the engine.
fn sources() -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src.join("engine"), src.join("lockfree")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

impl Sites {
    pub(crate) fn read() -> Self {
        let mut sites = BTreeMap::new();
        for path in sources() {
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = &text[..text.find("#[cfg(all(test").unwrap_or(text.len())];
            let mut seen = BTreeMap::<String, usize>::new();
            for (line, function, operation) in steps(code) {
                let name = format!("{stem}::{function} {operation}");
                let times = seen.entry(name.clone()).or_default();
                *times += 1;
                let name = if *times > 1 {
                    format!("{name} {times}")
                } else {
                    name
                };
                sites.insert((stem.clone(), line), name);
            }
        }
        assert!(sites.len() > 60, "these are not all");
        Self(sites)
    }

    /// The name of a step; none outside the engine.
    pub(crate) fn name(&self, step: &Step) -> Option<&str> {
        let file = Path::new(step.at.file());
        if !file.starts_with("src/engine") && !file.starts_with("src/lockfree") {
            return None;
        }
        let stem = file.file_stem()?.to_str()?.to_owned();
        let line = step.at.line();
        let name = self.0.get(&(stem, line));
        Some(name.unwrap_or_else(|| panic!("{step:?} is not to be found in the sources")))
    }

    /// Every step must have been frozen at, or be listed above; and none for no reason.
    pub(crate) fn check_covered(&self, frozen_at: &BTreeSet<String>) {
        let elsewhere: BTreeSet<_> = ELSEWHERE.map(|(name, _)| name.to_owned()).into();
        let all: BTreeSet<_> = self.0.values().cloned().collect();
        let missing: Vec<_> = all
            .difference(frozen_at)
            .filter(|s| !elsewhere.contains(*s))
            .collect();
        assert!(
            missing.is_empty(),
            "no thread is ever frozen at {missing:#?}"
        );
        let stale: Vec<_> = elsewhere
            .iter()
            .filter(|s| frozen_at.contains(*s) || !all.contains(*s))
            .collect();
        assert!(stale.is_empty(), "listed for nothing: {stale:#?}");
    }
}

/// Line, function and operation of every step in a file.
fn steps(code: &str) -> Vec<(u32, String, String)> {
    let mut found = Vec::new();
    let mut function = String::new();
    let mut at = 0;
    for (number, line) in code.lines().enumerate() {
        let start = at;
        at += line.len() + 1;
        if line.trim_start().starts_with("//") {
            continue;
        }
        if let Some(name) = function_name(line) {
            function = name.to_owned();
        }
        for (open, called) in calls(line) {
            let arguments = arguments(&code[start + open..]);
            let operation = match called {
                "pause_point" => arguments.trim_matches('"'),
                other if arguments.contains("Ordering::") => other,
                // Of the same name, but no access to an atomic.
                _ => continue,
            };
            found.push((number as u32 + 1, function.clone(), operation.to_owned()));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split([' ', '(', '<']).skip_while(|word| *word != "fn");
    words.next()?;
    // A type, or a closure's bound, has no name there.
    words
        .next()
        .filter(|name| !name.is_empty() && line.contains(&format!("fn {name}")))
}

/// Where in a line argument lists begin that may be a step's, and what is called.
fn calls(line: &str) -> Vec<(usize, &str)> {
    const OPERATIONS: [&str; 10] = [
        "load",
        "store",
        "swap",
        "compare_exchange",
        "compare_exchange_weak",
        "fetch_add",
        "fetch_sub",
        "fetch_max",
        "fence",
        "pause_point",
    ];
    line.match_indices('(')
        .filter_map(|(open, _)| {
            let before = &line[..open];
            let start = before
                .rfind(|c: char| c != '_' && !c.is_alphanumeric())
                .map_or(0, |i| i + 1);
            let name = &before[start..];
            OPERATIONS.contains(&name).then_some((open, name))
        })
        .collect()
}

/// What is between a parenthesis and its counterpart.
fn arguments(text: &str) -> &str {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[1..i];
        }
    }
    panic!("a parenthesis without counterpart");
}
