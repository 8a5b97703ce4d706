//! Files that are replaced: in one step, under a lock, and readable for those who could read them.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rekindle_key_files::is_mount_point;
use rustix::fs::{XattrFlags, fsetxattr, getxattr};

use super::error::KeysError;

const ACL: &str = "system.posix_acl_access";

/// A folder whose files are replaced, under a lock: no other command replaces a file there between
/// the reading and the replacement.
pub(super) struct Target {
    /// The file; or the folder itself, for a set of files.
    pub(super) path: PathBuf,
    /// Whether the file is there.
    pub(super) exists: bool,
    /// Holds the lock until it is closed.
    folder: File,
    folder_path: PathBuf,
    /// Some file systems know no locks.
    is_locked: bool,
}

impl Target {
    /// For a file. Waits while another command has the lock.
    pub(super) fn lock(path: &Path) -> Result<Self, KeysError> {
        // Of a link, the file that it points to is replaced.
        let path = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(_) => path.into(),
        };
        let parent = path.parent().filter(|folder| *folder != Path::new(""));
        let parent = parent.unwrap_or(Path::new(".")).to_owned();
        let exists = is_there(&path)?;
        if exists && is_mount_point(&path) {
            return Err(KeysError::MountPoint(path));
        }
        Self::lock_in(path, parent, exists)
    }

    /// For files of a folder.
    pub(super) fn lock_folder(path: &Path) -> Result<Self, KeysError> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        Self::lock_in(path.clone(), path, true)
    }

    fn lock_in(path: PathBuf, folder_path: PathBuf, exists: bool) -> Result<Self, KeysError> {
        let folder = File::open(&folder_path).map_err(|source| KeysError::Open {
            path: folder_path.clone(),
            source,
        })?;
        let locked = folder.lock();
        if let Err(error) = &locked {
            warn(&format_args!(
                "{} cannot be locked ({error}): run one command at a time there",
                folder_path.display()
            ));
        }
        Ok(Self {
            path,
            exists,
            folder,
            folder_path,
            is_locked: locked.is_ok(),
        })
    }

    /// Replaces the file.
    pub(super) fn replace(&self, secrets: &[u8]) -> Result<(), KeysError> {
        self.replace_all(&[(&self.path, secrets)])
    }

    /// Replaces files of the folder. Up to the first renaming an error changes nothing; the last
    /// file comes first, so that the one that seals is the last to change.
    pub(super) fn replace_all(&self, files: &[(&Path, &[u8])]) -> Result<(), KeysError> {
        let mut asides = Vec::new();
        let filled = files.iter().try_for_each(|(path, secrets)| {
            let aside = aside(path)?;
            // A new file of a set is for the readers of its first.
            let model = [*path, files[0].0].into_iter().find(|path| path.is_file());
            let filled = self.create(&aside).and_then(|file| {
                asides.push(aside.clone());
                fill(file, model, secrets)
            });
            filled.map_err(|source| KeysError::Write {
                path: aside,
                source,
            })
        });
        // The error to report is the first one.
        let clean_up = |asides: &[PathBuf]| {
            asides.iter().for_each(|aside| drop(fs::remove_file(aside)));
        };
        filled.inspect_err(|_| clean_up(&asides))?;
        for (index, (path, _)) in files.iter().enumerate().rev() {
            if let Err(source) = fs::rename(&asides[index], path) {
                clean_up(&asides[..=index]);
                let (path, replaced) = ((*path).into(), files.len() - 1 - index);
                return Err(match replaced {
                    0 => KeysError::Write { path, source },
                    _ => KeysError::Half {
                        path,
                        replaced,
                        source,
                    },
                });
            }
        }
        if let Err(error) = self.folder.sync_all() {
            warn(&format_args!(
                "the change is made, and {} cannot be synced ({error}): after a power failure the \
                 files before may be back",
                self.folder_path.display()
            ));
        }
        Ok(())
    }

    fn create(&self, aside: &Path) -> io::Result<File> {
        // A killed command may have left it; the lock keeps out a running one.
        if self.is_locked {
            match fs::remove_file(aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(aside)
    }
}

fn fill(mut file: File, model: Option<&Path>, secrets: &[u8]) -> io::Result<()> {
    if let Some(model) = model {
        keep_access(&file, model, &fs::metadata(model)?)?;
    }
    file.write_all(secrets)?;
    match file.sync_all() {
        // The file system knows no sync.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}

/// Lets the new file be read by those who could read the one before: a service may run as its
/// group, or be named by its ACL. But not by every user.
fn keep_access(file: &File, path: &Path, before: &Metadata) -> io::Result<()> {
    let ours = file.metadata()?;
    if (before.uid(), before.gid()) != (ours.uid(), ours.gid()) {
        let owners = fchown(file, Some(before.uid()), Some(before.gid()));
        owners.map_err(|error| {
            let (user, group) = (before.uid(), before.gid());
            let message = format!("cannot give it to user {user} and group {group}: {error}");
            io::Error::new(error.kind(), message)
        })?;
    }
    let mut acl = vec![0; 1 << 16];
    if let Ok(len @ 1..) = getxattr(path, ACL, &mut *acl) {
        fsetxattr(file, ACL, &acl[..len], XattrFlags::empty())?;
    }
    file.set_permissions(Permissions::from_mode(before.mode() & 0o770))
}

/// Where a file is written before it is put in place. Readers of the folder pass over names that
/// begin with a dot.
fn aside(path: &Path) -> Result<PathBuf, KeysError> {
    let Some(name) = path.file_name() else {
        return Err(KeysError::NotAFile(path.into()));
    };
    let mut aside = OsString::from(".");
    aside.push(name);
    aside.push(".new");
    Ok(path.with_file_name(aside))
}

/// Whether there is a file. A device, a link to nothing or the like is refused.
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

pub(super) fn warn(message: &dyn Display) {
    eprintln!("rekindle-terminator: warning: {message}");
}
