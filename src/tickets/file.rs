//! Ticket keys from a file, and from the same file again.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{TicketFileError, TicketKeys, TicketRing, Update};

/// A file of ticket keys that is read at start-up and again when the operator says so.
///
/// The most recent update of a ring wins, whether it came from here or from
/// [`TicketRing::update`]. A reload is an update only if the file's content differs from what was
/// last taken from it; its time stamp is never asked. So keys that came through the API stay in
/// force when something else makes the server reload an unchanged file.
pub struct TicketKeyFile {
    path: PathBuf,
    /// Of the content that was last taken: the content itself is a secret.
    digest: [u8; 32],
}

/// What a reload has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The file is as it was last taken, and so is the ring.
    Unchanged,
    /// The ring holds the file's keys now.
    Updated(Update),
}

impl TicketKeyFile {
    /// The longest file that is read, in bytes: over 20,000 keys.
    pub const MAX_LEN: usize = 1 << 20;

    /// Reads keys from a file, for a ring to start with.
    ///
    /// # Errors
    ///
    /// [`TicketFileError`] names the file and the reason.
    pub fn open(path: impl Into<PathBuf>) -> Result<(Self, TicketRing), TicketFileError> {
        let path = path.into();
        let (keys, digest) = read(&path)?;
        Ok((Self { path, digest }, TicketRing::new(keys)))
    }

    /// Reads the file again, and updates the ring if its content has changed.
    ///
    /// # Errors
    ///
    /// [`TicketFileError`] names the file and the reason; the ring is as it was.
    pub fn reload(&mut self, ring: &TicketRing) -> Result<Reload, TicketFileError> {
        let (keys, digest) = read(&self.path)?;
        if digest == self.digest {
            return Ok(Reload::Unchanged);
        }
        self.digest = digest;
        Ok(Reload::Updated(ring.replace(keys)))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Does not show the digest either: it would tell whoever guesses that he was right.
impl fmt::Debug for TicketKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeyFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<(TicketKeys, [u8; 32]), TicketFileError> {
    let unreadable = |source| TicketFileError::Unreadable {
        path: path.into(),
        source,
    };
    // Before opening: that alone would wait for a pipe's other end.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(TicketFileError::NotAFile { path: path.into() });
    }
    let file = File::open(path).map_err(unreadable)?;
    // Room for all at once: growing would leave copies of the keys behind.
    let mut content = Zeroizing::new(Vec::with_capacity(TicketKeyFile::MAX_LEN + 1));
    file.take(TicketKeyFile::MAX_LEN as u64 + 1)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    if content.len() > TicketKeyFile::MAX_LEN {
        return Err(TicketFileError::TooLong { path: path.into() });
    }
    let keys = TicketKeys::parse(&content).map_err(|source| TicketFileError::Malformed {
        path: path.into(),
        source,
    })?;
    Ok((keys, Sha256::digest(&*content).into()))
}
