//! What the library offers to a fleet of machines: sessions that come from elsewhere, what other
//! machines are told, revocations that they tell. Each machine is a resumption with clocks of its
//! own, and clients go from one to the other.
#![allow(clippy::disallowed_types)] // locks: not library code

#[path = "../common/clock.rs"]
mod clock;
#[path = "../common/mod.rs"]
mod common;
#[path = "../early_data/flight.rs"]
#[allow(dead_code, reason = "the tests of early data use the rest")]
mod flight;
#[path = "../common/told.rs"]
mod told;

mod client_hello;
mod early_data;
mod handover;
mod machine;
mod refused;
mod resumed;
mod revocation;
mod watch;
