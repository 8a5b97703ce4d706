//! Runs the binary to its end.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::process::Output;

use openssl::base64::encode_block;
use rekindle_test_servers::bounded;

use super::{BINARY, hex};

/// Runs it with words between spaces.
pub(crate) fn run(words: &str) -> Ran {
    run_with(words.split_whitespace())
}

/// Runs it with arguments in which there may be spaces.
pub(crate) fn run_with(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    let output = bounded(BINARY).args(arguments).output();
    Ran(output.expect("the binary starts"))
}

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

    /// Both, one behind the other.
    pub(crate) fn printed(&self) -> String {
        format!("{}{}", self.out(), self.err())
    }

    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(status), "{}", self.err());
        self
    }

    /// Each of the reasons is on standard error.
    #[track_caller]
    pub(crate) fn refused(self, status: i32, reasons: &[&str]) -> Self {
        let ran = self.expect(status);
        let stderr = ran.err();
        for reason in reasons {
            assert!(stderr.contains(reason), "`{reason}` is not in: {stderr}");
        }
        ran
    }

    /// A fault of the machine or of a file, and nothing on standard output.
    #[track_caller]
    pub(crate) fn failed(self, reason: &str) -> Self {
        let ran = self.refused(1, &[reason]);
        assert_eq!(ran.out(), "");
        ran
    }

    /// As `check` tells that a terminator would start.
    #[track_caller]
    pub(crate) fn says_ok(self) -> Self {
        let ran = self.expect(0);
        assert_eq!(ran.out(), "ok\n", "{}", ran.err());
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
