//! The benchmark harness of rekindle: each part is a module with `Options` and `run`, which hands
//! what it measures to a [`Recorder`](record::Recorder).

pub mod all;
mod cpu_time;
pub mod engine;
pub mod handshake;
pub mod hit_ratio;
mod identity;
pub mod loopback;
pub mod memory;
pub mod peers;
pub mod record;
pub mod report;
mod resident;
pub mod scale;
pub mod tail;
mod threads;
pub mod tickets;
mod way;
pub mod workload;
