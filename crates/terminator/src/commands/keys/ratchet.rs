//! `keys ratchet`

use std::path::PathBuf;

use clap::Args;
use rekindle_key_files::{read_secret, secret_text};

use super::error::KeysError;
use super::input::{Lifetime, now};
use super::output::Target;

#[derive(Debug, Args)]
pub(crate) struct Ratchet {
    /// The file with the secret
    file: PathBuf,

    #[command(flatten)]
    lifetime: Lifetime,
}

impl Ratchet {
    pub(super) fn run(self) -> Result<(), KeysError> {
        // Held until the file is replaced: two commands could otherwise move the ratchet back.
        let target = Target::lock(&self.file)?;
        let secret = read_secret(&self.file)?;
        let path = self.file.clone();
        let Some(at) = secret.ratchet() else {
            return Err(KeysError::NoRatchet(path));
        };
        let oldest = secret.oldest_open(now(), self.lifetime.session_timeout);
        if oldest <= at {
            println!("unchanged: period {at} may still be needed");
            return Ok(());
        }
        let ratcheted = secret.ratcheted(oldest);
        let ratcheted = ratcheted.map_err(|source| KeysError::Secret { path, source })?;
        target.replace(secret_text(&ratcheted).as_bytes())?;
        println!("ratcheted: from period {at} to {oldest}");
        Ok(())
    }
}
