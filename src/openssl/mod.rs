//! OpenSSL: the cache and the ticket ring behind the callbacks of an `SSL_CTX`.
//!
//! ```
//! use std::time::Duration;
//! use rekindle::openssl::Resumption;
//! use rekindle::openssl::openssl::ssl::{SslContext, SslMethod};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let resumption = Resumption::builder()
//!     .sessions(100_000)
//!     .session_timeout(Duration::from_secs(600))
//!     .build()?;
//! let mut context = SslContext::builder(SslMethod::tls_server())?;
//! context.set_session_id_context(b"my service")?;
//! resumption.install(&mut context)?;
//! resumption.spawn_maintenance()?;
//! // .. certificate and key; then `context.build()` accepts connections and resumes them.
//! # Ok(())
//! # }
//! ```
//!
//! Sessions of TLS 1.2 resume by session id and by ticket, sessions of TLS 1.3 by stateless ticket
//! or, with tickets off, by stateful ones from the cache. Works with OpenSSL 3.0 and later.
#![allow(unsafe_code)]

#[cfg(feature = "rustls")]
mod beside_rustls;
mod binding;
mod builder;
mod callbacks;
mod cipher;
mod client_hello;
mod conflicts;
mod connection;
mod context_scope;
mod early_data;
mod elsewhere;
mod encoding;
mod errors;
mod ex_data;
mod ffi;
mod handover;
mod handshake_state;
mod issuing;
mod keep_session;
mod last_second;
mod maintenance;
mod quic;
mod resumption;
mod sealer;
mod session;
mod session_times;
mod shared;
mod single_use;
mod slots;
mod trampolines;

/// The crate whose types appear here, in the version that this was built with.
pub use ::openssl;

pub use crate::resume::{
    ClientAuth, EarlyDataStats, ResumedBy, Scope, ScopeBuilder, SessionChange, SessionStats,
    TicketStats,
};
pub use builder::ResumptionBuilder;
pub use client_hello::{client_hello_server_name, client_hello_session};
pub use conflicts::Conflicts;
pub use early_data::{EarlyData, EarlyDataStatus};
pub use errors::{BuildError, InstallError, StoreError};
pub use handover::{Handover, InheritedState};
pub use keep_session::KeepSession;
pub use resumption::Resumption;
pub use session::{CachedSession, SessionCache, SessionStorage};
