//! Where secrets go: to a file for its owner alone, or to standard output on request.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;

use super::error::KeysError;

#[derive(Debug, Args)]
pub(super) struct Output {
    /// The file to write, readable for its owner only; it is replaced in one step
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Overwrite the file if it exists
    #[arg(long, requires = "out")]
    force: bool,

    /// Print secrets to standard output
    #[arg(long, conflicts_with = "out")]
    reveal: bool,
}

/// Where secrets will go.
pub(super) enum Destination {
    File(Target),
    StandardOutput,
}

impl Output {
    /// To be called before a secret is made: the secret would be lost.
    pub(super) fn open(&self) -> Result<Destination, KeysError> {
        match &self.out {
            Some(path) => {
                let target = Target::lock(path)?;
                if !self.force && target.exists {
                    return Err(KeysError::Exists(path.clone()));
                }
                Ok(Destination::File(target))
            }
            None if self.reveal => Ok(Destination::StandardOutput),
            None => Err(KeysError::NotRevealed),
        }
    }
}

impl Destination {
    pub(super) fn put(&self, secrets: &[u8]) -> Result<(), KeysError> {
        match self {
            Self::File(target) => target.replace(secrets),
            Self::StandardOutput => print_secrets(secrets),
        }
    }
}

/// Writes to standard output past the buffer that `std::io::stdout` keeps: the buffer is never
/// wiped.
pub(super) fn print_secrets(secrets: &[u8]) -> Result<(), KeysError> {
    let descriptor = io::stdout().as_fd().try_clone_to_owned();
    let written = descriptor.and_then(|descriptor| File::from(descriptor).write_all(secrets));
    written.map_err(|source| KeysError::Write {
        path: "standard output".into(),
        source,
    })
}

/// A file to be replaced, under a lock on its folder: no other command replaces a file there
/// between the reading and the replacement.
pub(super) struct Target {
    path: PathBuf,
    exists: bool,
    /// Holds the lock until it is closed.
    folder: File,
}

impl Target {
    /// Waits while another command has the lock.
    pub(super) fn lock(path: &Path) -> Result<Self, KeysError> {
        // Of a link, the file that it points to is replaced.
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

    /// Replaces the file in one step. A file that was there keeps its owner, who could otherwise
    /// not read it any more.
    pub(super) fn replace(&self, secrets: &[u8]) -> Result<(), KeysError> {
        let Some(name) = self.path.file_name() else {
            return Err(KeysError::NotAFile(self.path.clone()));
        };
        // Readers of the folder pass over names that begin with a dot.
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
            // The error to report is that of the renaming.
            let _ = fs::remove_file(&aside);
        });
        let placed = placed.and_then(|()| self.folder.sync_all());
        placed.map_err(|source| KeysError::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn fill(&self, aside: &Path, secrets: &[u8]) -> io::Result<()> {
        // A killed command may have left it; the lock keeps out a running one.
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

#[cfg(test)]
mod tests {
    use std::env;
    use std::os::unix::fs::FileExt;
    use std::process::Command;

    use zeroize::Zeroizing;

    use super::*;

    const CHILD: &str = "REKINDLE_TEST_PRINTS_A_SECRET";

    /// The inverted secret: the secret itself is to be in memory only where it was left behind.
    fn inverted() -> [u8; 48] {
        std::array::from_fn(|i| 0x11 + 3 * i as u8)
    }

    #[test]
    fn a_printed_secret_stays_nowhere_in_memory() {
        if env::var_os(CHILD).is_some() {
            let secret = inverted().iter().map(|byte| !byte).collect();
            let secret: Zeroizing<Vec<u8>> = Zeroizing::new(secret);
            Destination::StandardOutput.put(&secret).unwrap();
            drop(secret);
            assert_eq!(copies_in_memory(), 0);
            return;
        }
        let test = "commands::keys::output::tests::a_printed_secret_stays_nowhere_in_memory";
        let mut child = Command::new(env::current_exe().unwrap());
        let child = child.args(["--exact", "--nocapture", test]).env(CHILD, "1");
        let output = child.output().unwrap();
        let printed: Vec<u8> = output.stdout.iter().map(|byte| !byte).collect();
        assert!(printed.windows(48).any(|part| part == inverted()));
        assert!(output.status.success(), "{output:?}");
    }

    fn copies_in_memory() -> usize {
        let memory = File::open("/proc/self/mem").unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let inverted = inverted();
        // Byte by byte: a copy of the secret would be found.
        let is_secret = |part: &[u8]| {
            part[0] == !inverted[0] && part.iter().copied().eq(inverted.iter().map(|byte| !byte))
        };
        let writable = maps.lines().filter(|line| line.contains(" rw"));
        let copies = writable.map(|line| {
            let (start, rest) = line.split_once('-').unwrap();
            let (end, _) = rest.split_once(' ').unwrap();
            let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
            let mut bytes = vec![0; (end - start) as usize];
            // Some regions, such as guard pages, cannot be read.
            let _ = memory.read_exact_at(&mut bytes, start);
            bytes.windows(48).filter(|part| is_secret(part)).count()
        });
        copies.sum()
    }
}
