//! `tests/c/contract`: the cases of the contract. The gate runs each once, under valgrind, but for
//! those with several threads: valgrind runs one thread at a time. The full tier runs each in all
//! forms: with the shared library, with the archive, with Traffic Server's own header, under
//! valgrind.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use libtest_mimic::Trial;

use crate::common::{HAS_VALGRIND, SHARED, STATIC, Tier, VALGRIND, compile, root, run, tier};
use crate::{HAS_TRAFFIC_SERVER, test};

static WITH_SHARED: LazyLock<PathBuf> = LazyLock::new(|| build("contract", &[SHARED]));
static WITH_STATIC: LazyLock<PathBuf> = LazyLock::new(|| build("contract-static", &[STATIC]));
static WITH_TRAFFIC_SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
    let flags = [SHARED, "-DWITH_TRAFFIC_SERVER"];
    build("contract-traffic-server", &flags)
});

/// `-rdynamic`: the program looks its cases up by their names.
fn build(name: &str, flags: &[&str]) -> PathBuf {
    let sources = sources();
    let sources: Vec<&str> = sources.iter().filter_map(|path| path.to_str()).collect();
    compile(name, &sources, &[flags, &["-rdynamic"]].concat())
}

fn sources() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("tests/c/contract")).expect("the folder");
    let paths = files.map(|file| file.expect("a file").path());
    paths
        .filter(|path| path.extension() == Some("c".as_ref()))
        .collect()
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    let (quick, full) = (tier() == Tier::Quick, tier() == Tier::Full);
    let under_valgrind = !quick && *HAS_VALGRIND;
    for (file, cases) in cases() {
        let threads = file == "threads";
        for case in &cases {
            if full || !under_valgrind || threads {
                trials.push(trial("shared", &WITH_SHARED, case));
            }
            if full {
                trials.push(trial("static", &WITH_STATIC, case));
                let with_header = trial("traffic_server_header", &WITH_TRAFFIC_SERVER, case);
                trials.push(with_header.with_ignored_flag(!*HAS_TRAFFIC_SERVER));
            }
        }
        if full || !(quick || threads) {
            let name = format!("contract::under_valgrind::{file}");
            let trial = test(&name, move || run_under_valgrind(&cases));
            trials.push(trial.with_ignored_flag(!under_valgrind));
        }
    }
    trials
}

/// The cases by the stem of their file.
fn cases() -> BTreeMap<String, Vec<String>> {
    let cases = sources().into_iter().map(|file| {
        let source = fs::read_to_string(&file).expect("C");
        // CASE(name), CASE_WITH_ID(name), CASE_FOR(ways, name)
        let lines = source.lines().filter(|line| line.starts_with("CASE"));
        let names = lines.filter_map(|line| line.split_once(')')?.0.split(['(', ' ']).next_back());
        let stem = file.file_stem().expect("a file").to_string_lossy();
        (stem.into_owned(), names.map(str::to_owned).collect())
    });
    let cases: BTreeMap<_, Vec<_>> = cases
        .filter(|(_, cases): &(_, Vec<_>)| !cases.is_empty())
        .collect();
    let count: usize = cases.values().map(Vec::len).sum();
    assert!(count > 50, "these are not all cases");
    cases
}

fn trial(form: &str, program: &'static LazyLock<PathBuf>, case: &str) -> Trial {
    let (name, case) = (format!("contract::{form}::{case}"), case.to_owned());
    test(&name, move || {
        // No case takes more than a few seconds; one that hangs must not hang the others.
        run(Command::new("timeout").arg("60").arg(&**program).arg(case));
    })
}

/// Neither a leak nor any other error.
fn run_under_valgrind(cases: &[String]) {
    let mut valgrind = Command::new("timeout");
    valgrind.args(["600", "valgrind"]).args(VALGRIND);
    run(valgrind.arg(&*WITH_SHARED).args(["-t", "20"]).args(cases));
}
