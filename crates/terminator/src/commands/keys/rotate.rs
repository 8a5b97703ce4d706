//! `keys rotate`

use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use rekindle::tickets::{KeyEntry, KeyLocation, KeyRole, TicketKeys};
use rekindle_key_files::{KeyFileContent, TicketKeyFile, TicketKeyFormat};

use super::error::KeysError;
use super::generate::{fresh, is_haproxy};
use super::input::{Order, now};
use super::key_set::KeySet;
use super::target::Target;
use crate::key_flags::key_format;

/// The most keys of a file with a staged one, unless --keep is more.
const MOST_STAGED: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The file; of a product that takes one key a file, the folder
    file: PathBuf,

    /// Its format
    #[arg(long, value_name = "NAME", value_parser = key_format())]
    format: TicketKeyFormat,

    #[command(flatten)]
    order: Order,

    /// Add a key that opens only, and print its fingerprint
    #[arg(long, conflicts_with = "promote")]
    stage: bool,

    /// Let this key seal, which --stage has added and every machine has received
    #[arg(long, value_name = "FINGERPRINT")]
    promote: Option<String>,

    /// Keep this many keys in all once a new one seals: enough for all tickets that still live
    #[arg(long, value_name = "N", default_value = "3")]
    #[arg(value_parser = value_parser!(u16).range(2..=4096))]
    keep: u16,
}

impl Rotate {
    pub(super) fn run(self) -> Result<(), KeysError> {
        let is_folder = self.file.is_dir();
        let one_key_a_file = self.format.is_one_key_a_file();
        if is_folder && !one_key_a_file {
            return Err(KeysError::Flags(
                "rotate takes a file of this format, not a folder",
            ));
        }
        // Held until the files are replaced, so that no other rotation is lost.
        let target = match is_folder {
            true => Target::lock_folder(&self.file)?,
            false => Target::lock(&self.file)?,
        };
        let read = TicketKeyFile::keys(&self.file, self.format)
            .order(self.order.order)
            .read()?;
        let KeyFileContent::Keys(keys) = read.content else {
            return Err(KeysError::Flags("a secret rotates by itself"));
        };
        if one_key_a_file && !is_folder {
            return Err(KeysError::NoRoom(self.format));
        }
        let keys: Vec<KeyEntry> = keys.entries().cloned().collect();
        let original = keys.len();
        let two_steps = !is_haproxy(self.format) && self.format != TicketKeyFormat::H2o;
        let (said, key, mut keys) = match &self.promote {
            _ if two_steps != (self.stage || self.promote.is_some()) => {
                return Err(KeysError::Flags(if two_steps {
                    "files of this format are rotated in two steps: --stage, then --promote"
                } else {
                    "--stage, --promote: files of this format have a next key, and are rotated in \
                     one step"
                }));
            }
            Some(promoted) => self.promote(promoted, keys)?,
            None => self.add(keys)?,
        };
        if !is_folder {
            let keys = TicketKeys::new(keys)?;
            let files = self.format.write(&keys, now())?;
            target.replace(&files[0])?;
            println!("{said} {key}");
            return Ok(());
        }
        if let Some(path) = read.files.iter().find(|file| is_next(file)) {
            return Err(KeysError::NextFiles(path.clone()));
        }
        if original > read.files.len() {
            return Err(KeysError::SeveralKeys(self.file));
        }
        let mut set = KeySet::new(target, read.files)?;
        let room = set.room(keys.len().min(self.keep.into()));
        if room < 2 {
            return Err(KeysError::NoRoom(self.format));
        }
        keys.truncate(room);
        let files = self.format.write(&TicketKeys::new(keys)?, now())?;
        let has_grown = set.fill(&files)?;
        println!("{said} {key}");
        if has_grown {
            print!("{}", set.configuration(self.format));
        }
        Ok(())
    }

    /// Adds a key that will seal later.
    fn add(&self, keys: Vec<KeyEntry>) -> Result<Rotated, KeysError> {
        // An operator who stages and never promotes would otherwise not notice.
        if self.stage && keys.len() >= MOST_STAGED.max(self.keep.into()) {
            let (path, keys) = (self.file.clone(), keys.len());
            return Err(KeysError::TooManyStaged { path, keys });
        }
        let next = fresh(self.format, KeyRole::Next, KeyLocation::record(keys.len()))?;
        let key = next.key().fingerprint();
        let mut all = vec![next];
        let haproxy = is_haproxy(self.format);
        all.extend(keys.into_iter().map(|key| match key.role {
            KeyRole::Next if haproxy => key.with_role(KeyRole::Seal),
            KeyRole::Seal if haproxy => key.with_role(KeyRole::Open),
            _ => key,
        }));
        if haproxy {
            // The newest first, as they are read.
            all.truncate(self.keep.into());
        }
        Ok((if self.stage { "staged" } else { "next" }, key, all))
    }

    fn promote(&self, promoted: &str, mut keys: Vec<KeyEntry>) -> Result<Rotated, KeysError> {
        let is_it = |key: &KeyEntry| key.key().fingerprint().to_string() == promoted;
        let Some(place) = keys.iter().position(is_it) else {
            let path = self.file.clone();
            let key = promoted.into();
            return Err(KeysError::NoSuchKey { path, key });
        };
        let chosen = keys.remove(place);
        let key = chosen.key().fingerprint();
        if place == 0 {
            return Err(KeysError::SealsAlready(key));
        }
        let mut all = vec![chosen.with_role(KeyRole::Seal)];
        all.extend(keys.iter().map(|key| key.with_role(KeyRole::Open)));
        all.truncate(self.keep.into());
        Ok(("sealing", key, all))
    }
}

/// Whether a folder's file only opens yet.
fn is_next(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "next")
}

/// The outcome, its key, and the set with it.
type Rotated = (&'static str, rekindle::tickets::Fingerprint, Vec<KeyEntry>);
