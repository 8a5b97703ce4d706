//! Reading a file, or all files of a folder.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{KeyFileContent, Kind, TicketFileError, TicketKeyFile};
use crate::tickets::key_set::{KeyEntry, KeyRole, TicketKeys, twins};
use crate::tickets::{TicketKey, TicketKeyError, TicketKeyFormat, TicketSecret};

/// The end of a file's name in a folder whose keys are known before they seal.
const NEXT: &str = ".next";

pub(super) struct ReadKeys {
    pub(super) material: KeyFileContent,
    pub(super) digest: [u8; 32],
    pub(super) exposed: Vec<PathBuf>,
}

impl TicketKeyFile {
    pub(super) fn read_all(&self) -> Result<ReadKeys, TicketFileError> {
        let mut reader = Reader {
            refuse_exposed: self.refuse_exposed,
            digest: Box::default(),
            exposed: Vec::new(),
        };
        let material = match self.kind {
            Kind::Secret => {
                let content = reader.file(&self.path)?;
                let secret = TicketSecret::parse(&content).map_err(|e| self.bad(e))?;
                KeyFileContent::Secret(secret)
            }
            Kind::Keys(format) if self.path.is_dir() => {
                KeyFileContent::Keys(reader.folder(&self.path, format)?)
            }
            Kind::Keys(format) => KeyFileContent::Keys(reader.keys(&self.path, format)?),
        };
        Ok(ReadKeys {
            material,
            digest: reader.digest.finalize_reset().into(),
            exposed: reader.exposed,
        })
    }
}

struct Reader {
    refuse_exposed: bool,
    /// Boxed and never moved: it holds the last bytes of what it has read.
    digest: Box<Sha256>,
    exposed: Vec<PathBuf>,
}

impl Reader {
    fn keys(
        &mut self,
        path: &Path,
        format: TicketKeyFormat,
    ) -> Result<TicketKeys, TicketFileError> {
        let content = self.file(path)?;
        format.parse(&content).map_err(|e| malformed(path, e))
    }

    fn folder(
        &mut self,
        path: &Path,
        format: TicketKeyFormat,
    ) -> Result<TicketKeys, TicketFileError> {
        let metadata = fs::metadata(path).map_err(|e| unreadable(path, e))?;
        // Whoever may put a file into it puts the key in that seals.
        self.expose(path, can_be_written(&metadata))?;
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(|e| unreadable(path, e))? {
            let name = entry.map_err(|e| unreadable(path, e))?.file_name();
            if !name.as_encoded_bytes().starts_with(b".") && path.join(&name).is_file() {
                names.push(name);
            }
            if names.len() > TicketKeys::MAX_KEYS {
                return Err(malformed(path, TicketKeyError::TooMany));
            }
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        let (mut keys, mut files, mut trailing) = (Vec::new(), Vec::new(), 0);
        let mut seals = true;
        for name in &names {
            let file = path.join(name);
            let next = name.as_encoded_bytes().ends_with(NEXT.as_bytes());
            let of_file = self.keys(&file, format)?;
            // With the name goes what the key is for: a file that is renamed is a change.
            let name = name.as_encoded_bytes();
            self.digest.update((name.len() as u64).to_le_bytes());
            self.digest.update(name);
            trailing += of_file.trailing_bytes();
            for key in of_file.given() {
                let role = match key.role() {
                    KeyRole::Timed(table) => KeyRole::Timed(table),
                    _ if next => KeyRole::Next,
                    role if seals => role,
                    _ => KeyRole::Open,
                };
                keys.push(key.with_role(role));
                files.push(file.clone());
            }
            seals &= next;
        }
        if keys.is_empty() {
            return Err(TicketFileError::EmptyFolder { path: path.into() });
        }
        no_twins(&keys, &files)?;
        let keys = TicketKeys::new(keys).map_err(|e| malformed(path, e))?;
        Ok(keys.with_trailing(trailing))
    }

    fn expose(&mut self, path: &Path, exposed: bool) -> Result<(), TicketFileError> {
        if exposed && self.refuse_exposed {
            return Err(TicketFileError::Exposed { path: path.into() });
        }
        if exposed {
            self.exposed.push(path.into());
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<Zeroizing<Vec<u8>>, TicketFileError> {
        // Before opening: that alone would wait for a pipe's other end.
        if !fs::metadata(path)
            .map_err(|e| unreadable(path, e))?
            .is_file()
        {
            return Err(TicketFileError::NotAFile { path: path.into() });
        }
        let file = open(path).map_err(|e| unreadable(path, e))?;
        let metadata = file.metadata().map_err(|e| unreadable(path, e))?;
        if !metadata.is_file() {
            return Err(TicketFileError::NotAFile { path: path.into() });
        }
        self.expose(path, is_exposed(&metadata))?;
        // Room for all at once: growing would leave copies of the keys behind.
        let mut content = Zeroizing::new(Vec::with_capacity(TicketKeyFile::MAX_LEN + 1));
        file.take(TicketKeyFile::MAX_LEN as u64 + 1)
            .read_to_end(&mut content)
            .map_err(|e| unreadable(path, e))?;
        if content.len() > TicketKeyFile::MAX_LEN {
            return Err(TicketFileError::TooLong { path: path.into() });
        }
        self.digest.update((content.len() as u64).to_le_bytes());
        self.digest.update(&*content);
        Ok(content)
    }
}

/// Each file's own keys have been looked at; here those of different files are.
fn no_twins(keys: &[KeyEntry], files: &[PathBuf]) -> Result<(), TicketFileError> {
    let error = |(first, second): (usize, usize), of| TicketFileError::Twins {
        first: files[first].clone(),
        second: files[second].clone(),
        of,
    };
    if let Some(pair) = twins(keys, |a, b| a.name().cmp(b.name())) {
        return Err(error(pair, "name"));
    }
    match twins(keys, TicketKey::cmp_secrets) {
        Some(pair) => Err(error(pair, "secrets")),
        None => Ok(()),
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

#[cfg(unix)]
fn is_exposed(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.mode() & 0o066 != 0
}

/// By others than the owner.
#[cfg(unix)]
fn can_be_written(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.mode() & 0o022 != 0
}

#[cfg(not(unix))]
fn is_exposed(_metadata: &Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn can_be_written(_metadata: &Metadata) -> bool {
    false
}

fn unreadable(path: &Path, source: io::Error) -> TicketFileError {
    TicketFileError::Unreadable {
        path: path.into(),
        source,
    }
}

fn malformed(path: &Path, source: TicketKeyError) -> TicketFileError {
    TicketFileError::Malformed {
        path: path.into(),
        source,
    }
}
