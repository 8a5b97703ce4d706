//! Builds the library as packagers do, and C programs against it.
#![allow(dead_code, unreachable_pub)] // each test file uses a part

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use rekindle_test_servers::skipped;

/// Warnings are errors in every C and C++ file of this package.
const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-pedantic", "-Werror"];

/// Options under which valgrind fails at any error and at any leak.
pub const VALGRIND: [&str; 5] = [
    "--quiet",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect,possible",
    "--errors-for-leak-kinds=definite,indirect,possible",
    "--error-exitcode=99",
];

pub static HAS_VALGRIND: LazyLock<bool> = LazyLock::new(|| {
    let mut valgrind = Command::new("valgrind");
    is_installed(valgrind.arg("--version"), "valgrind", "valgrind")
});

/// How much the tests do: `REKINDLE_TIER`, as `./check` sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Each case once.
    Quick,
    /// Each case once, under valgrind where that shows more.
    Gate,
    /// Each case in every form, with the library as packagers build it.
    Full,
}

pub fn tier() -> Tier {
    match env::var("REKINDLE_TIER").as_deref() {
        Ok("quick") => Tier::Quick,
        Ok("full") => Tier::Full,
        _ => Tier::Gate,
    }
}

/// Whether a command succeeds that needs `what`; if not, says that its tests are skipped.
pub fn is_installed(command: &mut Command, what: &str, package: &str) -> bool {
    let found = command.output().is_ok_and(|output| output.status.success());
    if !found {
        skipped(&format!("tests with {what} (Debian: {package})"));
    }
    found
}

/// Flags that link a program with the library.
pub const SHARED: &str = "-lrekindle";
pub const STATIC: &str = "-l:librekindle.a";

/// The package's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn make(out: &Path) -> Command {
    let mut make = Command::new("make");
    make.arg("-C")
        .arg(root())
        .arg(format!("OUT={}", out.display()));
    make
}

/// The folder with librekindle.so and librekindle.a, built once in a process. Only the full tier
/// pays for an optimised build: the dev profile shares the dependencies that the tests have.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let full = tier() == Tier::Full;
        let profile = if full { "release" } else { "dev" };
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("capi-{profile}"));
        run(make(&out).arg(format!("PROFILE={profile}")).arg("all"));
        out
    })
}

/// Installs the library below a folder.
pub fn install(prefix: &Path) {
    run(make(library())
        .arg(format!("PREFIX={}", prefix.display()))
        .arg("install"));
}

/// Compiles and links a C11 program, or a C++17 program if the flags say `-xc++`. The sources are
/// paths below the package's folder. Returns the program's path.
pub fn compile(name: &str, sources: &[&str], flags: &[&str]) -> PathBuf {
    let library = library();
    let program = library.join(name);
    let cpp = flags.contains(&"-xc++");
    let (linked, compiled): (Vec<&str>, Vec<&str>) =
        flags.iter().partition(|flag| flag.starts_with("-l"));
    let mut cc = Command::new("cc");
    cc.arg(if cpp { "-std=c++17" } else { "-std=c11" })
        .args(STRICT)
        .args(["-O1", "-g", "-pthread", "-D_GNU_SOURCE", "-I"])
        .arg(root().join("include"))
        .args(compiled)
        .args(sources.iter().map(|source| root().join(source)))
        .args(["-xnone", "-o"])
        .arg(&program)
        .arg(format!("-L{}", library.display()))
        .arg(format!("-Wl,-rpath,{}", library.display()))
        .args(linked);
    // Where the crate openssl-sys finds an OpenSSL that is not the system's.
    if let Ok(openssl) = std::env::var("OPENSSL_DIR") {
        // Later versions deprecate what 3.0 has nothing else for.
        cc.arg("-DOPENSSL_SUPPRESS_DEPRECATED")
            .args(["-I", &format!("{openssl}/include")])
            .args(["-L", &format!("{openssl}/lib")])
            .arg(format!("-Wl,-rpath,{openssl}/lib"));
    }
    run(cc.args(["-lssl", "-lcrypto", "-lm", "-ldl", "-lgcc_s"]));
    program
}

/// Compiles a program as [`compile`] does, and runs it.
pub fn compile_and_run(name: &str, sources: &[&str], flags: &[&str]) {
    run(&mut Command::new(compile(name, sources, flags)));
}

/// Runs a command to its end, and returns its standard output.
///
/// # Panics
///
/// If the command cannot be started or fails, with its whole output.
pub fn run(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    let status = output.status;
    assert!(status.success(), "{command:?}: {status}\n{out}{err}");
    out
}
