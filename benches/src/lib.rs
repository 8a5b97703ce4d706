//! The benchmark harness of rekindle: each part is a module with `Options` and `run`, which hands
//! what it measures to a [`Recorder`](record::Recorder).

pub mod all;
pub mod engine;
pub mod hit_ratio;
pub mod peers;
pub mod record;
pub mod report;
pub mod scale;
pub mod workload;
