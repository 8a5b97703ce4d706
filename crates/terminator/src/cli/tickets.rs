//! The flags about ticket keys.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use rekindle::tickets::{PolicyError, TicketPolicy};
use rekindle_key_files::{FolderOrder, TicketKeyFormat};

use super::broken::Broken;
use crate::key_flags::{folder_order, key_format};

const PERIOD: (u64, u64) = (*TicketPolicy::PERIOD.start(), *TicketPolicy::PERIOD.end());
const MAX_AGE: (u64, u64) = (*TicketPolicy::MAX_AGE.start(), *TicketPolicy::MAX_AGE.end());

#[derive(Debug, Args)]
pub(super) struct TicketArgs {
    /// Ticket keys: a file, or a folder of files of which one seals and `*.next` is known ahead;
    /// read again at SIGHUP and when it changes [default: a random key each period, gone at exit]
    #[arg(long, value_name = "PATH")]
    ticket_keys: Option<PathBuf>,

    /// The format of the ticket keys [default: traffic-server-48]
    #[arg(long, value_name = "NAME", value_parser = key_format())]
    ticket_keys_format: Option<TicketKeyFormat>,

    /// Which file of a folder of ticket keys seals: the one with the least name (numbered files),
    /// or the one with the greatest (names with dates)
    #[arg(long, value_name = "first|last", default_value = "last", value_parser = folder_order())]
    ticket_keys_order: FolderOrder,

    /// A secret from which ticket keys are derived, with the time of day: machines that share it
    /// resume each other's tickets; made by `keys generate --format secret`
    #[arg(long, value_name = "FILE")]
    ticket_secret: Option<PathBuf>,

    /// How long each ticket key seals that the terminator makes, in seconds, 1 to 2592000 (30 days)
    #[arg(long, value_name = "SECONDS", default_value = "3600")]
    #[arg(value_parser = value_parser!(u64).range(PERIOD.0..=PERIOD.1))]
    ticket_key_period: u64,

    /// How old ticket keys from a file may get, in seconds, up to 34560000 (400 days) and no less
    /// than --session-timeout and a key's period together; then keys that the terminator makes take
    /// over
    #[arg(long, value_name = "SECONDS", default_value = "2592000")]
    #[arg(value_parser = value_parser!(u64).range(MAX_AGE.0..=MAX_AGE.1))]
    ticket_key_max_age: u64,

    /// What to do about files of ticket keys, private keys, the fleet's secret and the token of
    /// --admin-write that others than the service may read or change
    #[arg(long, value_name = "warn|refuse", default_value = "warn")]
    ticket_key_permissions: Permissions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Permissions {
    Warn,
    Refuse,
}

/// Where ticket keys come from, and how long they live.
#[derive(Debug)]
pub(crate) struct TicketSettings {
    pub(crate) from: KeysFrom,
    pub(crate) policy: TicketPolicy,
    pub(crate) refuse_readable_by_others: bool,
}

#[derive(Debug)]
pub(crate) enum KeysFrom {
    Here,
    File(PathBuf, TicketKeyFormat, FolderOrder),
    Secret(PathBuf),
}

impl TicketArgs {
    /// The rules that these flags break.
    pub(super) fn broken(&self, lifetime: Duration) -> Vec<Broken> {
        let mut broken = Vec::new();
        let has_file = self.ticket_keys.is_some();
        if has_file && self.ticket_secret.is_some() {
            let reason = "cannot be used with --ticket-secret";
            broken.push(Broken::new("ticket-keys", Some("ticket-secret"), reason));
        }
        if !has_file && self.ticket_keys_format.is_some() {
            let reason = "it needs --ticket-keys";
            broken.push(Broken::new(
                "ticket-keys-format",
                Some("ticket-keys"),
                reason,
            ));
        }
        if let Err(error) = self.policy(lifetime).check() {
            let (flag, other) = match error {
                PolicyError::MaxAge(_) => ("ticket-key-max-age", "session-timeout"),
                PolicyError::Lifetime(_) => ("session-timeout", "ticket-key-period"),
                _ => ("ticket-key-period", "session-timeout"),
            };
            let reason = format!("{error} (the ticket lifetime is --session-timeout)");
            broken.push(Broken::new(flag, Some(other), reason));
        }
        broken
    }

    /// For flags that break no rule.
    pub(super) fn settings(&self, lifetime: Duration) -> TicketSettings {
        let format = self.ticket_keys_format;
        let from = match (&self.ticket_keys, &self.ticket_secret) {
            (Some(path), _) => KeysFrom::File(
                path.clone(),
                format.unwrap_or(TicketKeyFormat::TrafficServer48),
                self.ticket_keys_order,
            ),
            (None, Some(path)) => KeysFrom::Secret(path.clone()),
            (None, None) => KeysFrom::Here,
        };
        TicketSettings {
            from,
            policy: self.policy(lifetime),
            refuse_readable_by_others: self.refuse_readable_by_others(),
        }
    }

    fn policy(&self, lifetime: Duration) -> TicketPolicy {
        TicketPolicy::default()
            .period(Duration::from_secs(self.ticket_key_period))
            .lifetime(lifetime)
            .max_age(Duration::from_secs(self.ticket_key_max_age))
    }

    pub(super) fn secret(&self) -> Option<&Path> {
        self.ticket_secret.as_deref()
    }

    /// Of the private key as well.
    pub(super) fn refuse_readable_by_others(&self) -> bool {
        self.ticket_key_permissions == Permissions::Refuse
    }
}
