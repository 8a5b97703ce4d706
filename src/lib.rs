//! Server-side TLS session resumption: a session cache whose lookups are wait-free, and a ring of
//! ticket keys that is swapped atomically.
//!
//! - [`Cache`] maps session ids to values and their encoded bytes, bounded, with expiry. It knows
//!   nothing of TLS.
//! - [`tickets`] holds the keys that seal and open session tickets.
//! - [`hooks`] tell others what handshakes do with sessions.
//! - [`resume`] counts what became of tickets, for every adapter to a TLS library.
//! - `openssl` (a feature) puts all of it behind the callbacks of an `SSL_CTX`, `rustls` (a
//!   feature) behind the traits of a `ServerConfig`.
//!
//! ```
//! use std::time::Duration;
//! use rekindle::{Cache, SessionId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::new(10_000)?;
//! let id = SessionId::new(b"from the network")?;
//! let in_an_hour = cache.now().saturating_add(Duration::from_secs(3_600));
//! cache.insert(&id, "a live session", b"its encoding", in_an_hour)?;
//!
//! let guard = cache.pin(); // lookups on a guard cost no further pinning
//! assert_eq!(guard.get(&id), Some(&"a live session"));
//! let mut buffer = [0; 4];
//! let copied = guard.get_buffer(&id, &mut buffer).expect("a hit");
//! assert_eq!((copied.needed, copied.stored), (12, 4));
//! # Ok(())
//! # }
//! ```
//!
//! Which operation promises what progress, the table in the README tells; how, the head of
//! `src/engine/mod.rs`.

// The engine and the OpenSSL adapter allow it, each for itself; `tests/architecture` checks.
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cache;
mod clock;
mod counters;
mod engine;
mod error;
pub mod hooks;
mod id;
mod lockfree;
#[cfg(feature = "openssl")]
#[cfg_attr(docsrs, doc(cfg(feature = "openssl")))]
pub mod openssl;
pub mod resume;
#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub mod rustls;
mod state;
mod stats;
mod sync;
pub mod tickets;

pub use cache::{Cache, CacheBuilder, Copied, EntryView, Guard, Inserted};
pub use clock::{Clock, ManualClock, MonotonicClock, Time};
pub use error::{ConfigError, InvalidSessionId, Refused};
pub use id::SessionId;
pub use state::StateError;
pub use stats::{Evicted, RefusedCounts, Stats};
/// For tests, only with `--cfg rekindle_steps`: every atomic step, watched.
#[cfg(rekindle_steps)]
pub use sync::steps;

/// The README's examples, as doctests.
#[cfg(all(doctest, feature = "openssl", feature = "rustls"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(doctest, feature = "openssl"))]
#[doc = include_str!("../docs/early-data.md")]
struct EarlyData;

#[cfg(all(doctest, feature = "openssl"))]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;

#[cfg(all(doctest, feature = "rustls"))]
#[doc = include_str!("../docs/rustls.md")]
struct Rustls;
