//! `keys rotate`

use std::path::PathBuf;

use clap::{Args, value_parser};
use rekindle::tickets::{KeyEntry, KeyLocation, KeyRole, TicketKeys};
use rekindle_key_files::{KeyFileContent, TicketKeyFile, TicketKeyFormat};

use super::error::KeysError;
use super::generate::{fresh, is_haproxy};
use super::input::{now, refuse_trailing};
use super::output::Target;
use crate::key_format::key_format;

/// The most keys of a file with a staged one, unless --keep is more.
const MOST_STAGED: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The file
    file: PathBuf,

    /// Its format
    #[arg(long, value_name = "NAME", value_parser = key_format())]
    format: TicketKeyFormat,

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
        let file = TicketKeyFile::keys(&self.file, self.format);
        // A folder is rotated by putting a file into it.
        if self.file.is_dir() {
            return Err(KeysError::Flags("rotate takes a file, not a folder"));
        }
        // Held until the file is replaced, so that no other rotation is lost.
        let target = Target::lock(&self.file)?;
        let KeyFileContent::Keys(keys) = file.read()? else {
            return Err(KeysError::Flags("a secret rotates by itself"));
        };
        refuse_trailing(&keys, &self.file, self.format)?;
        let keys: Vec<KeyEntry> = keys.entries().cloned().collect();
        let two_steps = !is_haproxy(self.format) && self.format != TicketKeyFormat::H2o;
        let (said, key, keys) = match &self.promote {
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
        let keys = TicketKeys::new(keys)?;
        target.replace(&self.format.write(&keys, now())?)?;
        println!("{said} {key}");
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

/// The outcome, its key, and the set with it.
type Rotated = (&'static str, rekindle::tickets::Fingerprint, Vec<KeyEntry>);
