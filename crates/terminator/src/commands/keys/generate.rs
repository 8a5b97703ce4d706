//! `keys generate`

use std::time::Duration;

use clap::{Args, value_parser};
use rekindle::tickets::{
    KeyEntry, KeyLocation, KeyRole, TicketCipher, TicketKey, TicketKeys, TicketSecret, Validity,
};
use rekindle_key_files::{SecretFile, TicketKeyFormat, secret_text};
use zeroize::Zeroizing;

use super::error::KeysError;
use super::input::{Kind, Lifetime, now};
use super::output::Output;

const HOUR: u64 = 60 * 60;

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// A format of ticket keys, or `secret`
    #[arg(long, value_name = "NAME")]
    format: Kind,

    /// How many keys: the first seals, the others will seal later; HAProxy's: the last but one
    /// seals [default: 1; HAProxy: 3]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=4096))]
    count: Option<u16>,

    /// How long each key seals, in seconds; for `secret` [default: 3600] and h2o [default: 15 days]
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(10..=2_592_000))]
    period: Option<u64>,

    /// A secret from which earlier keys cannot be derived, once `keys ratchet` has moved it on
    #[arg(long)]
    ratchet: bool,

    #[command(flatten)]
    lifetime: Lifetime,

    #[command(flatten)]
    output: Output,
}

impl Generate {
    pub(super) fn run(self) -> Result<(), KeysError> {
        let destination = self.output.open()?;
        match self.format {
            Kind::Secret => destination.put(secret_text(&self.secret()?).as_bytes()),
            Kind::Keys(format) => destination.put_keys(format, &self.keys(format)?),
        }
    }

    fn secret(&self) -> Result<SecretFile, KeysError> {
        if self.count.is_some() {
            return Err(KeysError::Flags("--count: a secret is one"));
        }
        // A machine whose clock is behind must find its period as well.
        let begin = now().saturating_sub(TicketSecret::SKEW);
        let period = Duration::from_secs(self.period.unwrap_or(HOUR));
        let secret = TicketSecret::random(period, self.ratchet.then_some(begin));
        Ok(SecretFile {
            secret: secret.map_err(KeysError::NoSecret)?,
            session_timeout: Some(self.lifetime.of(None)),
            pace: None,
        })
    }

    fn keys(&self, format: TicketKeyFormat) -> Result<Vec<Zeroizing<Vec<u8>>>, KeysError> {
        if self.ratchet {
            return Err(KeysError::Flags("--ratchet goes with --format secret"));
        }
        if self.period.is_some() && format != TicketKeyFormat::H2o {
            let message =
                "--period goes with --format secret and --format h2o: other formats know no times";
            return Err(KeysError::Flags(message));
        }
        let haproxy = is_haproxy(format);
        if haproxy && self.count.is_some_and(|count| count < 3) {
            return Err(KeysError::Flags("--count: HAProxy takes at least 3 keys"));
        }
        let count = self.count.map_or(if haproxy { 3 } else { 1 }, usize::from);
        let keys = (0..count).map(|i| {
            let role = match (haproxy, i) {
                // The newest first.
                (true, 0) | (false, 1..) => KeyRole::Next,
                (true, 1) | (false, 0) => KeyRole::Seal,
                (true, _) => KeyRole::Open,
            };
            let role = self
                .period
                .map_or(role, |period| self.turn(i as u64, period));
            fresh(format, role, KeyLocation::record(i))
        });
        let keys = TicketKeys::new(keys.collect::<Result<_, _>>()?)?;
        Ok(format.write(&keys, now())?)
    }

    /// The times of the key that seals after `number` others.
    fn turn(&self, number: u64, period: u64) -> KeyRole {
        let begin = now().as_secs() + number * period;
        let end = Duration::from_secs(begin + period);
        KeyRole::Timed(Validity {
            seal_from: Duration::from_secs(begin),
            seal_until: end,
            open_until: end + self.lifetime.of(None),
        })
    }
}

pub(super) fn is_haproxy(format: TicketKeyFormat) -> bool {
    matches!(
        format,
        TicketKeyFormat::Haproxy48 | TicketKeyFormat::Haproxy80
    )
}

/// A random key of the format's size.
pub(super) fn fresh(
    format: TicketKeyFormat,
    role: KeyRole,
    at: KeyLocation,
) -> Result<KeyEntry, KeysError> {
    let cipher = format.cipher().unwrap_or(TicketCipher::Aes256);
    Ok(KeyEntry::new(TicketKey::random(cipher)?, role, at))
}
