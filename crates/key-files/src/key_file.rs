//! Ticket keys from a file or a folder, and from the same again.

use std::fmt;
use std::path::{Path, PathBuf};

use rekindle::tickets::{TicketRing, TicketRingBuilder, Update};

use crate::error::{MAX_LEN, TicketFileError};
use crate::format::TicketKeyFormat;
use crate::read::{KeyFileContent, Kind, ReadKeys, read};

/// A file of ticket keys, a folder of such files, or a file with a secret to derive keys from: read
/// at start-up, and again when the operator says so or the file has changed.
///
/// The last update of a ring wins, whether it came from here or from [`TicketRing::update`]. A
/// reload is an update only if the content differs from the content that was taken last; the time
/// stamp does not matter. So keys that came through the API stay in force when the server reloads
/// an unchanged file.
///
/// A folder's files are sorted by name, the greatest first, so that names with dates put the newest
/// key first. The first one seals, the others open; files whose name ends in `.next` only open.
/// Names that begin with a dot are skipped.
pub struct TicketKeyFile {
    path: PathBuf,
    kind: Kind,
    refuse_readable_by_others: bool,
    /// Of the content that was last taken: the content itself is a secret.
    digest: Option<[u8; 32]>,
    readable_by_others: Vec<PathBuf>,
    trailing_bytes: usize,
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
    /// The longest file that is read, in bytes.
    pub const MAX_LEN: usize = MAX_LEN;

    /// A file of keys, or a folder of such files.
    pub fn keys(path: impl Into<PathBuf>, format: TicketKeyFormat) -> Self {
        Self::new(path.into(), Kind::Keys(format))
    }

    /// A file with a [secret](crate::parse_secret) to derive keys from.
    pub fn secret(path: impl Into<PathBuf>) -> Self {
        Self::new(path.into(), Kind::Secret)
    }

    fn new(path: PathBuf, kind: Kind) -> Self {
        Self {
            path,
            kind,
            refuse_readable_by_others: false,
            digest: None,
            readable_by_others: Vec::new(),
            trailing_bytes: 0,
        }
    }

    /// Refuses files that users other than their owner may read or write. By default they are
    /// taken, and [listed](Self::readable_by_others).
    #[must_use]
    pub fn refuse_readable_by_others(mut self, refuse: bool) -> Self {
        self.refuse_readable_by_others = refuse;
        self
    }

    /// Reads it, for a ring to start with.
    ///
    /// # Errors
    ///
    /// [`TicketFileError`] names the file and the reason.
    pub fn open(&mut self, builder: TicketRingBuilder) -> Result<TicketRing, TicketFileError> {
        let read = self.read_all()?;
        let ring = match &read.content {
            KeyFileContent::Keys(keys) => builder.keys(keys).build(),
            KeyFileContent::Secret(secret) => builder.secret(secret).build(),
        };
        let ring = ring.map_err(TicketFileError::of(&self.path))?;
        self.taken(read);
        Ok(ring)
    }

    /// Reads it again, and updates the ring if its content has changed.
    ///
    /// # Errors
    ///
    /// [`TicketFileError`] names the file and the reason; the ring is as it was.
    pub fn reload(&mut self, ring: &TicketRing) -> Result<Reload, TicketFileError> {
        let read = self.read_all()?;
        if Some(read.digest) == self.digest {
            return Ok(Reload::Unchanged);
        }
        self.take(read, ring).map(Reload::Updated)
    }

    /// Reads it again, and updates the ring even if the content is as it was: for a ring that has
    /// [fallen back](rekindle::tickets::RingStatus::fallback) to keys of its own: the same content
    /// may have a key that seals by now.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    pub fn retry(&mut self, ring: &TicketRing) -> Result<Update, TicketFileError> {
        self.take(self.read_all()?, ring)
    }

    /// Reads it, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`TicketFileError`] names the file and the reason.
    pub fn read(&self) -> Result<KeyFileContent, TicketFileError> {
        Ok(self.read_all()?.content)
    }

    /// Files that users other than their owner may read or write now. Reads it, and changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn readable_by_others_now(&self) -> Result<Vec<PathBuf>, TicketFileError> {
        Ok(self.read_all()?.readable_by_others)
    }

    fn read_all(&self) -> Result<ReadKeys, TicketFileError> {
        read(&self.path, self.kind, self.refuse_readable_by_others)
    }

    fn take(&mut self, read: ReadKeys, ring: &TicketRing) -> Result<Update, TicketFileError> {
        let update = match &read.content {
            KeyFileContent::Keys(keys) => {
                ring.replace(keys).map_err(TicketFileError::of(&self.path))
            }
            KeyFileContent::Secret(secret) => {
                let update = ring.derive_from(secret);
                update.map_err(TicketFileError::of(&self.path))
            }
        }?;
        self.taken(read);
        Ok(update)
    }

    fn taken(&mut self, read: ReadKeys) {
        self.digest = Some(read.digest);
        self.readable_by_others = read.readable_by_others;
        self.trailing_bytes = match &read.content {
            KeyFileContent::Keys(keys) => keys.trailing_bytes,
            KeyFileContent::Secret(_) => 0,
        };
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes behind the last whole key of the content that was taken last, which were ignored.
    /// Worth a warning unless zero.
    pub fn trailing_bytes(&self) -> usize {
        self.trailing_bytes
    }

    /// Files, of those last taken, that others than their owner may read or write. Worth a warning.
    pub fn readable_by_others(&self) -> &[PathBuf] {
        &self.readable_by_others
    }
}

/// Does not show the digest, which would confirm a guess of the content.
impl fmt::Debug for TicketKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeyFile")
            .field("path", &self.path)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
