//! Formats that are records of one length behind each other.

use super::TicketKeyFormat as Format;
use crate::tickets::error::{At, TicketKeyError};
use crate::tickets::key::{NAME, TicketKey};
use crate::tickets::keys::{Duty, GivenKey, TicketKeys};

/// How a record is laid out behind its name.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Bytes of each of the two secrets.
    pub(super) secret: usize,
    /// Whether the MAC secret comes before the encryption key.
    pub(super) hmac_first: bool,
}

impl Layout {
    /// That of the formats which are records, or lines of them.
    pub(super) fn of(format: Format) -> Self {
        let (secret, hmac_first) = match format {
            Format::TrafficServer48 | Format::Apache48 => (16, true),
            Format::Nginx48 | Format::Haproxy48 => (16, false),
            Format::Nginx80 | Format::OpenSsl80 | Format::Envoy80 => (32, true),
            Format::Haproxy80 => (32, false),
            Format::H2o => unreachable!("h2o's keys are no records"),
        };
        Self { secret, hmac_first }
    }

    /// Bytes of a record.
    pub(super) fn record(self) -> usize {
        NAME + 2 * self.secret
    }

    /// Reads one record.
    pub(super) fn parse(self, record: &[u8], at: At) -> Result<TicketKey, TicketKeyError> {
        let (name, secrets) = record
            .split_first_chunk::<NAME>()
            .expect("a record begins with a name");
        let (first, second) = secrets.split_at(self.secret);
        let (hmac, aes) = if self.hmac_first {
            (first, second)
        } else {
            (second, first)
        };
        TicketKey::new(*name, hmac, aes).map_err(|fault| TicketKeyError::Bad { at, fault })
    }
}

/// The first seals, all open. Bytes behind the last whole record are ignored and counted: text editors
/// leave a newline there.
pub(super) fn parse(content: &[u8], format: Format) -> Result<TicketKeys, TicketKeyError> {
    let layout = Layout::of(format);
    let records = content.chunks_exact(layout.record());
    let trailing = records.remainder().len();
    if records.len() == 0 {
        return Err(TicketKeyError::TooShort {
            len: content.len(),
            record: layout.record(),
        });
    }
    if records.len() > TicketKeys::MAX_KEYS {
        return Err(TicketKeyError::TooMany);
    }
    let given = |(record, bytes)| {
        let duty = if record == 0 { Duty::Seal } else { Duty::Open };
        let at = At::record(record);
        Ok(GivenKey::new(layout.parse(bytes, at)?, duty, at))
    };
    let keys = records.enumerate().map(given).collect::<Result<_, _>>()?;
    Ok(TicketKeys::new(keys)?.with_trailing(trailing))
}
