//! What a reader of any file may expect: short lines, and sentences with a subject that exists.

use std::fs;
use std::path::Path;

/// `CONTRIBUTING.md`, "Style": a thread, a program and an operator have names.
const WITHOUT_SUBJECT: [&str; 3] = ["whoever", "nobody", "somebody"];

const MOST_COLUMNS: usize = 100;

/// Folders that hold no text of ours: build output, generated reports, the repository itself.
const SKIPPED: [&str; 5] = ["target", ".git", "record", "artifacts", "corpus"];

/// Calls `check` with the name and the text of each file below `folder`.
fn each_text(root: &Path, folder: &Path, check: &mut impl FnMut(&str, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !SKIPPED.contains(&name) {
            each_text(root, &path, check);
        }
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ["rs", "md", "c", "h"].contains(&ending.unwrap_or_default()) {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            check(name, &fs::read_to_string(&path).unwrap());
        }
    }
}

fn lines(is_found: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let root = super::repository();
    let mut found = Vec::new();
    each_text(root, root, &mut |file, text| {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| is_found(file, line));
        found.extend(lines.map(|(at, line)| format!("{file}:{}: {line}", at + 1)));
    });
    found
}

#[test]
fn lines_have_at_most_100_columns() {
    let is_table = |file: &str, line: &str| file.ends_with(".md") && line.starts_with('|');
    let is_link = |line: &str| line.contains("://") && !line.trim_end().contains(". ");
    let too_long = lines(|file, line| {
        line.chars().count() > MOST_COLUMNS && !is_table(file, line) && !is_link(line)
    });
    assert_eq!(too_long, super::NONE);
}

#[test]
fn sentences_have_a_subject_that_exists() {
    let this_file = "tests/architecture/text.rs";
    let vague = lines(|file, line| {
        // Names of tests are sentences of their own.
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        file != this_file
            && words.any(|word| WITHOUT_SUBJECT.contains(&word.to_lowercase().as_str()))
    });
    assert_eq!(vague, super::NONE);
}
