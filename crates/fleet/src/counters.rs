//! What became of what machines tell each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a fleet has done so far, on this machine. All but `waiting`, `tombstones`, `lag_millis`,
/// `store_up` and `store_since` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetStats {
    /// Whether the store has answered lately.
    pub store_up: bool,
    /// Since when it has, or has not: seconds since 1970.
    pub store_since: u64,
    /// Connections to the store that failed, or could not be made.
    pub store_errors: u64,
    /// Changes that wait to be written.
    pub waiting: u64,
    /// Sessions that the store has taken.
    pub published: u64,
    /// Sessions that were not shared: too many waited.
    pub dropped_queue: u64,
    /// Sessions that were not shared: the connection broke, or the store was away.
    pub dropped_store_down: u64,
    /// Sessions that were not shared: the store had no room.
    pub dropped_store_full: u64,
    /// Sessions that were not shared: the store refused them for another reason.
    pub dropped_refused: u64,
    /// Sessions that were not shared: they are larger than [`MAX_SESSION`](crate::MAX_SESSION).
    pub dropped_too_large: u64,
    /// Removals and revocations that the store has taken.
    pub endings_published: u64,
    /// Sessions of other machines that were inserted as they were announced.
    pub replicated: u64,
    /// Those that were read after this machine had joined, or was away.
    pub caught_up: u64,
    /// Sessions that were there already.
    pub known: u64,
    /// Removals and revocations of other machines.
    pub endings_received: u64,
    /// Values that do not open: sealed with another secret, for another place, or spoilt.
    pub refused_forged: u64,
    /// Values of another version.
    pub refused_version: u64,
    /// Sessions that had been removed.
    pub refused_removed: u64,
    /// Sessions that may have been removed: more were removed than this machine remembers.
    pub refused_forgotten: u64,
    /// Sessions that have ended.
    pub refused_expired: u64,
    /// Sessions that the cache did not take.
    pub refused_cache: u64,
    /// Lookups for a client that found its session in the store.
    pub fetched: u64,
    /// Lookups for a client that found none.
    pub fetch_missed: u64,
    /// Lookups for a client that took too long.
    pub fetch_timeouts: u64,
    /// Lookups for a client that were not tried, since the store is away.
    pub fetch_skipped: u64,
    /// Removed sessions that are remembered.
    pub tombstones: u64,
    /// How old the last announcement was when it was read, in milliseconds, by the clocks of store
    /// and machine.
    pub lag_millis: u64,
}

impl FleetStats {
    /// Sessions that were not shared, by reason.
    #[must_use]
    pub fn dropped(&self) -> [(&'static str, u64); 5] {
        [
            ("queue", self.dropped_queue),
            ("store_down", self.dropped_store_down),
            ("store_full", self.dropped_store_full),
            ("refused", self.dropped_refused),
            ("too_large", self.dropped_too_large),
        ]
    }

    /// What came from the store and was not taken, by reason.
    #[must_use]
    pub fn refused(&self) -> [(&'static str, u64); 6] {
        [
            ("forged", self.refused_forged),
            ("version", self.refused_version),
            ("removed", self.refused_removed),
            ("forgotten", self.refused_forgotten),
            ("expired", self.refused_expired),
            ("cache", self.refused_cache),
        ]
    }

    /// Lookups for clients, by result.
    #[must_use]
    pub fn fetches(&self) -> [(&'static str, u64); 4] {
        [
            ("found", self.fetched),
            ("missed", self.fetch_missed),
            ("timeout", self.fetch_timeouts),
            ("skipped", self.fetch_skipped),
        ]
    }
}

macro_rules! counters {
    ($($field:ident),* $(,)?) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            pub(crate) store_up: AtomicBool,
            $(pub(crate) $field: AtomicU64,)*
        }

        impl Counters {
            pub(crate) fn stats(&self) -> FleetStats {
                FleetStats {
                    store_up: self.store_up.load(Ordering::Relaxed),
                    $($field: self.$field.load(Ordering::Relaxed),)*
                }
            }
        }
    };
}

counters!(
    store_since,
    store_errors,
    waiting,
    published,
    dropped_queue,
    dropped_store_down,
    dropped_store_full,
    dropped_refused,
    dropped_too_large,
    endings_published,
    replicated,
    caught_up,
    known,
    endings_received,
    refused_forged,
    refused_version,
    refused_removed,
    refused_forgotten,
    refused_expired,
    refused_cache,
    fetched,
    fetch_missed,
    fetch_timeouts,
    fetch_skipped,
    tombstones,
    lag_millis,
);

pub(crate) fn count(counter: &AtomicU64) {
    count_more(counter, 1);
}

pub(crate) fn count_more(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

pub(crate) fn set(gauge: &AtomicU64, value: u64) {
    gauge.store(value, Ordering::Relaxed);
}
