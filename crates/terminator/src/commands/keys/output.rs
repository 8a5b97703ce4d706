//! Where secrets go: to files for their owner alone, or to standard output on request.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use clap::Args;
use rekindle_key_files::TicketKeyFormat;
use zeroize::Zeroizing;

use super::error::KeysError;
use super::key_set::KeySet;
use super::target::Target;

#[derive(Debug, Args)]
pub(super) struct Output {
    /// The file to write, readable for its owner only; it is replaced in one step. For several keys
    /// of a product that takes one key a file, a folder
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,

    /// Overwrite what exists
    #[arg(long, requires = "out")]
    force: bool,

    /// Print secrets to standard output
    #[arg(long, conflicts_with = "out")]
    reveal: bool,
}

/// Where secrets will go.
pub(super) enum Destination {
    File(Target),
    Folder(KeySet),
    StandardOutput,
}

impl Output {
    /// To be called before a secret is made: the secret would be lost.
    pub(super) fn open(&self) -> Result<Destination, KeysError> {
        match &self.out {
            Some(path) if path.is_dir() => {
                let set = KeySet::lock(path)?;
                if !self.force && !set.is_empty() {
                    return Err(KeysError::Exists(path.clone()));
                }
                Ok(Destination::Folder(set))
            }
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
            Self::Folder(set) => Err(KeysError::NotAFile(set.path().into())),
            Self::StandardOutput => print_secrets(secrets),
        }
    }

    /// Writes the files of a format, and prints what a server's configuration says of them where it
    /// names each.
    pub(super) fn put_keys(
        self,
        format: TicketKeyFormat,
        files: &[Zeroizing<Vec<u8>>],
    ) -> Result<(), KeysError> {
        let mut set = match (self, files) {
            (Self::Folder(set), _) if format.is_one_key_a_file() => set,
            (Self::File(target), [_, _, ..]) if !target.exists => KeySet::create(&target)?,
            (other, [file]) => return other.put(file),
            _ => {
                let keys = files.len();
                return Err(KeysError::OneKeyAFile { format, keys });
            }
        };
        set.fill(files)?;
        print!("{}", set.configuration(format));
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::os::unix::fs::FileExt;
    use std::process::Command;

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
        const ZEROS: [u8; 4096] = [0; 4096];
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
            // A gigabyte is the allocator's that was never touched. No secret begins with a zero.
            let pages = (0..bytes.len()).step_by(ZEROS.len());
            let touched = pages.filter(|at| bytes[*at..][..ZEROS.len()] != ZEROS);
            let copies = touched.map(|at| {
                let page = &bytes[at..bytes.len().min(at + ZEROS.len() + 47)];
                page.windows(48).filter(|part| is_secret(part)).count()
            });
            copies.sum::<usize>()
        });
        copies.sum()
    }
}
