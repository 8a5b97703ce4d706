//! What every adapter to a TLS library needs: how old a ticket's session is, how long a chain of
//! renewals may go on, what a session may be resumed under, how it was resumed, and what became of
//! tickets.
//!
//! Knows the cache and the ticket ring, but no TLS library.

// Without both adapters nothing uses some of this module.
#![cfg_attr(
    not(all(feature = "openssl", feature = "rustls")),
    allow(dead_code, unused_imports)
)]

mod changes;
mod early_data_stats;
mod iv_timestamp;
mod lineage;
mod maintainer;
mod resumed_by;
mod revocations;
mod ring_source;
mod scope;
mod server_names;
mod session_record;
mod session_stats;
mod store_stats;
mod strike_register;
mod ticket_stats;

pub(crate) use changes::Watchers;
pub use changes::{SessionChange, TlsLibrary};
pub use early_data_stats::EarlyDataStats;
pub(crate) use early_data_stats::{EarlyDataCounters, EarlyDataOutcome};
pub(crate) use iv_timestamp::IvTimestamps;
pub(crate) use lineage::{AgeCheck, Issuance, Limits, SessionTimes, millis};
pub(crate) use maintainer::Maintainer;
pub use resumed_by::ResumedBy;
pub(crate) use revocations::{Began, Revocations};
pub(crate) use ring_source::RingSource;
pub use scope::{ClientAuth, Scope, ScopeBuilder};
pub(crate) use server_names::ServerNames;
pub(crate) use session_record::SessionRecord;
pub use session_stats::SessionStats;
pub(crate) use session_stats::{SessionCounter, SessionCounters};
pub use store_stats::StoreStats;
pub(crate) use store_stats::{StoreCounter, StoreCounters};
pub use strike_register::{Strike, StrikeRegister};
pub use ticket_stats::TicketStats;
pub(crate) use ticket_stats::{Outcome, PositionIndex, TicketCounters};
