//! Manual pages and completions, as their readers see them.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use rekindle_test_servers::{Files, skipped};

use crate::common::ran::run;

#[track_caller]
fn printed(words: &str) -> String {
    run(words).expect(0).out().to_owned()
}

/// Flags that begin a line.
fn flags(help: &str) -> BTreeSet<&str> {
    let lines = help.lines().map(str::trim_start);
    let flags = lines.filter(|line| line.starts_with("--"));
    flags
        .filter_map(|line| line.split([' ', ',']).next())
        .collect()
}

#[test]
fn a_page_has_each_flag_of_the_help() {
    for command in ["", "check ", "keys generate ", "keys rotate ", "advise "] {
        let help = printed(&format!("{command}--help"));
        let page = printed(&format!("man {command}")).replace(r"\-", "-");
        let flags = flags(&help);
        assert!(flags.len() > 1, "{command}: {help}");
        for flag in flags {
            assert!(page.contains(flag), "{command}: no {flag} in {page}");
        }
    }
}

#[test]
fn each_command_has_a_page_of_its_own() {
    let files = Files::new();
    let folder = files.text("made/man");
    printed(&format!("man --out {folder}"));
    let pages = fs::read_dir(&folder).expect("it was made");
    let pages = pages.map(|page| page.expect("an entry").file_name());
    let mut pages: BTreeSet<_> = pages.filter_map(|name| name.into_string().ok()).collect();
    for command in [
        "",
        "advise",
        "check",
        "completions",
        "keys",
        "keys check",
        "keys convert",
        "keys fingerprint",
        "keys generate",
        "keys ratchet",
        "keys rotate",
        "keys show",
        "man",
    ] {
        let words = format!("rekindle-terminator {command}");
        let name = format!("{}.1", words.trim_end().replace(' ', "-"));
        assert!(pages.remove(&name), "{name}");
        let page = fs::read_to_string(format!("{folder}/{name}")).expect("it can be read");
        assert_eq!(page, printed(&format!("man {command}")), "{name}");
    }
    assert_eq!(pages, BTreeSet::new());
    run("man keys lose").refused(1, &["no command `keys lose`"]);
}

#[test]
fn groff_has_no_complaint() {
    let files = Files::new();
    let folder = files.text("man");
    printed(&format!("man --out {folder}"));
    for page in fs::read_dir(folder).expect("it was made") {
        let page = page.expect("an entry").path();
        let command = Command::new("groff")
            .args("-man -ww -W break -z -Tutf8 -k".split(' '))
            .arg(&page)
            .output();
        let Ok(output) = command else {
            return skipped("manual pages in groff");
        };
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(complaints, "", "{}", page.display());
    }
}

/// Bash, with the script read, when the tabulator is pressed behind these words.
#[track_caller]
fn completed(script: &str, words: &[&str]) -> Vec<String> {
    let bash = r#"
        . "$1"; shift
        call=$(complete -p rekindle-terminator); call=${call#*-F }; call=${call%% *}
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        "$call" rekindle-terminator "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut command = Command::new("bash");
    command.args(["-c", bash, "bash", script, "rekindle-terminator"]);
    let output = command.args(words).output().expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    let words = String::from_utf8(output.stdout).expect("text");
    words.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let files = Files::new();
    files.replace("completions", printed("completions bash").as_bytes());
    let script = files.text("completions");
    for (words, expected) in [
        (&["ke"][..], &["keys"][..]),
        (&["keys", "ro"], &["rotate"]),
        (&["--ticket-se"], &["--ticket-secret"]),
        (&["--proxy-protocol-out", ""], &["off", "v1", "v2"]),
        (&["keys", "rotate", "--st"], &["--stage"]),
        (&["completions", "f"], &["fish"]),
    ] {
        assert_eq!(completed(&script, words), expected, "{words:?}");
    }
}

#[test]
fn other_shells_have_a_script_with_every_flag() {
    let help = printed("--help");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&format!("completions {shell}"));
        for flag in flags(&help) {
            let name = flag.trim_start_matches('-');
            assert!(script.contains(name), "{shell}: {flag}");
        }
    }
    run("completions cmd").expect(2);
}
