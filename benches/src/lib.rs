//! The benchmark harness of rekindle: each part is a module with `Options` and `run`, which hands
//! what it measures to a [`Recorder`](record::Recorder). [`advise`] measures nothing, and sizes a cache.

pub mod advise;
pub mod all;
pub mod engine;
pub mod handshake;
pub mod hit_ratio;
pub mod loopback;
pub mod memory;
pub mod peers;
pub mod record;
pub mod report;
pub mod scale;
pub mod tail;
mod threads;
pub mod tickets;
pub mod workload;
