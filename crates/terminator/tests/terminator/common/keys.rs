//! Runs `rekindle-terminator keys ...`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::ran::{Ran, run};

/// Runs `keys` with the words between spaces of a format string.
macro_rules! keys {
    ($($words:tt)*) => {
        $crate::common::keys::run_keys(&format!($($words)*))
    };
}
#[allow(unused_imports, reason = "cross_resumption runs no such command")]
pub(crate) use keys;

pub(crate) fn run_keys(words: &str) -> Ran {
    run(&format!("keys {words}"))
}

/// What each key is for, and its fingerprint.
#[track_caller]
pub(crate) fn fingerprints(path: &str, format: &str) -> Vec<(String, String)> {
    let ran = keys!("fingerprint {path} --format {format}").expect(0);
    let words = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        (
            words.next().expect("a word"),
            words.next().expect("a fingerprint"),
        )
    };
    ran.out().lines().map(words).collect()
}

/// The fingerprints alone.
pub(crate) fn keys_of(printed: &[(String, String)]) -> Vec<&str> {
    printed.iter().map(|(_, key)| key.as_str()).collect()
}

pub(crate) fn mode(path: &str) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o777
}
