//! What the package brings beside the binary: manual pages and completions, units, an example of a
//! configuration, a container file, alert rules and a dashboard. The package itself is tried out by
//! `packaging/test-deb`.

mod container;
mod manual;
mod monitoring;
mod prometheus;
mod selector;
mod units;

use std::path::PathBuf;

/// A file of `packaging/`.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("packaging")
        .join(name)
}

/// Its text.
#[track_caller]
fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).expect("a file of the package")
}
