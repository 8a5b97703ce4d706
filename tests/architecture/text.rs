//! What a reader of any file may expect: short lines, and sentences with a subject that exists.

/// `CONTRIBUTING.md`, "Style": a thread, a program and an operator have names.
const WITHOUT_SUBJECT: [&str; 3] = ["whoever", "nobody", "somebody"];

const MOST_COLUMNS: usize = 100;

fn lines(is_found: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in &super::files(super::repository(), &["rs", "md", "c", "h"]) {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| is_found(file, line));
        found.extend(lines.map(|(at, line)| format!("{file}:{}: {line}", at + 1)));
    }
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
