//! What adapters to a TLS library share: how long a ticket may be used, and what becomes of it.

#[cfg(feature = "openssl")]
pub(crate) mod iv_timestamp;
#[cfg(feature = "openssl")]
pub(crate) mod ticket_stats;
#[cfg(feature = "openssl")]
pub use ticket_stats::TicketStats;
