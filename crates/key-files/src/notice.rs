//! What an operator should know about a file or folder that was read, though its keys are good.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::exposure::Exposure;

/// Which of a folder's files seals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FolderOrder {
    /// The one with the least name: numbered files of which the first seals, as other tools write
    /// them.
    First,
    /// The one with the greatest name: names with dates.
    #[default]
    Last,
}

/// Something about a file of ticket keys, or a folder of them, that does not keep it from being
/// used. `Display` names the file, what is the matter and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Another user may read or change it.
    ReadableByOthers {
        /// The file or folder.
        path: PathBuf,
        /// Who.
        exposure: Exposure,
    },
    /// A single file is mounted there. When the file outside is replaced by a rename, as it should
    /// be, this one stays as it was.
    MountPoint {
        /// The file.
        path: PathBuf,
    },
    /// The file says another ticket lifetime than the ring has.
    SessionTimeout {
        /// The file.
        path: PathBuf,
        /// What the file says.
        file: Duration,
        /// The ring's.
        ring: Duration,
    },
    /// The ratchet of a secret is further behind the clock than it goes at once.
    RatchetBehind {
        /// The file.
        path: PathBuf,
        /// By how much.
        by: Duration,
    },
    /// A file of the folder holds no keys, and was passed over.
    PassedOver {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// All keys of a file are in another one as well.
    Copy {
        /// The copy.
        path: PathBuf,
        /// The file that was read before it.
        of: PathBuf,
    },
    /// Which of a folder's files seals.
    Seals {
        /// The file.
        path: PathBuf,
        /// Why.
        order: FolderOrder,
    },
}

impl Notice {
    /// Whether something is to be done. Other notices say how the folder was understood.
    pub const fn is_warning(&self) -> bool {
        !matches!(
            self,
            Self::PassedOver { .. } | Self::Copy { .. } | Self::Seals { .. }
        )
    }

    /// A stable word for scripts, such as `readable-by-others`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::ReadableByOthers { .. } => "readable-by-others",
            Self::MountPoint { .. } => "mount-point",
            Self::SessionTimeout { .. } => "session-timeout",
            Self::RatchetBehind { .. } => "ratchet-behind",
            Self::PassedOver { .. } => "passed-over",
            Self::Copy { .. } => "copy",
            Self::Seals { .. } => "seals",
        }
    }
}

/// The word, and a sentence for people.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.word())?;
        match self {
            Self::ReadableByOthers { path, exposure } => {
                write!(f, "{} {exposure}", path.display())
            }
            Self::MountPoint { path } => write!(
                f,
                "{} is a mount point: a file that is put in its place outside is not seen here; \
                 mount the folder",
                path.display()
            ),
            Self::SessionTimeout { path, file, ring } => write!(
                f,
                "{} is for tickets of {} s, and the session timeout is {} s: let them agree",
                path.display(),
                file.as_secs(),
                ring.as_secs()
            ),
            Self::RatchetBehind { path, by } => write!(
                f,
                "the ratchet of {} is {} days behind the clock: is the clock right, and does `keys \
                 ratchet` run?",
                path.display(),
                by.as_secs() / (24 * 60 * 60)
            ),
            Self::PassedOver { path, what } => {
                write!(f, "{} is not read: {what}", path.display())
            }
            Self::Copy { path, of } => {
                write!(f, "{} is a copy of {}", path.display(), of.display())
            }
            Self::Seals { path, order } => {
                let why = match order {
                    FolderOrder::First => "its name is the least",
                    FolderOrder::Last => "its name is the greatest",
                };
                write!(f, "{} seals: {why} (the order can be set)", path.display())
            }
        }
    }
}
