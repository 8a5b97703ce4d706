//! The benchmark harness of rekindle: workloads, and the peers that the engine is held against.

pub mod floor;
pub mod hit_ratio;
pub mod loads;
pub mod peers;
pub mod workload;
