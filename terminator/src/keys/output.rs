//! Where secrets go: to a file for its owner alone, or to standard output when that is asked for.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use clap::Args;

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

impl Output {
    /// Before anything is made that nobody then could have.
    pub(super) fn check(&self) -> Result<(), KeysError> {
        match &self.out {
            Some(path) if !self.force && path.symlink_metadata().is_ok() => {
                Err(KeysError::Exists(path.clone()))
            }
            None if !self.reveal => Err(KeysError::NotRevealed),
            _ => Ok(()),
        }
    }

    pub(super) fn put(&self, secrets: &[u8]) -> Result<(), KeysError> {
        self.check()?;
        match &self.out {
            Some(path) => replace(path, secrets),
            None => {
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

/// Puts a file in place in one step. A file that was there before keeps its owner, who else could not read it any more.
pub(super) fn replace(path: &Path, secrets: &[u8]) -> Result<(), KeysError> {
    // What a link points to is the file, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    write_aside(&target, secrets).map_err(|source| KeysError::Write {
        path: path.into(),
        source,
    })
}

fn write_aside(target: &Path, secrets: &[u8]) -> io::Result<()> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    // Whoever reads the folder meanwhile passes over names that begin with a dot.
    let mut aside = OsString::from(".");
    aside.push(name);
    aside.push(format!(".{}", std::process::id()));
    let aside = target.with_file_name(aside);
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    let done = fill(file, target, secrets).and_then(|()| fs::rename(&aside, target));
    if done.is_err() {
        // What is left to say is why it failed.
        let _ = fs::remove_file(&aside);
        return done;
    }
    let folder = target.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
}

fn fill(mut file: File, target: &Path, secrets: &[u8]) -> io::Result<()> {
    if let Ok(before) = fs::metadata(target) {
        let ours = file.metadata()?;
        if (before.uid(), before.gid()) != (ours.uid(), ours.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
    }
    file.write_all(secrets)?;
    file.sync_all()
}
