//! Ticket keys from a file or a folder, and from the same again.

use std::fmt;
use std::path::{Path, PathBuf};

use rekindle::tickets::{TicketRing, TicketRingBuilder, Update};

use crate::error::{MAX_LEN, TicketFileError};
use crate::format::TicketKeyFormat;
use crate::notice::{FolderOrder, Notice};
use crate::read::{KeyFileContent, KeyFileRead, Kind, read};
use crate::reader::Digest;

/// A file of ticket keys, a folder of such files, or a file with a secret to derive keys from: read
/// at start-up, and again when the operator says so or the file has changed.
///
/// The last update of a ring wins, whether it came from here or from [`TicketRing::update`]. A
/// reload is an update only if the content differs from the content that was taken last; the time
/// stamp does not matter. So keys that came through the API stay in force when the server reloads
/// an unchanged file.
///
/// A folder's files are sorted by name, those that seal first in the [`FolderOrder`] that is set.
/// The first one seals, the others open; files whose name ends in `.next` only open. Files that
/// hold no keys and were not meant to are passed over: a README, a time stamp, an editor's backup,
/// an empty file. A [`Notice`] tells which. Names that begin with a dot are skipped.
pub struct TicketKeyFile {
    path: PathBuf,
    kind: Kind,
    refuse_readable_by_others: bool,
    /// Of the content that was last taken: the content itself is a secret.
    digest: Option<Digest>,
    notices: Vec<Notice>,
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
        Self::new(path.into(), Kind::Keys(format, FolderOrder::default()))
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
            notices: Vec::new(),
        }
    }

    /// Which file of a folder seals. By default the one with the greatest name.
    #[must_use]
    pub fn order(mut self, order: FolderOrder) -> Self {
        if let Kind::Keys(_, of_folder) = &mut self.kind {
            *of_folder = order;
        }
        self
    }

    /// Refuses files that others than the service may read or change. By default they are taken,
    /// and [told of](Notice::ReadableByOthers).
    #[must_use]
    pub fn refuse_readable_by_others(mut self, refuse: bool) -> Self {
        self.refuse_readable_by_others = refuse;
        self
    }

    /// Reads it, for a ring to start with.
    ///
    /// A secret that gives no key because the machine's clock is off starts a ring that has
    /// [fallen back](rekindle::tickets::RingStatus::fallback) to keys of its own, until the clock
    /// is right.
    ///
    /// # Errors
    ///
    /// [`TicketFileError`] names the file and the reason.
    pub fn open(&mut self, builder: TicketRingBuilder) -> Result<TicketRing, TicketFileError> {
        let (read, digest) = self.read_all()?;
        let ring = match &read.content {
            KeyFileContent::Keys(keys) => builder.keys(keys).build(),
            KeyFileContent::Secret(file) => builder.secret(&file.secret).build(),
        };
        let ring = ring.map_err(TicketFileError::of(&self.path))?;
        self.taken(read, digest, &ring);
        Ok(ring)
    }

    /// Reads it again, and updates the ring if its content has changed; or if the ring has fallen
    /// back to keys of its own: the same content may have a key that seals by now.
    ///
    /// # Errors
    ///
    /// [`TicketFileError`] names the file and the reason; the ring is as it was.
    pub fn reload(&mut self, ring: &TicketRing) -> Result<Reload, TicketFileError> {
        let (read, digest) = self.read_all()?;
        if Some(digest) == self.digest && !ring.load().is_fallback(ring.now()) {
            // What is beside the keys, or who may read them, may have changed.
            self.taken(read, digest, ring);
            return Ok(Reload::Unchanged);
        }
        let update = match &read.content {
            KeyFileContent::Keys(keys) => {
                ring.replace(keys).map_err(TicketFileError::of(&self.path))
            }
            KeyFileContent::Secret(file) => {
                let update = ring.derive_from(&file.secret);
                update.map_err(TicketFileError::of(&self.path))
            }
        }?;
        self.taken(read, digest, ring);
        Ok(Reload::Updated(update))
    }

    /// Reads it, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`TicketFileError`] names the file and the reason.
    pub fn read(&self) -> Result<KeyFileRead, TicketFileError> {
        Ok(self.read_all()?.0)
    }

    fn read_all(&self) -> Result<(KeyFileRead, Digest), TicketFileError> {
        read(&self.path, self.kind, self.refuse_readable_by_others)
    }

    fn taken(&mut self, read: KeyFileRead, digest: Digest, ring: &TicketRing) {
        self.digest = Some(digest);
        self.notices = read.notices;
        if let KeyFileContent::Secret(file) = &read.content {
            let lifetime = ring.load().policy().lifetime;
            self.notices.extend(file.disagreement(&self.path, lifetime));
            self.notices.extend(file.lag(&self.path, ring.unix_time()));
        }
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What an operator should know of the content that was taken last.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
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
