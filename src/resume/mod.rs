//! What every adapter to a TLS library needs: how old a ticket's session is, how long a chain of
//! renewals may go on, how a session was resumed, and what became of tickets.
//!
//! Knows the cache and the ticket ring, but no TLS library.

// Without an adapter nothing uses the private half of this module.
#![cfg_attr(
    not(all(feature = "openssl", feature = "rustls")),
    allow(dead_code, unused_imports)
)]

mod iv_timestamp;
mod lineage;
mod maintainer;
mod resumed_by;
mod ring_source;
mod scope;
mod store_stats;
mod ticket_stats;

pub(crate) use iv_timestamp::IvTimestamps;
pub(crate) use lineage::{AgeCheck, Issuance, Limits, LineageRecord, SessionTimes, millis};
pub(crate) use maintainer::Maintainer;
pub use resumed_by::ResumedBy;
pub(crate) use ring_source::RingSource;
pub use scope::Scope;
pub use store_stats::StoreStats;
pub(crate) use store_stats::{StoreCounter, StoreCounters};
pub use ticket_stats::TicketStats;
pub(crate) use ticket_stats::{Outcome, PositionIndex, TicketCounters};
