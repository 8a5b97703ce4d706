//! Rekindle behind the traits of rustls, beside what rustls brings along and beside orbit-rustls.
//!
//! - **store**: the three calls of `StoresServerSessions` alone, on full stores.
//! - **tickets**: sealing and opening through `ProducesTickets`, also while our keys are swapped.
//! - **handshakes**: resumed ones, client and server of rustls on one thread, bytes in memory.
//! - **hello**: what a server does with a ClientHello that offers a session it never had, 1,600
//!   times.
//! - **tail**: how long the slowest `take` waits while writers at idle priority are preempted in
//!   the middle of their work.
//!
//! rustls's own store holds 256 sessions unless it is told otherwise; orbit-rustls holds 2,048 in
//! 256 sets of eight, a size that is chosen when it is compiled. What a contender has lost is said
//! beside its times.

mod contenders;
mod handshakes;
mod hello;
mod run;
mod store;
mod tail;
mod tickets;

pub(crate) use contenders::Options;
pub(crate) use run::run;
