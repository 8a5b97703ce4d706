//! Builds the library as packagers do, and C programs against it.
#![allow(dead_code, unreachable_pub)] // each test file uses a part

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Warnings are errors, in every C and C++ file of ours.
const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-pedantic", "-Werror"];

/// Options under which valgrind fails at any error and at any leak.
pub const VALGRIND: [&str; 5] = [
    "--quiet",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect,possible",
    "--errors-for-leak-kinds=definite,indirect,possible",
    "--error-exitcode=99",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    Shared,
    Static,
    /// Not by us: by the flags, or at run time.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    C11,
    Cpp17,
}

/// The package's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with librekindle.so and librekindle.a, built once in a process.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi");
        let mut make = Command::new("make");
        make.arg("-C")
            .arg(root())
            .arg(format!("OUT={}", out.display()));
        run(make.arg("all"));
        out
    })
}

/// Builds the library anew and installs it below a folder.
pub fn install(prefix: &Path) {
    let mut make = Command::new("make");
    make.arg("-C").arg(root()).args(["all", "install"]);
    make.arg(format!("OUT={}", prefix.join("build").display()));
    run(make.arg(format!("PREFIX={}", prefix.display())));
}

/// Compiles and links a program of one source file (a path below the package's folder), and returns
/// where it is.
pub fn compile(
    source: &str,
    name: &str,
    language: Language,
    linkage: Linkage,
    flags: &[&str],
) -> PathBuf {
    compile_all(&[source], name, language, linkage, flags)
}

/// As [`compile`], from several source files.
pub fn compile_all(
    sources: &[&str],
    name: &str,
    language: Language,
    linkage: Linkage,
    flags: &[&str],
) -> PathBuf {
    let library = library();
    let program = library.join(name);
    let (compiler, standard) = match language {
        Language::C11 => ("cc", ["-std=c11", "-xc"]),
        Language::Cpp17 => ("c++", ["-std=c++17", "-xc++"]),
    };
    let mut cc = Command::new(compiler);
    cc.args(standard)
        .args(STRICT)
        .args(["-O1", "-g", "-pthread", "-D_GNU_SOURCE"])
        .arg("-I")
        .arg(root().join("include"))
        .args(sources.iter().map(|source| root().join(source)))
        .args(["-xnone", "-o"])
        .arg(&program)
        .args(flags);
    match linkage {
        Linkage::Shared => {
            let rpath = format!("-Wl,-rpath,{}", library.display());
            cc.arg("-L").arg(library).arg("-lrekindle").arg(rpath);
        }
        Linkage::Static => {
            cc.arg(library.join("librekindle.a")).arg("-lgcc_s");
        }
        Linkage::None => {}
    }
    run(cc.args(["-lssl", "-lcrypto", "-lm"]));
    program
}

/// Runs a command to its end, and returns what it wrote to its standard output.
///
/// # Panics
///
/// When it cannot be started or fails; with all that it wrote.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}{err}",
        output.status
    );
    out
}
