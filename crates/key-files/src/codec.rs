//! Reading and writing a file's content in each format.

use std::time::Duration;

use rekindle::tickets::{RecordLayout, TicketKeyError, TicketKeys};
use zeroize::Zeroizing;

use crate::by_position::ByPosition;
use crate::error::MAX_LEN;
use crate::format::TicketKeyFormat;
use crate::write_error::WriteError;
use crate::{encoded, h2o, haproxy, records};

impl TicketKeyFormat {
    /// Reads a file's content.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] names the record or the line, and the reason.
    pub fn parse(self, content: &[u8]) -> Result<TicketKeys, TicketKeyError> {
        match (self, self.layout()) {
            (Self::Haproxy48 | Self::Haproxy80, Some(layout)) => haproxy::parse(content, layout),
            (_, Some(layout)) => self.parse_records(content, layout),
            (_, None) => h2o::parse(content),
        }
    }

    /// Raw records, as the format's server reads them, or the same in base64.
    fn parse_records(
        self,
        content: &[u8],
        layout: RecordLayout,
    ) -> Result<TicketKeys, TicketKeyError> {
        let decoded = encoded::decode(content, layout).transpose()?;
        let records = decoded.as_ref().map_or(content, |records| records);
        let keys = TicketKeys::parse_records(records, layout)?;
        // PEM says by itself where a key ends.
        let is_pem = decoded.is_some() && content.trim_ascii_start().starts_with(b"-");
        if self.is_one_key_a_file() && keys.len() > 1 && !is_pem {
            let keys = keys.len();
            return Err(TicketKeyError::OneKeyAFile { keys });
        }
        Ok(keys)
    }

    /// Writes the contents of one file or, where the format's server takes [one key a
    /// file](Self::is_one_key_a_file), of a file for each key, in the order of its configuration.
    /// The same key seals in them at `now`, a duration since 1970. Keys that no longer open at that
    /// time are left out.
    ///
    /// - A MAC secret that is shorter than the format's gets zeros behind it: the same secret.
    /// - Formats of records hold no times: the key that seals, then keys that are to seal, which
    ///   only open there, then keys that have sealed.
    /// - HAProxy's hold exactly one key that is to seal, and at least three in all.
    /// - h2o's hold times. Keys without times are valid for 30 days from now; a key that is to
    ///   seal, for 30 days from when it takes over, 15 days after the key before it. h2o's keys
    ///   stop sealing and opening at one time: here, when they stop opening.
    ///
    /// # Errors
    ///
    /// [`WriteError`] names the key, and what the format cannot express.
    pub fn write(
        self,
        keys: &TicketKeys,
        now: Duration,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, WriteError> {
        let keys = ByPosition::new(keys, now)?;
        let content = match (self, self.layout()) {
            (Self::Haproxy48 | Self::Haproxy80, Some(layout)) => {
                haproxy::write(&keys, self, layout)?
            }
            (_, Some(layout)) => {
                let records = records::write(&keys, self, layout)?;
                if self.is_one_key_a_file() {
                    let records = records.chunks_exact(layout.len());
                    return Ok(records.map(|record| record.to_vec().into()).collect());
                }
                records
            }
            (_, None) => h2o::write(&keys, now)?,
        };
        if content.len() > MAX_LEN {
            let bytes = content.len();
            return Err(WriteError::TooLong { bytes });
        }
        Ok(vec![content])
    }
}
