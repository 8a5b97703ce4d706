//! The C API, from C: every test here is a C program, or looks at what C programs get to see.

mod common;
mod contract;
mod headers;
mod install;

use std::process::Command;
use std::sync::LazyLock;

use common::{Language, Linkage, compile, run};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = contract::trials();
    trials.extend(headers::trials());
    trials.extend(install::trials());
    trials.push(test("lookups_neither_allocate_nor_free", || {
        let source = "tests/c/allocations.c";
        let flags = ["-fno-builtin"];
        let program = compile(
            source,
            "allocations",
            Language::C11,
            Linkage::Shared,
            &flags,
        );
        run(&mut Command::new(program));
    }));
    trials.push(test("bench::is_a_program", || {
        let source = "bench/sessions.c";
        compile(source, "sessions", Language::C11, Linkage::Shared, &[]);
    }));
    let plugin = test("bench::is_a_plugin_of_traffic_server", || {
        let flags = ["-DTRAFFIC_SERVER_PLUGIN", "-fPIC", "-shared"];
        let source = "bench/sessions.c";
        compile(source, "sessions.so", Language::C11, Linkage::None, &flags);
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

/// Whether Traffic Server's own header is there; says so, once, if it is not.
static HAS_TRAFFIC_SERVER: LazyLock<bool> = LazyLock::new(|| {
    let mut cc = Command::new("cc");
    cc.args(["-include", "ts/ts.h", "-xc", "-fsyntax-only", "/dev/null"]);
    let found = cc.output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: tests with Traffic Server's own header (Debian: trafficserver-dev)");
    }
    found
});
