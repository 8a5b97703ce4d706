//! Reading a file, or all files of a folder.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rekindle::tickets::{KeyLocation, KeyRole, TicketKeyError, TicketKeys, TicketSecret};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{MAX_LEN, TicketFileError, TicketFileFault as Fault};
use crate::format::TicketKeyFormat;
use crate::secret_text::parse_secret;

/// The end of the names of files in a folder whose keys only open yet.
const NEXT: &str = ".next";

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Keys(TicketKeyFormat),
    Secret,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub enum KeyFileContent {
    /// Keys.
    Keys(TicketKeys),
    /// A secret to derive keys from.
    Secret(TicketSecret),
}

pub(crate) struct ReadKeys {
    pub(crate) content: KeyFileContent,
    pub(crate) digest: [u8; 32],
    pub(crate) readable_by_others: Vec<PathBuf>,
}

pub(crate) fn read(
    path: &Path,
    kind: Kind,
    refuse_readable_by_others: bool,
) -> Result<ReadKeys, TicketFileError> {
    let mut reader = Reader::new(refuse_readable_by_others);
    let content = match kind {
        Kind::Keys(format) if path.is_dir() => KeyFileContent::Keys(reader.folder(path, format)?),
        kind => reader
            .content(path, kind)
            .map_err(TicketFileError::of(path))?,
    };
    Ok(ReadKeys {
        content,
        digest: reader.digest.finalize_reset().into(),
        readable_by_others: reader.readable_by_others,
    })
}

/// Reads a file with a [secret](parse_secret), and nothing else.
///
/// # Errors
///
/// [`TicketFileError`] names the file and the reason.
pub fn read_secret(path: &Path) -> Result<TicketSecret, TicketFileError> {
    let content = Reader::new(false).file(path);
    let secret = content.and_then(|content| Ok(parse_secret(&content)?));
    secret.map_err(TicketFileError::of(path))
}

struct Reader {
    refuse_readable_by_others: bool,
    /// Boxed and never moved: it holds the last bytes of what it has read.
    digest: Box<Sha256>,
    readable_by_others: Vec<PathBuf>,
}

impl Reader {
    fn new(refuse_readable_by_others: bool) -> Self {
        Self {
            refuse_readable_by_others,
            digest: Box::default(),
            readable_by_others: Vec::new(),
        }
    }

    fn content(&mut self, path: &Path, kind: Kind) -> Result<KeyFileContent, Fault> {
        let content = self.file(path)?;
        Ok(match kind {
            Kind::Keys(format) => KeyFileContent::Keys(format.parse(&content)?),
            Kind::Secret => KeyFileContent::Secret(parse_secret(&content)?),
        })
    }

    fn folder(
        &mut self,
        path: &Path,
        format: TicketKeyFormat,
    ) -> Result<TicketKeys, TicketFileError> {
        let names = self.names(path).map_err(TicketFileError::of(path))?;
        let (mut keys, mut files, mut trailing) = (Vec::new(), Vec::new(), 0);
        let mut seals = true;
        for name in &names {
            let file = path.join(name);
            let next = name.as_encoded_bytes().ends_with(NEXT.as_bytes());
            let content = self.file(&file);
            let of_file = content.and_then(|content| Ok(format.parse(&content)?));
            let of_file = of_file.map_err(TicketFileError::of(&file))?;
            // The name decides the key's role: a file that is renamed is a change.
            let name = name.as_encoded_bytes();
            self.digest.update((name.len() as u64).to_le_bytes());
            self.digest.update(name);
            trailing += of_file.trailing_bytes;
            for key in of_file.entries() {
                let role = match key.role {
                    KeyRole::Timed(validity) => KeyRole::Timed(validity),
                    _ if next => KeyRole::Next,
                    role if seals => role,
                    _ => KeyRole::Open,
                };
                let mut key = key.with_role(role);
                key.location = KeyLocation::record(keys.len());
                keys.push(key);
                files.push(file.clone());
            }
            seals &= next;
        }
        // Each file's own keys differ already: a pair of duplicates is in two files.
        let duplicates = |first: KeyLocation, second: KeyLocation, of| Fault::Duplicates {
            first: files[first.record].clone(),
            second: files[second.record].clone(),
            of,
        };
        let keys = TicketKeys::new(keys).map_err(|error| match error {
            TicketKeyError::DuplicateName { first, second } => duplicates(first, second, "name"),
            TicketKeyError::DuplicateMaterial { first, second } => {
                duplicates(first, second, "secrets")
            }
            _ if files.is_empty() => Fault::EmptyFolder,
            error => error.into(),
        });
        let mut keys = keys.map_err(TicketFileError::of(path))?;
        keys.trailing_bytes = trailing;
        Ok(keys)
    }

    /// The names of a folder's files, the greatest first.
    fn names(&mut self, path: &Path) -> Result<Vec<OsString>, Fault> {
        // A user who may put a file into it chooses the key that seals.
        self.check_mode(path, others_may(0o022, &fs::metadata(path)?))?;
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name();
            if !name.as_encoded_bytes().starts_with(b".") && path.join(&name).is_file() {
                names.push(name);
            }
            if names.len() > TicketKeys::MAX_KEYS {
                return Err(TicketKeyError::TooMany.into());
            }
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names)
    }

    fn check_mode(&mut self, path: &Path, by_others: bool) -> Result<(), Fault> {
        if by_others && self.refuse_readable_by_others {
            return Err(Fault::ReadableByOthers);
        }
        if by_others {
            self.readable_by_others.push(path.into());
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
        // Before opening: that alone would wait for a pipe's other end.
        if !fs::metadata(path)?.is_file() {
            return Err(Fault::NotAFile);
        }
        let file = open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Fault::NotAFile);
        }
        self.check_mode(path, others_may(0o066, &metadata))?;
        // Room for all at once: growing would leave copies of the keys behind.
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_LEN + 1));
        file.take(MAX_LEN as u64 + 1).read_to_end(&mut content)?;
        if content.len() > MAX_LEN {
            return Err(Fault::TooLong);
        }
        self.digest.update((content.len() as u64).to_le_bytes());
        self.digest.update(&*content);
        Ok(content)
    }
}

/// Without waiting for the other end, should a pipe have come in the file's place.
#[cfg(target_os = "linux")]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let mut options = File::options();
    options.read(true).custom_flags(flags as i32).open(path)
}

#[cfg(not(target_os = "linux"))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Whether the file's mode has one of these bits: read or write, for group or others.
#[cfg(unix)]
fn others_may(bits: u32, metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.mode() & bits != 0
}

#[cfg(not(unix))]
fn others_may(_bits: u32, _metadata: &Metadata) -> bool {
    false
}
