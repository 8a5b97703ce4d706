//! `keys convert`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rekindle::tickets::{KeyEntry, KeyRole, TicketKeys};
use rekindle_key_files::TicketKeyFormat;

use super::error::KeysError;
use super::generate::is_haproxy;
use super::input::{Kind, Lifetime, Order, Source, now};
use super::output::Output;
use crate::key_flags::key_format;

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The file or folder
    path: PathBuf,

    /// Its format, or `secret`: then the keys around now are written, for servers that cannot
    /// derive them
    #[arg(long, value_name = "NAME")]
    from: Kind,

    #[command(flatten)]
    order: Order,

    /// The format to write
    #[arg(long, value_name = "NAME", value_parser = key_format())]
    to: TicketKeyFormat,

    #[command(flatten)]
    lifetime: Lifetime,

    #[command(flatten)]
    output: Output,
}

impl Convert {
    pub(super) fn run(self) -> Result<(), KeysError> {
        let destination = self.output.open()?;
        let source = Source {
            kind: self.from,
            order: self.order,
        };
        let keys = source.keys(&self.path, self.lifetime)?;
        let now = now();
        let keys = match self.from {
            Kind::Secret if is_haproxy(self.to) => nearest_next(&keys, now)?,
            _ => keys,
        };
        destination.put_keys(self.to, &self.to.write(&keys, now)?)
    }
}

/// Without the keys behind the next one: HAProxy has room for one key that will seal later.
fn nearest_next(keys: &TicketKeys, now: Duration) -> Result<TicketKeys, KeysError> {
    let seals_from = |key: &KeyEntry| match key.role {
        KeyRole::Timed(times) => times.seal_from,
        KeyRole::Next | KeyRole::Seal | KeyRole::Open => Duration::ZERO,
    };
    let next = keys
        .entries()
        .map(seals_from)
        .filter(|begin| *begin > now)
        .min();
    let until = next.unwrap_or(now);
    let kept = keys.entries().filter(|key| seals_from(key) <= until);
    Ok(TicketKeys::new(kept.cloned().collect())?)
}
