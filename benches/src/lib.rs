//! The benchmark harness of rekindle: each part is a module with `Options` and `run`, which hands
//! what it measures to a [`Recorder`](record::Recorder).

mod all;
mod cli;
mod cpu_time;
mod engine;
mod handshake;
mod hit_ratio;
mod loopback;
mod memory;
mod parts;
mod peers;
pub mod record;
mod report;
mod resident;
mod scale;
mod tail;
mod threads;
mod tickets;
mod tls;
mod workload;

pub use cli::main;
