//! Where secrets go: to a file for its owner alone, or to standard output when that is asked for.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;

use super::error::KeysError;

#[derive(Debug, Args)]
pub(super) struct Output {
    /// The file to write, which only its owner may read; in one step, so that nobody reads half of it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite the file if it exists
    #[arg(long, requires = "out")]
    force: bool,

    /// Print secrets to standard output
    #[arg(long, conflicts_with = "out")]
    reveal: bool,
}

/// Where secrets are about to go.
pub(super) enum KeyPosition {
    File(Target),
    StandardOutput,
}

impl Output {
    /// Before anything is made that nobody then could have.
    pub(super) fn open(&self) -> Result<KeyPosition, KeysError> {
        match &self.out {
            Some(path) => {
                let target = Target::lock(path)?;
                if !self.force && target.exists {
                    return Err(KeysError::Exists(path.clone()));
                }
                Ok(KeyPosition::File(target))
            }
            None if self.reveal => Ok(KeyPosition::StandardOutput),
            None => Err(KeysError::NotRevealed),
        }
    }
}

impl KeyPosition {
    pub(super) fn put(&self, secrets: &[u8]) -> Result<(), KeysError> {
        match self {
            Self::File(target) => target.replace(secrets),
            Self::StandardOutput => {
                let mut out = io::stdout().lock();
                let written = out.write_all(secrets).and_then(|()| out.flush());
                written.map_err(|source| KeysError::Write {
                    path: "standard output".into(),
                    source,
                })
            }
        }
    }
}

/// A file that is to be put in place, while no other command does so in the same folder: what is read meanwhile is what
/// is replaced.
pub(super) struct Target {
    path: PathBuf,
    exists: bool,
    /// The lock goes with it.
    folder: File,
}

impl Target {
    /// Waits for those that are at it.
    pub(super) fn lock(path: &Path) -> Result<Self, KeysError> {
        // What a link points to is the file, not the link.
        let path = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(_) => path.into(),
        };
        let parent = path.parent().filter(|folder| *folder != Path::new(""));
        let parent = parent.unwrap_or(Path::new("."));
        let lock = |folder: &File| retry_on_intr(|| flock(folder, FlockOperation::LockExclusive));
        let folder = File::open(parent).and_then(|folder| {
            lock(&folder)?;
            Ok(folder)
        });
        let folder = folder.map_err(|source| KeysError::Lock {
            path: parent.into(),
            source,
        })?;
        let exists = is_there(&path)?;
        Ok(Self {
            path,
            exists,
            folder,
        })
    }

    /// Puts it in place in one step. A file that was there before keeps its owner, who else could not read it any more.
    pub(super) fn replace(&self, secrets: &[u8]) -> Result<(), KeysError> {
        let Some(name) = self.path.file_name() else {
            return Err(KeysError::NotAFile(self.path.clone()));
        };
        // Whoever reads the folder meanwhile passes over names that begin with a dot.
        let mut aside = OsString::from(".");
        aside.push(name);
        aside.push(".new");
        let aside = self.path.with_file_name(aside);
        let filled = self.fill(&aside, secrets);
        filled.map_err(|source| KeysError::Write {
            path: aside.clone(),
            source,
        })?;
        let placed = fs::rename(&aside, &self.path).inspect_err(|_| {
            // What is left to say is why it failed.
            let _ = fs::remove_file(&aside);
        });
        let placed = placed.and_then(|()| self.folder.sync_all());
        placed.map_err(|source| KeysError::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn fill(&self, aside: &Path, secrets: &[u8]) -> io::Result<()> {
        // One that was killed has left it: nobody else is at it while the folder is locked.
        match fs::remove_file(aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        let file = options.open(aside)?;
        self.write(file, secrets).inspect_err(|_| {
            let _ = fs::remove_file(aside);
        })
    }

    fn write(&self, mut file: File, secrets: &[u8]) -> io::Result<()> {
        if self.exists {
            let (before, ours) = (fs::metadata(&self.path)?, file.metadata()?);
            if (before.uid(), before.gid()) != (ours.uid(), ours.gid()) {
                fchown(&file, Some(before.uid()), Some(before.gid()))?;
            }
        }
        file.write_all(secrets)?;
        file.sync_all()
    }
}

/// Whether there is a file. Anything else, such as a device or a link to nothing, is not to be replaced by one.
fn is_there(path: &Path) -> Result<bool, KeysError> {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(KeysError::NotAFile(path.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => {
            let path = path.into();
            Err(KeysError::Write { path, source })
        }
    }
}
