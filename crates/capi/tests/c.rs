//! The C API, from C: each test runs a C program, or looks at what a C program gets to see.

mod common;
mod contract;
mod headers;
mod install;

use std::process::{Command, Stdio};
use std::sync::LazyLock;

use common::{SHARED, compile, compile_and_run, is_installed, run};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = contract::trials();
    trials.extend(headers::trials());
    trials.extend(install::trials());
    trials.push(test("lookups_neither_allocate_nor_free", || {
        let sources = ["tests/c/allocations.c", "tests/c/contract/support.c"];
        compile_and_run("allocations", &sources, &[SHARED, "-fno-builtin"]);
    }));
    let name = "bench::accounts_for_sessions_that_full_lines_gave_up";
    trials.push(test(name, run_benchmark_in_a_small_cache));
    let plugin = test("bench::is_a_plugin_of_traffic_server", || {
        let flags = ["-DTRAFFIC_SERVER_PLUGIN", "-fPIC", "-shared"];
        compile("sessions.so", &["bench/sessions.c"], &flags);
    });
    trials.push(plugin.with_ignored_flag(!*HAS_TRAFFIC_SERVER));
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test that fails by panicking.
fn test(name: &str, body: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        body();
        Ok(())
    })
}

/// Whether Traffic Server's own header is installed.
static HAS_TRAFFIC_SERVER: LazyLock<bool> = LazyLock::new(|| {
    let mut cc = Command::new("cc");
    cc.args(["-include", "ts/ts.h", "-xc", "-fsyntax-only", "/dev/null"]);
    is_installed(&mut cc, "Traffic Server's own header", "trafficserver-dev")
});

/// The benchmark's 50,000 sessions in a cache of 60,000: about twenty lines of it overflow. The
/// benchmark stopped at the first of them once, and never came to its end.
fn run_benchmark_in_a_small_cache() {
    let program = compile("sessions", &["bench/sessions.c"], &[SHARED]);
    let mut sessions = Command::new("sh");
    sessions.args([
        "-c",
        "echo GetBuffer 1 | \"$0\" /dev/stdin /dev/stdout 60000",
    ]);
    let answers = run(sessions.arg(program).stdin(Stdio::null()));
    let hits = answers
        .split_whitespace()
        .last()
        .and_then(|share| share.parse().ok());
    let hits: f64 = hits.unwrap_or_else(|| panic!("no share of hits: {answers}"));
    assert!((0.998..1.0).contains(&hits), "{answers}");
}
