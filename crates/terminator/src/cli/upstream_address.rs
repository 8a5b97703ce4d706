//! Where an upstream listens: TCP, or a socket in the file system.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};

use super::address::Address;

const UNIX: &str = "unix:";

/// The longest path of a socket in Linux: `sockaddr_un.sun_path`, less its final NUL.
const LONGEST_PATH: usize = 107;

/// `HOST:PORT`, or `unix:` and the path of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UpstreamAddress {
    Tcp(Address),
    Unix(PathBuf),
}

impl UpstreamAddress {
    fn parse(text: &OsStr) -> Result<Self, String> {
        if let Some(path) = unix_path(text) {
            return match path.as_os_str().len() {
                0 => Err("expected a path behind unix:".into()),
                1..=LONGEST_PATH => Ok(Self::Unix(path.into())),
                length => Err(format!(
                    "a path of {length} bytes: a socket's has at most {LONGEST_PATH}"
                )),
            };
        }
        let text = text.to_str().ok_or("it is not UTF-8")?;
        let address = text.parse().map(Self::Tcp);
        address.map_err(|reason: String| format!("{reason}, or unix:/path"))
    }
}

impl FromStr for UpstreamAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(OsStr::new(text))
    }
}

/// Takes an address, with a path that need not be UTF-8.
pub(super) fn upstream_address() -> impl TypedValueParser<Value = UpstreamAddress> {
    OsStringValueParser::new().try_map(|text: OsString| UpstreamAddress::parse(&text))
}

/// The same address, with the path of a socket relative to `folder`.
pub(super) fn relative_to(folder: &Path, text: &OsStr) -> OsString {
    let Some(path) = unix_path(text).filter(|path| !path.as_os_str().is_empty()) else {
        return text.into();
    };
    let mut joined = OsString::from(UNIX);
    joined.push(folder.join(path));
    joined
}

fn unix_path(text: &OsStr) -> Option<&Path> {
    let path = text.as_bytes().strip_prefix(UNIX.as_bytes())?;
    Some(Path::new(OsStr::from_bytes(path)))
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address.as_str()),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<UpstreamAddress, String> {
        UpstreamAddress::parse(text.as_ref())
    }

    #[test]
    fn an_upstream_is_a_host_with_a_port_or_the_path_of_a_socket() {
        for text in ["app.example:80", "[::1]:8080", "unix:/run/app.sock"] {
            assert_eq!(parsed(text).unwrap().to_string(), text);
        }
        let unix = parsed("unix:/a:1").unwrap();
        assert_eq!(unix, UpstreamAddress::Unix("/a:1".into()));
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused() {
        for (path, reason) in [
            (String::new(), "expected a path"),
            ("x".repeat(108), "108 bytes"),
        ] {
            let error = parsed(&format!("unix:{path}")).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(parsed(&format!("unix:{}", "x".repeat(107))).is_ok());
        assert!(parsed("/run/app.sock").unwrap_err().contains("unix:/path"));
    }

    #[test]
    fn a_relative_path_of_a_socket_is_taken_from_the_folder() {
        let joined = |text: &str| relative_to(Path::new("/etc/r"), text.as_ref());
        assert_eq!(joined("unix:app.sock"), "unix:/etc/r/app.sock");
        assert_eq!(joined("unix:/run/app.sock"), "unix:/run/app.sock");
        assert_eq!(joined("app.example:80"), "app.example:80");
        assert_eq!(joined("unix:"), "unix:");
    }
}
