//! rustls behind the cache and the ticket ring, in memory: what resumes, what never crosses, what
//! ends, and what hostile clients get.

mod handshakes;
mod many_threads;
#[cfg(feature = "openssl")]
mod openssl;
mod peers;
mod store;
mod tickets;
