//! How long a session may be resumed: by its own age, and by that of its lineage, the chain of
//! renewals that a full handshake began.
//!
//! TLS 1.3 begins a new session with each renewal, without end (openssl #32227). So a session
//! carries, in its [`SessionRecord`], how old its lineage was when it began.

use std::time::Duration;

use super::session_record::SessionRecord;
use crate::clock::whole_millis;

/// What a session says of its times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionTimes {
    /// When it began, in seconds since 1970.
    pub(crate) time: i64,
    /// How long it may be resumed, in seconds.
    pub(crate) timeout: i64,
    pub(crate) record: Option<SessionRecord>,
}

impl SessionTimes {
    /// The session's age by the wall clock, in milliseconds. Up to a second more than it is, since
    /// its time is in whole seconds; never less, or a chain of renewals could go on by changing
    /// machines within seconds.
    pub(crate) fn age_by_wall_clock(&self, unix: Duration) -> u64 {
        whole_millis(unix).saturating_sub(millis(self.time))
    }

    /// When the lineage began, since 1970.
    pub(crate) fn began(&self) -> Duration {
        Duration::from_millis(millis(self.time).saturating_sub(self.lineage_before()))
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
        let renews = session.record.is_some_and(|record| record.lineage > 0);
        renews && self.check(session, age) == AgeCheck::LineageEnded
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
