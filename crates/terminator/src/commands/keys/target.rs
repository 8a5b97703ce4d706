//! Files that are replaced: in one step, under a lock, and readable for those who could read them.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rekindle_key_files::is_mount_point;
use rustix::fs::{XattrFlags, fremovexattr, fsetxattr, getxattr};

use super::error::KeysError;

const ACL: &str = "system.posix_acl_access";

/// What a file system says that knows no sync.
const NO_SYNC: [io::ErrorKind; 2] = [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];

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
        let mut target = Self::lock_in(path, parent)?;
        // Under the lock: another command may have made it while this one waited.
        target.exists = is_there(&target.path)?;
        if target.exists && is_mount_point(&target.path) {
            return Err(KeysError::MountPoint(target.path));
        }
        Ok(target)
    }

    /// For files of a folder.
    pub(super) fn lock_folder(path: &Path) -> Result<Self, KeysError> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        Self::lock_in(path.clone(), path)
    }

    fn lock_in(path: PathBuf, folder_path: PathBuf) -> Result<Self, KeysError> {
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
            exists: true,
            folder,
            folder_path,
            is_locked: locked.is_ok(),
        })
    }

    /// Replaces the file.
    pub(super) fn replace(&self, secrets: &[u8]) -> Result<(), KeysError> {
        self.replace_all(&[(&self.path, secrets)])
    }

    /// Replaces files of the folder, all or none. The first one is the last to change: it seals.
    pub(super) fn replace_all(&self, files: &[(&Path, &[u8])]) -> Result<(), KeysError> {
        // Of links, the files that they point to are replaced.
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let paths: Vec<_> = files.iter().map(|(path, _)| real(path)).collect();
        if let Some(path) = paths.iter().find(|path| is_mount_point(path)) {
            return Err(KeysError::MountPoint(path.clone()));
        }
        let mut asides = Vec::new();
        let filled = files
            .iter()
            .zip(&paths)
            .try_for_each(|((_, secrets), path)| {
                let aside = aside(path, ".new")?;
                // A new file of a set is for the readers of its first.
                let model = [path, &paths[0]].into_iter().find(|path| path.is_file());
                let filled = self.create(&aside).and_then(|file| {
                    asides.push(aside.clone());
                    fill(file, model.map(|path| &**path), secrets)
                });
                filled.map_err(|source| KeysError::Write {
                    path: aside,
                    source,
                })
            });
        let placed = filled.and_then(|()| place(&paths, &asides));
        if placed.is_err() {
            // The error to report is the first one.
            asides.iter().for_each(|aside| drop(fs::remove_file(aside)));
        }
        placed?;
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
        let opened = options.write(true).create_new(true).mode(0o600).open(aside);
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let hint = "another command is at work, or was killed: then remove it";
                io::Error::new(error.kind(), format!("{error} ({hint})"))
            }
            _ => error,
        })
    }
}

/// Renames each file into its place, the first one last. If one fails, those before it are put
/// back: until the end each file that was there has a second name.
fn place(paths: &[PathBuf], asides: &[PathBuf]) -> Result<(), KeysError> {
    let mut backups = Vec::new();
    for (path, aside) in paths.iter().zip(asides).rev() {
        let backup = self::aside(path, ".old")?;
        let _ = fs::remove_file(&backup);
        // Where the file system has no links, or the file is new, there is nothing to put back.
        let is_kept = paths.len() > 1 && fs::hard_link(path, &backup).is_ok();
        if let Err(source) = fs::rename(aside, path) {
            let put_back = |(backup, path): &(Option<PathBuf>, &PathBuf)| match backup {
                Some(backup) => fs::rename(backup, path).is_ok(),
                None => fs::remove_file(path).is_ok(),
            };
            let failed = backups.iter().filter(|file| !put_back(file)).count();
            let _ = fs::remove_file(&backup);
            let path = path.clone();
            return Err(match failed {
                0 => KeysError::Write { path, source },
                _ => KeysError::Half { path, source },
            });
        }
        backups.push((is_kept.then_some(backup), path));
    }
    let kept = backups.iter().filter_map(|(backup, _)| backup.as_ref());
    kept.for_each(|backup| drop(fs::remove_file(backup)));
    Ok(())
}

fn fill(mut file: File, model: Option<&Path>, secrets: &[u8]) -> io::Result<()> {
    if let Some(model) = model {
        keep_access(&file, model, &fs::metadata(model)?)?;
    }
    file.write_all(secrets)?;
    match file.sync_all() {
        // The file system knows no sync.
        Err(error) if !NO_SYNC.contains(&error.kind()) => Err(error),
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
    match getxattr(path, ACL, &mut *acl) {
        Ok(len @ 1..) => fsetxattr(file, ACL, &acl[..len], XattrFlags::empty())?,
        // The folder's default ACL would let in others than before.
        _ => drop(fremovexattr(file, ACL)),
    }
    file.set_permissions(Permissions::from_mode(before.mode() & 0o770))
}

/// A name beside a file: where it is written before it is put in place. Readers of the folder pass
/// over names that begin with a dot.
fn aside(path: &Path, end: &str) -> Result<PathBuf, KeysError> {
    let Some(name) = path.file_name() else {
        return Err(KeysError::NotAFile(path.into()));
    };
    let mut aside = OsString::from(".");
    aside.push(name);
    aside.push(end);
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
