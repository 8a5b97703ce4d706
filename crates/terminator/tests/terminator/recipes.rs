//! The recipes of docs/operations.md, run line by line on a machine of their own: a mount and a
//! network namespace with an empty `/etc/rekindle`, a certificate in the current folder, and an
//! `scp` that takes each host for this one.
//!
//! Of what a recipe prints, fingerprints and long numbers are examples: a fingerprint stands for
//! the same key in later lines. A line of two dots stands for more lines, two dots at the end of a
//! line for the rest of it.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rekindle_test_servers::{Files, skipped};

use crate::common::BINARY;

const PAGE: &str = include_str!("../../../../docs/operations.md");

/// Ends the output of each command.
const END: &str = "--- exit";

#[test]
fn each_recipe_does_what_the_page_says() {
    let recipes = recipes(PAGE);
    assert!(recipes.len() > 8, "{}", recipes.len());
    for recipe in recipes {
        let Some(mut machine) = Machine::start() else {
            return skipped("no namespaces for mounts and networks");
        };
        let mut keys = HashMap::new();
        for (command, expected) in recipe {
            let command = with_keys(&command, &keys);
            let (status, printed) = machine.run(&command);
            compare(&command, &expected, &printed, &mut keys);
            // A check that has something to say says so by its status as well.
            let may_fail = command.contains(" keys check ") && !expected.is_empty();
            assert!(status == 0 || may_fail, "{command}: {printed:?}");
        }
    }
}

/// Commands, and what each prints.
type Recipe = Vec<(String, Vec<String>)>;

fn recipes(page: &str) -> Vec<Recipe> {
    let blocks = page.split("```console\n").skip(1);
    let block = |text: &str| {
        let mut recipe = Recipe::new();
        let lines = text.lines().take_while(|line| *line != "```");
        for line in lines {
            let open = recipe
                .last()
                .is_some_and(|(command, _)| command.ends_with('\\'));
            match (line.strip_prefix("$ "), recipe.last_mut()) {
                (Some(command), _) => recipe.push((command.into(), Vec::new())),
                (None, Some((command, _))) if open => {
                    command.pop();
                    command.push_str(line);
                }
                (None, Some((_, printed))) => printed.push(line.into()),
                (None, None) => panic!("output before any command: {line}"),
            }
        }
        recipe
    };
    blocks.map(block).collect()
}

/// A shell on that machine.
struct Machine {
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _files: Files,
}

impl Machine {
    fn start() -> Option<Self> {
        let files = Files::with_certificate("localhost");
        fs::create_dir(files.path("bin")).expect("the name is free");
        files.replace("bin/scp", b"#!/bin/sh\ncp -p \"$2\" \"${3#*:}\"\n");
        let mut command = Command::new("unshare");
        let arguments = ["--mount", "--net", "--pid", "--fork", "--kill-child", "sh"];
        command.args(arguments).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut shell = command.spawn().ok()?;
        let (input, output) = (shell.stdin.take()?, shell.stdout.take()?);
        let mut machine = Self {
            shell,
            input,
            output: BufReader::new(output),
            _files: files,
        };
        let place = machine._files.text("");
        // What is under /etc stays as it is outside.
        let begin = format!(
            "set -e; cd {place}; chmod 755 bin/scp; ln -s {BINARY} bin/rekindle-terminator
             export PATH={place}/bin:$PATH
             mkdir upper work here; mount -t tmpfs tmpfs upper; mkdir upper/etc upper/work
             mount -t overlay -o lowerdir=/etc,upperdir=upper/etc,workdir=upper/work overlay /etc
             rm -rf /etc/rekindle; mkdir /etc/rekindle
             cp cert.pem here/chain.pem; cp key.pem here/key.pem; cd here
             touch served; umask 077; set +e"
        );
        machine.try_run(&begin.replace('\n', "; ")).map(|_| machine)
    }

    fn run(&mut self, command: &str) -> (i32, Vec<String>) {
        // A server is there from the line on that says so, until the machine is gone.
        let serves = command.starts_with("rekindle-terminator --");
        let command = match serves {
            false => command.to_owned(),
            true => format!(
                "{{ {command} >served 2>log & }}; \
                 until grep -q '^listening on' served; do kill -0 $! || break; sleep 0.1; done; \
                 grep -q '^listening on' served || {{ cat log; false; }}; kill $!"
            ),
        };
        self.try_run(&command)
            .unwrap_or_else(|| panic!("the shell has ended: {command}"))
    }

    fn try_run(&mut self, command: &str) -> Option<(i32, Vec<String>)> {
        writeln!(self.input, "{{ {command}; }} </dev/null\necho '{END}' $?").ok()?;
        let mut printed = Vec::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().strip_prefix(END) {
                Some(status) => return Some((status.trim().parse().ok()?, printed)),
                None => printed.push(line.trim_end().to_owned()),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// A command with the keys that were printed in place of the page's examples.
fn with_keys(command: &str, keys: &HashMap<String, String>) -> String {
    let replace = |text: String, (example, key): (&String, &String)| text.replace(example, key);
    keys.iter().fold(command.to_owned(), replace)
}

#[track_caller]
fn compare(
    command: &str,
    expected: &[String],
    printed: &[String],
    keys: &mut HashMap<String, String>,
) {
    let (expected, open) = match expected.split_last() {
        Some((last, before)) if last == ".." => (before, true),
        _ => (expected, false),
    };
    let fits = printed.len() == expected.len() || open && printed.len() > expected.len();
    assert!(fits, "{command}: {printed:?} for {expected:?}");
    for (expected, printed) in expected.iter().zip(printed) {
        let (expected, printed) = match expected.strip_suffix("..") {
            Some(begin) => (begin, printed.get(..begin.len()).unwrap_or(printed)),
            None => (&expected[..], &printed[..]),
        };
        let [mut ours, mut theirs] = [expected, printed].map(|line| line.split(' '));
        loop {
            let (example, word) = match (ours.next(), theirs.next()) {
                (Some(example), Some(word)) => (example, word),
                (None, None) => break,
                _ => panic!("{command}: {printed} for {expected}"),
            };
            let is_key =
                |word: &str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_number = |word: &str| word.len() > 5 && word.parse::<u64>().is_ok();
            if is_key(example) && is_key(word) {
                let known = keys.entry(example.to_owned()).or_insert(word.to_owned());
                assert_eq!(known, word, "{command}: {printed} for {expected}");
            } else if !(is_number(example) && is_number(word)) {
                assert_eq!(word, example, "{command}: {printed} for {expected}");
            }
        }
    }
}
