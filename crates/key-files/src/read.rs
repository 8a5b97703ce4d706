//! Reading a file, or all files of a folder.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rekindle::tickets::TicketKeys;

use crate::error::{TicketFileError, TicketFileFault as Fault};
use crate::folder;
use crate::format::TicketKeyFormat;
use crate::notice::{FolderOrder, Notice};
use crate::reader::{Digest, Opened, Reader};
use crate::secret_file::{SecretFile, parse_secret};

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Keys(TicketKeyFormat, FolderOrder),
    Secret,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub enum KeyFileContent {
    /// Keys.
    Keys(TicketKeys),
    /// A secret to derive keys from.
    Secret(SecretFile),
}

/// What was read, and from where.
#[derive(Clone, Debug)]
pub struct KeyFileRead {
    /// The keys, or the secret.
    pub content: KeyFileContent,
    /// The files of a folder that hold keys, copies included: those that seal first. Otherwise the
    /// file itself.
    pub files: Vec<PathBuf>,
    /// What an operator should know.
    pub notices: Vec<Notice>,
}

pub(crate) fn read(
    path: &Path,
    kind: Kind,
    refuse_readable_by_others: bool,
) -> Result<(KeyFileRead, Digest), TicketFileError> {
    let mut reader = Reader::new(refuse_readable_by_others);
    let content = match kind {
        Kind::Keys(format, order) if path.is_dir() => {
            KeyFileContent::Keys(folder::read(&mut reader, path, format, order)?)
        }
        kind => content(&mut reader, path, kind).map_err(TicketFileError::of(path))?,
    };
    let (files, notices, digest) = reader.finish();
    let read = KeyFileRead {
        content,
        files,
        notices,
    };
    Ok((read, digest))
}

fn content(reader: &mut Reader, path: &Path, kind: Kind) -> Result<KeyFileContent, Fault> {
    Ok(match kind {
        Kind::Keys(format, _) => KeyFileContent::Keys(format.parse(&file(reader, path)?.content)?),
        Kind::Secret => KeyFileContent::Secret(secret(reader, path)?),
    })
}

fn secret(reader: &mut Reader, path: &Path) -> Result<SecretFile, Fault> {
    Ok(parse_secret(&file(reader, path)?.content)?)
}

/// A file that is in no folder of key files.
fn file(reader: &mut Reader, path: &Path) -> Result<Opened, Fault> {
    let file = Reader::open(path)?;
    reader.accept(path, OsStr::new(""), &file)?;
    Ok(file)
}

/// Reads a file with a [secret](parse_secret), and what an operator should know of it.
///
/// # Errors
///
/// [`TicketFileError`] names the file and the reason.
pub fn read_secret(path: &Path) -> Result<(SecretFile, Vec<Notice>), TicketFileError> {
    let mut reader = Reader::new(false);
    let secret = secret(&mut reader, path).map_err(TicketFileError::of(path))?;
    Ok((secret, reader.finish().1))
}
