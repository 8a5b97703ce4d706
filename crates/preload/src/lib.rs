//! For `LD_PRELOAD`: OpenSSL's functions as the server calls them, each of which does its own
//! work by OpenSSL's. A context is taken when it first serves a handshake, and kept.
//!
//! - `real.rs`: OpenSSL's own functions, found behind this library.
//! - `settings.rs`: the environment.
//! - `take.rs`: the one `Resumption` of the process, and the contexts that have it.
//! - `interpose.rs`: what the server calls.
//! - `upkeep.rs`: maintenance and statistics, once a second.
#![allow(unsafe_code, reason = "all of it is called from C")]

mod interpose;
mod real;
mod settings;
mod take;
mod upkeep;
