//! rustls behind the cache and the ticket ring, in memory: what resumes, what never crosses, what
//! ends, and what hostile clients get.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // not library code

mod elsewhere;
mod handshakes;
mod many_threads;
#[cfg(feature = "openssl")]
mod openssl;
mod peers;
mod store;
mod tickets;
#[path = "../common/told.rs"]
mod told;
