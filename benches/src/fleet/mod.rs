//! Machines that share their sessions: what it costs the handshakes, how late a session arrives,
//! how many of the clients that come back resume, and what the store holds for it.

mod cost;
mod follower;
mod lateness;
mod machine;
mod memory;
mod returns;
mod run;

pub(crate) use run::{Options, run};
