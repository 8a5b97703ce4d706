//! OpenSSL: the cache and the ticket ring behind the callbacks of an `SSL_CTX`.
//!
//! ```
//! use std::time::Duration;
//! use openssl::ssl::{SslContext, SslMethod};
//! use rekindle::openssl::Resumption;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let resumption = Resumption::builder()
//!     .sessions(100_000)
//!     .session_timeout(Duration::from_secs(600))
//!     .build()?;
//! let mut context = SslContext::builder(SslMethod::tls_server())?;
//! context.set_session_id_context(b"my service")?;
//! resumption.install(&mut context)?;
//! // .. certificate and key; then `context.build()` accepts connections and resumes them.
//! # Ok(())
//! # }
//! ```
//!
//! Sessions of TLS 1.2 resume by session id and by ticket, sessions of TLS 1.3 by stateless ticket
//! or, with tickets off, by stateful ones from the cache. Works with OpenSSL 3.0 and later.
#![allow(unsafe_code)]

mod callbacks;
mod ffi;
mod handshake_state;
mod resumption;
mod sealer;
mod session;
mod session_times;

pub use crate::resume::TicketStats;
pub use resumption::{BuildError, InstallError, ResumedBy, Resumption, ResumptionBuilder};
pub use session::{SessionCache, StoreError};
