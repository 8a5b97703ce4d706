//! Valkey or Redis: one, with replicas, or a cluster.

pub(crate) mod answers;
mod client;
mod connection;
mod url;

pub use self::client::{RedisStore, StoreCertificates};
pub use self::url::StoreUrlError;
