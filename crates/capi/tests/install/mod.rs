//! What a package contains: the libraries' symbols, `make install`, pkg-config.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;

use crate::common::{compile, compile_and_run, install, library, root, run};
use crate::test;

/// Every symbol that the library exports.
const EXPORTS: [&str; 18] = [
    "TSSslSessionGet",
    "TSSslSessionGetBuffer",
    "TSSslSessionInsert",
    "TSSslSessionRemove",
    "TSSslTicketKeyUpdate",
    "rekindle_attach",
    "rekindle_attach_replacing",
    "rekindle_attach_scoped",
    "rekindle_init",
    "rekindle_last_error",
    "rekindle_maintain",
    "rekindle_revoke",
    "rekindle_revoke_all",
    "rekindle_session_hook_add",
    "rekindle_session_take",
    "rekindle_shutdown",
    "rekindle_stats",
    "rekindle_ticket_keys_load",
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        test("install::the_shared_library_exports_the_calls_only", || {
            let names = symbols("librekindle.so", &["--dynamic"]);
            let versioned = EXPORTS.map(|name| format!("{name}@@REKINDLE_0"));
            let mut expected: BTreeSet<String> = versioned.into();
            expected.insert("REKINDLE_0".to_owned());
            assert_eq!(names, expected);
        }),
        test("install::the_archive_exports_the_calls_only", || {
            let names = symbols("librekindle.a", &["--extern-only"]);
            assert_eq!(names, EXPORTS.map(str::to_owned).into());
        }),
        test("install::the_soname_is_set", || {
            let library = library().join("librekindle.so");
            let dynamic = run(Command::new("readelf").arg("-d").arg(library));
            assert!(dynamic.contains("[librekindle.so.0]"), "{dynamic}");
        }),
        test("install::the_library_survives_dlclose", || {
            let program = compile("unload", &["tests/c/unload.c"], &[]);
            run(Command::new(program).arg(library().join("librekindle.so")));
        }),
        test(
            "install::the_archive_goes_with_another_rust_library",
            || {
                build_other_library();
                let (ours, other) = ("-l:librekindle.a", "-l:libother.a");
                let sources = ["tests/c/two_rust_libraries.c"];
                compile_and_run("ours-first", &sources, &[ours, other]);
                compile_and_run("ours-last", &sources, &[other, ours]);
            },
        ),
        test("install::pkg_config_finds_what_was_installed", || {
            let prefix = tempfile::tempdir().unwrap();
            install(prefix.path());
            for (name, flags) in [("shared", &[][..]), ("static", &["--static"])] {
                compile_with_pkg_config(prefix.path(), name, flags);
            }
        }),
    ]
}

fn symbols(library: &str, flags: &[&str]) -> BTreeSet<String> {
    let path = self::library().join(library);
    let mut nm = Command::new("nm");
    let list = run(nm.arg("--defined-only").args(flags).arg(path));
    // "0000 T name"; an archive's member has a line of its own.
    let names = list.lines().filter_map(|line| line.split(' ').nth(2));
    names.map(str::to_owned).collect()
}

fn build_other_library() {
    let archive = library().join("libother.a");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "--crate-type=staticlib", "-O", "-o"]);
    run(rustc
        .arg(&archive)
        .arg(root().join("tests/c/other_library.rs")));
}

/// Compiles and runs a program with pkg-config, as the README tells users.
fn compile_with_pkg_config(prefix: &Path, name: &str, flags: &[&str]) {
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    pkg_config
        .args(flags)
        .args(["--cflags", "--libs", "rekindle", "libssl", "libcrypto"]);
    let words = run(&mut pkg_config);
    let program = prefix.join(name);
    let mut cc = Command::new("cc");
    cc.arg(root().join("tests/c/headers.c"));
    cc.args(words.split_whitespace()).arg("-o").arg(&program);
    run(&mut cc);
    run(Command::new(program).env("LD_LIBRARY_PATH", prefix.join("lib")));
}
