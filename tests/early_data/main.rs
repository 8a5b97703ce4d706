//! Early data (0-RTT): each flight is accepted at most once, and each refusal has its reason.

#[path = "../common/clock.rs"]
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod flight;
mod million;
mod once;
mod reasons;
mod take;
