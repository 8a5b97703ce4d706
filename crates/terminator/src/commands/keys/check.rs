//! `keys check`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Args, value_parser};
use rekindle_key_files::{KeyCheck, KeyFileContent, KeyFileRead, Warning};

use super::error::KeysError;
use super::input::{Kind, Lifetime, Order, Source, keys_of, now};

const WARNINGS: u8 = 1;
const UNUSABLE: u8 = 2;

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The file or folder that is to be put in place
    path: PathBuf,

    /// Its format, or `secret`
    #[arg(long, value_name = "NAME", default_value_t = Kind::DEFAULT)]
    format: Kind,

    #[command(flatten)]
    order: Order,

    /// The file or folder that is in force
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,

    /// Its format, if it is another
    #[arg(long, value_name = "NAME", requires = "against")]
    against_format: Option<Kind>,

    /// How long the keys must last, in seconds: until the next rotation
    #[arg(long, value_name = "SECONDS", default_value = "3600")]
    #[arg(value_parser = value_parser!(u64).range(1..=34_560_000).map(Duration::from_secs))]
    period: Duration,

    #[command(flatten)]
    lifetime: Lifetime,
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        let new = match self.read(&self.path, self.format) {
            Ok(new) => new,
            Err(error) => {
                println!("refused: {error}");
                return ExitCode::from(UNUSABLE);
            }
        };
        let warnings = match self.dry_run(&new.content) {
            Ok(warnings) => warnings,
            Err(error) => {
                eprintln!("rekindle-terminator: {error}");
                return ExitCode::from(UNUSABLE);
            }
        };
        let (told, notes): (Vec<_>, Vec<_>) = new.notices.iter().partition(|n| n.is_warning());
        notes.iter().for_each(|note| println!("note: {note}"));
        told.iter().for_each(|warning| println!("{warning}"));
        warnings.iter().for_each(|warning| println!("{warning}"));
        match told.is_empty() && warnings.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(WARNINGS),
        }
    }

    /// What was read of a file, if it gives keys now.
    fn read(&self, path: &Path, kind: Kind) -> Result<KeyFileRead, KeysError> {
        let order = self.order;
        let mut read = Source { kind, order }.file(path).read()?;
        let lifetime = self.lifetime.of(Some(&read.content));
        keys_of(&read.content, path, lifetime)?;
        if let KeyFileContent::Secret(file) = &read.content {
            read.notices.extend(file.disagreement(path, lifetime));
            read.notices.extend(file.lag(path, now()));
        }
        Ok(read)
    }

    fn dry_run(&self, new: &KeyFileContent) -> Result<Vec<Warning>, KeysError> {
        let old = match &self.against {
            Some(path) => Some(self.read(path, self.against_format.unwrap_or(self.format))?),
            None => None,
        };
        let check = KeyCheck {
            now: now(),
            lifetime: self.lifetime.of(Some(new)),
            period: self.period,
        };
        let warnings = check.dry_run(new, old.as_ref().map(|old| &old.content));
        warnings.map_err(|source| KeysError::Secret {
            path: self.path.clone(),
            source,
        })
    }
}
