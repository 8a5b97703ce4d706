//! Reading and writing a file's content in each format.

use std::time::Duration;

use rekindle::tickets::{TicketKeyError, TicketKeys};
use zeroize::Zeroizing;

use crate::by_position::ByPosition;
use crate::format::TicketKeyFormat;
use crate::write_error::WriteError;
use crate::{h2o, haproxy, records};

impl TicketKeyFormat {
    /// Reads a file's content.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] names the record or the line, and the reason.
    pub fn parse(self, content: &[u8]) -> Result<TicketKeys, TicketKeyError> {
        match (self, self.layout()) {
            (Self::Haproxy48 | Self::Haproxy80, Some(layout)) => haproxy::parse(content, layout),
            (_, Some(layout)) => TicketKeys::parse_records(content, layout),
            (_, None) => h2o::parse(content),
        }
    }

    /// Writes a file's content, in which the same key seals at `now`, a duration since 1970. Keys that do
    /// not open any more by then are left out.
    ///
    /// - A MAC secret that is shorter than the format's gets zeros behind it, which is the same secret.
    /// - Formats of records hold the key that seals, then keys that are to come, then those that have
    ///   sealed, and no times. Keys to come are no more than keys that open, there. nginx, Apache and
    ///   OpenSSL take one record from each file.
    /// - HAProxy's hold exactly one key that is to come, and at least three in all.
    /// - h2o's hold times. Keys without any are valid for 30 days from now; one that is to come, for 30
    ///   days from when it takes over, which is 15 days after the one before it. h2o's keys cease to
    ///   seal and to open at one time: the time at which they cease to open is kept.
    ///
    /// # Errors
    ///
    /// [`WriteError`] names the key, and what the format has no way to express.
    pub fn write(self, keys: &TicketKeys, now: Duration) -> Result<Zeroizing<Vec<u8>>, WriteError> {
        let keys = ByPosition::new(keys, now)?;
        match (self, self.layout()) {
            (Self::Haproxy48 | Self::Haproxy80, Some(layout)) => {
                haproxy::write(&keys, self, layout)
            }
            (_, Some(layout)) => records::write(&keys, self, layout),
            (_, None) => h2o::write(&keys, now),
        }
    }
}
