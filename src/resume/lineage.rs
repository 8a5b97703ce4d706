//! How long a session may be resumed: by its own age, and by that of its lineage, the chain of
//! renewals that a full handshake began.
//!
//! TLS 1.3 begins a new session with each renewal, without end (openssl #32227). So a renewed
//! session carries a [`LineageRecord`] of how old its lineage was when it began.

use std::time::Duration;

/// What every record begins with: that it is Rekindle's, and which version.
const MAGIC: [u8; 4] = *b"RKT\x01";

/// What a session carries of its lineage, in its ticket's application data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineageRecord {
    /// The session's time when the record was written, in seconds since 1970. Another one shows
    /// that a foreign server has renewed the ticket and copied the record.
    pub(crate) session_time: i64,
    /// How old the lineage was at that time, in milliseconds.
    pub(crate) lineage: u64,
}

impl LineageRecord {
    pub(crate) const LEN: usize = MAGIC.len() + 8 + 8;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&self.session_time.to_be_bytes());
        bytes[12..].copy_from_slice(&self.lineage.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (time, lineage) = bytes[4..].split_first_chunk().expect("16 bytes");
        (bytes[..4] == MAGIC).then(|| Self {
            session_time: i64::from_be_bytes(*time),
            lineage: u64::from_be_bytes(lineage.try_into().expect("eight bytes")),
        })
    }
}

/// What a session says of its times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionTimes {
    /// When it began, in seconds since 1970.
    pub(crate) time: i64,
    /// How long it may be resumed, in seconds.
    pub(crate) timeout: i64,
    pub(crate) record: Option<LineageRecord>,
}

impl SessionTimes {
    /// The session's age by the wall clock, in milliseconds. Up to a second more than it is, since
    /// its time is in whole seconds; never less, or a chain of renewals could go on by changing
    /// machines within seconds.
    pub(crate) fn age_by_wall_clock(&self, unix: Duration) -> u64 {
        let now = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        now.saturating_sub(millis(self.time))
    }

    /// How old the lineage was when this session began, in milliseconds.
    pub(crate) fn lineage_before(&self) -> u64 {
        self.record.map_or(0, |record| {
            let since_record = millis(self.time.saturating_sub(record.session_time));
            record.lineage.saturating_add(since_record)
        })
    }
}

/// Whether a session that came out of a ticket may be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgeCheck {
    /// It may.
    Valid {
        /// Its age.
        age: Duration,
        /// Its lineage's age.
        lineage: Duration,
        /// Whether its lineage has a second or more left for another ticket.
        renewable: bool,
    },
    /// It is older than its timeout.
    Expired,
    /// Its full handshake was too long ago.
    LineageEnded,
}

/// How a session comes to its new ticket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issuance {
    /// How old its lineage is, in milliseconds.
    pub(crate) lineage: u64,
    /// The session of the ticket before goes on: TLS 1.2.
    pub(crate) continues: bool,
    /// A resumption has begun a new session: TLS 1.3.
    pub(crate) renews: bool,
    /// The ticket is a session id, the session stays in the cache.
    pub(crate) stateful: bool,
}

impl Issuance {
    /// Whether the session has to carry a record. In TLS 1.2 its own time says as much, and further
    /// tickets of a full handshake come at once.
    pub(crate) fn needs_record(&self) -> bool {
        !self.continues && (self.renews || self.stateful || self.lineage >= 1_000)
    }
}

/// The limits of one adapter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) full_handshake_max_age: Duration,
}

impl Limits {
    /// Whether a session of that age, in milliseconds, may be resumed.
    pub(crate) fn check(&self, session: &SessionTimes, age: u64) -> AgeCheck {
        let lineage = Duration::from_millis(session.lineage_before().saturating_add(age));
        // First, for at its lineage's end a ticket's lifetime ends as well.
        let Some(left) = self.full_handshake_max_age.checked_sub(lineage) else {
            return AgeCheck::LineageEnded;
        };
        if (age / 1_000) as i64 > session.timeout {
            return AgeCheck::Expired;
        }
        AgeCheck::Valid {
            age: Duration::from_millis(age),
            lineage,
            renewable: left.as_secs() > 0,
        }
    }

    /// Whether the lineage of a cached session that renews another has ended. Its timeout alone
    /// would not end it: OpenSSL has none below one second, and a client that returns within that
    /// second gets the next session.
    pub(crate) fn has_ended(&self, session: &SessionTimes, unix: Duration) -> bool {
        let age = session.age_by_wall_clock(unix);
        session.record.is_some() && self.check(session, age) == AgeCheck::LineageEnded
    }

    /// The lifetime that a new ticket can keep, in seconds: the least of `timeout` (in seconds), of
    /// what is left of the lineage, and of `left` (in milliseconds from now on).
    pub(crate) fn lifetime(&self, issuance: &Issuance, timeout: i64, left: u64) -> i64 {
        let limit = self.full_handshake_max_age.as_millis() as u64;
        let left = left.min(limit.saturating_sub(issuance.lineage));
        let age = if issuance.continues {
            issuance.lineage
        } else {
            0
        };
        let can_be_kept = age.saturating_add(left) / 1_000;
        let lifetime = timeout.min(i64::try_from(can_be_kept).unwrap_or(i64::MAX));
        // OpenSSL cannot encode a session of 0 seconds, and fails the handshake.
        lifetime.max(1)
    }
}

/// Seconds as milliseconds; 0 for negative ones.
pub(crate) fn millis(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written_and_nothing_else_is_one() {
        let record = LineageRecord {
            session_time: -2,
            lineage: u64::MAX,
        };
        let bytes = record.to_bytes();
        assert_eq!(LineageRecord::from_bytes(&bytes), Some(record));
        let short = &bytes[..LineageRecord::LEN - 1];
        for other in [short, &[0; LineageRecord::LEN], b"another program's"] {
            assert_eq!(LineageRecord::from_bytes(other), None);
        }
    }
}
