//! The benchmark harness of rekindle: each part is a module with `Options` and `run`, which hands
//! what it measures to a [`Recorder`](record::Recorder). [`advise`] measures nothing, and sizes a cache.

pub mod advise;
pub mod engine;
pub mod hit_ratio;
pub mod loopback;
pub mod peers;
pub mod record;
pub mod scale;
pub mod workload;
