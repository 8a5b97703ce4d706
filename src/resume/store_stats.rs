//! Counters of a store of sessions behind a TLS library that keeps none itself.

use crate::cache::thread_number;
use crate::counters::{Sharded, counters, sharded};

/// What a TLS library has asked of its store of sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Sessions stored.
    pub stored: u64,
    /// Sessions that the cache refused: too large, over its budget.
    pub refused: u64,
    /// Lookups that found a session of their scope, those before a take included.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Lookups that found a session which was revoked.
    pub revoked: u64,
    /// Sessions taken, each by one caller. A handshake that then fails, or whose client does not
    /// have the session's secret, has spent it: the difference to the connections that were resumed
    /// is the number of sessions that were lost so.
    pub taken: u64,
    /// Keys that are empty or longer than a session id, which no session has.
    pub invalid_keys: u64,
}

counters!(StoreCounter of StoreStats {
    Stored: stored,
    Refused: refused,
    Hits: hits,
    Misses: misses,
    Revoked: revoked,
    Taken: taken,
    InvalidKeys: invalid_keys,
});

sharded!(StoreCounters of StoreCounter, StoreStats);
