//! The container file, as far as it can be checked without a container: its build needs no more
//! than what is copied, and its command line is one that the terminator takes. What it runs,
//! `build-deb` and the installation of the package, `packaging/test-deb` runs as well.

use std::fs;
use std::path::Path;
use std::process::Command;

use rekindle_test_servers::Files;

use super::text;
use crate::common::ran::run_with;

/// The lines of an instruction, continued ones joined.
fn instructions(file: &str, name: &str) -> Vec<String> {
    let joined = file.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix(name));
    let lines = lines.filter_map(|line| line.strip_prefix(' '));
    lines.map(str::to_owned).collect()
}

fn container_file() -> String {
    text("Containerfile")
}

#[test]
fn the_build_finds_all_that_it_needs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("the workspace");
    let files = Files::new();
    let mut copied = 0;
    for copy in instructions(&container_file(), "COPY") {
        let Some((sources, target)) = copy.rsplit_once(' ') else {
            panic!("COPY {copy}");
        };
        if sources.starts_with("--from=") {
            continue;
        }
        for source in sources.split(' ') {
            let from = root.join(source);
            assert!(from.exists(), "COPY {copy}");
            let to = match target {
                "./" => files.path(source),
                target => files.path(target),
            };
            fs::create_dir_all(to.parent().expect("a folder")).expect("it is made");
            // Not by links: the parent of a link's target is the workspace.
            let copied_one = Command::new("cp").arg("-r").args([from, to]).status();
            assert!(copied_one.expect("cp runs").success(), "COPY {copy}");
            copied += 1;
        }
    }
    assert!(copied > 5, "{copied}");
    let cargo = |words: &str| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(words.split(' ')).current_dir(files.directory());
        let output = cargo.output().expect("cargo runs");
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), complaints)
    };
    // Every member of the workspace.
    let (success, complaints) = cargo("metadata --locked --offline --no-deps --format-version=1");
    assert!(success, "{complaints}");
    // And the files that its manifest names. It fails where not every crate has been downloaded.
    let (_, complaints) = cargo("fetch --locked --offline");
    assert!(!complaints.contains("can't find"), "{complaints}");
    for run in instructions(&container_file(), "RUN") {
        let program = run.split(' ').next().unwrap_or_default();
        let is_ours = program.contains('/');
        assert!(!is_ours || files.path(program).exists(), "RUN {run}");
    }
}

/// A package depends on the libraries of the Debian that built it.
#[test]
fn it_runs_on_the_debian_that_it_was_built_on() {
    let images = instructions(&container_file(), "FROM");
    assert_eq!(images.len(), 2, "{images:?}");
    for image in images {
        assert!(image.contains("bookworm"), "{image}");
    }
}

#[test]
fn its_command_line_is_one_that_the_terminator_takes() {
    let file = container_file();
    let words = |name| -> Vec<String> {
        let lines = instructions(&file, name);
        assert_eq!(lines.len(), 1, "{lines:?}");
        serde_json::from_str(&lines[0]).expect("a list of words")
    };
    assert_eq!(words("ENTRYPOINT"), ["/usr/bin/rekindle-terminator"]);
    let files = Files::with_certificate("localhost");
    files.replace("terminator.toml", text("terminator.toml").as_bytes());
    let configuration = files.text("terminator.toml");
    let command = words("CMD");
    assert!(command.contains(&"/etc/rekindle/terminator.toml".to_owned()));
    let here = |word: String| word.replace("/etc/rekindle/terminator.toml", &configuration);
    let check = ["check".to_owned()].into_iter();
    run_with(check.chain(command.into_iter().map(here))).says_ok();
}
