//! Shares TLS sessions between machines: what one has made, the others resume; what one has removed
//! or revoked, the others do not resume any more.
//!
//! A [`Fleet`] shares the sessions of one [`Resumption`](rekindle::openssl::Resumption) by a
//! [`Store`] that all machines reach, Valkey or Redis ([`RedisStore`]). Handshakes do not wait for
//! it, but for 20 ms at most where they [fetch](Sharing): they leave a copy in a bounded queue, and
//! find what others have made in their own cache. If the store is away, all that is lost are
//! resumptions.
//!
//! ```
//! use rekindle::openssl::Resumption;
//! use rekindle::openssl::openssl::ssl::{SslContext, SslMethod};
//! use rekindle::resume::Scope;
//! use rekindle::tickets::TicketSecret;
//! use rekindle_fleet::{Fleet, RedisStore};
//!
//! # fn start(secret: TicketSecret) -> Result<(), Box<dyn std::error::Error>> {
//! let resumption = Resumption::builder().stateless_tickets(false).build()?;
//! let mut context = SslContext::builder(SslMethod::tls_server())?;
//! let scope = Scope::new("shop.example"); // the same on all machines
//! resumption.install_scoped(&mut context, &scope)?;
//! let store = RedisStore::new("redis://store.internal:6379")?;
//! let fleet = Fleet::builder(secret, store).scopes([scope]).start(resumption)?;
//! // .. and keep `fleet` for as long as the server runs.
//! # fleet.close(std::time::Duration::from_secs(1));
//! # Ok(())
//! # }
//! ```
//!
//! **The store is not trusted.** Values are sealed with AES-256-GCM under keys that are derived
//! from the secret, bound to what they are and where they stand, under names that tell nothing. A
//! store can lose them and keep them back, but it can neither read nor forge any, and what it
//! repeats does not bring back a session that this machine knows to be removed.
//!
//! **A removal wins**, whichever comes first, session or removal: a machine that knows of a removal
//! refuses the session until it would have ended.
//!
//! **Early data** stays with the machine that gave the ticket out: others resume its sessions
//! without it (`docs/fleet.md` says why).

mod batch;
#[cfg(feature = "openssl")]
mod client_hello;
mod counters;
mod fleet;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod machine;
mod message;
mod outbox;
mod queue;
mod removed;
mod schedule;
mod seal;
mod sessions;
mod sharing;
#[cfg(all(test, feature = "rustls"))]
mod simulation;
pub mod store;
mod tasks;

pub use counters::FleetStats;
pub use fleet::{Fleet, FleetBuilder, FleetError};
pub use message::MAX_SESSION;
pub use sessions::Sessions;
pub use sharing::Sharing;
pub use store::{MemoryStore, Store};
#[cfg(feature = "redis")]
pub use store::{RedisStore, StoreCertificates, StoreUrlError};

/// The guide's example, as a doctest.
#[cfg(all(doctest, feature = "redis", feature = "rustls"))]
#[doc = include_str!("../../../docs/fleet.md")]
struct Guide;
