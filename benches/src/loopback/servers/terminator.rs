//! The project's own terminator.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Builds it in the profile of the running harness, beside it, and says where it is. Built each
/// time: an old one that lies there would be measured in the place of the source's.
pub(crate) fn build() -> Result<PathBuf, String> {
    let (target, profile) = own_place().ok_or("this program does not lie in a target directory")?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--quiet", "--package", "rekindle-terminator"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        ])
        .arg("--target-dir")
        .arg(&target);
    if profile != "debug" {
        command.args(["--profile", &profile]);
    }
    let status = command
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err(format!("cargo build: {status}"));
    }
    Ok(target.join(profile).join("rekindle-terminator"))
}

/// The target directory that this program lies in, and the profile's directory therein.
fn own_place() -> Option<(PathBuf, String)> {
    let program = env::current_exe().ok()?;
    let mut directory = program.parent()?;
    if directory.ends_with("deps") {
        directory = directory.parent()?;
    }
    let profile = directory.file_name()?.to_str()?.to_owned();
    Some((directory.parent()?.to_owned(), profile))
}
