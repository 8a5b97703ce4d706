//! Runs `rekindle-terminator keys ...`.

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use openssl::base64::encode_block;
use rekindle_test_servers::bounded;

use super::BINARY;
use super::hex;

/// What a command has printed, and its exit status.
#[derive(Debug)]
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn out(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).expect("it is text")
    }

    pub(crate) fn err(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.stderr)
    }

    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(status), "{}", self.err());
        self
    }

    #[track_caller]
    pub(crate) fn failed(self, reason: &str) -> Self {
        let ran = self.expect(1);
        let stderr = ran.err();
        assert!(stderr.contains(reason), "`{reason}` is not in: {stderr}");
        assert_eq!(ran.out(), "");
        ran
    }

    /// No twelve bytes of it as they are, and no twelve digits.
    #[track_caller]
    pub(crate) fn hides(&self, secret: &[u8]) -> &Self {
        assert_eq!(self.finds(secret), None, "a secret is in the output");
        self
    }

    /// In which form it finds a part of a secret.
    pub(crate) fn finds(&self, secret: &[u8]) -> Option<&'static str> {
        let printed = [&self.0.stdout[..], &self.0.stderr].concat();
        let is_in = |part: &[u8]| {
            let mut windows = printed.windows(part.len());
            windows.any(|window| window.eq_ignore_ascii_case(part))
        };
        let forms = forms(secret);
        let found = forms
            .iter()
            .find(|(_, digits)| digits.windows(12).step_by(4).any(is_in));
        found.map(|(form, _)| *form)
    }

    pub(crate) fn shows(&self, secret: &[u8]) -> bool {
        let digits = hex(secret);
        self.out().contains(&digits)
    }
}

/// Base 64 of what begins one or two bytes before the secret has other digits.
fn forms(secret: &[u8]) -> [(&'static str, Vec<u8>); 5] {
    let base64 = |skip: usize| encode_block(&secret[skip..]).into_bytes();
    [
        ("as it is", secret.to_vec()),
        ("in base 16", hex(secret).into_bytes()),
        ("in base 64", base64(0)),
        ("in base 64", base64(1)),
        ("in base 64", base64(2)),
    ]
}

/// Runs `keys` with the words between spaces of a format string.
macro_rules! keys {
    ($($words:tt)*) => {
        $crate::common::keys::run_keys(&format!($($words)*))
    };
}
#[allow(unused_imports, reason = "cross_resumption runs no such command")]
pub(crate) use keys;

pub(crate) fn run_keys(words: &str) -> Ran {
    let output = bounded(&format!("{BINARY} keys {words}")).output();
    Ran(output.expect("the binary starts"))
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
