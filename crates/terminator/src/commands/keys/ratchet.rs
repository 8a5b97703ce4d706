//! `keys ratchet`

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use rekindle::tickets::TicketSecret;
use rekindle_key_files::{SecretFile, read_secret, secret_text};

use super::error::KeysError;
use super::input::{Lifetime, now};
use super::show::rfc3339;
use super::target::{Target, warn};

#[derive(Debug, Args)]
pub(crate) struct Ratchet {
    /// The file with the secret
    file: PathBuf,

    /// Move it on however far the clock says. What was there is kept beside the file, under its
    /// name and `.before-leap`, until the secret is moved on the next time
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    lifetime: Lifetime,
}

impl Ratchet {
    pub(super) fn run(self) -> Result<(), KeysError> {
        // Held until the file is replaced: two commands could otherwise move the ratchet back.
        let target = Target::lock(&self.file)?;
        let (file, notices) = read_secret(&self.file)?;
        notices.iter().for_each(|notice| warn(notice));
        let secret = &file.secret;
        let Some(at) = secret.ratchet() else {
            return Err(KeysError::NoRatchet(self.file));
        };
        let lifetime = self.lifetime.agreed(&self.file, &file)?;
        let now = now();
        let kept = kept(&target.path);
        let newest = secret.index(now.saturating_add(TicketSecret::SKEW));
        if at > newest {
            return Err(KeysError::Ahead {
                path: self.file,
                periods: at - newest,
                now: rfc3339(now),
                kept: match kept.exists() {
                    true => format!("; {} has the secret before it", kept.display()),
                    false => String::new(),
                },
            });
        }
        let oldest = secret.oldest_open(now, lifetime);
        if oldest <= at {
            println!("unchanged: period {at} may still be needed");
            return Ok(());
        }
        let is_leap = oldest - at > file.most_periods();
        if is_leap && !self.force {
            return Err(KeysError::Leap {
                path: self.file,
                periods: oldest - at,
                period: secret.period().as_secs(),
                usual: usual(&file),
                now: rfc3339(now),
                kept,
            });
        }
        let ratcheted = secret.ratcheted(oldest);
        let path = self.file;
        let ratcheted = ratcheted.map_err(|source| KeysError::Secret { path, source })?;
        let after = SecretFile {
            secret: ratcheted,
            // A leap is no pace: another one would pass for usual.
            pace: if is_leap {
                file.pace
            } else {
                Some(oldest - at)
            },
            ..file.clone()
        };
        let (before, after) = (secret_text(&file), secret_text(&after));
        let files = [
            (&*target.path, after.as_bytes()),
            (&*kept, before.as_bytes()),
        ];
        target.replace_all(if is_leap { &files } else { &files[..1] })?;
        if !is_leap {
            forget(&kept)?;
        }
        println!("ratcheted: from period {at} to {oldest}");
        Ok(())
    }
}

/// The secret before a leap.
fn kept(path: &Path) -> PathBuf {
    let mut kept = path.as_os_str().to_owned();
    kept.push(".before-leap");
    kept.into()
}

fn usual(file: &SecretFile) -> String {
    match file.pace {
        Some(pace) => format!("it went {pace} the last time"),
        None => "it was never moved".into(),
    }
}

fn forget(kept: &Path) -> Result<(), KeysError> {
    match fs::remove_file(kept) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            let path = kept.into();
            Err(KeysError::Write { path, source })
        }
        _ => Ok(()),
    }
}
