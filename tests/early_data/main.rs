//! Early data (0-RTT): each flight is accepted at most once, and each refusal has its reason.
#![allow(clippy::disallowed_types)] // locks: not library code

#[path = "../common/clock.rs"]
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod flight;
mod million;
mod once;
mod reasons;
mod take;
