//! [`prometheus_client`] collectors: `ResumptionCollector` over an `openssl::Resumption` (feature
//! `openssl`, by default), `RustlsCollector` over a `rustls::Resumption` (feature `rustls`).
//!
//! Each scrape reads the library's own counters. A handshake pays nothing for it.
//!
//! ```
//! # #[cfg(feature = "openssl")] {
//! use prometheus_client::encoding::text;
//! use prometheus_client::registry::Registry;
//! use rekindle::openssl::Resumption;
//! use rekindle_prometheus::ResumptionCollector;
//!
//! let resumption = Resumption::builder().sessions(10_000).build()?;
//! // The prefix is the embedder's choice. `rekindle-terminator` has this one.
//! let mut registry = Registry::with_prefix("rekindle");
//! registry.register_collector(Box::new(ResumptionCollector::new(resumption)));
//!
//! let mut scrape = String::new();
//! text::encode(&mut scrape, &registry)?;
//! assert!(scrape.contains("rekindle_cache_capacity 10000\n"));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Series
//!
//! The names that follow come after the registry's prefix. Times are in seconds.
//!
//! | series | labels |
//! |---|---|
//! | `cache_lookups_total` | `result`: hit, miss, expired |
//! | `cache_inserts_total`, `cache_replaced_total` | |
//! | `cache_removed_total`, `cache_taken_total` | |
//! | `cache_evictions_total` | `reason`: expired, unused, idle, line_full |
//! | `cache_refusals_total` | `reason`: too_large, over_budget, full, reclamation |
//! | `cache_capacity`, `cache_entries`, `cache_size_bytes` | |
//! | `cache_retired_objects`, `cache_retired_bytes` | |
//! | `tickets_total` | `event`: one for each field of [`TicketStats`] that counts tickets |
//! | `tickets_opened_by_total` | `position` of the key: next, sealing, previous_1 .. 5, older |
//! | `ticket_age_seconds` (histogram) | tickets that opened, by their age |
//! | `store_calls_total` | `result`: one for each field of [`StoreStats`]; rustls alone |
//! | `sessions_refused_total` | `reason`: one for each field of `openssl::SessionStats` |
//! | `early_data_total` | `outcome`: one for each field of `openssl::EarlyDataStats` |
//! | `conflicts_total` | `with`: one for each field of `openssl::Conflicts`; OpenSSL alone |
//! | `ticket_keys` | keys in the ring |
//! | `ticket_key_age_seconds` | `key`: fingerprint; `position`: next, sealing, previous |
//! | `ticket_key_opens_for_seconds` | the same; at most 16 keys, those around the sealing one |
//! | `ticket_key_next_rotation_seconds` | absent if no other key is known to take over |
//! | `ticket_key_seals_for_seconds` | of the keys known now; absent if for ever |
//! | `ticket_key_rotations_total`, `ticket_key_fallbacks_total` | |
//! | `ticket_key_fallback` | 1 while a local key seals, because no provided key may |
//! | `ticket_key_source` | `source`: local, given, derived |
//!
//! And of `FleetCollector`, over a `rekindle_fleet::Fleet` (feature `fleet`):
//!
//! | series | labels |
//! |---|---|
//! | `fleet_store_up`, `fleet_store_errors_total` | whether the store answers |
//! | `fleet_waiting`, `fleet_tombstones` | changes to be told; removals that are remembered |
//! | `fleet_lag_seconds` | age of the last announcement when it was read |
//! | `fleet_published_total` | `what`: session, ending (a removal or revocation) |
//! | `fleet_received_total` | `what`: announced, caught_up (after a join), known, ending |
//! | `fleet_dropped_total` | `reason`: queue, store_down, store_full, refused, too_large |
//! | `fleet_refused_total` | `reason`: forged, version, removed, forgotten, expired, cache |
//! | `fleet_fetches_total` | `result`: found, missed, timeout, skipped |
//!
//! No series contains a session id, a key or a key's name: a fingerprint is a truncated MAC.
//!
//! [`StoreStats`]: rekindle::resume::StoreStats
//! [`TicketStats`]: rekindle::resume::TicketStats

mod cache;
#[cfg(feature = "openssl")]
mod collector;
#[cfg(feature = "openssl")]
mod conflicts;
#[cfg(feature = "openssl")]
mod early_data;
mod encode;
#[cfg(feature = "fleet")]
mod fleet;
#[cfg(feature = "openssl")]
mod refusals;
#[cfg(feature = "rustls")]
mod rustls_collector;
#[cfg(feature = "rustls")]
mod store;
mod ticket_keys;
mod tickets;

#[cfg(feature = "openssl")]
pub use self::collector::ResumptionCollector;
#[cfg(feature = "fleet")]
pub use self::fleet::FleetCollector;
#[cfg(feature = "rustls")]
pub use self::rustls_collector::RustlsCollector;
