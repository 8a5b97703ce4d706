//! The token that changes by the admin address demand, from a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use arc_swap::ArcSwap;
use rekindle_key_files::{Exposure, exposure};
use thiserror::Error;
use tracing::warn;
use zeroize::Zeroizing;

/// Bytes of a token.
const SHORTEST: usize = 16;
const LONGEST: usize = 1024;

/// The token in use.
#[derive(Debug)]
pub(crate) struct WriteAccess {
    file: TokenFile,
    token: ArcSwap<Token>,
}

/// Where the token is kept.
#[derive(Debug, Clone)]
pub(crate) struct TokenFile {
    pub(crate) path: PathBuf,
    /// Whether a file is refused that others than the service may read.
    pub(crate) refuse_readable_by_others: bool,
}

struct Token(Zeroizing<Vec<u8>>);

/// Why a file holds no token. The operator can mend it.
#[derive(Debug, Error)]
pub(crate) enum TokenError {
    #[error("token file {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("token file {path} {exposure}")]
    ReadableByOthers { path: PathBuf, exposure: Exposure },
    #[error(
        "token file {path}: expected one line of {SHORTEST} to {LONGEST} printable ASCII \
         characters without spaces"
    )]
    Malformed { path: PathBuf },
}

impl WriteAccess {
    pub(crate) fn load(file: TokenFile) -> Result<Self, TokenError> {
        let token = ArcSwap::from_pointee(file.read()?);
        Ok(Self { file, token })
    }

    /// Reads the file again. What cannot be read changes nothing. Whether the token is another one.
    pub(crate) fn reload(&self) -> Result<bool, TokenError> {
        let token = self.file.read()?;
        let changed = !self.is_token(&token.0);
        self.token.store(token.into());
        Ok(changed)
    }

    /// In a time that tells nothing but the length.
    pub(super) fn is_token(&self, shown: &[u8]) -> bool {
        let token = &self.token.load().0;
        token.len() == shown.len() && openssl::memcmp::eq(token, shown)
    }
}

impl TokenFile {
    fn read(&self) -> Result<Token, TokenError> {
        let path = || self.path.clone();
        let failed = |source| TokenError::Read {
            path: path(),
            source,
        };
        let exposure = exposure(&self.path).map_err(failed)?;
        // Room for all, so that no copy is left behind as the vector grows.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 2));
        let file = File::open(&self.path).map_err(failed)?;
        let mut file = file.take(LONGEST as u64 + 2);
        file.read_to_end(&mut bytes).map_err(failed)?;
        if bytes.ends_with(b"\n") {
            bytes.pop();
        }
        let is_long_enough = (SHORTEST..=LONGEST).contains(&bytes.len());
        if !is_long_enough || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError::Malformed { path: path() });
        }
        match exposure {
            Some(exposure) if self.refuse_readable_by_others => {
                let path = path();
                return Err(TokenError::ReadableByOthers { path, exposure });
            }
            Some(exposure) => warn!("admin token: {} {exposure}", self.path.display()),
            None => {}
        }
        Ok(Token(bytes))
    }
}

/// Never shows it.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(folder: &tempfile::TempDir, content: &[u8]) -> TokenFile {
        let path = folder.path().join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        TokenFile {
            path,
            refuse_readable_by_others: true,
        }
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let access = WriteAccess::load(file(&folder, b"0123456789abcdef\n")).unwrap();
        assert!(access.is_token(b"0123456789abcdef"));
        for other in [
            "",
            "0123456789abcde",
            "0123456789abcdef\n",
            "0123456789abcdeF",
        ] {
            assert!(!access.is_token(other.as_bytes()), "{other:?}");
        }
        assert!(!format!("{access:?}").contains("0123"));
        file(&folder, b"another-token-it-is");
        assert!(access.reload().unwrap());
        assert!(!access.reload().unwrap(), "it is the same");
        assert!(access.is_token(b"another-token-it-is"));
        file(&folder, b"short");
        assert!(access.reload().is_err());
        assert!(access.is_token(b"another-token-it-is"), "it stays");
    }

    #[test]
    fn files_that_hold_no_token_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for content in [
            &b""[..],
            b"0123456789abcde",
            b"0123456789abcde\n",
            b"0123456789 abcdef",
            b"0123456789abcdef\n\n",
            b"0123456789abcdef\r\n",
            "0123456789abcdé".as_bytes(),
            &[b'a'; LONGEST + 1],
            &[b'a'; 4 * LONGEST],
        ] {
            let error = WriteAccess::load(file(&folder, content)).unwrap_err();
            assert!(matches!(error, TokenError::Malformed { .. }), "{error}");
        }
        let longest = [&[b'a'; LONGEST][..], b"\n"].concat();
        WriteAccess::load(file(&folder, &longest)).unwrap();
    }

    #[test]
    fn a_file_that_all_may_read_is_refused_where_keys_are() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = file(&folder, b"0123456789abcdef");
        fs::set_permissions(&file.path, Permissions::from_mode(0o644)).unwrap();
        let error = WriteAccess::load(file.clone()).unwrap_err();
        assert!(error.to_string().contains("token"), "{error}");
        file.refuse_readable_by_others = false;
        WriteAccess::load(file).unwrap();
    }
}
