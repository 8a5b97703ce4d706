//! rustls: the cache and the ticket ring behind the traits of a `ServerConfig`.
//!
//! ```
//! use rekindle::rustls::{Resumption, Scope};
//! # use rekindle::rustls::rustls::ServerConfig;
//!
//! # fn configure(mut config: ServerConfig) -> Result<(), Box<dyn std::error::Error>> {
//! let resumption = Resumption::builder().sessions(100_000).build()?;
//! config.session_storage = resumption.store(&Scope::new("shop.example"));
//! config.ticketer = resumption.ticketer(&Scope::new("shop.example")); // or without this line
//! resumption.spawn_maintenance()?;
//! # Ok(())
//! # }
//! ```
//!
//! | | sessions in the cache (`session_storage` alone) | tickets (`ticketer`) |
//! |---|---|---|
//! | after a restart, on other machines | full handshakes | resume, with shared keys |
//! | memory | 200 bytes a session and more, with the client's certificates | none |
//! | 0-RTT | yes: each session is given out once | no: rustls refuses it |
//! | removal of one session | by its id | no |
//! | TLS 1.3: sessions are for one use | yes | no: a ticket resumes until it ends |
//!
//! With both, TLS 1.3 uses tickets, and TLS 1.2 as the client asks. `rekindle-fleet` tells other
//! machines of the sessions in the cache.
//!
//! What rustls's traits do not let an adapter do:
//!
//! - The chain of renewals that a full handshake began cannot be limited: [`Ticketer`] sees no
//!   connection, so that it cannot tell a ticket of a full handshake from one of a resumption. A
//!   client that comes back in time resumes for ever.
//! - rustls takes a session out of the store before it has verified that the client has its secret.
//!   An observer of a ticket can so end the session of another client, which then makes a full
//!   handshake. The trait has no way to give it back: see `docs/rustls.md`.

mod elsewhere;
mod gcm;
mod resumption;
mod seal;
mod shared;
mod store;
mod ticketer;
mod value;
mod wall_clock;

/// The crate whose types appear here, in the version that this was built with.
pub use ::rustls;

pub use crate::resume::{ClientAuth, Scope, ScopeBuilder, SessionChange, StoreStats, TicketStats};
pub use resumption::{BuildError, Resumption, ResumptionBuilder};
pub use shared::CacheOwner;
pub use store::SessionStore;
pub use ticketer::Ticketer;
pub use wall_clock::WallClock;
