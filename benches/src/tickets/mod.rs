//! Tickets sealed and opened through rekindle's callback, beside OpenSSL's built-in key.
//!
//! What is timed is OpenSSL's own code around the key, which is the same for both, and what
//! differs: the built-in key is a field of the context; the callback asks the ring for one. (The
//! built-in key is AES-256, those of the ring AES-128, both with HMAC-SHA256.) To time no more than
//! that:
//!
//! - **seal**: a connection of TLS 1.3 is asked for 16 more tickets after its handshake
//!   (`SSL_new_session_ticket`), and the one call that seals and sends them is timed. So each
//!   ticket also pays for a copy of the session with a key of its own, its encoding, and a record
//!   on the wire.
//! - **open**: a ClientHello of TLS 1.3 may offer many tickets. OpenSSL opens one after the other
//!   until one leads to a session that can be used: it checks the MAC, decrypts, and decodes the
//!   session. Here all of them are good, but their sessions go with SHA-384 and the ClientHello
//!   with SHA-256, so it opens every one and goes on. The handshake ends there, when the server is
//!   asked about the name in the ClientHello and refuses it. The time of the same call without any
//!   ticket is subtracted. A ticket of TLS 1.2 is opened by the same function of OpenSSL.
//! - **resumed handshakes** of TLS 1.2 and 1.3, whole, as CPU time of the server.
//!
//! All times are CPU time of the threads at work, so that neither other processes nor the thread
//! that swaps the ring count. Little is lost with that: OpenSSL's locks are taken for reading on
//! these paths, and what threads do to each other's caches shows.
//!
//! Every sealed ticket reaches its client, and every ticket that is opened is counted by OpenSSL's
//! own callback for that; both are checked.

mod open;
mod run;
mod seal;

pub(crate) use run::{Options, Ring, keep_swapped, run};
