//! `keys check`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Args, value_parser};
use rekindle_key_files::{KeyCheck, KeyFileContent};

use super::error::KeysError;
use super::input::{Kind, Lifetime, keys_of, now};

const WARNINGS: u8 = 1;
const UNUSABLE: u8 = 2;

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The file or folder that is to be put in place
    path: PathBuf,

    /// Its format, or `secret`
    #[arg(long, value_name = "NAME", default_value_t = Kind::DEFAULT)]
    format: Kind,

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
        match self.warnings(&new) {
            Ok(warnings) if warnings.is_empty() => ExitCode::SUCCESS,
            Ok(warnings) => {
                warnings.iter().for_each(|warning| println!("{warning}"));
                ExitCode::from(WARNINGS)
            }
            Err(error) => {
                eprintln!("rekindle-terminator: {error}");
                ExitCode::from(UNUSABLE)
            }
        }
    }

    /// The content of a file, if it gives keys now.
    fn read(&self, path: &Path, kind: Kind) -> Result<KeyFileContent, KeysError> {
        let content = kind.file(path).read()?;
        keys_of(&content, path, self.lifetime)?;
        Ok(content)
    }

    fn warnings(&self, new: &KeyFileContent) -> Result<Vec<String>, KeysError> {
        let others = self.format.file(&self.path).readable_by_others_now()?;
        let others = others.iter().map(|path| {
            let path = path.display();
            format!("readable-by-others: {path} can be read or written by others than its owner")
        });
        let old = match &self.against {
            Some(path) => Some(self.read(path, self.against_format.unwrap_or(self.format))?),
            None => None,
        };
        let check = KeyCheck {
            now: now(),
            lifetime: self.lifetime.session_timeout,
            period: self.period,
        };
        let dry_run = check.dry_run(new, old.as_ref());
        let dry_run = dry_run.map_err(|source| KeysError::Secret {
            path: self.path.clone(),
            source,
        })?;
        let dry_run = dry_run.iter().map(ToString::to_string);
        Ok(others.chain(dry_run).collect())
    }
}
