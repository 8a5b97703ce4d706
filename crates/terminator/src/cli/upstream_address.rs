//! The address of an upstream as it is written in the configuration.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;

use super::address::Address;

const UNIX: &str = "unix:";
/// The longest path that an address of a Unix socket holds, without its NUL (unix(7)).
const LONGEST_PATH: usize = 107;

/// `HOST:PORT`, or `unix:/PATH` for a Unix socket.
#[derive(Debug, Clone)]
pub(crate) enum UpstreamAddress {
    Tcp(Address),
    Unix(PathBuf),
}

impl FromStr for UpstreamAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(path) = text.strip_prefix(UNIX) else {
            return text.parse().map(Self::Tcp);
        };
        if !path.starts_with('/') || path.contains('\0') {
            return Err("expected unix:/PATH, a path from the root".into());
        }
        let path = PathBuf::from(path);
        let length = path.as_os_str().as_bytes().len();
        if length > LONGEST_PATH {
            return Err(format!(
                "the path has {length} bytes, a Unix socket's has at most {LONGEST_PATH}"
            ));
        }
        Ok(Self::Unix(path))
    }
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

    #[test]
    fn an_address_is_displayed_as_it_was_written() {
        let longest = format!("unix:/{}", "a".repeat(LONGEST_PATH - 1));
        for text in ["localhost:80", "[::1]:80", "unix:/run/app.sock", &longest] {
            let address: UpstreamAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn a_unix_socket_has_a_path_from_the_root_that_fits() {
        let long = format!("unix:/{}", "a".repeat(LONGEST_PATH));
        for (text, part) in [
            ("unix:", "unix:/PATH"),
            ("unix:app.sock", "unix:/PATH"),
            ("unix:/a\0b", "unix:/PATH"),
            (&long, "has 108 bytes"),
            ("/run/app.sock", "HOST:PORT"),
        ] {
            let error = text.parse::<UpstreamAddress>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
