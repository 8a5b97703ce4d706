//! `tests/c/contract`: each case a process of its own, with the shared library, the archive, and
//! Traffic Server's own header; and all of them under valgrind.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use libtest_mimic::Trial;

use crate::common::{Language, Linkage, VALGRIND, compile_all, run};
use crate::{HAS_TRAFFIC_SERVER, test};

const SOURCES: [&str; 9] = [
    "tests/c/contract/main.c",
    "tests/c/contract/support.c",
    "tests/c/contract/tls.c",
    "tests/c/contract/lifecycle.c",
    "tests/c/contract/sessions.c",
    "tests/c/contract/hooks.c",
    "tests/c/contract/tickets.c",
    "tests/c/contract/handshakes.c",
    "tests/c/contract/threads.c",
];

static SHARED: LazyLock<PathBuf> = LazyLock::new(|| build("contract", Linkage::Shared, &[]));
static STATIC: LazyLock<PathBuf> = LazyLock::new(|| build("contract-static", Linkage::Static, &[]));
static TRAFFIC_SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
    build(
        "contract-traffic-server",
        Linkage::Shared,
        &["-DWITH_TRAFFIC_SERVER"],
    )
});

fn build(name: &str, linkage: Linkage, flags: &[&str]) -> PathBuf {
    compile_all(&SOURCES, name, Language::C11, linkage, flags)
}

pub(crate) fn trials() -> Vec<Trial> {
    let list = run(Command::new(&*SHARED).arg("--list"));
    let cases: Vec<String> = list.lines().map(str::to_owned).collect();
    assert!(cases.len() > 50, "these are not all cases");
    let no_header = !*HAS_TRAFFIC_SERVER;
    let mut trials = Vec::new();
    for case in &cases {
        trials.push(trial("shared", &SHARED, case));
        trials.push(trial("static", &STATIC, case));
        let with_header = trial("traffic_server_header", &TRAFFIC_SERVER, case);
        trials.push(with_header.with_ignored_flag(no_header));
    }
    trials.push(test("contract::all_cases_under_valgrind", move || {
        under_valgrind(&cases);
    }));
    trials
}

fn trial(kind: &str, program: &'static LazyLock<PathBuf>, case: &str) -> Trial {
    let (name, case) = (format!("contract::{kind}::{case}"), case.to_owned());
    test(&name, move || {
        // None takes a second; one that hangs must not hang the others.
        run(Command::new("timeout").arg("60").arg(&**program).arg(case));
    })
}

/// Neither a leak nor any other error, with one thread and with several.
fn under_valgrind(cases: &[String]) {
    let mut valgrind = Command::new("timeout");
    valgrind.args(["600", "valgrind"]).args(VALGRIND);
    run(valgrind.arg(&*SHARED).args(["-t", "20"]).args(cases));
}
