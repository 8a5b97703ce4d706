//! `keys fingerprint` and `keys show`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use humantime::format_rfc3339_seconds;
use rekindle::tickets::{KeyPosition, KeyRole, TicketCipher, TicketKey, TicketKeys};
use zeroize::Zeroizing;

use super::error::KeysError;
use super::input::{self, Kind, Lifetime, Order, now};
use super::output::print_secrets;

/// The most bytes of a line: three words, a name, three times, a key of 32 bytes and a MAC secret
/// of 64.
const ROOM: usize = 512;

#[derive(Debug, Args)]
pub(crate) struct Fingerprint {
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    source: Source,

    /// Print secrets as well
    #[arg(long)]
    reveal: bool,
}

#[derive(Debug, Args)]
struct Source {
    /// The file or folder
    path: PathBuf,

    /// Its format, or `secret`: then the keys around now are shown
    #[arg(long, value_name = "NAME", default_value_t = Kind::DEFAULT)]
    format: Kind,

    #[command(flatten)]
    order: Order,

    #[command(flatten)]
    lifetime: Lifetime,
}

impl Fingerprint {
    pub(super) fn run(self) -> Result<(), KeysError> {
        self.source.print(|_, _, _| ())
    }
}

impl Show {
    pub(super) fn run(self) -> Result<(), KeysError> {
        self.source.print(|line, key, role| {
            push_hex(line, " name=", key.name());
            push_times(line, role);
            if self.reveal {
                push_hex(line, " hmac=", key.hmac_secret());
                push_hex(line, " aes=", key.aes_key());
            }
        })
    }
}

impl Source {
    /// A line for each key, of which `more` writes the rest.
    fn print(&self, more: impl Fn(&mut String, &TicketKey, KeyRole)) -> Result<(), KeysError> {
        let path: &Path = &self.path;
        let source = input::Source {
            kind: self.format,
            order: self.order,
        };
        let keys = source.keys(path, self.lifetime)?;
        for (given, word) in keys.entries().zip(words(&keys, now())) {
            let key = given.key();
            let cipher = match key.cipher() {
                TicketCipher::Aes128 => "aes-128",
                TicketCipher::Aes256 => "aes-256",
            };
            // Room for the whole line: growing would leave copies of secrets behind.
            let mut line = Zeroizing::new(String::with_capacity(ROOM));
            let _ = write!(line, "{word} {} {cipher}", key.fingerprint());
            more(&mut line, key, given.role);
            line.push('\n');
            debug_assert!(line.len() <= ROOM);
            print_secrets(line.as_bytes())?;
        }
        Ok(())
    }
}

/// What each key does at a moment, since 1970.
fn words(keys: &TicketKeys, now: Duration) -> Vec<&'static str> {
    let (entries, schedule) = keys.schedule(now);
    let mut words = vec![""; keys.len()];
    let positions = schedule.positions(now).zip(schedule.times());
    for ((index, _), (position, times)) in entries.iter().zip(positions) {
        words[*index] = match position {
            _ if !times.opens(now) => "ended",
            KeyPosition::Next => "next",
            KeyPosition::Sealing => "sealing",
            KeyPosition::Previous(_) => "opening",
        };
    }
    words
}

fn push_times(line: &mut String, role: KeyRole) {
    let KeyRole::Timed(times) = role else { return };
    let _ = write!(
        line,
        " seals={}/{} opens-until={}",
        rfc3339(times.seal_from),
        rfc3339(times.seal_until),
        rfc3339(times.open_until)
    );
}

fn push_hex(line: &mut String, word: &str, bytes: &[u8]) {
    line.push_str(word);
    for byte in bytes {
        let _ = write!(line, "{byte:02x}");
    }
}

/// A time since 1970 as RFC 3339 writes it, in UTC: `2026-11-26T11:10:29Z`. Times beyond the year
/// 9999, for which RFC 3339 has no form, become `never`.
pub(super) fn rfc3339(unix: Duration) -> String {
    let mut text = String::new();
    let time = SystemTime::UNIX_EPOCH.checked_add(unix);
    match time.map(|time| write!(text, "{}", format_rfc3339_seconds(time))) {
        Some(Ok(())) => text,
        _ => "never".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_are_easy_to_get_wrong() {
        // As `date -u -d @N +%FT%TZ` says.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "never"),
            (u64::MAX, "never"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), expected);
        }
    }
}
